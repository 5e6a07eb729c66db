"""Own the rules that charted numbers must keep, and what settles a finding of theirs."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from itertools import combinations
from math import sqrt
from statistics import NormalDist

from regen_kg.analysis.values import Values, result_key, sign, significant
from regen_kg.model import Chart, Finding, Row
from regen_kg.terms import Terms


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: how grave a breach is, which cell it is about, the rule in a sentence, the note kind that excuses it."""

    severity: str
    table: str
    column: str
    sentence: str
    kind: str = ""


def _r(severity: str, column: str, sentence: str, kind: str = "", table: str = "results") -> Rule:
    return Rule(severity, table, column, sentence, kind)


V, W, I = "violation", "warning", "info"  # noqa: E741
RULES: dict[str, Rule] = {
    # one value
    "value-outside-scale": _r(V, "value", "A mean lies between the ends of its scale.", "value-outside-scale"),
    "change-exceeds-scale": _r(V, "value", "A change or difference is no larger than the scale is wide."),
    "percentage-outside-0-100": _r(V, "value", "A percentage lies between 0 and 100."),
    "count-not-whole": _r(V, "value", "A count is a whole number of at least 0."),
    "count-above-n": _r(V, "value", "A count is no larger than the number it is counted among."),
    "mean-impossible-for-n": _r(W, "value", "The mean of n whole numbers is a whole number divided by n (GRIM)."),
    "percentage-impossible-for-n": _r(W, "value", "A percentage of n is a whole number divided by n."),
    "value-not-printed": _r(W, "value", "The value stands in the charted text."),
    "n-analysed-above-arm": _r(V, "n_analysed", "No more are analysed than the arm, or the sample, holds."),
    # its dispersion
    "dispersion-zero": _r(W, "dispersion", "A dispersion of 0 would mean that all participants are alike."),
    "dispersion-impossible": _r(V, "dispersion", "No standard deviation exceeds what mean, scale and n allow; no standard error implies one that does.", "impossible-dispersion"),
    "dispersion-looks-like-se": _r(W, "dispersion", "A standard deviation is not as small as a standard error of the same data would be.", "impossible-dispersion"),
    "dispersion-looks-like-sd": _r(W, "dispersion", "A standard error does not imply a standard deviation above two fifths of the scale.", "impossible-dispersion"),
    "dispersion-impossible-for-n": _r(W, "dispersion", "The standard deviation of n whole numbers comes from a whole sum of squares (GRIMMER)."),
    "dispersion-not-printed": _r(W, "dispersion", "The dispersion stands in the charted text."),
    # its interval
    "value-outside-interval": _r(V, "value", "A value lies within its own interval.", "value-outside-interval"),
    "interval-reversed": _r(V, "ci_lower", "The lower limit of an interval is below the upper one."),
    "interval-lopsided": _r(W, "ci_upper", "The interval of a mean change or difference has the value in its middle."),
    "interval-level": _r(V, "ci_level", "A confidence level lies between 50 and 100 percent."),
    # its p value
    "p-against-words": _r(W, "p", "What is called significant has a p value below 0.05, and the reverse."),
    "p-against-direction": _r(W, "p", "A p value between the arms below 0.05 is no finding of no difference, one of 0.05 or more no win."),
    "p-against-interval": _r(W, "p", "A 95% interval without 0 goes with a p value below 0.05, one with 0 does not."),
    "p-against-values": _r(W, "p", "The p value between two arms is about that of their means, dispersions and n."),
    "p-scope-against-kind": _r(W, "p_scope", "A change within an arm is tested within it, a comparison between the arms."),
    # its words
    "unit-against-statistic": _r(V, "unit", "Percentages are in percent, counts in participants, durations in months or weeks."),
    "unit-against-measure": _r(W, "unit", "A value has the unit of its measure or one that can be converted to it."),
    "statistic-against-kind": _r(V, "statistic", "Changes belong to within-arm changes, differences to comparisons, levels to arm measurements."),
    "direction-against-kind": _r(V, "direction", "Improvement within an arm is no win over another arm, and the reverse."),
    "time-order": _r(V, "from_time_point", "A change starts before it ends."),
    # results against each other
    "percentage-against-count": _r(W, "value", "A percentage agrees with the count printed for the same arm, measure and time."),
    "change-against-measurements": _r(W, "value", "A change is the later measurement less the earlier one, within rounding."),
    "difference-against-measurements": _r(W, "value", "A difference has the sign of the one between the measurements of the arms."),
    "direction-against-change": _r(W, "direction", "The stated direction of a change is the one that its numbers and the polarity give."),
    "direction-against-comparison": _r(W, "direction", "The stated direction of a comparison is the one that its tested numbers and the polarity give."),
    "direction-against-order": _r(W, "direction", "No arm is said to do better whose untested value at the same time is the worse one."),
    "arms-identical": _r(I, "value", "Two arms, or two times of an arm, rarely share both mean and dispersion: one may be a copy."),
    "result-charted-twice": _r(V, "result", "A result is charted once; a value printed twice is one result with two places."),
    "result-contradicts-itself": _r(W, "value", "An arm has one value of a measure at a time."),
    # other tables
    "arm-sum-above-sample-size": _r(V, "sample_size", "The arms hold no more than the sample.", "arms-against-sample-size", "reports"),
    "time-start-after-end": _r(V, "start", "An interval starts before it ends.", table="time-points"),
    "baseline-not-at-zero": _r(W, "value", "The baseline is at time 0.", table="time-points"),
    "time-name-differs": _r(W, "value", "A time point that is named after a time has that time.", table="time-points"),
    "polarity-contradiction": _r(W, "polarity", "A report uses a scale in the direction that its general entry gives.", table="scale-uses"),
}  # fmt: skip
# What names a row of a table, beside its report, in the rule cell of a note.
_ITEM = {"time-points": "time_point", "scale-uses": "outcome_measure"}
_SUBJECT_UNITS = {"percentage": ("percent",), "percentage-change": ("percent",), "count": ("participant",), "duration": ("month", "week")}  # fmt: skip
_OF_KIND = {
    "arm-measurement": {"mean", "level", "percentage", "count", "duration", "none"},
    "within-arm-change": {"mean-change", "percentage-change", "none"},
    "between-arm-comparison": {"mean-difference", "none"},
}
_SCORE_UNITS = {"point", "level", "percent", "cm", "mm"}
_LENGTHS = {"cm", "mm"}
_NOT_SIGNIFICANT = re.compile(r"\b(?:no|not|non|without|n't)\b[^.;]{0,30}\bsignifican|nonsignifican|insignifican", re.I)
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_NAMED_TIME = re.compile(r"(day|week|month|year)-(\d+(?:-\d+)?)")
_TIGHT = Decimal("0.03")  # of the scale: the least SD of the review is 0.039, its one likely SE 0.03
_WIDE = Decimal("0.4")  # of the scale: half of it would mean that everyone is at one end or the other
_ENOUGH = 8  # fewer than these may well agree by chance


