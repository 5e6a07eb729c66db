"""Own what is known, unknown and disputed about one technology, disease or outcome measure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from regen_kg.explorer import data
from regen_kg.explorer.data import Row, items
from regen_kg.explorer.index import Index
from regen_kg.explorer.vocabulary import Term, Vocabulary

PAGES = ("technology", "disease", "outcome")


@dataclass(frozen=True)
class Counts:
    """How much is charted of an entity, and of how much a number is known or a grave note warns."""

    reports: int
    secondary: int
    studies: int
    participants: int
    sized: int  # studies with a charted sample size
    results: int
    noted_results: int
    grave_reports: tuple[str, ...]


@dataclass
class Entity:
    """One technology, disease or outcome measure with the evidence that the review names for it."""

    kind: str
    term: Term
    sub: bool
    reports: list[Row]
    counts: Counts
    groups: list[Row] = field(default_factory=list)  # what is charted, by the other side of the gap map
    outcomes: list[Row] = field(default_factory=list)
    results: list[Row] = field(default_factory=list)
    scale_uses: list[Row] = field(default_factory=list)
    along: list[Row] = field(default_factory=list)  # reports in which a technology is no test but goes along
    elsewhere: list[Row] = field(default_factory=list)
    gaps: list[Row] = field(default_factory=list)
    conflicts: list[Row] = field(default_factory=list)
    claims: list[Row] = field(default_factory=list)
    preclinical: list[Row] = field(default_factory=list)
    safety: list[Row] = field(default_factory=list)
    notes: list[Row] = field(default_factory=list)


def counts(index: Index, rows: Sequence[Row], results: Iterable[Row] | None = None) -> Counts:
    """Count what is charted of some reports; participants once per study, secondary reports in reports only.

    Notes take nothing out of these counts: they are about values, not about reports (DESIGN, section 3).
    """
    sizes: dict[str, int] = {}
    for r in rows:
        if r["study"] and r["sample_size"]:
            sizes[r["study"]] = max(sizes.get(r["study"], 0), int(r["sample_size"]))
    found = list(results) if results is not None else [x for r in rows for x in index.results.get(r["report"], [])]
    return Counts(
        len(rows),
        sum(r["kind"] == "secondary" for r in rows),
        len({r["study"] for r in rows if r["study"]}),
        sum(sizes.values()),
        len(sizes),
        len(found),
        sum(x["noted"] == "true" for x in found),
        tuple(r["report"] for r in rows if "grave" in items(r["severities"])),
    )


def participants_text(c: Counts) -> str:
    """Say how many participants, and for how many studies a sample size is charted at all."""
    if not c.sized:
        return "not charted"
    return str(c.participants) + ("" if c.sized == c.studies else f" (in {c.sized} of {c.studies} studies)")


def _slugs(vocabulary: Vocabulary, term: Term, sub: bool) -> set[str]:
    keys = vocabulary.below(term.key) if sub else {term.key}
    return {vocabulary.terms[k].slug for k in keys}


def top(vocabulary: Vocabulary, term: Term) -> str:
    """Return the slug of the uppermost term of the entity's own branch, which is what gaps and conflicts speak of."""
    chain = [*vocabulary.above(term.key), term.key]
    return next((vocabulary.terms[k].slug for k in chain if vocabulary.terms[k].page == term.page), term.slug)


def entity(index: Index, vocabulary: Vocabulary, kind: str, slug: str, sub: bool = True) -> Entity | None:
    """Gather one entity.

    Parameters
    ----------
    index, vocabulary : Index, Vocabulary
        Of one build.
    kind : str
        technology, disease or outcome.
    slug : str
        The term.
    sub : bool
        Whether reports on the terms below it count too.

    Returns
    -------
    Entity or None
        None where the vocabulary has no such term.
    """
    term = vocabulary.find(kind, slug)
    if term is None:
        return None
    wanted = _slugs(vocabulary, term, sub)
    found = {"technology": _technology, "disease": _disease, "outcome": _outcome}[kind](index, vocabulary, term, wanted)
    rows = index.of(found)
    own = None
    if kind == "outcome":
        own = [x for r in rows for x in index.results.get(r["report"], []) if wanted & set(items(x["outcome_measure"]))]
    out = Entity(kind, term, sub, rows, counts(index, rows, own))
    names, above = {r["report"] for r in rows}, top(vocabulary, term)
    out.groups = _groups(index, out, wanted, above)
    out.safety = [x for r in rows for x in index.safety.get(r["report"], [])]
    seen: dict[str, Row] = {n["note"]: n for r in rows for n in index.notes.get(r["report"], [])}
    out.notes = sorted(seen.values(), key=data.gravest_first)
    column = {"technology": "technology", "disease": "disease", "outcome": "outcome_measure"}[kind]
    at = {slug} if kind == "outcome" else {above}
    out.gaps = [g for g in index.gaps if at & set(items(g[column]))] if above == slug or kind == "outcome" else []
    out.conflicts = [
        c
        for c in index.conflicts
        if {c["report_a"], c["report_b"]} <= names and (kind == "outcome" or above in items(c[column]))
    ]
    if kind == "outcome":
        out.results = own or []
        out.scale_uses = [
            u for r in rows for u in index.scale_uses.get(r["report"], []) if u["measure"] in wanted
        ]  # what a report did with the measure overrides the general entry
    else:
        out.outcomes = _outcomes(index, rows)
        about = "technologies" if kind == "technology" else "diseases"
        on = [c for c in index.claims if ({above} | wanted) & set(items(c[about]))]
        out.preclinical = [c for c in on if is_preclinical(c)]
        if kind == "disease":
            out.preclinical += [c for c in index.claims if is_preclinical(c) and not items(c["diseases"])]
        out.claims = [c for c in on if not is_preclinical(c)]
    if kind == "technology":
        out.along = _along(index, wanted, names)
    if kind == "disease":
        placed = {r["report"] for r in index.reports if r["placed_under"] == above} if above == slug else set()
        out.elsewhere = [
            r
            for r in index.reports
            if (r["report"] in names and r["placed_under"] != above)
            or (r["report"] in placed and above not in items(r["diseases"]))
        ]
    return out


