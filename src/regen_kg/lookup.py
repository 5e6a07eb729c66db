"""Own what a remote SPARQL endpoint says of the terms that one of ours is mapped to, or that are worded like it."""

from __future__ import annotations

import threading
import time
import urllib.error
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from http.client import HTTPException

import pyoxigraph as ox

from regen_kg import ontologies
from regen_kg.errors import RegenKGError, StoreError
from regen_kg.iris import OWL, RDFS, SKOS
from regen_kg.links import Mapping
from regen_kg.ontologies import OIO, SCOPES, Class
from regen_kg.store import Answer, Store
from regen_kg.terms import Term

_LABELS = (RDFS + "label", SKOS + "prefLabel")
_NAMES = (*_LABELS, SKOS + "altLabel", OIO + "hasExactSynonym")
_SAID = (
    *_NAMES,
    *(OIO + scope for scope in SCOPES.values()),
    RDFS + "subClassOf",
    SKOS + "broader",
    OWL + "deprecated",
)
_PASSING = (429, 502, 503, 504)  # HTTP answers that another try may mend
_LONGEST = 60.0  # seconds to wait for a server that says when to come back


@dataclass(frozen=True, slots=True)
class Found:
    """One term at an endpoint; `predicate` is how ours is mapped to it, empty where the wording led to it."""

    predicate: str
    object: str  # CURIE, or the IRI where the prefix is not known
    expected: str  # its label in our mappings
    known: bool  # the endpoint says anything of it
    term: Class
    parents: tuple[tuple[str, str], ...]  # identifier and label


def look_up(
    store: Store,
    term: Term,
    mappings: Sequence[Mapping],
    say: Callable[[str], None],
    *,
    seconds: float = 30,
    tries: int = 3,
) -> list[Found]:
    """Ask an endpoint for label, synonyms and parents of the terms that one of ours is mapped to.

    Parameters
    ----------
    store : Store
        The endpoint. Both its default graph and its named ones are asked.
    term : Term
        Ours; if it is mapped to nothing, terms with its label or one of its other names are looked for.
    mappings : sequence of Mapping
        What is mapped; near misses are passed over.
    say : callable
        Takes a line for each try that failed.
    seconds, tries : float, int
        How long one answer may take, and how often a question is put before giving up.

    Returns
    -------
    list of Found
        In the order of the mappings, also those that the endpoint does not know; by wording, only what was found.

    Raises
    ------
    StoreError
        If the endpoint can't be reached in time, or what it answers is no SPARQL result.
    """

    def ask(text: str) -> Answer:
        return _patiently(store, text, say, seconds, tries)

    mapped = [m for m in mappings if m.concept == term and not m.near_miss]
    if mapped:
        wanted = {m.object_iri: (f"skos:{m.predicate}", m.object, m.object_label) for m in mapped}
    else:
        iris = _worded(ask, (term.label, *(n for n in term.alt_labels if " " in n or len(n) > 9)))
        wanted = {iri: ("", ontologies.curie(iri) or iri, "") for iri in iris}
    said = _said(ask, wanted, _SAID)
    parents = {p for c in said.values() for p in c.parents}
    above = _said(ask, parents, _LABELS)
    out = []
    for iri, (predicate, name, expected) in wanted.items():
        c = said.get(iri, Class(iri))
        steps = tuple((ontologies.curie(p) or p, above[p].label if p in above else "") for p in sorted(c.parents))
        out.append(Found(predicate, name, expected, iri in said, c, steps))
    return out


def _said(ask: Callable[[str], Answer], iris: Iterable[str], predicates: Iterable[str]) -> dict[str, Class]:
    """Return what the endpoint says of terms, by IRI, in English or without a language."""
    if not (names := " ".join(f"<{ox.NamedNode(iri).value}>" for iri in sorted(iris))):
        return {}
    out: dict[str, Class] = {}
    rows = ask(
        f"SELECT DISTINCT ?x ?p ?v {{ VALUES ?x {{ {names} }} VALUES ?p {{ {' '.join(f'<{p}>' for p in predicates)} }} "
        "{ ?x ?p ?v } UNION { GRAPH ?g { ?x ?p ?v } } "
        'FILTER(!ISBLANK(?v) && (!ISLITERAL(?v) || LANG(?v) = "" || LANGMATCHES(LANG(?v), "en"))) }'
    ).rows
    for x, p, v in sorted(rows, key=str):
        if x and p and v:
            ontologies.take(out.setdefault(x.value, Class(x.value)), p.value, v.value, str)
    return out


def _worded(ask: Callable[[str], Answer], names: Iterable[str]) -> list[str]:
    """Return the terms with one of some names; cases are spelt out, as a filter would read the whole endpoint."""
    cases = {case for n in names for case in (n, n.lower(), n[:1].upper() + n[1:], n.title())}
    literals = [str(ox.Literal(c, language=tag)) if tag else str(ox.Literal(c)) for c in sorted(cases) for tag in ("", "en")]  # fmt: skip
    rows = ask(
        f"SELECT DISTINCT ?x {{ VALUES ?v {{ {' '.join(literals)} }} VALUES ?p {{ {' '.join(f'<{p}>' for p in _NAMES)} }} "
        "{ ?x ?p ?v } UNION { GRAPH ?g { ?x ?p ?v } } FILTER(ISIRI(?x)) } LIMIT 50"
    ).rows
    return sorted({x.value for (x,) in rows if x})


def _patiently(store: Store, text: str, say: Callable[[str], None], seconds: float, tries: int) -> Answer:
    """Put one question, again after 1, 2, 4 … seconds, or when the server says, if the fault may pass."""
    for n in range(tries):
        try:
            return _within(store, text, seconds)
        except StoreError as err:
            cause = err.__cause__
            passing = (
                cause.code in _PASSING if isinstance(cause, urllib.error.HTTPError) else isinstance(cause, OSError)
            )
            pause = _pause(cause, 2.0**n)
            if isinstance(cause, urllib.error.HTTPError):
                cause.close()
            if not passing or n + 1 == tries or pause > _LONGEST:
                raise
            say(f"{err}; trying again in {pause:g} s ({n + 2} of {tries})")
            time.sleep(pause)
    raise AssertionError("tries is at least 1")


def _pause(cause: BaseException | None, otherwise: float) -> float:
    told = cause.headers.get("Retry-After", "") if isinstance(cause, urllib.error.HTTPError) else ""
    return float(told) if told.isdigit() else otherwise


def _within(store: Store, text: str, seconds: float) -> Answer:
    """Put one question and stop waiting at a time limit, which that of a socket, renewed by every byte, is not."""
    answers: list[Answer] = []
    faults: list[Exception] = []

    def put() -> None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # SPARQLWrapper warns of a web page before it is refused below
                answers.append(store.query(text))
        except RegenKGError as err:
            faults.append(err)
        except (HTTPException, KeyError, TypeError) as err:
            late = StoreError(f"the endpoint broke off, or what it sent is no SPARQL result ({err!r})")
            late.__cause__ = err
            faults.append(late)

    asking = threading.Thread(target=put, daemon=True)
    asking.start()
    asking.join(seconds)
    if asking.is_alive():
        raise StoreError(f"no answer within {seconds:g} s; allow more with --timeout") from TimeoutError()
    if faults:
        raise faults[0]
    return answers[0]
