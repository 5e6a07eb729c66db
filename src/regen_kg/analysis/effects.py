"""Own the effect sizes: those that charted numbers allow, one comparison at a time, and why the others are none."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from math import sqrt

import pyoxigraph as ox

from regen_kg.analysis.values import Values, result_key
from regen_kg.iris import RDF, RDFS, RKG, SKOS, XSD, named_graph, thing
from regen_kg.model import Row

_Z = 1.959963984540054  # the 97.5th percentile of the normal distribution


@dataclass(frozen=True, slots=True)
class Effect:
    """One effect size of one report, or the reason why there is none."""

    report: str
    kind: str  # change | difference-of-changes | mean-difference | standardised-mean-difference
    arm: str  # empty where no arm is charted
    comparator: str  # empty for a change
    measure: str
    time: str
    rows: tuple[Row, ...]
    estimate: Decimal | None = None
    lower: Decimal | None = None
    upper: Decimal | None = None
    n: tuple[int | None, int | None] = (None, None)
    reason: str = ""
    left_out: tuple[str, ...] = ()  # grave notes on a value that it rests on

    @property
    def status(self) -> str:
        """Return computed, left-out or not-computed."""
        return "not-computed" if self.estimate is None else "left-out" if self.left_out else "computed"

    @property
    def key(self) -> tuple[str, ...]:
        """Return the natural key."""
        return (self.report, self.kind, self.arm or "-", self.comparator or "-", self.measure, self.time)


def hedges_g(
    mean_a: float, sd_a: float, n_a: int, mean_b: float, sd_b: float, n_b: int
) -> tuple[float, float, float, float]:
    """Standardise the difference of two means.

    Parameters
    ----------
    mean_a, sd_a, n_a : float, float, int
        Mean, standard deviation and number analysed of one arm.
    mean_b, sd_b, n_b : float, float, int
        The same of the arm it is compared with.

    Returns
    -------
    estimate, standard_error, lower, upper
        Hedges' adjusted g of a less b, in pooled standard deviations, with its 95% interval.

    References
    ----------
    Hedges and Olkin (1985), Statistical Methods for Meta-Analysis; Cochrane Handbook 6.5.1.2; the formulae are those of
    Deeks and Higgins (2010), Statistical algorithms in Review Manager 5.

    Examples
    --------
    >>> [round(x, 4) for x in hedges_g(103, 5.5, 50, 100, 4.5, 50)]  # Borenstein et al. (2009), chapter 4
    [0.5924, 0.2045, 0.1916, 0.9933]
    """
    total = n_a + n_b
    pooled = sqrt(((n_a - 1) * sd_a**2 + (n_b - 1) * sd_b**2) / (total - 2))
    g = (mean_a - mean_b) / pooled * (1 - 3 / (4 * total - 9))
    error = sqrt(total / (n_a * n_b) + g**2 / (2 * (total - 3.94)))
    return g, error, g - _Z * error, g + _Z * error


def _six(value: float) -> Decimal:
    return Decimal(f"{value:.6f}")


def _sd(row: Row, n: int) -> float | None:
    """Return the standard deviation where it, or a standard error, is stated; never an inferred one."""
    kind, spread = row.value("dispersion_kind"), row.value("dispersion")
    if spread is None or kind not in ("SD", "SE"):
        return None
    return float(spread) * (sqrt(n) if kind == "SE" else 1)


class _Report:
    """Works out the effects of one report."""

    def __init__(self, values: Values, report: str, graves: dict[str, list[str]]) -> None:
        self.v, self.report, self.graves = values, report, graves
        self.rows = values.results[report]
        self.baselines = values.baselines[report]

    def effect(
        self, kind: str, arm: str, other: str, measure: str, time: str, rows: Iterable[Row], **more: object
    ) -> Effect:
        rows = tuple({r.number: r for r in rows}.values())
        notes = tuple(sorted({n for r in rows for n in self.graves.get(result_key(r), ())}))
        return Effect(self.report, kind, arm, other, measure, time, rows, left_out=notes, **more)  # type: ignore[arg-type]

    def change(self, arm: str, measure: str, time: str, start: str | None) -> Effect | None:
        """Return the change of an arm up to a time, as printed or between two measurements."""
        if measure == "not-named":
            return None
        row = self.v.printed_change(self.report, arm, measure, time)
        if row is not None:
            ends = self.v.interval(row) if row.value("ci_level") == "95" else None
            reason = "as printed" + ("" if ends else ", without an interval")
            lower, upper = ends or (None, None)
            n = (self.v.n(row), None)
            return self.effect("change", arm, "", measure, time, [row], estimate=Decimal(row["value"]), lower=lower, upper=upper, n=n, reason=reason)  # fmt: skip
        for begin in [start] if start else self.baselines:
            if read := self.v.change(self.report, arm, measure, time, begin):
                reason = "between two measurements; the SD of the change is not charted"
                return self.effect("change", arm, "", measure, time, read.rows, estimate=read.value, n=(self.v.n(read.rows[1]), None), reason=reason)  # fmt: skip
        return None

    def changes(self) -> Iterator[Effect]:
        seen: dict[tuple[str, str, str], Effect] = {}
        for row in self.rows:
            one = len(row.items("arms")) == 1
            if row["kind"] == "within-arm-change" or (
                row["kind"] == "arm-measurement" and one and row["time_point"] not in self.baselines
            ):
                for measure in row.items("outcome_measures"):
                    for arm in row.items("arms") or ("",):
                        key, start = (arm, measure, row["time_point"]), row.value("from_time_point")
                        found = self.change(arm, measure, row["time_point"], start)
                        if found is not None:
                            seen[key] = found
                        elif row["kind"] == "within-arm-change" and key not in seen:
                            why = (
                                "the measure is not named"
                                if measure == "not-named"
                                else "only a percentage is charted"
                                if row["statistic"] == "percentage-change"
                                else "no value is charted"
                            )
                            seen[key] = self.effect("change", arm, "", measure, row["time_point"], [row], reason=why)
        yield from seen.values()

    def comparisons(self) -> Iterator[Effect]:
        wanted: dict[tuple[str, str, str, str], list[Row]] = {}
        for row in self.rows:
            if row["kind"] == "between-arm-comparison":
                for measure in row.items("outcome_measures"):
                    for arm in row.items("arms") or ("",):
                        for other in row.items("comparator_arms") or ("",):
                            wanted.setdefault((arm, other, measure, row["time_point"]), []).append(row)
        order = sorted(self.v.arms[self.report].values(), key=lambda a: (a["role"] != "intervention", a.number))
        measured = sorted(
            {(m, r["time_point"]) for r in self.rows for m in r.items("outcome_measures") if r.value("value")}
        )
        for i, a in enumerate(order):
            for b in order[i + 1 :] if a["role"] == "intervention" else ():
                for measure, time in measured:
                    pair = (a["arm"], b["arm"])
                    there = any({x, y} == set(pair) and (m, t) == (measure, time) for x, y, m, t in wanted)
                    if (
                        not there
                        and time not in self.baselines
                        and self.v.difference(self.report, *pair, measure, time)
                    ):
                        wanted[(*pair, measure, time)] = []
        for (arm, other, measure, time), rows in wanted.items():
            yield from self.difference(arm, other, measure, time, rows)
            yield self.standardised(arm, other, measure, time, rows)

    def difference(self, arm: str, other: str, measure: str, time: str, rows: list[Row]) -> Iterator[Effect]:
        for row in rows:
            if row["statistic"] == "mean-difference" and row.value("value") is not None:
                lower, upper = (self.v.interval(row) if row.value("ci_level") == "95" else None) or (None, None)
                yield self.effect("mean-difference", arm, other, measure, time, [row], estimate=Decimal(row["value"]), lower=lower, upper=upper, n=(self.v.size(self.report, arm), self.v.size(self.report, other)), reason="as printed")  # fmt: skip
        both = [self.change(x, measure, time, None) for x in (arm, other)] if arm and other else []
        if not both or both[0] is None or both[1] is None:
            return
        a, b = both[0], both[1]
        value = (a.estimate or Decimal(0)) - (b.estimate or Decimal(0))
        lower = upper = None
        reason = "no interval: the SD of a change is not stated"
        spreads = [_sd(e.rows[0], e.n[0]) if len(e.rows) == 1 and e.n[0] else None for e in (a, b)]
        if all(spreads):
            error = sqrt(sum((s or 0) ** 2 / (e.n[0] or 1) for s, e in zip(spreads, (a, b), strict=True)))
            lower, upper, reason = _six(float(value) - _Z * error), _six(float(value) + _Z * error), ""
        yield self.effect("difference-of-changes", arm, other, measure, time, [*a.rows, *b.rows], estimate=value, lower=lower, upper=upper, n=(a.n[0], b.n[0]), reason=reason)  # fmt: skip

    def standardised(self, arm: str, other: str, measure: str, time: str, rows: list[Row]) -> Effect:
        kind = "standardised-mean-difference"
        levels = [self.v.level(self.report, x, measure, time) for x in (arm, other)] if arm and other else [None, None]
        a, b = levels
        if a is None or b is None or measure == "not-named":
            why = (
                "the measure is not named" if measure == "not-named" else "the arms are not both charted" if not (arm and other)
                else "no mean of either arm at this time is charted" if not (a or b) else f"no mean of {other if a else arm} at this time is charted"
            )  # fmt: skip
            changes = [self.v.printed_change(self.report, x, measure, time) for x in (arm, other)]
            return self.effect(
                kind, arm, other, measure, time, rows or [x for x in (*levels, *changes) if x], reason=why
            )
        sizes = self.v.n(a), self.v.n(b)

        def none(why: str) -> Effect:
            return self.effect(kind, arm, other, measure, time, (a, b), n=sizes, reason=why)

        if a["unit"] != b["unit"]:
            return none("the arms are measured in different units")
        if bare := [x["arms"] for x in (a, b) if x.value("dispersion") is None]:
            return none(f"no dispersion is charted for {', '.join(bare)}")
        if level := [x["arms"] for x in (a, b) if x["statistic"] != "mean"]:
            return none(f"the value of {', '.join(level)} is not said to be a mean")
        if unknown := [x["arms"] for x, n in zip((a, b), sizes, strict=True) if n is None or n < 2]:
            return none(f"no n is charted for {', '.join(unknown)}")
        numbers = [(float(x["value"]), float(x["dispersion"]), n or 0) for x, n in zip((a, b), sizes, strict=True)]
        spreads = [_sd(x, n) for x, (_, _, n) in zip((a, b), numbers, strict=True)]
        if not all(s is not None for s in spreads):
            why = "what ± means is not stated"
            if any(result_key(x) in self.graves for x in (a, b)) or any(spread == 0 for _, spread, _ in numbers):
                return none(why)
            g, _, low, high = hedges_g(*numbers[0], *numbers[1])
            return none(f"{why}; only if it is the SD, g would be {g:.3f} ({low:.3f} to {high:.3f})")
        if not any(spreads):
            return none("the dispersion is 0")
        g, _, low, high = hedges_g(
            numbers[0][0], spreads[0] or 0, numbers[0][2], numbers[1][0], spreads[1] or 0, numbers[1][2]
        )
        assumed = any(x.value("n_analysed") is None for x in (a, b))
        reason = "n is that of the arms; the number analysed is not charted" if assumed else ""
        return self.effect(kind, arm, other, measure, time, (a, b), estimate=_six(g), lower=_six(low), upper=_six(high), n=sizes, reason=reason)  # fmt: skip


def find_effects(values: Values) -> Iterator[Effect]:
    """Work out all effect sizes; nothing is pooled.

    Yields
    ------
    Effect
        For every change within an arm and every comparison between two arms on a measure at a time: changes, differences
        of changes, printed mean differences and standardised mean differences, or one row with the reason why not.
        Raw values, arm less comparator, in the unit and polarity of the measure. SDs are taken only where SD or SE is
        stated. A value under a grave note makes its effect `left-out`.
    """
    graves: dict[str, list[str]] = defaultdict(list)
    for note in values.chart.rows("notes"):
        if note["severity"] == "grave" and note["decision"] == "accepted":
            for key in note.items("results"):
                graves[key].append(note["note"])
    for report in list(values.results):
        one = _Report(values, report, graves)
        yield from one.changes()
        yield from one.comparisons()


def effect_quads(values: Values) -> Iterator[ox.Quad]:
    """Yield all effect sizes as nodes, with the results that each rests on."""
    graph = ox.NamedNode(named_graph("computed"))
    for e in find_effects(values):
        me = ox.NamedNode(thing("effect-size", *e.key))

        def say(name: str, value: ox.NamedNode | ox.Literal, me: ox.NamedNode = me) -> ox.Quad:
            return ox.Quad(me, ox.NamedNode(name if name.startswith("http") else RKG + name), value, graph)

        yield say(RDF + "type", ox.NamedNode(RKG + "EffectSize"))
        words = f"{e.kind.replace('-', ' ')} of {e.measure} in {e.report}"
        yield say(RDFS + "label", ox.Literal(words, language="en"))
        yield say(SKOS + "notation", ox.Literal("/".join(e.key)))
        yield say("ofReport", ox.NamedNode(thing("report", e.report)))
        yield say("effectKind", ox.Literal(e.kind))
        yield say("effectStatus", ox.Literal(e.status))
        if e.reason:
            yield say("effectReason", ox.Literal(e.reason))
        for name, arm in (("effectArm", e.arm), ("effectComparator", e.comparator)):
            if arm:
                yield say(name, ox.NamedNode(thing("arm", e.report, arm)))
        if e.measure != "not-named":
            yield say("effectMeasure", ox.NamedNode(thing("outcome-measure", e.measure)))
        if (e.report, e.time) in values.times:
            yield say("effectTime", ox.NamedNode(thing("time-point", e.report, e.time)))
        for name, number in (("estimate", e.estimate), ("estimateLower", e.lower), ("estimateUpper", e.upper)):
            if number is not None:
                yield say(name, ox.Literal(format(number, "f"), datatype=ox.NamedNode(XSD + "decimal")))
        for name, n in (("effectN", e.n[0]), ("effectComparatorN", e.n[1])):
            if n is not None:
                yield say(name, ox.Literal(str(n), datatype=ox.NamedNode(XSD + "integer")))
        for row in e.rows:
            yield say("restsOn", ox.NamedNode(thing("result", row["report"], row["result"])))
        for note in e.left_out:
            yield say("leftOutFor", ox.NamedNode(thing("note", note)))
