"""Own the evidence as another ontology sees it: its classes with the reports under each, and what of ours it leaves out."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from regen_kg import ontologies, queries
from regen_kg.analysis.external import COLUMNS, RollUp, rollup
from regen_kg.errors import OntologyError
from regen_kg.explorer import data
from regen_kg.explorer.data import Row
from regen_kg.store import Store

__all__ = ["COLUMNS", "MANY", "UNMAPPED", "Seen", "choices", "seen", "stamp"]
UNMAPPED = ("concept", "label", "list", "reports", "seen_otherwise", "nearest", "why", "composition")
MANY = 100  # reports, classes or terms drawn at once; the downloads have them all
_COUNTED = ("skos:exactMatch", "skos:broadMatch")


@dataclass(frozen=True)
class Seen:
    """The evidence under the classes of one ontology."""

    prefix: str
    name: str
    version: str  # of the hierarchy; empty where none is here
    closed: str  # the licence, where it forbids passing on altered copies
    fault: str  # why the local copy could not be used
    rollup: RollUp
    rows: tuple[Row, ...]  # the classes from the top down, each once
    mapped: dict[str, list[Row]]  # by class: which of our terms are mapped to it, counted or not
    brought: tuple[Row, ...]  # by which match of which term of ours each report comes in
    unmapped: tuple[Row, ...]  # our terms whose reports come in by no match of theirs
    unseen: tuple[str, ...]  # reports that come in nowhere
    total: int

    @property
    def flat(self) -> bool:
        """Tell whether nothing is known of what stands above what."""
        return not self.version

    def drawn_under(self) -> Row:
        """Return, by class, the one of those right above it under which it stands in the rows; none for a top one."""
        way: list[str] = []
        out = {}
        for row in self.rows:
            way = [*way[: int(row["depth"])], row["term"]]
            out[row["term"]] = way[-2] if len(way) > 1 else ""
        return out

    def evidence(self, term: str) -> list[Row]:
        """Return report, mapped class, our term and predicate for all that is counted at a class and below it."""
        under = {t.id for _, t in self.rollup.walk(term)}
        return [{**r, "at": "here" if r["via"] == term else "below"} for r in self.brought if r["via"] in under]

    def ways(self, term: str) -> list[Row]:
        """Return the evidence at a class and below it by mapped class and term of ours, each with its reports."""
        found: dict[tuple[str, str, str, str], list[str]] = defaultdict(list)
        for r in self.evidence(term):
            found[r["at"], r["via"], r["concept"], r["predicate"]].append(r["report"])
        names = ("at", "via", "concept", "predicate")
        rows = [{**dict(zip(names, key, strict=True)), "reports": "|".join(slugs)} for key, slugs in found.items()]
        return sorted(rows, key=lambda r: (r["at"] != "here", self.rollup.terms[r["via"]].label.lower(), r["concept"]))

    def query(self, term: str = "") -> str:
        """Return `by-external-term` for the mapped classes at and below one, or for all, as a query that any build answers."""
        vias = sorted({r["via"] for r in (self.evidence(term) if term else self.brought)})
        named = " ".join(f"{self.name} {self.version}".split())  # on one line, as it goes into a comment
        about = f"# {term} and what lies below it in {named}\n" if term else f"# all mapped classes of {named}\n"
        lines = queries.get("by-external-term").text.splitlines(keepends=True)
        text = "".join(line for line in lines if not line.startswith("#+"))
        given = "VALUES ?object { " + " ".join(f'"{via}"' for via in vias) + " }"
        return about + text.replace("VALUES ?object { UNDEF }", given)


def choices(store: Store) -> Row:
    """Return prefix to name of the ontologies under whose terms there is evidence, those that see most first."""
    seen = defaultdict(set)
    for row in data.ask(store, "by-external-term"):
        seen[row["via"].partition(":")[0]].add(row["report"])
    total = len(data.ask(store, "reports"))
    return {
        prefix: f"{_name(prefix)} ({len(seen[prefix])} of {total} reports)"
        for prefix in sorted(seen, key=lambda p: (-len(seen[p]), p))
    }


def _name(prefix: str) -> str:
    source = ontologies.sources().get(prefix)
    return source.name if source else prefix


def stamp(prefix: str) -> str:
    """Return what tells one local copy of an ontology from another; empty where there is none."""
    try:
        found = (ontologies.folder() / f"{prefix}.nq").stat()
    except OSError:
        return ""
    return f"{found.st_mtime_ns}-{found.st_size}"


def seen(store: Store, prefix: str, copy_stamp: str) -> Seen:
    """Gather the evidence as one ontology sees it.

    Parameters
    ----------
    store : Store
        A build, or an endpoint that holds one.
    prefix : str
        Whose classes, e.g. mondo.
    copy_stamp : str
        What `stamp` says; where it is empty, only mapped classes themselves are counted.
    """
    copy, fault = None, ""
    if copy_stamp:
        try:
            copy = ontologies.copy_of(prefix)
        except OntologyError as err:
            fault = str(err)
    rolled = rollup(store, prefix, copy)
    source = ontologies.sources().get(prefix)
    brought, mapped = _brought(store, prefix), _mapped(store, prefix)
    every, reached = [r["report"] for r in data.ask(store, "reports")], {r["report"] for r in brought}
    return Seen(
        prefix=prefix,
        name=_name(prefix),
        version=rolled.version,
        closed=source.licence if source and copy and not source.may_share else "",
        fault=fault,
        rollup=rolled,
        rows=tuple(rolled.rows()),
        mapped=mapped,
        brought=tuple(brought),
        unmapped=tuple(_unmapped(store, prefix, mapped, reached)),
        unseen=tuple(r for r in every if r not in reached),
        total=len(every),
    )


def _brought(store: Store, prefix: str) -> list[Row]:
    """Return the rows of `by-external-term` at the mapped classes themselves."""
    return [
        {name: r[name] for name in ("report", "via", "concept", "predicate")}
        for r in data.ask(store, "by-external-term")
        if r["object"] == r["via"] and r["via"].startswith(prefix + ":")
    ]


def _mapped(store: Store, prefix: str) -> dict[str, list[Row]]:
    rows = data.select(
        store,
        "SELECT ?concept ?label ?predicate ?object ?object_label ?comment ?justification ?confidence ?version ?near { "
        "?m a ?kind ; rkg:mappedTerm ?t ; rkg:mappedBy ?by ; rkg:externalId ?object ; rkg:externalLabel ?object_label ; "
        "rkg:externalVersion ?version ; rkg:mappingJustification ?justification . VALUES (?kind ?near) { (rkg:Mapping 'no') (rkg:NearMiss 'yes') } "
        "?t skos:notation ?concept ; rdfs:label ?l . OPTIONAL { ?m rkg:mappingConfidence ?confidence } "
        "OPTIONAL { ?m rkg:mappingComment ?c } BIND(STR(?l) AS ?label) BIND(STR(?c) AS ?comment) "
        f"BIND(CONCAT('skos:', STRAFTER(STR(?by), '#')) AS ?predicate) FILTER(STRSTARTS(?object, '{prefix}:')) }} ORDER BY ?concept ?predicate ?object",
    )
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        row["counts"] = "yes" if row["near"] == "no" and row["predicate"] in _COUNTED else "no"
        found[row["object"]].append(row)
    return dict(found)


# Terms first, in sub-selects: in one join, the embedded engine took a minute for this at 1,000 studies.
_USED = """SELECT DISTINCT ?concept ?label ?list ?report {
  { { SELECT DISTINCT ?t ?concept { ?t rdfs:subClassOf* rkg:Condition ; skos:notation ?concept } }
    ?x skos:notation ?concept ; rkg:conditionBasis ?basis ; rkg:ofReport ?r BIND("condition" AS ?list) }
  UNION { ?r rkg:testsTechnology ?t . ?t skos:notation ?concept BIND("intervention" AS ?list) }
  UNION { { SELECT DISTINCT ?t ?r { ?x rkg:ofTechnology ?technology ; rkg:isIntervention ?t ; rkg:ofReport ?r ;
      rkg:componentRole <https://w3id.org/regen-kg/id/component-role/tested> . ?r rkg:testsTechnology ?technology } }
    ?t skos:notation ?concept BIND("intervention" AS ?list) }
  ?r a rkg:Report ; skos:notation ?report . ?t rdfs:label ?l BIND(STR(?l) AS ?label)
} ORDER BY ?list ?concept ?report"""


def _unmapped(store: Store, prefix: str, by_object: dict[str, list[Row]], reached: set[str]) -> list[Row]:
    """Return our terms that reports are charted with and of which neither they nor a term above them counts."""
    above: dict[str, set[str]] = defaultdict(set)
    for r in data.select(
        store, "SELECT DISTINCT ?concept ?above { ?b rdfs:subClassOf+ ?a . ?b skos:notation ?concept . ?a skos:notation ?above }"
    ):  # fmt: skip
        above[r["concept"]].add(r["above"])
    mapped = [m for group in by_object.values() for m in group]
    counted = {m["concept"] for m in mapped if m["counts"] == "yes"}
    source = ontologies.sources().get(prefix)
    composed = {r["concept"]: r["composition"] for r in data.ask(store, "unmapped")}
    reports: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for r in data.select(store, _USED):
        if not {r["concept"], *above[r["concept"]]} & counted:
            reports[r["concept"], r["label"], r["list"]].append(r["report"])
    rows = []
    for (concept, label, listed), mine in reports.items():
        if source and source.holds and listed not in source.holds:
            continue  # it holds no such things, so that none of them is missed
        near = [m for m in mapped if m["concept"] == concept]
        near.sort(key=lambda m: (m["near"] == "yes", m["predicate"], m["object"]))
        said = [f"{'near miss' if m['near'] == 'yes' else m['predicate']} {m['object']}" for m in near]
        why = [m["comment"] for m in near if m["comment"]]
        cells = (
            concept, label, listed, "|".join(sorted(mine)), "|".join(sorted(set(mine) & reached)), "|".join(said), "|".join(why),
            composed.get(concept, ""),
        )  # fmt: skip
        rows.append(dict(zip(UNMAPPED, cells, strict=True)))
    rows.sort(key=lambda r: (-r["reports"].count("|"), r["label"].lower()))
    return rows
