"""Own the rows that pages show: plain values out of the graph, without a thought for drawing."""

from __future__ import annotations

import difflib
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from regen_kg import build, queries
from regen_kg.analysis.noted import noted
from regen_kg.errors import StoreError
from regen_kg.iris import BASE, DCTERMS, PREFIXES, PROV, RDF, RDFS, RKG, SCHEMA, SKOS, thing
from regen_kg.model import Finding
from regen_kg.remote import RemoteStore
from regen_kg.store import Answer, Store, refuse_doubtful

Row = dict[str, str]
MEASURES = ("reports", "studies", "participants", "comparisons")
PLACEMENTS = {"population": "by the population studied", "charted": "as filed in the review"}
SEVERITIES = ("grave", "notable", "minor")
SEVERITY_MEANING = {
    "grave": "changes what a reader would conclude",
    "notable": "worth knowing, changes no conclusion",
    "minor": "a slip of wording or print",
}
SHOWN_ROWS = 10_000
_PREFIX_LINES = "".join(f"PREFIX {k}: <{v}>\n" for k, v in PREFIXES.items())


@dataclass(frozen=True)
class RemoteBuild:
    """A build that stands at a SPARQL endpoint, with as much of its manifest as its own description holds."""

    endpoint: str
    manifest: dict[str, Any]
    findings: tuple[Finding, ...] = ()

    def store(self) -> RemoteStore:
        """Open the endpoint."""
        return RemoteStore(self.endpoint)


AnyBuild = build.Build | RemoteBuild


class Remembering:
    """A store that asks its engine each query once: a build never changes, and pages ask the same things again.

    Attributes
    ----------
    answers : dict
        The rows of whole saved questions that were asked, shared by all who ask again (`queries.run`).
    """

    def __init__(self, store: Store, most: int = 500, rows: int = 5_000) -> None:
        self._store, self._most, self._rows = store, most, rows
        self.kept = store.kept
        self._kept: dict[str, Answer] = {}
        self.answers: dict[str, list[Row]] = {}

    def query(self, text: str) -> Answer:
        """Run a query; see `Store.query`. Answers of many rows are not kept."""
        found = self._kept.get(text)
        if found is None:
            found = self._store.query(text)
            if len(found.rows) <= self._rows and not found.triples:
                while len(self._kept) >= self._most:
                    self._kept.pop(next(iter(self._kept)), None)
                self._kept[text] = found
        return found


def opened_build() -> AnyBuild:
    """Open the build at the endpoint or in the folder that REGEN_KG_ENDPOINT or REGEN_KG_BUILD names, else the present inputs' build."""
    if endpoint := os.environ.get("REGEN_KG_ENDPOINT"):
        return remote_build(endpoint)
    folder = os.environ.get("REGEN_KG_BUILD")
    return build.open_build(Path(folder)) if folder else build.current()


def remote_build(endpoint: str) -> RemoteBuild:
    """Return what a SPARQL endpoint says of the build that it holds.

    Raises
    ------
    StoreError
        If it holds no build.
    """
    store = RemoteStore(endpoint)
    refuse_doubtful(store, "the explorer")
    rows = select(
        store,
        f"SELECT ?inputs ?package {{ <{BASE}dataset> dcterms:identifier ?inputs ; dcat:version ?package }} LIMIT 1",
    )
    if not rows:
        raise StoreError(f"{endpoint} holds no build of regen-kg; load one with regen-kg build --to")
    size = select(store, "SELECT (COUNT(*) AS ?n) { ?s ?p ?o }")[0]["n"]
    return RemoteBuild(endpoint, {**rows[0], "triples": {"all": int(size)}})


def build_key(made: AnyBuild) -> str:
    """Return what tells one build from another, to keep its store by."""
    place = made.endpoint if isinstance(made, RemoteBuild) else made.folder
    return f"{place}|{made.manifest.get('inputs', '')}"


def ask(store: Store, name: str, **values: str) -> list[Row]:
    """Ask a saved question; see `queries.run`."""
    return queries.run(store, queries.get(name), values)


def noted_lines(store: Store, name: str, rows: Sequence[Row], **values: str) -> list[str]:
    """Say which of some rows of a saved question rest on noted cells, and what they would be without these."""
    return noted(store, queries.get(name), rows, values).lines()


def select(store: Store, pattern: str) -> list[Row]:
    """Return the rows of a SELECT query that needs no PREFIX lines; what is unbound is an empty string."""
    answer = store.query(_PREFIX_LINES + pattern)
    return queries.plain_rows(answer, answer.columns)


