"""Own the workbench: queries answered within limits, and what the editor and the views of an answer need."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

import pyoxigraph as ox

from regen_kg.build import Build
from regen_kg.errors import QueryError, StoreError
from regen_kg.explorer import data
from regen_kg.explorer.data import Row
from regen_kg.iris import PREFIXES, RDF, RDFS, SKOS
from regen_kg.queries import plain_rows
from regen_kg.remote import RemoteStore
from regen_kg.store import XSD, Answer, Answers, Store, Term, read_json
from regen_kg.worker import Job, Limits, Worker

LIMITS = Limits(seconds=10.0, workers=1)
FIRST = """PREFIX rkg: <https://w3id.org/regen-kg/ontology#>
PREFIX skos: <http://www.w3.org/2004/02/skos/core#>
# Which reports test platelet-rich plasma, and in what?
SELECT ?report ?citation ?disease WHERE {
  ?r a rkg:Report ; skos:notation ?report ; rkg:citation ?citation ;
     rkg:testsTechnology rkg:PlateletRichPlasma ;
     rkg:studiesDisease/skos:notation ?disease .
} ORDER BY ?disease ?report
"""
RULES = (
    f"Read-only SPARQL 1.1 over all named graphs together. A query may take {LIMITS.seconds:g} seconds and {LIMITS.rows:,} rows; "
    f"a table shows the first {data.SHOWN_ROWS:,}. Updates are refused because the graph is made from the charted tables only; "
    "SERVICE is refused because queries stay on this machine."
)


@dataclass(frozen=True)
class Outcome:
    """An answer with how long it took, and whether the limit of rows cut it off."""

    answer: Answer
    seconds: float
    truncated: bool = False
    turtle: str = ""

    @property
    def rows(self) -> list[Row]:
        """Return the rows that a table shows, as text."""
        return plain_rows(Answer(self.answer.columns, self.answer.rows[: data.SHOWN_ROWS]), self.answer.columns)

    def summary(self) -> str:
        """Say in words what came back."""
        if self.answer.boolean is not None:
            return f"Answer: {'true' if self.answer.boolean else 'false'} ({self.seconds:.2f} s)"
        if self.answer.triples is not None:
            n = self.answer.triples.count("\n")
            return f"{n:,} {'triple' if n == 1 else 'triples'} in {self.seconds:.2f} s"
        n = len(self.answer.rows)
        return f"{n:,} {'row' if n == 1 else 'rows'} in {self.seconds:.2f} s"


class Desk:
    """A store for questions that people type: it ends a query that takes too long, so that no page hangs."""

    def __init__(self, made: data.AnyBuild, limits: Limits = LIMITS) -> None:
        self.limits = limits
        self.kept: Answers | None = None
        self._one_at_a_time = threading.Lock()
        self._remote = None if isinstance(made, Build) else RemoteStore(made.endpoint, int(limits.seconds))
        self._worker = Worker(made.dataset(), limits) if isinstance(made, Build) else None

    def ask(self, text: str) -> Outcome:
        """Answer a query within the limits.

        Raises
        ------
        QueryError, StoreError
            With the reason in words.
        """
        started = time.perf_counter()
        if self._worker is None:
            assert self._remote is not None
            answer = self._remote.query(text)
            turtle = _turtle(answer.triples) if answer.triples is not None else ""
            return Outcome(answer, time.perf_counter() - started, turtle=turtle)
        if not self._one_at_a_time.acquire(timeout=self.limits.wait_seconds + self.limits.seconds):
            raise StoreError("busy: other queries run; try again")
        try:
            reply = self._worker.query(Job(text, None, "application/sparql-results+json", "text/turtle"))
        finally:
            self._one_at_a_time.release()
        took = time.perf_counter() - started
        if reply.status != 200:
            raise (StoreError if reply.status == 503 else QueryError)(reply.body.decode().strip())
        if reply.media == "text/turtle":
            triples = sorted({f"{q.triple} ." for q in ox.parse(reply.body, format=ox.RdfFormat.TURTLE)})
            answer = Answer(triples="".join(t + "\n" for t in triples))
            return Outcome(answer, took, reply.truncated, reply.body.decode())
        return Outcome(read_json(json.loads(reply.body)), took, reply.truncated)

    def query(self, text: str) -> Answer:
        """Run a query as any store does; see `Store.query`.

        Raises
        ------
        QueryError
            Also where the answer has more rows than the limit.
        """
        outcome = self.ask(text)
        if outcome.truncated:
            raise QueryError(f"the answer has more than {self.limits.rows:,} rows; give a parameter to narrow it")
        return outcome.answer

    def close(self) -> None:
        """End the worker."""
        if self._worker:
            self._worker.close()


def _turtle(ntriples: str) -> str:
    found = (q.triple for q in ox.parse(ntriples.encode(), format=ox.RdfFormat.N_TRIPLES))
    return (ox.serialize(found, format=ox.RdfFormat.TURTLE, prefixes=PREFIXES) or b"").decode()


def results_json(answer: Answer) -> str:
    """Return an answer as SPARQL 1.1 query results JSON."""
    if answer.boolean is not None:
        return json.dumps({"head": {}, "boolean": answer.boolean}) + "\n"

    def one(term: Term) -> Row:
        out = {"type": {"iri": "uri"}.get(term.kind, term.kind), "value": term.value}
        if term.language:
            out["xml:lang"] = term.language
        elif term.kind == "literal" and term.datatype not in ("", XSD + "string"):
            out["datatype"] = term.datatype
        return out

    bindings = [{c: one(t) for c, t in zip(answer.columns, row, strict=True) if t is not None} for row in answer.rows]
    return json.dumps({"head": {"vars": answer.columns}, "results": {"bindings": bindings}}, ensure_ascii=False) + "\n"


def error_line(message: str) -> int:
    """Return the line on which an engine's message says that a query is broken; 0 if it names none.

    Examples
    --------
    >>> error_line("the query does not parse: error at 3:15: expected one of ...")
    3
    """
    found = re.search(r"error at (\d+):\d+", message)
    return int(found.group(1)) if found else 0


def _compact(iri: str) -> str:
    """Return an IRI as a prefixed name where a prefix of ours fits."""
    for prefix, base in PREFIXES.items():
        if iri.startswith(base) and re.fullmatch(r"[A-Za-z_][\w-]*", iri.removeprefix(base)):
            return f"{prefix}:{iri.removeprefix(base)}"
    return f"<{iri}>"


def completions(store: Store) -> list[Row]:
    """Return what the editor completes: our classes, properties and slugs with their labels, and other properties in use."""
    kinds = {
        "class": "owl:Class",
        "property": "owl:ObjectProperty owl:DatatypeProperty owl:AnnotationProperty rdf:Property",
    }
    found: dict[str, Row] = {}
    for kind, types in kinds.items():
        for r in data.select(
            store,
            f"SELECT DISTINCT ?t ?label {{ VALUES ?type {{ {types} }} ?t a ?type FILTER(ISIRI(?t)) OPTIONAL {{ ?t rdfs:label ?l BIND(STR(?l) AS ?label) }} }} ORDER BY ?t",
        ):
            name = _compact(r["t"])
            found.setdefault(name, {"insert": name, "kind": kind, "label": r["label"] or data.words(name)})
    # Of every class two members are looked at, and all of the ontology: to read all triples takes a minute at 1,000 studies.
    some = data.select(store, "SELECT ?c (MIN(?x) AS ?a) (MAX(?x) AS ?b) { ?x a ?c FILTER(ISIRI(?x)) } GROUP BY ?c")
    members = " ".join(sorted({f"<{r[end]}>" for r in some for end in ("a", "b") if r[end]}))
    for r in data.select(
        store,
        f"SELECT DISTINCT ?t {{ {{ VALUES ?x {{ {members} }} ?x ?t ?o }} UNION {{ ?x rdf:first ?f ; ?t ?o }} UNION {{ VALUES ?k {{ owl:Class owl:Restriction "
        "owl:ObjectProperty owl:DatatypeProperty owl:AnnotationProperty } ?x a ?k ; ?t ?o } } ORDER BY ?t",
    ):
        name = _compact(r["t"])
        found.setdefault(name, {"insert": name, "kind": "property", "label": name})
    for slug, label in data.term_labels(store).items():
        name = str(ox.Literal(slug))
        found.setdefault(name, {"insert": name, "kind": "slug", "label": label})
    return list(found.values())


def number(text: str) -> float | None:
    """Return the number that a text is, or None."""
    try:
        found = Decimal(text)
    except InvalidOperation:
        return None
    return float(found) if found.is_finite() else None


def chart_columns(columns: Sequence[str], rows: Sequence[Row]) -> tuple[list[str], list[str]]:
    """Return the columns that name things and those that hold nothing but numbers, for a chart of an answer."""
    numeric = [
        c for c in columns
        if any(r[c] for r in rows) and all(number(r[c]) is not None for r in rows if r[c])
    ]  # fmt: skip
    return [c for c in columns if c not in numeric], numeric


def drawn_triples(triples: str, most: int = 150) -> tuple[list[Row], list[Row], int]:
    """Return the nodes and edges of an answer of triples, and how many triples were left off.

    Literals and types are said in the node's text instead of being nodes of their own.
    """
    nodes: dict[str, Row] = {}
    edges: list[Row] = []
    left = 0
    for q in ox.parse(triples.encode(), format=ox.RdfFormat.N_TRIPLES):
        s, p, o = q.subject, q.predicate, q.object
        if isinstance(o, ox.Literal):
            if p.value in (RDFS + "label", SKOS + "notation") and (node := nodes.get(str(s))) is not None:
                node["name"] = o.value
            elif p.value in (RDFS + "label", SKOS + "notation") and len(nodes) < most:
                nodes[str(s)] = {"id": str(s), "kind": "thing", "name": o.value}
            continue
        if p.value == RDF + "type" and isinstance(o, ox.NamedNode) and not _is_ours(o.value):
            continue
        if len(edges) >= most:
            left += 1
            continue
        for end in (s, o):
            nodes.setdefault(str(end), {"id": str(end), "kind": "thing", "name": _short(str(end))})
        edges.append({"source": str(s), "target": str(o), "relation": _short(f"<{p.value}>")})
    used = {e["source"] for e in edges} | {e["target"] for e in edges}
    return [n for n in nodes.values() if n["id"] in used], edges, left


def _is_ours(iri: str) -> bool:
    return iri.startswith(PREFIXES["rkg"])


def _short(node: str) -> str:
    iri = node.strip("<>")
    return iri.removeprefix(PREFIXES["id"]) if iri.startswith(PREFIXES["id"]) else _compact(iri).strip("<>")


def triple_rows(triples: str) -> list[Row]:
    """Return triples as rows of short names, the twin of their drawing."""
    out = []
    for q in ox.parse(triples.encode(), format=ox.RdfFormat.N_TRIPLES):
        o = q.object
        said = o.value if isinstance(o, ox.Literal) else _short(str(o))
        out.append({"subject": _short(str(q.subject)), "relation": _short(str(q.predicate)), "object": said})
    return out


def known_labels(values: Iterable[str], labels: Row) -> Row:
    """Return each known value of a parameter with the label that a form shows beside it."""
    return {v: f"{labels[v]} ({v})" if v in labels and labels[v] != v else v for v in values}