def _half(printed: str) -> Decimal:
    """Return half a unit of the last printed place."""
    exponent = Decimal(printed).as_tuple().exponent
    return Decimal(5).scaleb(int(exponent) - 1)


def _largest_sd(mean: Decimal, low: Decimal, high: Decimal, n: int | None) -> Decimal:
    """Return the largest SD of n values within a scale (half of them at each end would give it); unbounded n adds nothing."""
    most = (high - mean) * (mean - low)
    return (most * n / (n - 1) if n and n > 1 else most).sqrt() if most > 0 else Decimal(0)


def sums_of(mean: str, n: int) -> list[int]:
    """Return the whole sums of n whole numbers whose mean rounds to the printed one (Brown and Heathers 2017, GRIM).

    Examples
    --------
    >>> sums_of("92.4", 7), sums_of("84.22", 15)
    ([647], [])
    """
    middle, half = Decimal(mean), _half(mean)
    first = ((middle - half) * n).to_integral_value(ROUND_CEILING)
    last = ((middle + half) * n).to_integral_value(ROUND_FLOOR)
    return list(range(int(first), int(last) + 1))


def _sd_possible(sums: list[int], sd: str, n: int, as_error: bool) -> bool:
    """Tell whether some whole sum of squares, odd or even as the sum is, gives the printed SD (Anaya 2016, GRIMMER)."""
    factor = Decimal(n).sqrt() if as_error else Decimal(1)
    low, high = ((Decimal(sd) + d) * factor for d in (-_half(sd), _half(sd)))
    for total in sums:
        base = Decimal(total * total) / n
        first = int(((n - 1) * max(low, Decimal(0)) ** 2 + base).to_integral_value(ROUND_CEILING))
        last = int(((n - 1) * high**2 + base).to_integral_value(ROUND_FLOOR))
        if any(q % 2 == total % 2 for q in range(first, min(last, first + 1) + 1)):
            return True
    return False