def is_preclinical(claim: Row) -> bool:
    """Tell whether a claim of the review rests on animal or laboratory work."""
    return "preclinical" in (claim["level"], claim["topic"])


def _technology(index: Index, vocabulary: Vocabulary, term: Term, wanted: set[str]) -> set[str]:
    """Return the reports that test a technology; where a report's arms are not charted, its named technology decides."""
    family = {vocabulary.terms[k].slug for k in vocabulary.below(term.key)}
    listed = {t for r in index.reports for t in items(r["technologies"])}
    out = set()
    for r in index.reports:
        tested = {c["intervention"] for c in index.components.get(r["report"], []) if c["role"] == "tested"}
        by_name = term.slug in items(r["technologies"])
        if term.slug in listed and not by_name:
            continue  # a component under test that the report's arms share is no test of it (DESIGN, section 6)
        if tested & wanted or (by_name and not tested & family):
            out.add(r["report"])
    return out


def _disease(index: Index, vocabulary: Vocabulary, term: Term, wanted: set[str]) -> set[str]:
    return {r["report"] for r in index.reports if wanted & set(items(r["conditions"]))}


def _outcome(index: Index, vocabulary: Vocabulary, term: Term, wanted: set[str]) -> set[str]:
    return {r["report"] for r in index.reports if wanted & set(items(r["measures"]))}


def _along(index: Index, wanted: set[str], tested: set[str]) -> list[Row]:
    """Return where an intervention is given without being under test: as control, adjunct, carrier or background."""
    return [
        {"report": report, "role": c["role"], "component": c["printedAs"] or c["component"], "arm": c["arm"], "source": c["source"]}
        for report, found in sorted(index.components.items())
        for c in found
        if c["intervention"] in wanted and (c["role"] != "tested" or report not in tested)
    ]  # fmt: skip


def _groups(index: Index, out: Entity, wanted: set[str], above: str) -> list[Row]:
    """Return what is charted by the other side: a technology's diseases, a disease's technologies, an outcome's both."""
    column = {"technology": "diseases", "disease": "technologies", "outcome": "technologies"}[out.kind]
    groups: dict[str, list[Row]] = defaultdict(list)
    for r in out.reports:
        for other in items(r[column]):
            groups[other].append(r)
    rows = []
    for other, members in groups.items():
        c = counts(index, members)
        directions: dict[str, list[str]] = defaultdict(list)
        against: set[str] = set()
        for r in members:
            for d in _directions(index, out, r["report"], other, wanted, above):
                directions[d["direction"] or "not-charted"].append(r["report"])
                against.update(items(d["comparator"]) or ["not-charted"])
        times = [Decimal(r["longest"]) for r in members if r["longest"]]
        rows.append({
            "other": other, "reports": str(c.reports), "studies": str(c.studies), "participants": participants_text(c),
            "directions": "|".join(f"{d}: {', '.join(sorted(set(directions[d])))}" for d in _ORDER if directions.get(d)),
            "comparators": "|".join(sorted(against)),
            "longest": format(max(times), "f") if times else "",
            "grave": "|".join(c.grave_reports),
        })  # fmt: skip
    return sorted(rows, key=lambda r: (-int(r["reports"]), r["other"]))


_ORDER = ("favours-technology", "within-arm-improvement", "mixed", "no-difference", "favours-comparator", "not-charted")


def _directions(index: Index, out: Entity, report: str, other: str, wanted: set[str], above: str) -> list[Row]:
    if out.kind == "outcome":
        return [
            d
            for d in index.by_outcome.get(report, [])
            if d["technology"] == other and wanted & set(items(d["outcome_measure"]))
        ]
    found = index.directions.get(report, [])
    about = other if out.kind == "disease" else above
    return [d for d in found if d["technology"] == about]


def _outcomes(index: Index, rows: Sequence[Row]) -> list[Row]:
    """Return the outcome measures of some reports with how many reports use each, and how many give a result on it."""
    used: dict[str, set[str]] = defaultdict(set)
    given: dict[str, set[str]] = defaultdict(set)
    for r in rows:
        for measure in items(r["measures"]):
            used[measure].add(r["report"])
        for x in index.results.get(r["report"], []):
            for measure in items(x["outcome_measure"]):
                given[measure].add(r["report"])
                used[measure].add(r["report"])
    return [
        {"outcome measure": m, "reports": str(len(used[m])), "with a result": str(len(given[m])), "named": "|".join(sorted(used[m]))}
        for m in sorted(used, key=lambda m: (m == "not-named", -len(used[m]), m))
    ]  # fmt: skip