def nearest(slug: str, known: Iterable[str], most: int = 5) -> list[str]:
    """Return the known slugs that are most like a given one, best first; those that share its surname first of all."""
    pool = sorted(known)
    head = slug.strip().lower().split("-")[0]
    same = [k for k in pool if head and k.split("-")[0] == head]
    close = difflib.get_close_matches(slug.lower(), pool, n=most, cutoff=0.4)
    return list(dict.fromkeys([*same, *close]))[:most]


_BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def visible(text: str) -> str:
    """Return text whose marks of writing direction are shown instead of obeyed, so that none can turn what follows.

    Examples
    --------
    >>> visible("a\u202eb")
    'a⟨U+202E⟩b'
    """
    return _BIDI.sub(lambda m: f"⟨U+{ord(m.group()):04X}⟩", text)


# ---- vocabulary -------------------------------------------------------------------------------------------------


def labels(store: Store, listed: str) -> Row:
    """Return slug to label of the technologies or diseases that the gap map spans, from the vocabulary, not from use."""
    rows = select(
        store,
        f'SELECT ?slug (MIN(?l) AS ?label) {{ ?t rkg:listedAs "{listed}" ; skos:notation ?slug . '
        "OPTIONAL { ?t rdfs:label ?l0 } BIND(STR(?l0) AS ?l) } GROUP BY ?slug ORDER BY ?slug",
    )
    return {r["slug"]: r["label"] or words(r["slug"]) for r in rows}


def term_labels(store: Store) -> Row:
    """Return slug to label of all terms of the ontology: interventions, conditions and outcome measures."""
    rows = select(
        store,
        "SELECT ?slug (MIN(?l) AS ?label) { VALUES ?kind { owl:Class rkg:OutcomeMeasure } ?t a ?kind ; skos:notation ?slug ; rdfs:label ?l0 "
        "BIND(STR(?l0) AS ?l) } GROUP BY ?slug",
    )
    return {r["slug"]: r["label"] for r in rows}


def words(slug: str) -> str:
    """Say a slug in words."""
    return slug.replace("-", " ")


# ---- pages ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Totals:
    """How much is here, and how much the review says there should be."""

    reports: int
    secondary: int
    studies: int
    results: int
    notes: int
    grave: int
    claimed: str
    per_year: tuple[tuple[int, int], ...]


def totals(store: Store) -> Totals:
    """Count reports, studies, results and notes."""
    reports = ask(store, "reports")
    notes = ask(store, "quality-notes")
    results = select(store, "SELECT (COUNT(DISTINCT ?r) AS ?n) { ?r a rkg:Result }")[0]["n"]
    years: dict[int, int] = defaultdict(int)
    for r in reports:
        years[int(r["year"])] += 1
    span = range(min(years), max(years) + 1) if years else range(0)
    return Totals(
        len(reports),
        sum(r["kind"] == "secondary" for r in reports),
        len({r["study"] for r in reports if r["study"]}),
        int(results),
        len(notes),
        sum(n["severity"] == "grave" for n in notes),
        claimed_included(store),
        tuple((y, years.get(y, 0)) for y in span),
    )


def claimed_included(store: Store) -> str:
    """Return the number of studies that the review's text says it included, or an empty string."""
    for step in flow(store):
        if step["account"] == "text" and "included" in step["step"]:
            return step["charted"]
    return ""


def empty_cell_sentence(technology: str, disease: str, named: int) -> str:
    """Say what an empty cell means, and what it does not."""
    return (
        f"No report is named for {technology} in {disease} in this review "
        f"(PubMed, English, to 31 December 2024; {named} reports named). "
        "That is absence from the named evidence, not evidence of absence."
    )


def reports(store: Store, only: str = "") -> list[Row]:
    """Return one row per report, or that of one only, with the disease that the review files it under as `placed_under`."""
    one = f'VALUES ?report {{ "{only}" }} ' if only else ""
    rows = [r for r in ask(store, "reports") if only in ("", r["report"])]
    if not rows:
        return []
    pattern = f"{one}?r a rkg:Report ; skos:notation ?report ; rkg:placedUnder/skos:notation ?p"
    placed = {r["report"]: r["p"] for r in select(store, f"SELECT ?report ?p {{ {pattern} }}")}
    return [{**r, "placed_under": placed.get(r["report"], "")} for r in rows]


def items(cell: str) -> list[str]:
    """Split a list that stands in one cell."""
    return [i for i in cell.split("|") if i]


