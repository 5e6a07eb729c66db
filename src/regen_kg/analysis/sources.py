"""Own what the rows of an answer rest on: the charted things behind each, with their rows and places."""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from regen_kg import queries
from regen_kg.analysis.patterns import projected, tokens
from regen_kg.errors import QueryError
from regen_kg.iris import ID, RDF, RKG
from regen_kg.store import Answer, Store

_MOST = 200_000  # solutions that the sources of an answer are looked up in
_CHUNK = 500
# What the build adds to a charted thing; all else that a thing says of itself stands in its charted row.
INFERRED = frozenset((
    RDF + "type", RKG + "computedDirection", RKG + "computedDirectionBasis", RKG + "directionAgrees", RKG + "onDomain", RKG + "restsOn",
))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as it was put: the name of a saved one (or none), its text, and its parameters."""

    text: str
    name: str = ""
    parameters: tuple[tuple[str, str], ...] = ()

    def saved(self) -> queries.SavedQuery | None:
        """Return the saved question that the text is."""
        return queries.parse(self.name, self.text) if self.name else None

    def bound(self) -> str:
        """Return what the engine is asked."""
        saved = self.saved()
        return saved.bind(dict(self.parameters)) if saved else self.text


def _outer(text: str) -> tuple[str, str, str, str]:
    """Split a SELECT into prologue, head, dataset clauses and group (braces included); what follows is left out."""
    listed = tokens(text)
    first = next(i for i, t in enumerate(listed) if t.word() == "SELECT")
    depth, brackets, opened, dataset = 0, 0, None, None
    for token in listed[first:]:
        brackets += {"(": 1, ")": -1}.get(token.text, 0)
        if not depth and not brackets and dataset is None and token.word() in ("FROM", "WHERE"):
            dataset = token.start
        if token.text == "{":
            if not depth and not brackets:  # else the group of an EXISTS in the head
                opened = token.start
            depth += 1
        elif token.text == "}":
            depth -= 1
            if not depth and opened is not None:
                start = listed[first].start
                head = text[start : min(opened, dataset if dataset is not None else opened)]
                between = text[dataset:opened] if dataset is not None else ""
                return text[:start], head, re.sub(r"\bWHERE\s*$", "", between, flags=re.I), text[opened : token.end]
    raise QueryError("the query has no group in braces; its sources cannot be looked up")


def _bindings(store: Store, asked: Asked) -> Iterator[tuple[tuple[str, ...], Answer]]:
    """Yield what the pattern of a query binds, apart from its projection: the columns that are shared, and the answer."""
    prologue, head, dataset, group = _outer(asked.bound())
    saved = asked.saved()
    groups = [group]
    if saved and saved.rests:
        bound = queries.parse(asked.name, asked.bound())
        groups.append(f"{{ {bound.rests} }}")
    shown = projected(head)
    for pattern in groups:
        answer = store.query(f"{prologue}SELECT DISTINCT * {dataset}{pattern} LIMIT {_MOST + 1}")
        if len(answer.rows) > _MOST:
            raise QueryError(f"the answer rests on more than {_MOST:,} solutions; ask for fewer")
        yield tuple(c for c in answer.columns if c in shown or "*" in head), answer


def _origins(store: Store, iris: Iterable[str]) -> dict[str, list[str]]:
    """Return the charted things that each of some IRIs is, or rests on where it is computed."""
    wanted = sorted(iris)
    out: dict[str, list[str]] = defaultdict(list)
    for at in range(0, len(wanted), _CHUNK):
        values = " ".join(f"<{i}>" for i in wanted[at : at + _CHUNK])
        own = f"SELECT ?x {{ VALUES ?x {{ {values} }} ?x <{RKG}chartedRow> ?row }}"
        for row in store.query(own).rows:
            if row[0]:
                out[row[0].value].append(row[0].value)
        rest = f"SELECT ?x ?y {{ VALUES ?x {{ {values} }} ?x <{RKG}restsOn>|<{RKG}betweenDirection> ?y . ?y <{RKG}chartedRow> ?row }}"
        for row in store.query(rest).rows:
            if row[0] and row[1] and row[1].value not in out[row[0].value] and row[0].value not in out[row[0].value]:
                out[row[0].value].append(row[1].value)
    return out


def rests_on(store: Store, asked: Asked, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[list[str]]:
    """Return, for each row, the charted things that it rests on, as what stands behind `id/` in their IRIs."""
    saved = asked.saved()
    lists = saved.lists if saved else frozenset()
    found: list[tuple[tuple[int, ...], dict[tuple[str, ...], set[str]]]] = []
    iris: set[str] = set()
    for shared, answer in _bindings(store, asked):
        places = [c for c in shared if c in columns]
        texts = queries.listed_rows(answer, places, lists)
        by_row: dict[tuple[str, ...], set[str]] = defaultdict(set)
        for plain, solution in zip(texts, answer.rows, strict=True):
            mine = {t.value for t in solution if t and t.kind == "iri" and t.value.startswith(ID)}
            by_row[tuple(plain[c] for c in places)] |= mine
            iris |= mine
        found.append((tuple(columns.index(c) for c in places), by_row))
    origins = _origins(store, iris)
    out = []
    for row in rows:
        things = {i for places_, by_row in found for i in by_row.get(tuple(row[p] for p in places_), ())}
        out.append(sorted({o.removeprefix(ID) for i in things for o in origins.get(i, ())}))
    return out


def sources(store: Store, things: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return, for charted things, the places of the review, the charted row, and a hash of what the row says."""
    wanted = sorted(things)
    said: dict[str, list[str]] = defaultdict(list)
    rows: dict[str, str] = {}
    places: dict[str, str] = {}
    for at in range(0, len(wanted), _CHUNK):
        values = " ".join(f"<{ID}{i}>" for i in wanted[at : at + _CHUNK])
        for x, p, o in store.query(f"SELECT ?x ?p ?o {{ VALUES ?x {{ {values} }} ?x ?p ?o }}").rows:
            if not (x and p and o) or p.value in INFERRED:
                continue
            thing = x.value.removeprefix(ID)
            if p.value == RKG + "chartedRow":
                rows[thing] = o.value
                continue
            if p.value == RKG + "sourceText":
                places[thing] = o.value
            said[thing].append(f"{p.value} {o.kind} {json.dumps(o.value)} {o.datatype} {o.language}")
    return {
        thing: {
            "charted": rows[thing],
            "places": [p for p in places.get(thing, "").split("|") if p],
            "sha256": hashlib.sha256("\n".join(sorted(set(said[thing]))).encode()).hexdigest(),
        }
        for thing in sorted(rows)
    }
