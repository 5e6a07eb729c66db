"""Own what charted values say when they are read together: scale, polarity, n, change, and where a result points."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

import pyoxigraph as ox

from regen_kg.iris import RKG, named_graph, thing
from regen_kg.model import Chart, Row
from regen_kg.terms import Terms
from regen_kg.triples import months

_RANGE = re.compile(r"(-?\d+(?:\.\d+)?)\s*(?:-|–|to)\s*(-?\d+(?:\.\d+)?)")
_PER_CM = {"cm": Decimal(1), "mm": Decimal(10)}
_WITHIN = {1: "within-arm-improvement", 0: "no-difference", -1: ""}
_BETWEEN = {1: "favours-technology", 0: "no-difference", -1: "favours-comparator"}


@dataclass(frozen=True, slots=True)
class Read:
    """A number read from charted rows: its value and the rows it rests on."""

    value: Decimal
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Computed:
    """Where the numbers of a result point: a direction (empty for a change for the worse), on which basis, from which rows."""

    direction: str
    basis: str
    rows: tuple[Row, ...]
    tested: bool = True

    def agrees(self, stated: str | None) -> bool | None:
        """Tell whether the stated direction is the computed one; None where none is stated, or none and nothing is tested."""
        if stated in (None, "not-charted") or (not self.tested and stated in ("no-difference", "mixed")):
            return None
        return stated == self.direction


def result_key(row: Row) -> str:
    """Return the key of a charted result, as notes write it."""
    return f"{row['report']}/{row['result']}"


def significant(p: str | None, level: Decimal = Decimal("0.05")) -> bool | None:
    """Tell whether a printed p value is below a level; None where it does not say.

    Examples
    --------
    >>> significant("<0.001"), significant("=0.3"), significant(">0.05"), significant("<0.1"), significant(None)
    (True, False, False, None, None)
    """
    if p is None:
        return None
    found = re.fullmatch(r"([<>=]+)(\d*\.?\d+)", p)
    if not found:
        return None
    operator, number = found[1], Decimal(found[2])
    if operator == "=":
        return number < level
    if operator.startswith("<"):
        return True if number <= level else None
    return False if number >= level else None


def sign(value: Decimal) -> int:
    """Return 1, 0 or -1."""
    return (value > 0) - (value < 0)


class Values:
    """The charted values of all reports, looked up by arm, measure and time."""

    def __init__(self, chart: Chart, terms: Terms) -> None:
        self.chart, self.terms = chart, terms
        self.results: dict[str, list[Row]] = defaultdict(list)
        self.arms: dict[str, dict[str, Row]] = defaultdict(dict)
        self.times: dict[tuple[str, str], Row] = {(r["report"], r["time_point"]): r for r in chart.rows("time-points")}
        self.baselines: dict[str, list[str]] = defaultdict(list)
        for row in chart.rows("time-points"):
            if row["role"] == "baseline":
                self.baselines[row["report"]].append(row["time_point"])
        self.reports: dict[str, Row] = {r["report"]: r for r in chart.rows("reports")}
        self.uses: dict[tuple[str, str], Row] = {
            (r["report"], r["outcome_measure"]): r for r in chart.rows("scale-uses")
        }
        self._levels: dict[tuple[str, str, str, str], list[Row]] = defaultdict(list)
        self._changes: dict[tuple[str, str, str, str], list[Row]] = defaultdict(list)
        for row in chart.rows("arms"):
            self.arms[row["report"]][row["arm"]] = row
        for row in chart.rows("results"):
            self.results[row["report"]].append(row)
            if row.value("value") is None or len(row.items("arms")) != 1 or len(row.items("outcome_measures")) != 1:
                continue
            key = (row["report"], row["arms"], row["outcome_measures"], row["time_point"])
            if row["kind"] == "arm-measurement" and row["statistic"] in ("mean", "level"):
                self._levels[key].append(row)
            elif row["kind"] == "within-arm-change" and row["statistic"] == "mean-change":
                self._changes[key].append(row)

    def polarity(self, report: str, measure: str) -> int | None:
        """Return 1 where higher is better, -1 where lower is; what the report did with the scale overrides its general entry."""
        if measure == "not-named":
            return None
        use = self.uses.get((report, measure))
        word = (use.value("polarity") if use else None) or self.terms.get("outcome-measure", measure).value("polarity")
        return {"higher-is-better": 1, "lower-is-better": -1}.get(word or "")

    def ends(self, report: str, measure: str, unit: str | None) -> tuple[Decimal, Decimal] | None:
        """Return the ends of a scale in the unit of a value; the range that the report printed overrides the general entry."""
        if measure == "not-named":
            return None
        use = self.uses.get((report, measure))
        printed = _RANGE.search(use.value("range") or "") if use else None
        if printed:
            one, other = Decimal(printed[1]), Decimal(printed[2])
            return min(one, other), max(one, other)
        term = self.terms.get("outcome-measure", measure)
        low, high, own = term.value("range_min"), term.value("range_max"), term.value("unit")
        if low is None or high is None:
            return None
        factor = _PER_CM[unit] / _PER_CM[own] if own in _PER_CM and unit in _PER_CM else Decimal(1)
        return Decimal(low) * factor, Decimal(high) * factor

    def months(self, report: str, time: str) -> Decimal | None:
        """Return a time point in months, if it is dated."""
        row = self.times.get((report, time))
        if row is None or (value := row.value("value")) is None or (unit := row.value("unit")) is None:
            return None
        return months(value, unit)

    def size(self, report: str, arm: str) -> int | None:
        """Return the printed n of an arm; a single arm has that of the sample."""
        row = self.arms[report].get(arm)
        n = row.value("n") if row else None
        if n is None and row is not None and len(self.arms[report]) == 1:
            n = self.reports[report].value("sample_size")
        return int(n) if n is not None and int(n) > 0 else None

    def n(self, row: Row) -> int | None:
        """Return how many a value of one arm rests on: the number analysed, else the n of the arm."""
        if (analysed := row.value("n_analysed")) is not None:
            return int(analysed) if int(analysed) > 0 else None  # a shape names an n below 1
        return self.size(row["report"], row["arms"]) if len(row.items("arms")) == 1 else None

    def level(self, report: str, arm: str, measure: str, time: str) -> Row | None:
        """Return the one mean or level of an arm at a time; None where there is none, or more than one."""
        rows = self._levels.get((report, arm, measure, time), [])
        return rows[0] if len(rows) == 1 else None

    def printed_change(self, report: str, arm: str, measure: str, time: str) -> Row | None:
        """Return the one printed mean change of an arm up to a time."""
        rows = self._changes.get((report, arm, measure, time), [])
        return rows[0] if len(rows) == 1 else None

    def change(self, report: str, arm: str, measure: str, time: str, start: str) -> Read | None:
        """Return the difference between the measurements of an arm at two times."""
        before, after = (self.level(report, arm, measure, t) for t in (start, time))
        if before is None or after is None or before is after or before["unit"] != after["unit"]:
            return None
        return Read(Decimal(after["value"]) - Decimal(before["value"]), (before, after))

    def difference(self, report: str, arm: str, other: str, measure: str, time: str) -> Read | None:
        """Return arm less other: between two measurements at a time, else between two printed changes up to it."""
        for look in (self.level, self.printed_change):
            a, b = look(report, arm, measure, time), look(report, other, measure, time)
            if a is not None and b is not None and a["unit"] == b["unit"]:
                return Read(Decimal(a["value"]) - Decimal(b["value"]), (a, b))
        return None

    def interval(self, row: Row) -> tuple[Decimal, Decimal] | None:
        """Return both limits of a printed interval."""
        lower, upper = row.value("ci_lower"), row.value("ci_upper")
        return (Decimal(lower), Decimal(upper)) if lower is not None and upper is not None else None

    def computed(self, row: Row) -> Computed | None:
        """Work out where the numbers of a result point.

        Returns
        -------
        Computed or None
            For a within-arm change from its value or the measurements at its two times; for a comparison only where an
            interval or a p value between the arms tests it. None where numbers, polarity or the test are not charted,
            or where a value contradicts its own interval.
        """
        if row["kind"] == "within-arm-change":
            return self._within(row)
        return self._between(row) if row["kind"] == "between-arm-comparison" else None

    def _own(self, row: Row, statistic: str) -> Read | None:
        if row["statistic"] == statistic and (value := row.value("value")) and len(row.items("outcome_measures")) == 1:
            return Read(Decimal(value), (row,))
        return None

    def _within(self, row: Row) -> Computed | None:
        report, start = row["report"], row.value("from_time_point")
        own = self._own(row, "mean-change")
        ends = self.interval(row) if own else None
        if own and ends and not ends[0] <= own.value <= ends[1]:
            return None
        p = significant(row.value("p")) if row["p_scope"] == "within" else None
        none = ends[0] <= 0 <= ends[1] if ends else p is False
        signs: set[int] = set()
        rows: list[Row] = []
        for measure in row.items("outcome_measures"):
            polarity = self.polarity(report, measure)
            reads = [own] if own else [
                self.change(report, arm, measure, row["time_point"], start) if start else None for arm in row.items("arms")
            ]  # fmt: skip
            if polarity is None or not reads:
                return None
            for read in reads:
                if read is None:
                    return None
                signs.add(0 if none else sign(read.value) * polarity)
                rows += read.rows
        basis = "change" if own else "measurements at two times"
        if ends or p is not None:
            basis += " and interval" if ends else " and p within the arm"
        return self._pointing(signs, _WITHIN, basis, rows, bool(ends) or p is not None)

    def _between(self, row: Row) -> Computed | None:
        report, arms, others = row["report"], row.items("arms"), row.items("comparator_arms")
        own, ends = self._own(row, "mean-difference"), self.interval(row)
        if own and ends:
            if not ends[0] <= own.value <= ends[1]:
                return None
            tested, basis = not ends[0] <= 0 <= ends[1], "difference and interval"
        else:
            p = significant(row.value("p")) if row["p_scope"] == "between" else None
            if p is None:
                return None
            tested, basis = p, "difference and p between the arms"
        signs: set[int] = set()
        rows: list[Row] = []
        for measure in row.items("outcome_measures"):
            read = own
            if read is None and len(arms) == len(others) == 1:
                read = self.difference(report, arms[0], others[0], measure, row["time_point"])
            polarity = self.polarity(report, measure)
            if read is None or polarity is None:
                return None
            signs.add(sign(read.value) * polarity if tested else 0)
            rows += read.rows
            if not own:
                basis = f"{'measurements' if read.rows[0]['kind'] == 'arm-measurement' else 'changes'} and p between the arms"
        return self._pointing(signs, _BETWEEN, basis, rows)

    def _pointing(
        self, signs: set[int], words: dict[int, str], basis: str, rows: list[Row], tested: bool = True
    ) -> Computed | None:
        if not signs:
            return None
        direction = words[next(iter(signs))] if len(signs) == 1 else "mixed"
        basis = basis if direction else f"{basis}: for the worse"
        return Computed(direction, basis, tuple({r.number: r for r in rows}.values()), tested)


def direction_quads(values: Values) -> Iterable[ox.Quad]:
    """Yield where the numbers of each result point, on which basis and from which results, and whether that is as stated."""
    graph = ox.NamedNode(named_graph("computed"))
    for rows in values.results.values():
        for row in rows:
            if (found := values.computed(row)) is None:
                continue
            me = ox.NamedNode(thing("result", row["report"], row["result"]))

            def say(name: str, value: ox.NamedNode | ox.Literal, me: ox.NamedNode = me) -> ox.Quad:
                return ox.Quad(me, ox.NamedNode(RKG + name), value, graph)

            yield say("computedDirectionBasis", ox.Literal(found.basis))
            if found.direction:
                yield say("computedDirection", ox.NamedNode(thing("direction", found.direction)))
            if (agrees := found.agrees(row.value("direction"))) is not None:
                yield say("directionAgrees", ox.Literal(agrees))
            for source in found.rows:
                yield say("restsOn", ox.NamedNode(thing("result", source["report"], source["result"])))
