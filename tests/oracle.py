"""Own the second computation: counts, conflicts and their kinds from plain tables, by the definitions and by brute force.

Nothing here comes from the package. A table is a list of dicts, a list cell joined by `|`, as in the CSV files.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from fractions import Fraction
from functools import cache
from itertools import combinations
from pathlib import Path

ONTOLOGY = Path(__file__).resolve().parent.parent / "ontology"
MISSING = ("not-charted", "not-reported", "unclear", "not-applicable")
BENEFIT, NO_BENEFIT = ("favours-technology", "within-arm-improvement"), ("no-difference", "favours-comparator")
Tables = dict[str, list[dict[str, str]]]


def table(path: Path) -> list[dict[str, str]]:
    """Read a CSV file."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@cache
def terms(name: str) -> dict[str, dict[str, str]]:
    """Return a term table by slug."""
    return {r["slug"]: r for r in table(ONTOLOGY / f"{name}.csv")}


def items(cell: str) -> list[str]:
    """Return the items of a list cell; a status word is none."""
    return [x for x in cell.split("|") if x not in MISSING]


def lineage(name: str, slug: str) -> list[str]:
    """Return a term and all above it, the uppermost last."""
    out = [slug]
    while terms(name)[out[-1]]["parent"] != "none":
        out.append(terms(name)[out[-1]]["parent"])
    return out


def top(name: str, slug: str) -> str:
    """Return the uppermost term."""
    return lineage(name, slug)[-1]


TECHNOLOGIES = sorted(s for s, r in terms("interventions").items() if r["section4"] == "true")
DISEASES = sorted(s for s, r in terms("conditions").items() if r["parent"] == "none")


@cache
def sits_in(place: str) -> frozenset[str]:
    """Return all that a place is or is part of."""
    row = terms("anatomy")[place]
    return frozenset({place}.union(*(sits_in(x) for x in (row["parent"], row["part_of"]) if x != "none")))


@cache
def classes(axis: str, slug: str) -> frozenset[str]:
    """Return every term and family that a charted word falls under."""
    name = {"technology": "interventions", "disease": "conditions"}[axis]
    line = lineage(name, slug)
    rows = [terms(name)[s] for s in line]
    out = set(line)
    if axis == "disease":
        places = {p for r in rows for x in items(r["located_in"]) for p in sits_in(x)}
        return frozenset(out | {f"{p}-disorder" for p in ("ankle", "tendon", "cartilage", "ligament") if p in places})
    out.add("technology")
    routes, origins = {r["route"] for r in rows}, {x for r in rows for x in items(r["derived_from"])}
    families = {"injection": "injection-therapy", "surgery": "surgical-therapy", "energy": "energy-based-therapy"}
    out |= {families[x] for x in routes if x in families}
    families = {"blood": "blood-", "bone-marrow": "bone-marrow-", "adipose-tissue": "adipose-"}
    out |= {families[x] + "derived-therapy" for x in origins if x in families}
    if any(r["cell_based"] == "true" for r in rows):
        out.add("cell-based-therapy")
    return frozenset(out)