def _readings(row: Row) -> list[str]:
    """Return what a dispersion may be: SD or SE where it is printed or inferred, else both."""
    kind = row.value("dispersion_kind")
    if kind in ("SD", "SE"):
        return [kind]
    inferred = row.value("dispersion_inferred")
    return [inferred] if inferred else ["SD", "SE"]


class _Checks:
    """Yields breaches as (rule, row, value, reasoning)."""

    def __init__(self, chart: Chart, terms: Terms) -> None:
        self.chart, self.terms = chart, terms
        self.values = Values(chart, terms)

    def all(self) -> Iterator[tuple[str, Row, str, str]]:
        for rows in self.values.results.values():
            for row in rows:
                if row.value("value") is not None:
                    yield from self.value(row)
                    yield from self.dispersion(row)
                    yield from self.interval(row)
                yield from self.p(row)
                yield from self.words(row)
                yield from self.directions(row)
            yield from self.together(rows)
        yield from self.other_tables()

    def value(self, row: Row) -> Iterator[tuple[str, Row, str, str]]:
        text, report, statistic, unit = row["value"], row["report"], row["statistic"], row.value("unit")
        number, n = Decimal(text), self.values.n(row)
        for measure in row.items("outcome_measures"):
            if (ends := self.values.ends(report, measure, unit)) is None:
                continue
            low, high = ends
            if statistic in ("mean", "level") and not low <= number <= high:
                yield "value-outside-scale", row, text, f"outside the scale of {measure} ({low} to {high})"
            if statistic in ("mean-change", "mean-difference") and abs(number) > high - low:
                yield "change-exceeds-scale", row, text, f"larger than the scale of {measure} ({low} to {high})"
        if statistic == "percentage":
            if not 0 <= number <= 100:
                yield "percentage-outside-0-100", row, text, "no share of a whole"
            elif n and not sums_of(str(number.scaleb(-2)), n):
                yield "percentage-impossible-for-n", row, text, f"no whole number out of {n} gives it"
        if statistic == "count":
            if number != int(number) or number < 0:
                yield "count-not-whole", row, text, "participants are counted in whole numbers"
            elif n is not None and number > n:
                yield "count-above-n", row, text, f"counted among {n}"
        if statistic in ("mean", "level") and self.whole(row) and n and not sums_of(text, n):
            measure = row["outcome_measures"]
            yield (
                "mean-impossible-for-n",
                row,
                text,
                f"{measure} is scored in whole numbers, and no sum over {n} participants gives this mean",
            )
        if abs(number) not in (printed := self.printed(row)) and printed:
            yield "value-not-printed", row, text, f'the charted text "{row["charted_text"]}" does not hold it'
        analysed = row.value("n_analysed")
        holds = self.values.size(report, row["arms"]) if len(row.items("arms")) == 1 else None
        sample = self.values.reports[report].value("sample_size")
        most = min((int(x) for x in (holds, sample) if x is not None), default=None)
        if analysed is not None and most is not None and int(analysed) > most:
            yield "n-analysed-above-arm", row, analysed, f"the {'arm' if most == holds else 'sample'} holds {most}"

    def whole(self, row: Row) -> bool:
        measures = row.items("outcome_measures")
        if len(measures) != 1 or measures[0] == "not-named" or row["unit"] not in ("point", "level"):
            return False
        return self.terms.get("outcome-measure", measures[0]).value("whole_number") == "true"

    def printed(self, row: Row) -> set[Decimal]:
        return {Decimal(x) for x in _NUMBER.findall(row.value("charted_text") or "")}

    def dispersion(self, row: Row) -> Iterator[tuple[str, Row, str, str]]:
        text = row.value("dispersion")
        if text is None or (spread := Decimal(text)) < 0 or len(row.items("outcome_measures")) != 1:
            return
        if spread not in self.printed(row) and row.value("charted_text"):
            yield "dispersion-not-printed", row, text, f'the charted text "{row["charted_text"]}" does not hold it'
        n = self.values.n(row)
        if spread == 0:
            if n != 1:
                yield "dispersion-zero", row, text, "a lost digit is likelier than participants who are all alike"
            return
        measure, number, readings = row["outcome_measures"], Decimal(row["value"]), _readings(row)
        root = Decimal(n).sqrt() if n else None
        ends = self.values.ends(row["report"], measure, row.value("unit"))
        if ends and row["statistic"] in ("mean", "level", "mean-change"):
            low, high = ends
            width = high - low
            if row["statistic"] == "mean-change":
                low, high = -width, width
            most = _largest_sd(number, low, high, n) + _half(text)
            implied = spread * root if readings == ["SE"] and root else spread
            if low <= number <= high and implied > most:
                yield (
                    "dispersion-impossible",
                    row,
                    text,
                    f"as {' or '.join(readings)} it asks for an SD of {implied:.2f}, and around {number} no more than {most:.2f} is possible",
                )
            elif readings == ["SE"] and implied > _WIDE * width:
                yield (
                    "dispersion-looks-like-sd",
                    row,
                    text,
                    f"as SE of {n} it would make the SD {implied:.1f} on a scale {width} wide",
                )
            if "SD" in readings and n and n >= _ENOUGH and spread <= _TIGHT * width:
                yield (
                    "dispersion-looks-like-se",
                    row,
                    text,
                    f"{n} participants on a scale {width} wide would hardly differ; as SE it would make the SD {spread * Decimal(n).sqrt():.1f}",
                )
        if "SD" in readings and n and n >= _ENOUGH:
            others = [
                Decimal(r["dispersion"]) for r in self.values.results[row["report"]]
                if r is not row and r["outcome_measures"] == measure and r.value("dispersion") and r["statistic"] == row["statistic"]
                and r["unit"] == row["unit"]
            ]  # fmt: skip
            if len(others) > 1 and min(others) >= max(Decimal("2.5"), Decimal("0.6") * Decimal(n).sqrt()) * spread:
                yield (
                    "dispersion-looks-like-se",
                    row,
                    text,
                    f"the other dispersions of {measure} in this report are at least {min(others)}, about the square root of n = {n} times as large",
                )
        if self.whole(row) and row["statistic"] == "mean" and n and n > 1 and (sums := sums_of(row["value"], n)):
            if not any(_sd_possible(sums, text, n, reading == "SE") for reading in readings):
                yield "dispersion-impossible-for-n", row, text, f"no {n} whole numbers with the mean {number} have it"

    def interval(self, row: Row) -> Iterator[tuple[str, Row, str, str]]:
        level = row.value("ci_level")
        if level is not None and not 50 <= Decimal(level) < 100:
            yield "interval-level", row, level, "no usual confidence level"
        if (limits := self.values.interval(row)) is None:
            return
        (lower, upper), number = limits, Decimal(row["value"])
        if lower > upper:
            yield "interval-reversed", row, row["ci_lower"], f"above the upper limit {upper}"
        elif not lower <= number <= upper:
            yield "value-outside-interval", row, row["value"], f"outside its own interval, {lower} to {upper}"
        elif row["statistic"] in ("mean-change", "mean-difference"):
            rounding = _half(row["value"]) + (_half(row["ci_lower"]) + _half(row["ci_upper"])) / 2
            if abs(number - (lower + upper) / 2) > (upper - lower) / 5 + rounding:
                yield (
                    "interval-lopsided",
                    row,
                    row["ci_upper"],
                    f"the middle of {lower} to {upper} is {(lower + upper) / 2}, not {number}",
                )

    def p(self, row: Row) -> Iterator[tuple[str, Row, str, str]]:
        if (p := row.value("p")) is None:
            return
        below, words = significant(p), row.value("charted_text") or ""
        if (row["p_scope"] == "between" and row["kind"] == "within-arm-change") or (
            row["p_scope"] == "within" and row["kind"] == "between-arm-comparison"
        ):
            yield "p-scope-against-kind", row, row["p_scope"], f"the result is a {row['kind']}"
        if below is None:
            return
        denied = bool(_NOT_SIGNIFICANT.search(words))
        if "significan" in words.lower() and denied == below:
            yield "p-against-words", row, p, f'the charted text says "{words}"'
        stated = row.value("direction")
        if row["p_scope"] == "between" and (
            (below and stated == "no-difference")
            or (not below and stated in ("favours-technology", "favours-comparator"))
        ):
            yield "p-against-direction", row, p, f"the stated direction is {stated}"
        limits = self.values.interval(row) if row.value("value") is not None else None
        if (
            limits
            and limits[0] <= limits[1]
            and row.value("ci_level") == "95"
            and row["statistic"] in ("mean-change", "mean-difference")
        ):
            if (limits[0] <= 0 <= limits[1]) == below:
                yield "p-against-interval", row, p, f"the 95% interval is {limits[0]} to {limits[1]}"
        if row["p_scope"] == "between" and len(row.items("arms")) == len(row.items("comparator_arms")) == 1:
            yield from self.p_of_arms(row, below)

    def p_of_arms(self, row: Row, below: bool) -> Iterator[tuple[str, Row, str, str]]:
        for measure in row.items("outcome_measures"):
            read = self.values.difference(
                row["report"], row["arms"], row["comparator_arms"], measure, row["time_point"]
            )
            if read is None:
                continue
            sizes = [self.values.n(r) for r in read.rows]
            spreads = [r.value("dispersion") for r in read.rows]
            if not all(sizes) or not all(spreads) or not any(Decimal(s) for s in spreads if s):
                continue
            readings = [x for x in _readings(read.rows[0]) if x in _readings(read.rows[1])]
            fits = {}
            for reading in readings:
                error = sqrt(
                    sum(
                        (float(s or 0) ** 2) / (n or 1 if reading == "SD" else 1)
                        for s, n in zip(spreads, sizes, strict=True)
                    )
                )
                fits[reading] = 2 * (1 - NormalDist().cdf(abs(float(read.value)) / error))
            against = {k for k, x in fits.items() if (below and x > 0.2) or (not below and x < 0.005)}
            told = ", ".join(f"about {x:.2g} if they are {k}" for k, x in fits.items())
            if fits and against == set(fits):
                yield "p-against-values", row, row["p"], f"from the two arms ({read.value} apart) it would be {told}"
            elif against == {"SD"}:
                yield (
                    "dispersion-looks-like-se",
                    read.rows[0],
                    spreads[0] or "",
                    f"the p value between the arms, {row['p']}, would be {told}",
                )

    def words(self, row: Row) -> Iterator[tuple[str, Row, str, str]]:
        statistic, unit, kind = row["statistic"], row.value("unit"), row["kind"]
        if row.value("value") is not None and unit is not None:
            needed = _SUBJECT_UNITS.get(statistic)
            if needed and unit not in needed:
                yield "unit-against-statistic", row, unit, f"a {statistic} is in {' or '.join(needed)}"
            for measure in () if needed else row.items("outcome_measures"):
                own = self.terms.get("outcome-measure", measure).value("unit") if measure != "not-named" else None
                scored = self.values.ends(row["report"], measure, unit) is not None
                fit = (
                    {own}
                    | (_SCORE_UNITS if scored and own in _SCORE_UNITS else set())
                    | (_LENGTHS if own in _LENGTHS else set())
                )
                if scored and own not in _LENGTHS:
                    fit -= _LENGTHS
                if own and unit not in fit:
                    yield "unit-against-measure", row, unit, f"{measure} is measured in {own}"
        if kind in _OF_KIND and statistic not in _OF_KIND[kind]:
            yield "statistic-against-kind", row, statistic, f"a {kind} has {', '.join(sorted(_OF_KIND[kind]))}"
        stated = row.value("direction")
        if (kind == "within-arm-change" and stated in ("favours-technology", "favours-comparator")) or (
            kind == "between-arm-comparison" and stated == "within-arm-improvement"
        ):
            yield "direction-against-kind", row, row["direction"], f"the result is a {kind}"
        start, end = (self.values.times.get((row["report"], row[c])) for c in ("from_time_point", "time_point"))
        if start is not None and end is not None:
            a, b = (self.values.months(row["report"], row[c]) for c in ("from_time_point", "time_point"))
            late = a is not None and b is not None and a >= b
            if start is end or late or (end["role"] == "baseline" and start["role"] != "baseline"):
                yield "time-order", row, row["from_time_point"], f"not before {row['time_point']}"

    def directions(self, row: Row) -> Iterator[tuple[str, Row, str, str]]:
        stated = row.value("direction")
        if stated in (None, "not-charted"):
            return
        found = self.values.computed(row)
        within = row["kind"] == "within-arm-change"
        if found and not found.agrees(stated):
            rule = "direction-against-change" if within else "direction-against-comparison"
            keys = ", ".join(result_key(r) for r in found.rows)
            yield (
                rule,
                row,
                row["direction"],
                f"the numbers ({keys}; {found.basis}) give {found.direction or 'a change for the worse'}",
            )
            return
        won = {"favours-technology": 1, "favours-comparator": -1, "within-arm-improvement": 1}.get(stated)
        if found or won is None or row["kind"] not in ("within-arm-change", "between-arm-comparison"):
            return
        if not within and len(row.items("comparator_arms")) == 0:
            return
        for measure in row.items("outcome_measures"):  # a part of the result may tell against it
            polarity = self.values.polarity(row["report"], measure)
            for arm in row.items("arms"):
                for other in row.items("comparator_arms") or ("",):
                    if within:
                        read = self.values.change(
                            row["report"], arm, measure, row["time_point"], row["from_time_point"]
                        )
                    else:
                        read = self.values.difference(row["report"], arm, other, measure, row["time_point"])
                    if read and polarity and sign(read.value) * polarity * won < 0:
                        a, b = read.rows
                        told = f"{a['value']} ({a['arms']}, {a['time_point']}) and {b['value']} ({b['arms']}, {b['time_point']})"
                        yield "direction-against-order", row, row["direction"], f"{measure} is {told}, without a test"

    def together(self, rows: list[Row]) -> Iterator[tuple[str, Row, str, str]]:
        slots: dict[tuple[str, ...], list[Row]] = defaultdict(list)
        same: dict[tuple[str, ...], list[Row]] = defaultdict(list)
        for row in rows:
            key: tuple[str, ...]
            if row.value("value") is None:
                key = ("kind", "arms", "comparator_arms", "outcome_measures", "time_point", "from_time_point", "scope", "p", "direction", "charted_text", "source")  # fmt: skip
            else:
                key = ("kind", "arms", "comparator_arms", "outcome_measures", "time_point", "from_time_point", "statistic", "unit")  # fmt: skip
                if (
                    row.value("dispersion")
                    and row["kind"] == "arm-measurement"
                    and row["outcome_measures"] != "not-named"
                ):
                    same[row["outcome_measures"], row["value"], row["dispersion"], row["unit"]].append(row)
            # Two results on scales that are not named may well be on two scales.
            if "not-named" not in row.items("outcome_measures"):
                slots[tuple(row[c] for c in key)].append(row)
        for group in slots.values():
            for a, b in combinations(group, 2):
                if (a.value("value"), a.value("dispersion")) == (b.value("value"), b.value("dispersion")):
                    yield "result-charted-twice", b, b["result"], f"the same as {a['result']}"
                else:
                    yield (
                        "result-contradicts-itself",
                        b,
                        b["value"],
                        f"{a['result']} has {a['value']} for the same arm, measure and time",
                    )
        for group in same.values():
            for a, b in combinations(group, 2):
                if (a["arms"], a["time_point"]) != (b["arms"], b["time_point"]):
                    yield (
                        "arms-identical",
                        b,
                        b["value"],
                        f"mean and dispersion of {b['arms']} at {b['time_point']} are those of {a['arms']} at {a['time_point']}",
                    )
        for row in rows:
            if row.value("value") is not None and len(row.items("outcome_measures")) == 1:
                yield from self.against_others(row, rows)

    def against_others(self, row: Row, rows: list[Row]) -> Iterator[tuple[str, Row, str, str]]:
        report, number, statistic = row["report"], Decimal(row["value"]), row["statistic"]
        if statistic == "percentage":
            for other in rows:
                same = all(row[c] == other[c] for c in ("arms", "outcome_measures", "time_point"))
                count, n = other.value("value"), self.values.n(other)
                if same and other["statistic"] == "count" and count is not None and n:
                    share = Decimal(count) * 100 / n
                    if abs(share - number) > _half(row["value"]) + Decimal("0.05"):
                        yield (
                            "percentage-against-count",
                            row,
                            row["value"],
                            f"{count} of {n} ({other['result']}) are {share:.1f}%",
                        )
        if statistic == "mean-change" and len(row.items("arms")) == 1 and (start := row.value("from_time_point")):
            read = self.values.change(report, row["arms"], row["outcome_measures"], row["time_point"], start)
            if read and read.rows[0]["unit"] == row["unit"]:
                slack = _half(row["value"]) + sum((_half(r["value"]) for r in read.rows), Decimal(0))
                if abs(read.value - number) > slack:
                    yield (
                        "change-against-measurements",
                        row,
                        row["value"],
                        f"from {read.rows[0]['value']} to {read.rows[1]['value']} is {read.value}",
                    )
        if statistic == "mean-difference" and len(row.items("arms")) == len(row.items("comparator_arms")) == 1:
            read = self.values.difference(
                report, row["arms"], row["comparator_arms"], row["outcome_measures"], row["time_point"]
            )
            if (
                read
                and sign(read.value) * sign(number) < 0
                and abs(read.value) > sum((_half(r["value"]) for r in read.rows), Decimal(0))
            ):
                yield (
                    "difference-against-measurements",
                    row,
                    row["value"],
                    f"{read.rows[0]['value']} less {read.rows[1]['value']} is {read.value}",
                )

    def other_tables(self) -> Iterator[tuple[str, Row, str, str]]:
        sums: dict[str, int] = defaultdict(int)
        for row in self.chart.rows("arms"):
            sums[row["report"]] += int(row.value("n") or 0)
        for row in self.chart.rows("reports"):
            sample = row.value("sample_size")
            if sample is not None and sums[row["report"]] > int(sample):
                yield (
                    "arm-sum-above-sample-size",
                    row,
                    sample,
                    f"the arms of {row['report']} hold {sums[row['report']]} together",
                )
        for row in self.chart.rows("time-points"):
            value, start, unit = row.value("value"), row.value("start"), row.value("unit")
            if value is None:
                continue
            if start is not None and Decimal(start) >= Decimal(value):
                yield "time-start-after-end", row, start, f"the interval ends at {value}"
            if row["role"] == "baseline" and Decimal(value) != 0:
                yield "baseline-not-at-zero", row, value, "a baseline is what time is counted from"
            named = _NAMED_TIME.fullmatch(row["time_point"])
            if named and "-" in named[2] and row["kind"] != "instant":
                named = None  # week-6-12 may be from 6 to 12 weeks
            if named and unit and (named[1] != unit or Decimal(named[2].replace("-", ".")) != Decimal(value)):
                yield "time-name-differs", row, value, f"{row['time_point']} is charted as {value} {unit}"
        for row in self.chart.rows("scale-uses"):
            used = row.value("polarity")
            general = self.terms.get("outcome-measure", row["outcome_measure"]).value("polarity")
            if used and general in ("higher-is-better", "lower-is-better") and used != general:
                yield "polarity-contradiction", row, used, f"{row['outcome_measure']} is {general} in its general entry"


