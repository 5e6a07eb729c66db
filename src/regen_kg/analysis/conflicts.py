"""Own the conflicts: pairs of reports on one technology and disease that point in different directions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import pyoxigraph as ox

from regen_kg.analysis.evidence import Evidence
from regen_kg.iris import RDF, RDFS, RKG, SKOS, named_graph, term_class, thing

BENEFIT = frozenset({"favours-technology", "within-arm-improvement"})
NO_BENEFIT = frozenset({"no-difference", "favours-comparator"})
# Of which comparator an undescribed control is, nobody knows: two of them are not known to be the same.
_UNKNOWN = frozenset({"control-not-described"})
_KIND_CLASS = {
    "direct": "DirectConflict",
    "indirect": "IndirectConflict",
    "uncontrolled-controlled": "UncontrolledControlledConflict",
}
_UNEXPLAINED = "nothing charted explains it"


@dataclass(frozen=True, slots=True)
class ConflictOf:
    """Two reports that point in different directions, in alphabetical order, with what could explain it."""

    kind: str
    technology: str
    disease: str
    report_a: str
    report_b: str
    explanations: tuple[str, ...]

    @property
    def key(self) -> tuple[str, str, str, str]:
        """Return the natural key."""
        return self.technology, self.disease, self.report_a, self.report_b


def _kind(evidence: Evidence, technology: str, a: str, b: str) -> str:
    ours, theirs = evidence.comparators(a, technology), evidence.comparators(b, technology)
    if not (ours and theirs):  # where both lack one, "no difference" still implies that something was compared
        return "uncontrolled-controlled"
    same = ({evidence.root(c) for c in ours} & {evidence.root(c) for c in theirs}) - _UNKNOWN
    if same and set(evidence.domains(a, technology)) & set(evidence.domains(b, technology)):
        return "direct"
    return "indirect"


def _words(values: Iterator[str] | set[str] | tuple[str, ...]) -> str:
    return ", ".join(sorted(set(values)))


def _component_words(evidence: Evidence, report: str, technology: str, column: str) -> str:
    return _words(v for c in evidence.tested(report, technology) if (v := c.value(column)) is not None)


def _subtype(evidence: Evidence, report: str, disease: str) -> str:
    out = set()
    for row in evidence.conditions[report]:
        if disease in (row["condition"], *evidence.terms.ancestors("condition", row["condition"])):
            descriptor = row.value("descriptor")
            out.add(row["condition"] + (f" ({descriptor})" if descriptor else ""))
    return _words(out)


def _differences(evidence: Evidence, technology: str, disease: str, a: str, b: str) -> Iterator[tuple[str, str, str]]:
    """Yield (what differs, value in a, value in b), both charted, in the order of rank."""
    pair = (a, b)

    def both(name: str, values: list[str]) -> Iterator[tuple[str, str, str]]:
        if all(values) and values[0] != values[1]:
            yield name, values[0], values[1]

    yield from both("condition-subtype", [_subtype(evidence, r, disease) for r in pair])
    yield from both("preparation", [_words({c["intervention"] for c in evidence.tested(r, technology)}) for r in pair])
    for name in ("dose", "volume", "concentration"):
        yield from both(name, [_component_words(evidence, r, technology, name) for r in pair])
    yield from both("number-of-injections", [_component_words(evidence, r, technology, "number") for r in pair])
    adjuncts = [
        _words({c["intervention"] for c in evidence.components[r] if c["role"] in ("adjunct", "background")})
        or ("none" if evidence.components[r] else "")
        for r in pair
    ]
    yield from both("adjunct", adjuncts)
    against = [_words(evidence.comparators(r, technology)) for r in pair]
    if any(against):
        yield from both("comparator", [x or "none charted" for x in against])
    times = [evidence.longest(r) for r in pair]
    if None not in times and times[0] != times[1]:
        yield "time-point", f"{times[0]} months", f"{times[1]} months"
    arms = [len(evidence.arms[r]) for r in pair]
    yield from both("design", [("1 arm" if n == 1 else f"{n} arms") if n else "" for n in arms])
    yield from both("allocation", [evidence.reports[r].value("allocation") or "" for r in pair])
    sizes = [evidence.reports[r].value("sample_size") for r in pair]
    if sizes[0] and sizes[1] and max(map(int, sizes)) >= 2 * min(map(int, sizes)):  # type: ignore[arg-type]
        yield "sample-size", sizes[0], sizes[1]
    yield from both("outcome-domain", [_words(evidence.domains(r, technology)) for r in pair])


def find_conflicts(evidence: Evidence) -> list[ConflictOf]:
    """Find all conflicts.

    Returns
    -------
    list of ConflictOf
        One per technology, disease and unordered pair of reports of distinct studies, sorted by these; secondary
        reports are no studies and conflict with nothing. Differences are hypotheses; none is shown to act.
    """
    out = []
    for technology, disease in sorted(evidence.cells):
        primary = [r for r in evidence.cell(technology, disease) if evidence.study(r) is not None]
        for a, b in combinations(primary, 2):
            ways = {evidence.directions[r, technology]["direction"] for r in (a, b)}
            if evidence.study(a) == evidence.study(b) or not (ways & BENEFIT and ways & NO_BENEFIT):
                continue
            told = tuple(
                f"{name}: {x} / {y}".replace("|", ",")
                for name, x, y in _differences(evidence, technology, disease, a, b)
            )
            kind = _kind(evidence, technology, a, b)
            out.append(ConflictOf(kind, technology, disease, a, b, told or (_UNEXPLAINED,)))
    return out


def conflict_quads(evidence: Evidence) -> list[ox.Quad]:
    """Write all conflicts as nodes, and the outcome domains that each report's direction rests on."""
    graph = ox.NamedNode(named_graph("computed"))
    out: list[ox.Quad] = []

    def add(subject: str, predicate: str, value: ox.NamedNode | ox.Literal) -> None:
        out.append(ox.Quad(ox.NamedNode(subject), ox.NamedNode(predicate), value, graph))

    def link(subject: str, name: str, target: str) -> None:
        add(subject, RKG + name, ox.NamedNode(target))

    for report, technology in evidence.directions:
        for domain in evidence.domains(report, technology):
            link(thing("report-direction", report, technology), "onDomain", thing("outcome-domain", domain))
    for found in find_conflicts(evidence):
        me = thing("conflict", *found.key)
        for name in ("Conflict", _KIND_CLASS[found.kind]):
            add(me, RDF + "type", ox.NamedNode(RKG + name))
        words = f"{found.report_a} and {found.report_b} on {found.technology.replace('-', ' ')}"
        add(me, RDFS + "label", ox.Literal(f"{words} in {found.disease.replace('-', ' ')}", language="en"))
        add(me, SKOS + "notation", ox.Literal("/".join(found.key)))
        link(me, "aboutTechnology", term_class(found.technology))
        link(me, "aboutDisease", term_class(found.disease))
        for report in (found.report_a, found.report_b):
            link(me, "betweenReport", thing("report", report))
            link(me, "betweenDirection", thing("report-direction", report, found.technology))
        for text in found.explanations:
            add(me, RKG + "candidateExplanation", ox.Literal(text))
        add(me, RKG + "foundBy", ox.Literal("conflicts"))
    return out