class Review:
    """The tables of one review, asked by the definitions."""

    def __init__(self, tables: Tables) -> None:
        self.t: Tables = defaultdict(list, tables)
        self.report = {r["report"]: r for r in self.t["reports"]}
        self.tests = {(d["report"], d["technology"]) for d in self.t["directions"]}
        self.charted_in: dict[str, set[str]] = defaultdict(set)  # conditions as charted
        self.tested: dict[tuple[str, str], set[str]] = defaultdict(set)  # tested words of an arm
        self.controls: dict[tuple[str, str], set[str]] = defaultdict(set)
        for r in self.t["populations"]:
            self.charted_in[r["report"]].add(r["condition"])
        for c in self.t["components"]:
            if c["role"] == "control":
                self.controls[c["report"], c["arm"]].add(c["intervention"])
            if c["role"] == "tested" and top("interventions", c["intervention"]) in TECHNOLOGIES:
                self.tested[c["report"], c["arm"]].add(c["intervention"])

    def study(self, report: str) -> str | None:
        row = self.report[report]
        return row["study"] if row["kind"] == "primary" else None

    def diseases(self, report: str, placement: str = "population") -> set[str]:
        if placement == "charted":
            return {self.report[report]["placed_under"]}
        return {top("conditions", c) for c in self.charted_in[report]}

    def carried(self, report: str, arm: str) -> set[str]:
        """Return the technologies under test in a report that an arm gets."""
        return {x for w in self.tested[report, arm] if (report, x := top("interventions", w)) in self.tests}

    def count(self, reports: set[str]) -> tuple[int, int, int]:
        """Return reports, studies and participants: a study once, with the largest size that a report of it prints."""
        sizes: dict[str, int] = {}
        for r in reports:
            if study := self.study(r):
                size = self.report[r]["sample_size"]
                sizes[study] = max(sizes.get(study, 0), int(size) if size not in MISSING else 0)
        return len(reports), len(sizes), sum(sizes.values())

    def comparisons(self) -> list[tuple[str, frozenset[str], str, str]]:
        """Return (report, the two arms, outcome measure or nothing, time point) of each comparison, once."""
        out = set()
        for r in self.t["results"]:
            if r["kind"] == "between-arm-comparison":
                for a in items(r["arms"]):
                    for b in items(r["comparator_arms"]):
                        for m in [m for m in items(r["outcome_measures"]) if m != "not-named"] or [""]:
                            out.add((r["report"], frozenset((a, b)), m, "".join(items(r["time_point"]))))
        return sorted(out, key=str)

    def gap_matrix(self, placement: str) -> list[tuple[object, ...]]:
        out = []
        for t in TECHNOLOGIES:
            for d in DISEASES:
                here = {r for r, x in self.tests if x == t and d in self.diseases(r, placement)}
                compared = [
                    c for c in self.comparisons() if c[0] in here and any(t in self.carried(c[0], a) for a in c[1])
                ]
                out.append((t, d, *self.count(here), len(compared)))
        return out

    def facts(self) -> list[tuple[str, str, dict[str, str], str]]:
        """Return (report, technology, result, arm against) for all results; the arm is empty where there is none."""
        out = []
        for x in self.t["results"]:
            r, arms, against = x["report"], items(x["arms"]), items(x["comparator_arms"])
            for mine, others in ((arms, against), (against, arms)):
                for arm in mine:
                    out += [(r, t, x, o) for t in self.carried(r, arm) for o in others or [""]]
            tested = [t for q, t in self.tests if q == r]
            if not arms and len(tested) == 1:
                out.append((r, tested[0], x, ""))
        return out

    @staticmethod
    def domains_of(measures: list[str]) -> set[str]:
        return {
            d for m in measures if m != "not-named" and (d := terms("outcome-measures")[m]["domain"]) not in (*MISSING, "not-established")
        }  # fmt: skip

    def coverage(self) -> list[tuple[object, ...]]:
        cells: dict[tuple[str, str, str], set[str]] = defaultdict(set)
        for r, t, x, _ in self.facts():
            for domain in self.domains_of(items(x["outcome_measures"])):
                for d in self.diseases(r):
                    cells[t, d, domain].add(r)
        out = []
        for (t, d, domain), reports in cells.items():
            compared = [
                c
                for c in self.comparisons()
                if c[2] and domain in self.domains_of([c[2]]) and d in self.diseases(c[0])
                and any(t in self.carried(c[0], a) for a in c[1])
            ]  # fmt: skip
            out.append((t, d, domain, *self.count(reports), len(compared)))
        return sorted(out)

    def roll_up(self) -> list[tuple[object, ...]]:
        """Return (axis, term, here, below, reports, studies, participants, comparisons), terms without reports left out."""
        at: dict[tuple[str, str], set[str]] = {}
        for r, t in self.tests:
            own = {w for (q, _), words in self.tested.items() if q == r for w in words if top("interventions", w) == t}
            at.setdefault(("technology", r), set()).update(own or {t})
        for r, words in self.charted_in.items():
            at["disease", r] = words
        out = []
        for axis in ("technology", "disease"):
            known = {c for (a, _), words in at.items() if a == axis for w in words for c in classes(axis, w)}
            for term in known:
                here = {r for (a, r), words in at.items() if a == axis and term in words}
                below = {
                    r for (a, r), words in at.items() if a == axis and any(w != term and term in classes(axis, w) for w in words)
                }  # fmt: skip
                n = 0
                for r, arms, _, _ in self.comparisons():
                    words = {
                        w for a in arms for w in self.tested[r, a] if top("interventions", w) in self.carried(r, a)
                    }
                    if axis == "disease" and words:
                        words = self.charted_in[r]
                    n += any(term in classes(axis, w) for w in words)
                out.append((axis, term, len(here), len(below), *self.count(here | below), n))
        return sorted(out)

    def co_occurrence(self) -> list[tuple[object, ...]]:
        """Return per pair of axes: cells joined, cells co-occurring, reports in cells joined, reports in cells co-occurring."""
        months = {"day": Fraction(400, 12175), "week": Fraction(2800, 12175), "month": 1, "year": 12}
        times = {
            (p["report"], p["time_point"]): Fraction(p["value"]) * months[p["unit"]]
            for p in self.t["time-points"]
            if p["role"] == "follow-up" and p["value"] not in MISSING
        }
        statements: dict[tuple[str, ...], set[tuple[str, str]]] = defaultdict(set)
        loose: dict[str, set[tuple[str, str]]] = defaultdict(set)
        for r, t, x, other in self.facts():
            me = statements[r, x["result"], t]
            me |= {("technology", t), *(("outcome_domain", d) for d in self.domains_of(items(x["outcome_measures"])))}
            if other:
                against = {top("interventions", w) for w in self.tested[r, other]} | self.controls[r, other]
                me |= {("comparator", c) for c in against}
            if (at := times.get((r, x["time_point"]))) is not None:
                band = next((str(m) for m in (6, 12, 24) if round(float(at), 2) <= m), "later")
                me.add(("time", band))
        for d in self.t["directions"]:
            me = statements[d["report"], "direction", d["technology"]]
            me |= {("technology", d["technology"]), *(("comparator", c) for c in items(d["comparator"]))}
        for c in self.t["components"]:
            if (t := top("interventions", c["intervention"])) in TECHNOLOGIES:
                loose[c["report"]].add(("technology", t))
            if c["role"] == "control":
                loose[c["report"]].add(("comparator", c["intervention"]))
        joined: dict[tuple[str, str], set[tuple[str, str, str]]] = defaultdict(set)
        beside: dict[tuple[str, str], set[tuple[str, str, str]]] = defaultdict(set)
        for (r, *_), values in statements.items():
            values |= {("disease", d) for d in self.diseases(r)}
            loose[r] |= values
            for one, two in combinations(sorted(values), 2):
                joined[one[0], two[0]].add((one[1], two[1], r))
        for r, values in loose.items():
            values |= {("disease", d) for d in self.diseases(r)}
            for one, two in combinations(sorted(values), 2):
                beside[one[0], two[0]].add((one[1], two[1], r))
        return sorted(
            (*axes, len({c[:2] for c in joined[axes]}), len({c[:2] for c in cells}), len(joined[axes]), len(cells))
            for axes, cells in beside.items()
            if axes[0] != axes[1]
        )

    def domains(self, report: str, technology: str) -> set[str]:
        """Return the outcome domains that a report's direction on a technology rests on."""
        mine = []
        for x in self.t["results"]:
            arms = [*items(x["arms"]), *items(x["comparator_arms"])]
            given = [a for a in arms if technology in {top("interventions", w) for w in self.tested[report, a]}]
            if x["report"] == report and (given or not arms):
                mine.append(x)
        stated = [x for x in mine if x["direction"] not in MISSING]
        used = [u["outcome_measure"] for u in self.t["scale-uses"] if u["report"] == report]
        for measures in (
            [m for x in stated for m in items(x["outcome_measures"])],
            [m for x in mine for m in items(x["outcome_measures"])],
            used,
        ):
            if found := self.domains_of(measures):
                return found
        return set()

    def conflicts(self) -> dict[tuple[str, str, str, str], str]:
        """Return the kind of each conflict by technology, disease and the two reports in alphabetical order."""
        out = {}
        for one, two in combinations([d for d in self.t["directions"] if self.study(d["report"])], 2):
            a, b = sorted((one, two), key=lambda d: d["report"])
            ways = {a["direction"], b["direction"]}
            if a["technology"] != b["technology"] or self.study(a["report"]) == self.study(b["report"]):
                continue
            if not (ways & set(BENEFIT) and ways & set(NO_BENEFIT)):
                continue
            against = [{top("interventions", c) for c in items(d["comparator"])} for d in (a, b)]
            if not all(against):
                kind = "uncontrolled-controlled"
            elif (against[0] & against[1]) - {"control-not-described"} and (
                self.domains(a["report"], a["technology"]) & self.domains(b["report"], b["technology"])
            ):
                kind = "direct"
            else:
                kind = "indirect"
            for disease in self.diseases(a["report"]) & self.diseases(b["report"]):
                out[a["technology"], disease, a["report"], b["report"]] = kind
        return out
