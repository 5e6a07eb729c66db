"""Own the conflicts: pairs of reports on one technology and disease that point in different directions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations

import pyoxigraph as ox

from regen_kg.analysis.evidence import Evidence
from regen_kg.iris import RDF, RDFS, RKG, SKOS, XSD, named_graph, term_class, thing

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
class Difference:
    """One charted difference between two reports; how many other studies of the cell fit it as an explanation, how many don't."""

    name: str
    value_a: str
    value_b: str
    fitting: int = 0
    contradicting: int = 0

    def __str__(self) -> str:
        """Say the difference with its values."""
        return f"{self.name}: {self.value_a} / {self.value_b}".replace("|", ",")


@dataclass(frozen=True, slots=True)
class ConflictOf:
    """Two reports that point in different directions, in alphabetical order, with what could explain it, ranked."""

    kind: str
    technology: str
    disease: str
    report_a: str
    report_b: str
    explanations: tuple[Difference, ...]

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


def _words(values: Iterable[str]) -> str:
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


def _profile(evidence: Evidence, report: str, technology: str, disease: str) -> dict[str, str]:
    """Return what is charted of a report that could explain its direction, in the order of rank; empty is not charted."""
    out = {
        "condition-subtype": _subtype(evidence, report, disease),
        "preparation": _words({c["intervention"] for c in evidence.tested(report, technology)}),
    }
    for name in ("dose", "volume", "concentration"):
        out[name] = _component_words(evidence, report, technology, name)
    out["number-of-injections"] = _component_words(evidence, report, technology, "number")
    beside = {c["intervention"] for c in evidence.components[report] if c["role"] in ("adjunct", "background")}
    out["adjunct"] = _words(beside) or ("none" if evidence.components[report] else "")
    out["comparator"] = _words(evidence.comparators(report, technology)) or "none charted"
    longest, arms = evidence.longest(report), len(evidence.arms[report])
    out["time-point"] = f"{longest} months" if longest is not None else ""
    out["design"] = ("1 arm" if arms == 1 else f"{arms} arms") if arms else ""
    out["allocation"] = evidence.reports[report].value("allocation") or ""
    out["sample-size"] = evidence.reports[report].value("sample_size") or ""
    out["outcome-domain"] = _words(evidence.domains(report, technology))
    return out


def _nearer(name: str, value: str, a: str, b: str) -> str:
    """Tell whether a value is that of a or of b, for amounts by nearness; empty if neither."""
    if name in ("time-point", "sample-size") and value:
        x, y, z = (Decimal(v.split()[0]) for v in (value, a, b))
        return "" if abs(x - y) == abs(x - z) else "a" if abs(x - y) < abs(x - z) else "b"
    return "a" if value == a else "b" if value == b else ""


def _ranked(
    a: str, b: str, profiles: dict[str, dict[str, str]], side: dict[str, bool], study: dict[str, str | None]
) -> list[Difference]:
    """Return the differences of two reports; ahead are those that the other studies of the cell fit best.

    Another study fits if it has the value of the report that it agrees with in direction, and contradicts if it has the
    value of the other. Ties keep the order of the profile.
    """
    others = [r for r in side if study[r] not in (study[a], study[b])]
    out = []
    for name, x in profiles[a].items():
        y = profiles[b][name]
        if not (x and y) or x == y:
            continue
        if name == "sample-size" and max(int(x), int(y)) < 2 * min(int(x), int(y)):
            continue
        near = {r: _nearer(name, profiles[r][name], x, y) for r in others}
        fits = {(study[r], side[r] == side[a if which == "a" else b]) for r, which in near.items() if which}
        fitting = sum(fit for _, fit in fits)
        out.append(Difference(name, x, y, fitting, len(fits) - fitting))
    return sorted(out, key=lambda d: d.contradicting - d.fitting)


def find_conflicts(evidence: Evidence) -> list[ConflictOf]:
    """Find all conflicts.

    Returns
    -------
    list of ConflictOf
        One per technology, disease and unordered pair of reports of distinct studies, sorted by these; secondary
        reports are no studies and conflict with nothing. Differences are hypotheses; none is shown to act, and the
        other studies of the cell only order them.
    """
    out = []
    for technology, disease in sorted(evidence.cells):
        primary = [r for r in evidence.cell(technology, disease) if evidence.study(r) is not None]
        study = {r: evidence.study(r) for r in primary}
        profiles = {r: _profile(evidence, r, technology, disease) for r in primary}
        directions = {r: evidence.directions[r, technology]["direction"] for r in primary}
        side = {r: way in BENEFIT for r, way in directions.items() if way in BENEFIT | NO_BENEFIT}
        for a, b in combinations(primary, 2):
            if study[a] == study[b] or {side.get(a), side.get(b)} != {True, False}:
                continue
            kind = _kind(evidence, technology, a, b)
            out.append(ConflictOf(kind, technology, disease, a, b, tuple(_ranked(a, b, profiles, side, study))))
    return out


def conflict_quads(evidence: Evidence, conflicts: Iterable[ConflictOf]) -> list[ox.Quad]:
    """Write conflicts as nodes with their explanations, and the outcome domains that each report's direction rests on."""
    graph = ox.NamedNode(named_graph("computed"))
    integer = ox.NamedNode(XSD + "integer")
    out: list[ox.Quad] = []

    def add(subject: str, predicate: str, value: ox.NamedNode | ox.Literal) -> None:
        out.append(ox.Quad(ox.NamedNode(subject), ox.NamedNode(predicate), value, graph))

    def link(subject: str, name: str, target: str) -> None:
        add(subject, RKG + name, ox.NamedNode(target))

    for report, technology in evidence.directions:
        for domain in evidence.domains(report, technology):
            link(thing("report-direction", report, technology), "onDomain", thing("outcome-domain", domain))
    for found in conflicts:
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
        for text in [str(d) for d in found.explanations] or [_UNEXPLAINED]:
            add(me, RKG + "candidateExplanation", ox.Literal(text))
        for rank, difference in enumerate(found.explanations, 1):
            why = thing("explanation", *found.key, difference.name)
            add(why, RDF + "type", ox.NamedNode(RKG + "CandidateExplanation"))
            add(
                why, RDFS + "label", ox.Literal(f"{difference.name.replace('-', ' ')} as an explanation", language="en")
            )
            link(why, "explains", me)
            for name, text in (
                ("difference", difference.name),
                ("valueA", difference.value_a),
                ("valueB", difference.value_b),
            ):
                add(why, RKG + name, ox.Literal(text))
            counts = {
                "rank": rank,
                "studiesFitting": difference.fitting,
                "studiesContradicting": difference.contradicting,
            }
            for name, count in counts.items():
                add(why, RKG + name, ox.Literal(str(count), datatype=integer))
        add(me, RKG + "foundBy", ox.Literal("conflicts"))
    return out