def gaps(store: Store) -> list[Row]:
    """Return all gaps, the gravest first, each with the query that finds nothing."""
    found = {
        r["gap"]: r["query"]
        for r in select(store, "SELECT ?gap ?query { ?g a rkg:EvidenceGap ; skos:notation ?gap ; rkg:foundBy ?query }")
    }
    return [{**g, "query": found.get(g["gap"], "")} for g in ask(store, "evidence-gaps")]


def cell_gaps(store: Store, technology: str, disease: str) -> list[Row]:
    """Return the gaps of a cell, the gravest first, one per row."""
    return [g for g in gaps(store) if (g["technology"], g["disease"]) == (technology, disease)]


def filter_reports(rows: Sequence[Row], technology: str = "", disease: str = "", text: str = "") -> list[Row]:
    """Return the reports that have a technology, a disease and all words of a text, wherever these stand in the row."""
    wanted = text.lower().split()
    out = []
    for r in rows:
        hay = " ".join(r.values()).replace("-", " ").lower() + " " + r["report"]
        if technology and technology not in items(r["technologies"]):
            continue
        if disease and disease not in items(r["diseases"]):
            continue
        if all(w in hay for w in wanted):
            out.append(r)
    return out


def flow(store: Store) -> list[Row]:
    """Return the steps of the study flow with their labels, in the two accounts of the review."""
    said = {
        (r["account"], r["step"]): r
        for r in select(
            store,
            "SELECT ?account ?step ?label ?source { ?f a rkg:FlowStep ; rkg:account ?account ; skos:notation ?step ; rdfs:label ?l . "
            "BIND(STR(?l) AS ?label) OPTIONAL { ?f rkg:sourceText ?source } }",
        )
    }
    out = []
    for r in ask(store, "study-flow"):
        more = said.get((r["account"], r["step"]), {})
        out.append({**r, "label": more.get("label", r["step"]), "source": more.get("source", "")})
    return out


# ---- one report -------------------------------------------------------------------------------------------------

_NAMES = {RKG: "", RDF: "rdf:", RDFS: "rdfs:", SKOS: "skos:", PROV: "prov:", DCTERMS: "dcterms:", SCHEMA: "schema:"}
Thing = dict[str, list[str]]


def _local(iri: str) -> str:
    for base, prefix in _NAMES.items():
        if iri.startswith(base):
            return prefix + iri.removeprefix(base)
    return iri


def things(store: Store, which: str) -> list[Thing]:
    """Return all properties of the things that a pattern over ?x selects; links are followed to the slug they point at."""
    rows = select(
        store,
        f"SELECT ?x ?p (COALESCE(?s, STR(?v)) AS ?said) {{ {which} ?x ?p ?v . OPTIONAL {{ ?v skos:notation ?s }} }}",
    )
    found: dict[str, Thing] = {}
    for r in rows:
        values = found.setdefault(r["x"], defaultdict(list, {"iri": [r["x"]]}))[_local(r["p"])]
        if r["said"] not in values:
            values.append(r["said"])
    for one in found.values():
        for values in one.values():
            values.sort()
    return sorted(found.values(), key=_row_number)


def _row_number(one: Thing) -> tuple[str, int]:
    table, _, number = first(one, "chartedRow").partition("#row=")
    return table, int(number) if number.isdigit() else 0


def first(one: Thing, name: str) -> str:
    """Return the value of a property, several joined by |, none as an empty string."""
    return "|".join(one.get(name, []))


@dataclass
class ReportPage:
    """Everything charted of one report, as rows for its page."""

    row: Row
    facts: list[tuple[str, str, str]] = field(default_factory=list)  # name, content, where
    populations: list[Row] = field(default_factory=list)
    arms: list[Row] = field(default_factory=list)
    components: list[Row] = field(default_factory=list)
    time_points: list[Row] = field(default_factory=list)
    results: list[Row] = field(default_factory=list)
    saved_results: list[Row] = field(default_factory=list)  # the answer of the saved query "results"
    directions: list[Row] = field(default_factory=list)
    scale_uses: list[Row] = field(default_factory=list)
    safety: list[Row] = field(default_factory=list)
    notes: list[Row] = field(default_factory=list)
    bibliography: list[tuple[str, str]] = field(default_factory=list)
    bibliography_status: str = ""


_STATUS = {"notApplicable": "not applicable", "notReported": "not reported", "unclear": "unclear"}
STATUS_WORDS = frozenset(_STATUS.values())


def _missing(one: Thing, column: str) -> str:
    """Return the status of a column that has no content; an empty string is not charted."""
    return next((words for name, words in _STATUS.items() if column in one.get(name, [])), "")


def _rows(found: Iterable[Thing], columns: dict[str, str]) -> list[Row]:
    """Return rows of shown name to content; where there is none, the status of the charted column of the property's name."""
    return [
        {shown: first(one, name) or _missing(one, _COLUMN.get(name, name)) for shown, name in columns.items()}
        for one in found
    ]


