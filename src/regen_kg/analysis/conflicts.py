"""Own the conflicts: pairs of reports on one technology and disease that point in different directions."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from heapq import nsmallest
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
_KINDS = tuple(_KIND_CLASS)  # in the order in which they are kept where there are too many
_AMOUNTS = ("time-point", "sample-size")
MOST = 15_000  # conflicts of a build; a thousand studies in the review's 55 cells have about eleven thousand
FIRST = "direct ones and larger studies come first"  # of those that are listed where there are too many
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
    left_out: int = 0  # other conflicts of the cell, which are too many to list

    @property
    def key(self) -> tuple[str, str, str, str]:
        """Return the natural key."""
        return self.technology, self.disease, self.report_a, self.report_b


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


class _Studies:
    """The studies of a cell by what is charted of them: which point to benefit and which do not."""

    def __init__(self, profiles: dict[str, dict[str, str]], side: dict[str, bool], study: dict[str, str]) -> None:
        self.profiles, self.side, self.study = profiles, side, study
        self._with: dict[tuple[str, str], dict[bool, set[str]]] = {}
        self._ordered: dict[tuple[str, bool], list[tuple[Decimal, str]]] = {}
        for report, benefit in side.items():
            for name, value in profiles[report].items():
                if name not in _AMOUNTS:
                    self._with.setdefault((name, value), {True: set(), False: set()})[benefit].add(study[report])
                elif value:
                    self._ordered.setdefault((name, benefit), []).append((_amount(value), study[report]))
        for amounts in self._ordered.values():
            amounts.sort(key=_first)

    def _near(self, name: str, value: str, other: str, benefit: bool) -> set[str]:
        """Return the studies of one side that have a value rather than the other, for amounts by nearness."""
        if name not in _AMOUNTS:
            return self._with[name, value][benefit]
        mine, theirs, amounts = _amount(value), _amount(other), self._ordered.get((name, benefit), [])
        middle = (mine + theirs) / 2
        if mine < theirs:
            return {s for _, s in amounts[: bisect_left(amounts, middle, key=_first)]}
        return {s for _, s in amounts[bisect_right(amounts, middle, key=_first) :]} if mine > theirs else set()

    def ranked(self, a: str, b: str) -> list[Difference]:
        """Return the differences of two reports; ahead are those that the other studies of the cell fit best.

        Another study fits if it has the value of the report that it agrees with in direction, and contradicts if it has
        the value of the other. Ties keep the order of the profile.
        """
        mine = {self.study[a], self.study[b]}
        out = []
        for name, x in self.profiles[a].items():
            y = self.profiles[b][name]
            if not (x and y) or x == y:
                continue
            if name == "sample-size" and max(int(x), int(y)) < 2 * min(int(x), int(y)):
                continue
            fit, against = (
                self._near(name, x, y, self.side[a] == agrees) | self._near(name, y, x, self.side[b] == agrees)
                for agrees in (True, False)
            )
            out.append(Difference(name, x, y, len(fit - mine), len(against - mine)))
        return sorted(out, key=lambda d: d.contradicting - d.fitting)


def _amount(value: str) -> Decimal:
    return Decimal(value.split()[0])


def _first(pair: tuple[Decimal, str]) -> Decimal:
    return pair[0]


class _Cell:
    """The reports of one cell that point to benefit or away from it."""

    def __init__(self, evidence: Evidence, technology: str, disease: str) -> None:
        self.evidence, self.technology, self.disease = evidence, technology, disease
        self.study: dict[str, str] = {}
        self.side: dict[str, bool] = {}  # whether it points to benefit
        for r in evidence.cell(technology, disease):
            way = evidence.directions[r, technology]["direction"]
            if (study := evidence.study(r)) is not None and way in BENEFIT | NO_BENEFIT:
                self.study[r], self.side[r] = study, way in BENEFIT
        sides = Counter(self.side.values())
        of = Counter((self.study[r], benefit) for r, benefit in self.side.items())
        self.total = sides[True] * sides[False] - sum(of[s, True] * of[s, False] for s in {*self.study.values()})

    def _pairs(self) -> Iterator[tuple[str, str, str]]:
        """Yield the kind and the two reports of each conflict, in the order of the reports."""
        of = {r: self.evidence.comparators(r, self.technology) for r in self.side}
        roots = {r: {self.evidence.root(c) for c in of[r]} - _UNKNOWN for r in self.side}
        domains = {r: set(self.evidence.domains(r, self.technology)) for r in self.side}
        for a, b in combinations(self.side, 2):
            if self.side[a] == self.side[b] or self.study[a] == self.study[b]:
                continue
            if not (of[a] and of[b]):  # where both lack one, "no difference" still implies that something was compared
                yield "uncontrolled-controlled", a, b
            else:
                yield "direct" if roots[a] & roots[b] and domains[a] & domains[b] else "indirect", a, b

    def conflicts(self, most: int) -> Iterator[ConflictOf]:
        """Yield the conflicts, at most so many, in the order of their reports."""
        pairs: Iterable[tuple[str, str, str]] = self._pairs()
        if self.total > most:
            size = {r: int(self.evidence.reports[r].value("sample_size") or 0) for r in self.side}
            first = nsmallest(most, pairs, key=lambda p: (_KINDS.index(p[0]), -min(size[p[1]], size[p[2]]), p[1:]))
            pairs = sorted(first, key=lambda p: p[1:])
        profiles = {r: _profile(self.evidence, r, self.technology, self.disease) for r in self.side}
        studies, left = _Studies(profiles, self.side, self.study), max(self.total - most, 0)
        for kind, a, b in pairs:
            yield ConflictOf(kind, self.technology, self.disease, a, b, tuple(studies.ranked(a, b)), left)


def _share(totals: Iterable[int], most: int) -> int:
    """Return how many each cell may have at most, so that all have no more than so many together.

    Examples
    --------
    >>> _share([3, 50, 90], 24), _share([3, 5, 90], 98)
    (10, 90)
    """
    ordered = sorted(totals)
    for i, total in enumerate(ordered):
        if total > (share := most // (len(ordered) - i)):
            return share
        most -= total
    return ordered[-1] if ordered else 0


def find_conflicts(evidence: Evidence, most: int = MOST) -> list[ConflictOf]:
    """Find the conflicts: all, or where there are more than so many, the first of each cell.

    Pairs grow with the square of the studies: ten thousand studies in 55 cells make a million, which no one reads. Then
    full cells get equal shares, and in each come direct conflicts first, then indirect ones; among these the pairs whose
    smaller study is largest. `left_out` says how many others the cell has.

    Parameters
    ----------
    evidence : Evidence
        The charted evidence.
    most : int, optional
        How many in all.

    Returns
    -------
    list of ConflictOf
        One per technology, disease and unordered pair of reports of distinct studies, sorted by these; secondary
        reports are no studies and conflict with nothing. Differences are hypotheses; none is shown to act, and the
        other studies of the cell only order them.
    """
    cells = [cell for key in sorted(evidence.cells) if (cell := _Cell(evidence, *key)).total]
    share = _share((cell.total for cell in cells), most)
    return [found for cell in cells for found in cell.conflicts(share)]


def conflict_quads(evidence: Evidence, conflicts: Iterable[ConflictOf]) -> Iterator[ox.Quad]:
    """Yield conflicts as nodes with their explanations, and the outcome domains that each report's direction rests on."""
    graph = ox.NamedNode(named_graph("computed"))
    integer = ox.NamedNode(XSD + "integer")

    def add(subject: str, predicate: str, value: ox.NamedNode | ox.Literal) -> ox.Quad:
        return ox.Quad(ox.NamedNode(subject), ox.NamedNode(predicate), value, graph)

    def link(subject: str, name: str, target: str) -> ox.Quad:
        return add(subject, RKG + name, ox.NamedNode(target))

    for report, technology in evidence.directions:
        for domain in evidence.domains(report, technology):
            yield link(thing("report-direction", report, technology), "onDomain", thing("outcome-domain", domain))
    for found in conflicts:
        me = thing("conflict", *found.key)
        for name in ("Conflict", _KIND_CLASS[found.kind]):
            yield add(me, RDF + "type", ox.NamedNode(RKG + name))
        words = f"{found.report_a} and {found.report_b} on {found.technology.replace('-', ' ')}"
        yield add(me, RDFS + "label", ox.Literal(f"{words} in {found.disease.replace('-', ' ')}", language="en"))
        yield add(me, SKOS + "notation", ox.Literal("/".join(found.key)))
        yield link(me, "aboutTechnology", term_class(found.technology))
        yield link(me, "aboutDisease", term_class(found.disease))
        for report in (found.report_a, found.report_b):
            yield link(me, "betweenReport", thing("report", report))
            yield link(me, "betweenDirection", thing("report-direction", report, found.technology))
        for text in [str(d) for d in found.explanations] or [_UNEXPLAINED]:
            yield add(me, RKG + "candidateExplanation", ox.Literal(text))
        for rank, difference in enumerate(found.explanations, 1):
            why = thing("explanation", *found.key, difference.name)
            yield add(why, RDF + "type", ox.NamedNode(RKG + "CandidateExplanation"))
            yield add(
                why, RDFS + "label", ox.Literal(f"{difference.name.replace('-', ' ')} as an explanation", language="en")
            )
            yield link(why, "explains", me)
            for name, text in (
                ("difference", difference.name),
                ("valueA", difference.value_a),
                ("valueB", difference.value_b),
            ):
                yield add(why, RKG + name, ox.Literal(text))
            counts = {
                "rank": rank,
                "studiesFitting": difference.fitting,
                "studiesContradicting": difference.contradicting,
            }
            for name, count in counts.items():
                yield add(why, RKG + name, ox.Literal(str(count), datatype=integer))
        yield add(me, RKG + "foundBy", ox.Literal("conflicts"))
        if found.left_out:
            words = f"{found.left_out} more conflicts of {found.technology} in {found.disease} are not listed; {FIRST}"
            yield add(me, RDFS + "comment", ox.Literal(words, language="en"))
