"""Own what gaps and conflicts both ask of the chart: which reports stand in a cell, against what, on which outcomes."""

from __future__ import annotations

import re
from collections import defaultdict
from decimal import Decimal

from regen_kg.model import Chart, Row
from regen_kg.terms import Terms
from regen_kg.triples import months, top_disease, top_technology

_TABLE_ROW = re.compile(r"T[5-7]\.r\d+")


class Evidence:
    """The charted evidence by technology and disease; a report stands in every disease that its population has."""

    def __init__(self, chart: Chart, terms: Terms) -> None:
        self.chart, self.terms = chart, terms
        self.technologies = [t.slug for t in terms.all("technology")]
        self.diseases = [t.slug for t in terms.all("condition") if t.parent is None]
        self.reports: dict[str, Row] = {r["report"]: r for r in chart.rows("reports")}
        self.conditions: dict[str, list[Row]] = defaultdict(list)
        self.directions: dict[tuple[str, str], Row] = {
            (r["report"], r["technology"]): r for r in chart.rows("directions")
        }
        self.cells: dict[tuple[str, str], list[str]] = defaultdict(list)
        self.arms: dict[str, set[str]] = defaultdict(set)
        self.components: dict[str, list[Row]] = defaultdict(list)
        self.results: dict[str, list[Row]] = defaultdict(list)
        self.scale_uses: dict[str, set[str]] = defaultdict(set)
        self._times: dict[str, list[Decimal]] = defaultdict(list)
        for row in chart.rows("populations"):
            self.conditions[row["report"]].append(row)
        for report, technology in self.directions:
            for disease in self.diseases_of(report):
                self.cells[technology, disease].append(report)
        for row in chart.rows("arms"):
            self.arms[row["report"]].add(row["arm"])
        for row in chart.rows("components"):
            self.components[row["report"]].append(row)
        for row in chart.rows("results"):
            self.results[row["report"]].append(row)
        for row in chart.rows("scale-uses"):
            self.scale_uses[row["report"]].add(row["outcome_measure"])
        for row in chart.rows("time-points"):
            value, unit = row.value("value"), row.value("unit")
            if row["role"] == "follow-up" and value is not None and unit is not None:
                self._times[row["report"]].append(months(value, unit))

    def diseases_of(self, report: str) -> list[str]:
        """Return the diseases that a report's row or prose names."""
        return sorted({top_disease(self.terms, row["condition"]) for row in self.conditions[report]})

    def cell(self, technology: str, disease: str) -> list[str]:
        """Return the reports that test a technology in a disease, sorted."""
        return sorted(self.cells.get((technology, disease), []))

    def study(self, report: str) -> str | None:
        """Return the study that a report reports; none for a secondary report."""
        row = self.reports[report]
        return row["study"] if row["kind"] == "primary" else None

    def longest(self, report: str) -> Decimal | None:
        """Return a report's longest dated follow-up in months."""
        return max(self._times[report], default=None)

    def tested(self, report: str, technology: str) -> list[Row]:
        """Return the components that give the technology under test."""
        return [
            c
            for c in self.components[report]
            if c["role"] == "tested" and top_technology(self.terms, c["intervention"]) == technology
        ]

    def root(self, intervention: str) -> str:
        """Return the class of comparator that an intervention falls under, e.g. inert-control for saline."""
        return [intervention, *self.terms.ancestors("intervention", intervention)][-1]

    def comparators(self, report: str, technology: str) -> tuple[str, ...]:
        """Return what the report's direction is against; nothing where no comparator is charted."""
        return tuple(sorted(set(self.directions[report, technology].items("comparator"))))

    def controls(self, report: str, technology: str) -> set[str]:
        """Return the classes of all comparators: those of the direction and of the report's control components."""
        own = {self.root(c) for c in self.comparators(report, technology)}
        return own | {self.root(c["intervention"]) for c in self.components[report] if c["role"] == "control"}

    def domain(self, measure: str) -> str | None:
        """Return the outcome domain of a measure."""
        return self.terms.get("outcome-measure", measure).value("domain") if measure != "not-named" else None

    def _domains(self, measures: set[str]) -> tuple[str, ...]:
        return tuple(sorted({d for m in measures if (d := self.domain(m))}))

    def domains(self, report: str, technology: str) -> tuple[str, ...]:
        """Return the outcome domains that a report's direction on a technology rests on.

        Those of results with a stated direction on arms that get the technology (or on no charted arm); where there are
        none, those of its other results; where there are none either, those of the scales it used.
        """
        mine = {c["arm"] for c in self.tested(report, technology)}
        of_arm = [
            r for r in self.results[report]
            if not (arms := {*r.items("arms"), *r.items("comparator_arms")}) or arms & mine
        ]  # fmt: skip
        said = [r for r in of_arm if r.value("direction") not in (None, "not-charted")]
        stated = {m for r in said for m in r.items("outcome_measures")}
        every = {m for r in of_arm for m in r.items("outcome_measures")}
        return self._domains(stated) or self._domains(every) or self._domains(self.scale_uses[report])

    def measures(self, report: str) -> set[str]:
        """Return every outcome measure that a report gives a result on or scored."""
        named = {m for r in self.results[report] for m in r.items("outcome_measures") if m != "not-named"}
        return named | self.scale_uses[report]

    def has_table_row(self, report: str) -> bool:
        """Tell whether a report has a row in Tables 5 to 7, and not prose alone."""
        return any(_TABLE_ROW.match(code) for code in self.reports[report].items("source"))