_COLUMN = {
    "chartedText": "charted_text", "nText": "n_text", "rangeText": "range", "usedPolarity": "polarity", "aboutTechnology": "technology",
    "comparatorIntervention": "comparator", "directionBasis": "basis", "safetyContent": "content", "months": "value",
}  # fmt: skip


def report_page(store: Store, slug: str) -> ReportPage | None:
    """Gather one report, or return None where the graph has none of this name."""
    row = next(iter(reports(store, slug)), None)
    if row is None:
        return None
    iri = f"<{thing('report', slug)}>"

    def of(kind: str) -> list[Thing]:
        return things(store, f"?x a rkg:{kind} ; rkg:ofReport {iri} .")

    terms = term_labels(store)
    me = things(store, f"VALUES ?x {{ {iri} }}")[0]
    study = things(store, f"{iri} rkg:reports ?x .")
    page = ReportPage(row)
    where = first(me, "sourceText")
    shared = first(study[0], "sharedBasis") if study else ""
    kind_basis = first(me, "kindBasis")
    design = words(first(study[0], "hasDesign").split("/")[-1]) if study else ""
    if design and (basis := first(me, "designBasis")):
        design += f" ({basis})"
    page.facts = [
        ("Citation", row["citation"], where),
        ("Year", row["year"], ""),
        ("Kind of report", f"{row['kind']} (basis: {words(kind_basis)})" if kind_basis else row["kind"], ""),
        (
            "Study",
            row["study"]
            or ("not applicable: a secondary report is no study of its own" if row["kind"] == "secondary" else ""),
            shared,
        ),
        ("Technologies tested", ", ".join(terms.get(i, words(i)) for i in items(row["technologies"])), ""),
        ("Diseases studied", ", ".join(terms.get(i, words(i)) for i in items(row["diseases"])), ""),
        ("Filed in the review under", terms.get(row["placed_under"], words(row["placed_under"])), ""),
        ("Sample size", row["sample_size"], first(me, "sampleSizeText")),
        ("Unit of the sample size", first(me, "sampleSizeUnit"), ""),
        ("Allocation", first(me, "allocation"), first(me, "allocationText")),
        ("Blinding", first(me, "blindingText"), ""),
        ("Study design", design, first(me, "designText")),
        ("Charted row", first(me, "chartedRow"), ""),
    ]
    page.populations = _rows(
        things(store, f"?x rkg:conditionBasis ?basis ; rkg:ofReport {iri} ."),
        {"condition": "skos:notation", "descriptor": "descriptor", "basis": "conditionBasis", "charted text": "chartedText",
         "place in the review": "sourceText"},
    )  # fmt: skip
    arms = of("Arm")
    page.arms = _rows(arms, {"arm": "skos:notation", "label": "rdfs:label", "n": "n", "n status": "nStatus", "n as printed": "nText",
                             "role": "armRole", "technologies": "armTechnology", "place in the review": "sourceText"})  # fmt: skip
    arm_of = {r["c"]: r["arm"] for r in select(
        store, f"SELECT ?c ?arm {{ ?a a rkg:Arm ; rkg:ofReport {iri} ; rkg:hasComponent ?c ; skos:notation ?arm }}")}  # fmt: skip
    for one in of("InterventionComponent"):
        page.components.append({
            "arm": arm_of.get(one["iri"][0], ""), "component": first(one, "printedAs"), "intervention": first(one, "isIntervention"), "role": first(one, "componentRole"),
            **{c: first(one, c) or _missing(one, c) for c in ("number", "interval", "volume", "concentration", "dose", "guidance", "preparation")},
            "charted text": first(one, "chartedText"), "place in the review": first(one, "sourceText"),
        })  # fmt: skip
    page.time_points = _rows(of("TimePoint"), {
        "time point": "skos:notation", "label": "rdfs:label", "months": "months", "counted from": "origin", "role": "timePointRole",
        "statistic": "timeStatistic", "place in the review": "sourceText"})  # fmt: skip
    page.scale_uses = _rows(of("ScaleUse"), {
        "outcome measure": "ofOutcomeMeasure", "printed as": "printedAs", "range": "rangeText", "unit": "unit", "polarity": "usedPolarity",
        "version": "version", "place in the review": "sourceText"})  # fmt: skip
    notes = things(
        store,
        f"{{ ?x a rkg:QualityNote ; rkg:touches {iri} }} UNION {{ ?x a rkg:QualityNote ; rkg:touches ?r . ?r rkg:ofReport {iri} }}",
    )
    page.notes = sorted((_note(n) for n in notes), key=gravest_first)
    by_result = {r["result"]: r for r in ask(store, "results", report=slug)}
    touching = defaultdict(list)
    for n in things(store, f"?x a rkg:QualityNote ; rkg:touches ?res . ?res a rkg:Result ; rkg:ofReport {iri} ."):
        for touched in n.get("touches", []):
            if touched.startswith(slug + "/"):
                touching[touched].append(first(n, "skos:notation"))
    charted = {first(t, "skos:notation"): t for t in of("Result")}
    page.saved_results = list(by_result.values())
    for key, r in by_result.items():
        t = charted[key]

        def said(name: str, column: str, r: Row = r, t: Thing = t) -> str:
            return r[name] or _missing(t, column)

        page.results.append({
            "result": key.split("/")[-1], "outcome measure": r["outcome_measure"], "kind": r["kind"],
            "arms": " and ".join(items(r["arm"])) + (f" against {' and '.join(items(r['comparator']))}" if r["comparator"] else ""),
            "time point": said("time_point", "time_point"), "statistic": r["statistic"], "value": f"{r['value']} {r['unit']}".strip() if r["value"] else _missing(t, "value"),
            "dispersion": f"{r['dispersion']} ({r['dispersion_kind'] or 'kind not charted'})" if r["dispersion"] else _missing(t, "dispersion"),
            "n analysed": said("n_analysed", "n_analysed"),
            "p": f"{r['p']} ({words(r['p_scope'])})" if r["p"] and r["p_scope"] else said("p", "p"), "interval": said("ci", "ci_lower"),
            "direction": said("direction", "direction"), "charted text": r["charted_text"], "place in the review": r["source"],
            "noted": "|".join(touching.get(key, [])) or ("noted" if r["noted"] == "true" else "no"), "charted row": first(t, "chartedRow"),
        })  # fmt: skip
    page.directions = _rows(of("ReportDirection"), {
        "technology": "aboutTechnology", "comparator": "comparatorIntervention", "direction": "hasDirection", "basis": "directionBasis",
        "reasoning": "reasoning", "charted text": "chartedText", "place in the review": "sourceText"})  # fmt: skip
    page.safety = _rows(of("SafetyStatement"), {
        "status": "status", "content": "safetyContent", "statement": "paraphrase", "technology": "aboutTechnology",
        "charted text": "chartedText", "place in the review": "sourceText"})  # fmt: skip
    page.bibliography_status = first(me, "bibliographyStatus")
    if page.bibliography_status == "verified":
        names = {"Title": "dcterms:title", "Journal": "schema:isPartOf", "DOI": "doi", "PMID": "pmid", "PMCID": "pmcid",
                 "Registration": "registration", "Design as published": "publishedDesign"}  # fmt: skip
        page.bibliography = [(shown, first(me, name)) for shown, name in names.items()]
    return page