def number_findings(chart: Chart, terms: Terms) -> list[Finding]:
    """Check charted numbers, and what is stated of them, against each other.

    Parameters
    ----------
    chart : Chart
        The charted tables.
    terms : Terms
        The controlled lists, for scales, units and polarity.

    Returns
    -------
    list of Finding
        Each is a proposed quality note, for the charter to accept or to reject in notes.csv; a settled one is left out.

    References
    ----------
    Brown and Heathers (2017), doi:10.1177/1948550616673876 (GRIM); Anaya (2016), doi:10.7287/peerj.preprints.2400v1 (GRIMMER).
    """
    settled, excused = _decisions(chart)
    out: dict[tuple[str, str, int], Finding] = {}
    for name, row, value, why in _Checks(chart, terms).all():
        rule = RULES[name]
        subject = result_key(row) if rule.table == "results" else row["report"]
        told = f"{name}:{row[_ITEM[rule.table]]}" if rule.table in _ITEM else name
        if (told, subject) in settled or (rule.kind, subject) in excused:
            continue
        column = "results" if rule.table == "results" else "reports"
        hint = f"correct the cell, or accept or reject this as a row of notes.csv with rule {told} and {subject} in {column}"
        found = Finding(name, rule.severity, f"{rule.table}.csv", row.number, rule.column, value, f"{why}; {hint}")
        out.setdefault((name, rule.table, row.number), found)
    return list(out.values())


def _decisions(chart: Chart) -> tuple[set[tuple[str, str]], set[tuple[str, str]]]:
    """Return what notes settle: (rule, subject) of any decision, and (kind, subject) of accepted notes found by eye."""
    settled, excused = set(), set()
    for note in chart.rows("notes"):
        for subject in (*note.items("results"), *note.items("reports")):
            settled.add((note["rule"], subject))
            if note["decision"] == "accepted" and note["kind"] in {r.kind for r in RULES.values() if r.kind}:
                excused.add((note["kind"], subject))
    return settled, excused
