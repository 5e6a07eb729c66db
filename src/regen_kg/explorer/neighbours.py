"""Own the walk through the graph: a thing's neighbours, what is drawn of them, and the way between two things."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from regen_kg.errors import QueryError
from regen_kg.explorer import data
from regen_kg.explorer.data import Row
from regen_kg.iris import BASE, ID, OWL, RDF, RDFS, RKG
from regen_kg.store import Store

START = "rkg:PlateletRichPlasma"  # from which a walk starts where the address names nothing
STEP = 25
MOST_DRAWN = 150
_SPOKEN_OF = (OWL + "disjointWith", RDFS + "isDefinedBy", RDF + "type")
# Values of controlled lists link everything with everything: a way through them says nothing.
_LISTS = (
    "direction",
    "severity",
    "status",
    "polarity",
    "route",
    "allocation",
    "document",
    "study-design",
    "outcome-domain",
)
_LIST_ENDS = ("-kind", "-role", "-scope")
# What people look for comes first among neighbours, and ways lead through it where they can.
_ORDER = ("report", "term", "study", "outcome measure", "arm", "result", "population", "component", "time point", "claim", "note", "conflict", "gap")  # fmt: skip
_ABSENCE = ("gap", "near-miss")  # says that something is not there, so no way leads through it
_KIND_OF_ID = {"report": "Report", "study": "Study", "outcome-measure": "OutcomeMeasure"}
_STEPS = 4
_FRONTIER = 1500


def short(iri: str) -> str:
    """Return what stands in the address for an IRI: rkg:X for a term, report/x for a thing.

    Examples
    --------
    >>> short("https://w3id.org/regen-kg/ontology#Exosomes"), short("https://w3id.org/regen-kg/id/report/paget-2023")
    ('rkg:Exosomes', 'report/paget-2023')
    """
    if iri.startswith(RKG):
        return "rkg:" + iri.removeprefix(RKG)
    return iri.removeprefix(ID)


def full(key: str) -> str:
    """Return the IRI that `short` made short.

    Raises
    ------
    QueryError
        If it could break out of a query.
    """
    iri = RKG + key.removeprefix("rkg:") if key.startswith("rkg:") else key if "://" in key else ID + key
    if not re.fullmatch(r"[^\s<>\"{}|\\^`]+", iri):
        raise QueryError(f'"{key}" is no name of a thing; write it like report/paget-2023 or rkg:PlateletRichPlasma')
    return iri


@dataclass(frozen=True)
class Link:
    """A link from the thing that was asked about to a neighbour; outward if the thing is its subject."""

    relation: str
    outward: bool
    node: str
    name: str
    kind: str


def _kind(iri: str, classes: Iterable[str]) -> str:
    if iri.startswith(ID):
        return _KIND_OF_ID.get(iri.removeprefix(ID).split("/")[0], "thing")
    return next((k for k in ("Technology", "Condition") if k in classes), "thing")


def said_kind(iri: str) -> str:
    """Say what sort of thing an IRI names, in words."""
    if iri.startswith(ID):
        return data.words(iri.removeprefix(ID).split("/")[0])
    return "term" if iri.startswith(RKG) else "external term"


def _rank(iri: str, relation: str = "") -> int:
    kind = said_kind(iri)
    return len(_ORDER) if relation == "is a" or kind not in _ORDER else _ORDER.index(kind)


def things(store: Store) -> dict[str, Row]:
    """Return what a walk can start from: reports, technologies and diseases with their sub-terms, outcome measures; by IRI."""
    rows = data.select(
        store,
        "SELECT DISTINCT ?x ?name ?kind { "
        '{ ?x a rkg:Report ; skos:notation ?name BIND("report" AS ?kind) } '
        'UNION { ?x a rkg:OutcomeMeasure ; rdfs:label ?l BIND(STR(?l) AS ?name) BIND("outcome measure" AS ?kind) } '
        'UNION { ?x rdfs:subClassOf+ rkg:Technology ; skos:notation ?n ; rdfs:label ?l BIND(STR(?l) AS ?name) BIND("technology" AS ?kind) } '
        'UNION { ?x rdfs:subClassOf+ rkg:Condition ; skos:notation ?n ; rdfs:label ?l BIND(STR(?l) AS ?name) BIND("disease" AS ?kind) } '
        "} ORDER BY ?kind LCASE(?name)",
    )
    order = ["technology", "disease", "outcome measure", "report"]
    return {r["x"]: r for r in sorted(rows, key=lambda r: order.index(r["kind"]))}


def named(store: Store, iri: str) -> str:
    """Return the label of a thing, else its slug, else an empty string where the graph has nothing of this name."""
    rows = data.select(
        store, f"SELECT ?l ?n {{ <{iri}> ?p ?o OPTIONAL {{ <{iri}> rdfs:label ?l }} OPTIONAL {{ <{iri}> skos:notation ?n }} }} LIMIT 1"
    )  # fmt: skip
    return (rows[0]["l"] or rows[0]["n"] or short(iri)) if rows else ""


def _relations(store: Store) -> Row:
    rows = data.select(
        store,
        f"SELECT ?p (MIN(?l) AS ?label) {{ ?p rdfs:label ?l0 FILTER(STRSTARTS(STR(?p), '{BASE}')) BIND(STR(?l0) AS ?l) "
        "{ ?p a owl:ObjectProperty } UNION { ?p a owl:AnnotationProperty } } GROUP BY ?p",
    )
    return {r["p"]: r["label"] for r in rows}


def _relation(iri: str, names: Mapping[str, str]) -> str:
    if iri == RDF + "type":
        return "is a"
    return names.get(iri) or re.sub(r"(?<=[a-z])(?=[A-Z])", " ", re.split(r"[#/]", iri)[-1]).lower()


def links(store: Store, iri: str) -> list[Link]:
    """Return all links of a thing to other things, reports and terms first; plain values are no neighbours."""
    rows = data.select(
        store,
        f"SELECT DISTINCT ?p ?out ?o ?l ?n ?c {{ {{ <{iri}> ?p ?o BIND('1' AS ?out) }} UNION {{ ?o ?p <{iri}> BIND('' AS ?out) }} "
        "FILTER(ISIRI(?o)) OPTIONAL { ?o rdfs:label ?l } OPTIONAL { ?o skos:notation ?n } "
        "OPTIONAL { VALUES ?c { rkg:Technology rkg:Condition } ?o rdfs:subClassOf ?c } }",
    )
    names = _relations(store)
    found: dict[tuple[str, bool, str], Link] = {}
    classes: dict[str, set[str]] = defaultdict(set)
    for r in rows:
        classes[r["o"]].add(short(r["c"]).removeprefix("rkg:"))
    for r in rows:
        if r["p"] in _SPOKEN_OF and not (r["p"] == RDF + "type" and r["o"].startswith(BASE)):
            continue
        if not r["o"].startswith(BASE) and not r["p"].startswith("http://www.w3.org/2004/02/skos"):
            continue
        report = r["o"].startswith(ID + "report/")
        name = (r["n"] if report else r["l"] or r["n"]) or short(r["o"])
        key = (r["p"], bool(r["out"]), r["o"])
        found[key] = Link(_relation(r["p"], names), bool(r["out"]), r["o"], name, _kind(r["o"], classes[r["o"]]))
    return sorted(found.values(), key=lambda x: (_rank(x.node, x.relation), x.relation, not x.outward, x.name, x.node))


def relations(found: Sequence[Link]) -> dict[str, int]:
    """Return the relations of a thing with the number of links of each."""
    return dict(sorted(Counter(x.relation for x in found).items()))


@dataclass(frozen=True)
class Drawing:
    """What is drawn: nodes and edges, and how many neighbours of each opened thing are not yet shown."""

    nodes: list[Row]
    edges: list[Row]
    more: dict[str, int]
    full: bool


def drawing(
    store: Store, focus: str, opened: Mapping[str, int], only: Iterable[str] = (), links_of: Callable[[str], Sequence[Link]] | None = None
) -> Drawing:  # fmt: skip
    """Return the focus with the neighbours of everything that is opened.

    Parameters
    ----------
    focus : str
        The IRI from which the walk starts.
    opened : mapping of str to int
        IRI to the number of its neighbours that are shown; the focus is always opened.
    only : iterable of str
        Relations to follow; all where it is empty.
    links_of : callable, optional
        Returns the links of a thing, where these are kept; else the store is asked.
    """
    wanted = set(only)
    of = links_of or (lambda iri: links(store, iri))
    nodes = {focus: {"id": focus, "kind": "thing", "name": named(store, focus) or short(focus)}}
    if focus.startswith(ID + "report/"):
        nodes[focus]["name"] = focus.removeprefix(ID + "report/")
    nodes[focus]["kind"] = _kind(focus, [k for k in ("Technology", "Condition") if _is_kind(store, focus, k)])
    edges: dict[tuple[str, str, str], Row] = {}
    more: dict[str, int] = {}
    for iri, count in {focus: STEP, **opened}.items():
        if iri not in nodes:
            continue
        found = [x for x in of(iri) if not wanted or x.relation in wanted]
        more[iri] = max(0, len(found) - count)
        for x in found[:count]:
            if x.node not in nodes and len(nodes) >= MOST_DRAWN:
                return Drawing(list(nodes.values()), list(edges.values()), more, True)
            nodes.setdefault(x.node, {"id": x.node, "kind": x.kind, "name": x.name})
            source, target = (iri, x.node) if x.outward else (x.node, iri)
            edges[source, x.relation, target] = {"source": source, "target": target, "relation": x.relation}
    return Drawing(list(nodes.values()), list(edges.values()), more, False)


def _is_kind(store: Store, iri: str, kind: str) -> bool:
    return bool(store.query(f"ASK {{ <{iri}> <{RDFS}subClassOf> <{RKG}{kind}> }}").boolean)


def _leads_nowhere(iri: str) -> bool:
    if not iri.startswith(ID):
        return not iri.startswith(RKG)
    head = iri.removeprefix(ID).split("/")[0]
    return head in (*_LISTS, *_ABSENCE, "place") or head.endswith(_LIST_ENDS)


@dataclass(frozen=True)
class Way:
    """The shortest way between two things: its nodes in order and the edges between them; none if there is no edge."""

    nodes: list[Row]
    edges: list[Row]
    cut: bool = False

    def said(self) -> str:
        """Say the way in words."""
        names = {n["id"]: n["name"] for n in self.nodes}
        parts = [self.nodes[0]["name"]] if self.nodes else []
        for edge, node in zip(self.edges, self.nodes[1:], strict=True):
            arrow = f"→ {edge['relation']} →" if edge["target"] == node["id"] else f"← {edge['relation']} ←"
            parts += [arrow, names[node["id"]]]
        return " ".join(parts)


def way(store: Store, start: str, end: str) -> Way:
    """Return the shortest way between two things, at most four links long.

    Values of lists, places and gaps are passed by, and so is the heading under which the review files a report.
    """
    names = _relations(store)
    came: dict[str, tuple[str, Row] | None] = {start: None}
    frontier, cut = [start], False
    for _ in range(_STEPS):
        if end in came or not frontier:
            break
        following: list[str] = []
        for part in [frontier[i : i + 200] for i in range(0, len(frontier), 200)]:
            values = " ".join(f"<{n}>" for n in part)
            rows = data.select(
                store,
                f"SELECT DISTINCT ?x ?p ?out ?o {{ VALUES ?x {{ {values} }} {{ ?x ?p ?o BIND('1' AS ?out) }} UNION {{ ?o ?p ?x BIND('' AS ?out) }} "
                f"FILTER(ISIRI(?o) && STRSTARTS(STR(?o), '{BASE}')) }}",
            )
            place = {n: i for i, n in enumerate(part)}
            for r in sorted(rows, key=lambda r: (place[r["x"]], _rank(r["o"]), r["p"], r["o"])):
                if (
                    r["o"] in came
                    or r["p"] in (*_SPOKEN_OF, RKG + "placedUnder")
                    or (_leads_nowhere(r["o"]) and r["o"] != end)
                ):
                    continue
                ends = (r["x"], r["o"]) if r["out"] else (r["o"], r["x"])
                edge = {"source": ends[0], "target": ends[1], "relation": _relation(r["p"], names)}
                came[r["o"]] = (r["x"], edge)
                following.append(r["o"])
        following.sort(key=_rank)
        cut = cut or len(following) > _FRONTIER
        frontier = following[:_FRONTIER]
    if end not in came:
        return Way([], [], cut)
    at, nodes, edges = end, [end], []
    while (step := came[at]) is not None:
        at = step[0]
        nodes.append(at)
        edges.append(step[1])
    told = []
    for iri in reversed(nodes):
        kinds = [k for k in ("Technology", "Condition") if _is_kind(store, iri, k)]
        name = iri.removeprefix(ID + "report/") if iri.startswith(ID + "report/") else named(store, iri) or short(iri)
        told.append({"id": iri, "kind": _kind(iri, kinds), "name": name})
    return Way(told, edges[::-1], cut)


def page_of(iri: str) -> tuple[str, str]:
    """Return the page that shows a thing and its id there, or two empty strings."""
    if iri.startswith(ID + "report/"):
        return "report", iri.removeprefix(ID + "report/")
    return "", ""