def one_query(slug: str) -> str:
    """Return one query that gives everything charted of a report, with the charted row it comes from."""
    return (
        f"PREFIX rkg: <{RKG}>\nPREFIX skos: <{SKOS}>\n"
        "SELECT ?thing ?property ?value ?charted_row WHERE {\n"
        f'  ?report a rkg:Report ; skos:notation "{slug}" .\n'
        "  { BIND(?report AS ?thing) } UNION { ?thing rkg:ofReport ?report }\n"
        "  ?thing ?property ?value . OPTIONAL { ?thing rkg:chartedRow ?charted_row }\n} ORDER BY ?charted_row ?thing ?property ?value\n"
    )


# ---- notes ------------------------------------------------------------------------------------------------------


def _note(one: Thing) -> Row:
    return {
        "note": first(one, "skos:notation"), "severity": first(one, "severity"), "kind": first(one, "noteKind"), "summary": first(one, "summary"),
        "reasoning": first(one, "reasoning"), "reports": first(one, "ofReport"), "place in the review": first(one, "sourceText"),
        "charted row": first(one, "chartedRow"),
    }  # fmt: skip


def gravest_first(note: Row) -> tuple[int, str]:
    """Return the key that sorts notes by severity, then by name."""
    at = SEVERITIES.index(note["severity"]) if note["severity"] in SEVERITIES else len(SEVERITIES)
    return at, note["note"]


def notes(store: Store, severity: str = "") -> list[Row]:
    """Return the notes about the source, the gravest first."""
    found = [_note(n) for n in things(store, "?x a rkg:QualityNote .")]
    return sorted((n for n in found if not severity or n["severity"] == severity), key=gravest_first)
