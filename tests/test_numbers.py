"""Rules for charted numbers: seeded errors are found, clean numbers are left alone, decisions settle what is found."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest

from conftest import CHARTED, ROOT, change, read, write
from regen_kg import build, charting
from regen_kg.analysis.numbers import RULES, number_findings, sums_of
from regen_kg.analysis.values import Values, significant
from regen_kg.model import STATUSES, Chart, Row
from regen_kg.terms import Terms
from test_benchmarks import synthesise

TERMS = Terms.load(ROOT / "ontology")
Edit = dict[tuple[str, int], dict[str, str]]


def at(row: Row) -> tuple[str, int]:
    """Where a row stands."""
    return row.table, row.number


def chart_of(folder: Path) -> Chart:
    return charting.read_chart(folder, build.known_words(TERMS))


@pytest.fixture(scope="module")
def review_chart() -> Chart:
    """The review as it is charted."""
    return chart_of(CHARTED)


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Chart:
    """500 invented studies whose numbers fit each other."""
    folder = tmp_path_factory.mktemp("clean")
    synthesise(folder, 500, 11)
    return chart_of(folder)


def edited(row: Row, number: int | None = None, **cells: str) -> Row:
    """A row with other cells, as it would have been read from a file."""
    lists = {**row.lists, **{c: tuple(v.split("|")) for c, v in cells.items() if c in ("arms", "comparator_arms", "outcome_measures")}}  # fmt: skip
    missing = {**row.missing, **{c: v for c, v in cells.items() if v in STATUSES}}
    missing = {c: v for c, v in missing.items() if c not in cells or cells[c] in STATUSES}
    return Row(row.table, number or row.number, {**row.cells, **cells}, missing, {c: v for c, v in lists.items() if c not in missing})  # fmt: skip


@dataclass
class Bench:
    """One report of a chart, to be damaged."""

    chart: Chart
    report: str
    rng: Random

    def __post_init__(self) -> None:
        self.values = Values(self.chart, TERMS)

    def rows(self, table: str = "results") -> tuple[Row, ...]:
        return self.chart.rows(table)

    def found(self, edits: Edit, more: tuple[Row, ...] = ()) -> set[str]:
        tables = {n: tuple(edited(r, **edits.get(at(r), {})) for r in rows) for n, rows in self.chart.tables.items()}
        for row in more:
            tables[row.table] = (*tables[row.table], row)
        return {f"{f.rule} {f.file} {f.row}" for f in number_findings(Chart(tables, ""), TERMS)}

    # What the seeds ask of a row.
    def width(self, row: Row) -> Decimal | None:
        ends = self.values.ends(self.report, row["outcome_measures"], row.value("unit")) if row.value("value") else None
        return ends[1] - ends[0] if ends else None

    def pair(self, row: Row) -> tuple[Row, Row] | None:
        """The two rows that a comparison rests on."""
        if row["kind"] != "between-arm-comparison" or len(row.items("arms")) + len(row.items("comparator_arms")) != 2:
            return None
        read = self.values.difference(self.report, row["arms"], row["comparator_arms"], row["outcome_measures"], row["time_point"])  # fmt: skip
        return (read.rows[0], read.rows[1]) if read and read.value else None

    def before_after(self, row: Row) -> tuple[Row, Row] | None:
        """The two measurements that a change rests on."""
        if row["kind"] != "within-arm-change" or len(row.items("arms")) != 1 or not row.value("from_time_point"):
            return None
        read = self.values.change(self.report, row["arms"], row["outcome_measures"], row["time_point"], row["from_time_point"])  # fmt: skip
        return (read.rows[0], read.rows[1]) if read and read.value else None

    def z(self, row: Row) -> float | None:
        if not (pair := self.pair(row)) or any(r.value("dispersion") in (None, "0.0", "0.00") for r in pair):
            return None
        sizes = [self.values.n(r) for r in pair]
        if not all(sizes):
            return None
        square = sum(float(r["dispersion"]) ** 2 / (n or 1) for r, n in zip(pair, sizes, strict=True))
        return abs(float(pair[0]["value"]) - float(pair[1]["value"])) / square**0.5


def benches(chart: Chart, most: int = 1_000) -> dict[str, Bench]:
    """Each report of a chart, alone with its notes."""
    reports: dict[str, dict[str, list[Row]]] = {r["report"]: defaultdict(list) for r in chart.rows("reports")[:most]}
    for table in ("reports", "arms", "time-points", "results", "scale-uses", "notes"):
        for row in chart.rows(table):
            for report in row.items("reports") if table == "notes" else (row["report"],):
                if report in reports:
                    reports[report][table].append(row)
    return {r: Bench(Chart({n: tuple(x) for n, x in t.items()}, ""), r, Random(1)) for r, t in reports.items()}


Seeded = tuple[Edit, tuple[Row, ...]] | None
SEEDS: dict[str, tuple[str, Callable[[Bench, Row], Seeded]]] = {}


def seed(rule: str) -> Callable[[Callable[[Bench, Row], Seeded]], Callable[[Bench, Row], Seeded]]:
    """Register a way to do damage, with the rule that ought to see it."""

    def add(function: Callable[[Bench, Row], Seeded]) -> Callable[[Bench, Row], Seeded]:
        SEEDS[function.__name__] = (rule, function)
        return function

    return add


def printed(value: str, **cells: str) -> dict[str, str]:
    """A value together with the text it was charted from: the source is wrong, not the charter."""
    told = f"{value} ± {cells['dispersion']}" if "dispersion" in cells else value
    return {"value": value, "charted_text": f"as printed: {told}", **cells}


def mean(b: Bench, r: Row) -> bool:
    return r["statistic"] in ("mean", "level") and b.width(r) is not None and len(r.items("arms")) == 1


def spread(b: Bench, r: Row, least: int = 2) -> Decimal | None:
    """The SD of a mean on a scale, if n is at least so large."""
    n = b.values.n(r)
    if not mean(b, r) or not r.value("dispersion") or r.value("dispersion_inferred") == "SE" or not n or n < least:
        return None
    return Decimal(r["dispersion"]) or None


@seed("value-outside-scale")
def decimal_point_lost_in_a_mean(b: Bench, r: Row) -> Seeded:
    if not mean(b, r) or Decimal(r["value"]) * 10 <= b.values.ends(b.report, r["outcome_measures"], r["unit"])[1]:  # type: ignore[index]
        return None
    return {at(r): {"value": f"{Decimal(r['value']) * 10}"}}, ()


@seed("value-outside-scale")
def sign_gained_by_a_mean(b: Bench, r: Row) -> Seeded:
    return ({at(r): printed("-" + r["value"])}, ()) if mean(b, r) and Decimal(r["value"]) > 0 else None


@seed("change-exceeds-scale")
def change_in_another_unit(b: Bench, r: Row) -> Seeded:
    width = b.width(r) if r["statistic"] in ("mean-change", "mean-difference") else None
    return ({at(r): printed(f"{width * Decimal('1.4'):.1f}")}, ()) if width else None


def of_n(b: Bench, r: Row, statistic: str, value: str, unit: str, n: int) -> Seeded:
    """A row turned into a count or percentage of n."""
    cells = {"statistic": statistic, "unit": unit, "outcome_measures": "clinical-success", "n_analysed": str(n), "dispersion": "not-applicable"}  # fmt: skip
    return (
        ({at(r): printed(value, **cells)}, ()) if r["kind"] == "arm-measurement" and len(r.items("arms")) == 1 else None
    )


def printed_spread(r: Row, dispersion: str, **cells: str) -> dict[str, str]:
    return printed(r["value"], dispersion=dispersion, **cells)


@seed("percentage-outside-0-100")
def percentage_above_100(b: Bench, r: Row) -> Seeded:
    return of_n(b, r, "percentage", f"1{b.rng.randint(10, 99)}.2", "percent", 10)


@seed("percentage-impossible-for-n")
def percentage_of_another_n(b: Bench, r: Row) -> Seeded:
    n, other = b.rng.sample((7, 9, 11, 13, 17, 19, 23), 2)
    return of_n(b, r, "percentage", f"{100 * b.rng.randint(1, other - 1) / other:.1f}", "percent", n)


@seed("count-not-whole")
def percentage_charted_as_a_count(b: Bench, r: Row) -> Seeded:
    return of_n(b, r, "count", f"{b.rng.randint(10, 79)}.{b.rng.randint(1, 9)}", "participant", 99)


@seed("count-above-n")
def count_and_n_swapped(b: Bench, r: Row) -> Seeded:
    n = b.rng.randint(3, 9)
    return of_n(b, r, "count", str(n + b.rng.randint(1, 9)), "participant", n)


@seed("percentage-against-count")
def percentage_that_its_count_denies(b: Bench, r: Row) -> Seeded:
    count = of_n(b, r, "count", "5", "participant", 9)
    if count is None:
        return None
    share = edited(edited(r, **count[0][at(r)]), 90001, result="r901", **printed(f"{b.rng.choice((5.6, 45.6, 65.6, 58.6))}", statistic="percentage", unit="percent"))  # fmt: skip
    return count[0], (share,)


@seed("mean-impossible-for-n")
def mean_of_another_n(b: Bench, r: Row) -> Seeded:
    if (
        not mean(b, r)
        or r["unit"] not in ("point", "level")
        or r["outcome_measures"] not in ("aofas", "visa-a", "mocart")
    ):
        return None
    return {
        at(r): printed(f"{b.rng.randint(40, 80)}.{b.rng.randint(1, 98):02d}", n_analysed="5", dispersion="not-charted")
    }, ()


@seed("dispersion-impossible-for-n")
def digit_of_an_sd_mistyped(b: Bench, r: Row) -> Seeded:
    if r["statistic"] != "mean" or r["unit"] != "point" or r["outcome_measures"] not in ("aofas", "visa-a", "mocart"):
        return None
    value = f"{b.rng.randint(200, 400) / 5:.1f}"
    return {
        at(r): printed(value, dispersion=f"{b.rng.randint(5000, 9999) / 1000}", dispersion_kind="SD", n_analysed="5")
    }, ()


@seed("value-not-printed")
def digits_swapped_in_a_value(b: Bench, r: Row) -> Seeded:
    value = r.value("value") or ""
    digits = [i for i in range(len(value) - 1) if value[i : i + 2].isdigit() and value[i] != value[i + 1]]
    if not digits:
        return None
    i = b.rng.choice(digits)
    return {at(r): {"value": value[:i] + value[i + 1] + value[i] + value[i + 2 :]}}, ()


@seed("dispersion-not-printed")
def dispersion_of_the_neighbour(b: Bench, r: Row) -> Seeded:
    return ({at(r): {"dispersion": f"{d + Decimal('0.3')}"}}, ()) if (d := spread(b, r)) else None


@seed("n-analysed-above-arm")
def sample_as_n_of_an_arm(b: Bench, r: Row) -> Seeded:
    sample = b.rows("reports")[0].value("sample_size")
    holds = b.values.size(b.report, r["arms"]) if len(r.items("arms")) == 1 else None
    if not r.value("value") or not holds or not sample or int(sample) <= holds:
        return None
    return {at(r): {"n_analysed": sample}}, ()


@seed("dispersion-zero")
def dispersion_lost(b: Bench, r: Row) -> Seeded:
    return ({at(r): printed_spread(r, "0.0")}, ()) if spread(b, r) else None


@seed("dispersion-impossible")
def decimal_point_lost_in_an_sd(b: Bench, r: Row) -> Seeded:
    return ({at(r): printed_spread(r, f"{d * 10}")}, ()) if (d := spread(b, r)) else None


@seed("dispersion-impossible")
def range_charted_as_sd(b: Bench, r: Row) -> Seeded:
    return ({at(r): printed_spread(r, f"{b.width(r) * Decimal('0.7'):.1f}")}, ()) if spread(b, r) else None  # type: ignore[operator]


@seed("dispersion-looks-like-se")
def se_in_the_place_of_an_sd(b: Bench, r: Row) -> Seeded:
    d, n = spread(b, r, 16), b.values.n(r)
    return ({at(r): printed_spread(r, f"{d / Decimal(n).sqrt():.2f}")}, ()) if d and n else None


@seed("dispersion-looks-like-sd")
def sd_called_an_se(b: Bench, r: Row) -> Seeded:
    if (
        not (d := spread(b, r, 10))
        or not (width := b.width(r))
        or not width * Decimal("0.4") < d * Decimal(b.values.n(r) or 0).sqrt() < width * Decimal("0.47")
    ):
        return None
    middle = sum(b.values.ends(b.report, r["outcome_measures"], r["unit"]) or ()) / 2
    return {at(r): printed(f"{middle:.1f}", dispersion=r["dispersion"], dispersion_kind="SE")}, ()


@seed("dispersion-impossible")
def sd_called_an_se_of_many(b: Bench, r: Row) -> Seeded:
    return (
        ({at(r): {"dispersion_kind": "SE", "dispersion_inferred": "not-applicable"}}, ()) if spread(b, r, 45) else None
    )


def limits(b: Bench, r: Row) -> tuple[Decimal, Decimal, Decimal] | None:
    ends = b.values.interval(r) if r.value("value") and "mean-" in r["statistic"] else None
    return (Decimal(r["value"]), *ends) if ends and ends[0] <= Decimal(r["value"]) <= ends[1] else None


@seed("value-outside-interval")
def sign_lost_by_a_difference(b: Bench, r: Row) -> Seeded:
    found = limits(b, r)
    return ({at(r): printed(f"{-found[0]}")}, ()) if found and not found[1] <= -found[0] <= found[2] else None


@seed("interval-reversed")
def limits_swapped(b: Bench, r: Row) -> Seeded:
    return ({at(r): {"ci_lower": r["ci_upper"], "ci_upper": r["ci_lower"]}}, ()) if limits(b, r) else None


@seed("interval-lopsided")
def digit_gained_by_a_limit(b: Bench, r: Row) -> Seeded:
    found = limits(b, r)
    return ({at(r): {"ci_upper": f"{found[2] + 2 * (found[2] - found[1])}"}}, ()) if found else None


@seed("interval-level")
def level_as_a_share(b: Bench, r: Row) -> Seeded:
    return ({at(r): {"ci_level": "0.95"}}, ()) if limits(b, r) else None


@seed("p-against-words")
def negation_gained_or_lost(b: Bench, r: Row) -> Seeded:
    below = significant(r.value("p"))
    if below is None:
        return None
    words = "no significant difference" if below else "significantly better"
    return {at(r): {"charted_text": f"{words} ({r.value('value') or ''})"}}, ()


@seed("p-against-direction")
def win_and_draw_confused(b: Bench, r: Row) -> Seeded:
    below = significant(r.value("p")) if r["p_scope"] == "between" else None
    if below is None or r.value("direction") in (None, "not-charted", "mixed"):
        return None
    return {at(r): {"direction": "no-difference" if below else "favours-technology"}}, ()


@seed("p-against-interval")
def p_of_another_result(b: Bench, r: Row) -> Seeded:
    found = limits(b, r)
    return ({at(r): {"p": "<0.001" if found[1] <= 0 <= found[2] else "=0.41"}}, ()) if found and r.value("p") else None


@seed("p-against-values")
def p_that_the_arms_deny(b: Bench, r: Row) -> Seeded:
    z = b.z(r) if r["p_scope"] == "between" and b.pair(r) else None
    if z is None or 1.1 < z < 2.6:
        return None
    kinds = {at(x): {"dispersion_kind": "SD"} for x in b.pair(r) or ()}
    return {**kinds, at(r): {"p": "=0.61" if z > 2 else "<0.001"}}, ()


@seed("dispersion-looks-like-se")
def sd_that_the_p_value_denies(b: Bench, r: Row) -> Seeded:
    z, pair = b.z(r), b.pair(r)
    if r["p_scope"] != "between" or z is None or not pair or min(b.values.n(x) or 0 for x in pair) < 10:
        return None
    one, other = pair
    apart = abs(float(one["value"]) - float(other["value"])) / z  # one standard error, so p is about 0.32
    roots = [float(b.values.n(x) or 1) ** 0.5 for x in pair]
    values = [f"{float(other['value']) + apart:.2f}", other["value"]]
    return {at(r): {"p": "=0.317", "statistic": "none", "value": "not-charted"}} | {
        at(x): printed(
            v,
            dispersion=f"{float(x['dispersion']) / k:.2f}",
            dispersion_kind="not-stated",
            dispersion_inferred="unclear",
        )
        for x, v, k in zip(pair, values, roots, strict=True)
    }, ()


@seed("p-scope-against-kind")
def p_within_taken_for_p_between(b: Bench, r: Row) -> Seeded:
    other = {"within": "between", "between": "within"}.get(r["p_scope"])
    wanted = {"within": "within-arm-change", "between": "between-arm-comparison"}.get(r["p_scope"])
    return ({at(r): {"p_scope": other}}, ()) if other and r["kind"] == wanted else None


@seed("unit-against-statistic")
def percent_taken_for_participants(b: Bench, r: Row) -> Seeded:
    return of_n(b, r, "count", "3", "percent", 10)


@seed("unit-against-measure")
def unit_of_another_measure(b: Bench, r: Row) -> Seeded:
    if not mean(b, r):
        return None
    return {at(r): {"unit": b.rng.choice(("degree", "ms", "month", "participant"))}}, ()


@seed("statistic-against-kind")
def change_taken_for_a_level(b: Bench, r: Row) -> Seeded:
    if not r.value("value"):
        return None
    kind = {"mean-change": "arm-measurement", "mean": "within-arm-change", "mean-difference": "within-arm-change"}
    return ({at(r): {"kind": kind[r["statistic"]]}}, ()) if r["statistic"] in kind else None


@seed("direction-against-kind")
def win_of_a_single_arm(b: Bench, r: Row) -> Seeded:
    return ({at(r): {"direction": "favours-technology"}}, ()) if r["kind"] == "within-arm-change" else None


@seed("time-order")
def start_and_end_swapped(b: Bench, r: Row) -> Seeded:
    if not r.value("from_time_point") or not r.value("time_point"):
        return None
    return {at(r): {"from_time_point": r["time_point"], "time_point": r["from_time_point"]}}, ()


@seed("change-against-measurements")
def change_misprinted(b: Bench, r: Row) -> Seeded:
    pair = b.before_after(r)
    if not pair or not b.width(pair[0]):
        return None
    value = Decimal(pair[1]["value"]) - Decimal(pair[0]["value"]) + b.rng.choice((-1, 1)) * b.width(pair[0]) / 10  # type: ignore[operator]
    return {at(r): printed(f"{value:.2f}", statistic="mean-change", unit=pair[0]["unit"])}, ()


@seed("difference-against-measurements")
def sides_of_a_difference_swapped(b: Bench, r: Row) -> Seeded:
    pair = b.pair(r)
    if not pair or abs(Decimal(pair[0]["value"]) - Decimal(pair[1]["value"])) < Decimal("0.2"):
        return None
    value = Decimal(pair[1]["value"]) - Decimal(pair[0]["value"])
    return {at(r): printed(f"{value}", statistic="mean-difference", unit=pair[0]["unit"], ci_lower="not-charted")}, ()


@seed("direction-against-change")
def before_and_after_swapped(b: Bench, r: Row) -> Seeded:
    pair = b.before_after(r)
    if not pair or r.value("direction") != "within-arm-improvement" or b.values.computed(r) is None or r.value("value"):
        return None
    return {at(x): printed(y["value"], dispersion=x["dispersion"]) for x, y in (pair, pair[::-1])}, ()


@seed("direction-against-change")
def sign_of_a_change_lost(b: Bench, r: Row) -> Seeded:
    if r["statistic"] != "mean-change" or r.value("direction") != "within-arm-improvement" or not b.values.computed(r):
        return None
    return {at(r): printed(f"{-Decimal(r['value'])}", ci_lower="not-charted")}, ()


@seed("direction-against-comparison")
def winner_and_loser_confused(b: Bench, r: Row) -> Seeded:
    found = b.values.computed(r) if r["kind"] == "between-arm-comparison" else None
    swap = {"favours-technology": "favours-comparator", "favours-comparator": "favours-technology"}
    return ({at(r): {"direction": swap[found.direction]}}, ()) if found and found.direction in swap else None


@seed("direction-against-comparison")
def polarity_of_a_scale_confused(b: Bench, r: Row) -> Seeded:
    found = b.values.computed(r) if r["kind"] == "between-arm-comparison" else None
    use = b.values.uses.get((b.report, r["outcome_measures"]))
    pole = b.values.polarity(b.report, r["outcome_measures"]) if len(r.items("outcome_measures")) == 1 else None
    if not found or not use or not pole or found.direction not in ("favours-technology", "favours-comparator"):
        return None
    return {at(use): {"polarity": "lower-is-better" if pole == 1 else "higher-is-better"}}, ()


@seed("direction-against-order")
def win_of_the_worse_arm(b: Bench, r: Row) -> Seeded:
    pair, pole = (
        b.pair(r),
        b.values.polarity(b.report, r["outcome_measures"]) if "|" not in r["outcome_measures"] else None,
    )
    if not pair or not pole:
        return None
    better = (Decimal(pair[0]["value"]) > Decimal(pair[1]["value"])) == (pole == 1)
    cells = {"p": "not-charted", "p_scope": "not-applicable", "statistic": "none", "value": "not-charted"}
    return {at(r): {**cells, "direction": "favours-comparator" if better else "favours-technology"}}, ()


@seed("arms-identical")
def mean_and_sd_copied_to_the_other_arm(b: Bench, r: Row) -> Seeded:
    if not spread(b, r):
        return None
    for other in b.rows():
        if other["arms"] != r["arms"] and other["outcome_measures"] == r["outcome_measures"] and spread(b, other):
            return {at(other): printed_spread(r, r["dispersion"], unit=r["unit"])}, ()
    return None


@seed("result-charted-twice")
def sentence_charted_twice(b: Bench, r: Row) -> Seeded:
    return ({}, (edited(r, 90002, result="r902"),)) if "not-named" not in r.items("outcome_measures") else None


@seed("result-contradicts-itself")
def two_values_for_one(b: Bench, r: Row) -> Seeded:
    if not r.value("value") or "not-named" in r.items("outcome_measures"):
        return None
    return {}, (edited(r, 90003, result="r903", **printed(f"{Decimal(r['value']) + 1}")),)


@seed("arm-sum-above-sample-size")
def digit_gained_by_an_n(b: Bench, r: Row) -> Seeded:
    sample = b.rows("reports")[0].value("sample_size")
    return ({at(r): {"n": sample + "0"}}, ()) if r.table == "arms" and r.value("n") and sample else None


def dated(r: Row) -> bool:
    return r.table == "time-points" and r.value("value") is not None and r["role"] == "follow-up"


@seed("time-start-after-end")
def interval_reversed(b: Bench, r: Row) -> Seeded:
    return ({at(r): {"start": f"{Decimal(r['value']) + 2}", "kind": "interval"}}, ()) if dated(r) else None


@seed("baseline-not-at-zero")
def follow_up_taken_for_baseline(b: Bench, r: Row) -> Seeded:
    return ({at(r): {"role": "baseline"}}, ()) if dated(r) else None


@seed("time-name-differs")
def weeks_taken_for_months(b: Bench, r: Row) -> Seeded:
    other = {"week": "month", "month": "week", "day": "month"}.get(r["unit"] if r.table == "time-points" else "")
    return (
        ({at(r): {"unit": other}}, ()) if other and dated(r) and re.fullmatch(r"[a-z]+-\d+", r["time_point"]) else None
    )


@seed("polarity-contradiction")
def scale_turned_round(b: Bench, r: Row) -> Seeded:
    general = TERMS.get("outcome-measure", r["outcome_measure"]).value("polarity") if r.table == "scale-uses" else None
    swap = {"higher-is-better": "lower-is-better", "lower-is-better": "higher-is-better"}
    return ({at(r): {"polarity": swap[general]}}, ()) if general in swap else None


def trials(reports: dict[str, Bench], name: str, most: int) -> Iterator[bool]:
    """Damage up to so many rows in one way, and tell of each whether its rule saw it."""
    rule, damage = SEEDS[name]
    rng = Random(name)
    tables = ("results",) if RULES[rule].table == "results" else ("arms", "time-points", "scale-uses")
    places = [(b, r) for b in reports.values() for t in tables for r in b.rows(t)]
    rng.shuffle(places)
    done = 0
    for bench, row in places:
        bench.rng = rng
        if (damaged := damage(bench, row)) is None:
            continue
        new = bench.found(*damaged) - bench.found({})
        yield any(n.split()[0] == rule for n in new)
        done += 1
        if done == most:
            return


@pytest.fixture(scope="module")
def suite(review_chart: Chart, clean: Chart) -> dict[str, list[bool]]:
    """For each kind of error, which of the seeded ones were seen by the rule that ought to see them."""
    both = benches(review_chart), benches(clean, 150)
    return {n: [seen for reports in both for seen in trials(reports, n, 10)] for n in SEEDS}


@pytest.mark.no_cover  # many runs of what other tests reach
def test_seeded_errors_are_found(suite: dict[str, list[bool]], capsys: pytest.CaptureFixture[str]) -> None:
    """Of at least 25 kinds of error, planted in the review and in clean studies, 95 % are found, each by its own rule."""
    every = [seen for found in suite.values() for seen in found]
    with capsys.disabled():
        print(f"\nseeded errors: {len(SEEDS)} kinds, {len(RULES)} rules, {sum(every)} of {len(every)} found ({sum(every) / len(every):.1%})")  # fmt: skip
        for name, found in suite.items():
            if not all(found):
                print(f"  {name}: {sum(found)} of {len(found)}")
    assert len(SEEDS) >= 25
    assert {rule for rule, _ in SEEDS.values()} == set(RULES)
    assert {name: len(found) for name, found in suite.items() if len(found) < 5} == {}
    assert {name: found for name, found in suite.items() if sum(found) < 0.7 * len(found)} == {}
    assert sum(every) >= 0.95 * len(every)


def test_clean_numbers_raise_no_alarm(clean: Chart, capsys: pytest.CaptureFixture[str]) -> None:
    """Of the results of 500 invented studies, fewer than 2 % are found fault with."""
    results, findings = len(clean.rows("results")), number_findings(clean, TERMS)
    with capsys.disabled():
        print(f"\nfalse alarms: {len(findings)} on {results:,} clean results ({len(findings) / results:.2%})")
    assert results > 3_000
    assert len(findings) < 0.02 * results


def test_every_finding_on_the_review_is_settled(review_chart: Chart) -> None:
    """Nothing is open; each row that a rule proposed names a rule, and a rejected one says why."""
    assert number_findings(review_chart, TERMS) == []
    notes = review_chart.rows("notes")
    proposed = [n for n in notes if n["rule"] != "eye"]
    assert {n["decision"] for n in proposed} == {"accepted", "rejected"}
    assert {n["rule"].split(":")[0] for n in proposed} - set(RULES) == set()
    slugs = {n["note"] for n in notes}
    for note in notes:
        if note["decision"] == "rejected":
            assert slugs & set(re.findall(r"[a-z0-9-]+", note["decided_because"])) - {note["note"]}, note["note"]


@pytest.mark.parametrize(
    ("rule", "place"),
    [
        ("mean-impossible-for-n", ("results.csv", "value", "84.22")),  # Desando: 15 whole AOFAS totals
        ("direction-against-order", ("results.csv", "direction", "favours-technology")),  # Kim 2014a: 3.2 against 0.6
        ("value-outside-interval", ("results.csv", "value", "4")),  # Paget 2023: a sign is lost
        ("arm-sum-above-sample-size", ("reports.csv", "sample_size", "34")),  # Hannon: 34 + 22 of 34
    ],
)
def test_without_its_row_a_finding_is_open(charted: Path, rule: str, place: tuple[str, ...]) -> None:
    """What notes.csv settles comes back when the row goes, and says what to write there."""
    rows = read(charted, "notes")
    kind, key = RULES[rule].kind, rows[0].index("rule")
    write(charted, "notes", [r for r in rows if r[key] != rule and r[1] != (kind or "-")])
    (found,) = [f for f in number_findings(chart_of(charted), TERMS) if f.rule == rule]
    assert (found.file, found.column, found.value) == place
    assert f"notes.csv with rule {rule} and " in found.message


@pytest.mark.parametrize("decision", ["accepted", "rejected"])
def test_a_decision_settles_one_cell(charted: Path, decision: str) -> None:
    """A row with the rule and the key settles that result, and no other; a time point is named in the rule cell."""
    rows = read(charted, "results")
    for number in [i for i, r in enumerate(rows, 1) if r[:2] in (["sun-2006", "r6"], ["sun-2006", "r7"])]:
        change(charted, "results", number, "dispersion", "0")
    times = read(charted, "time-points")
    change(
        charted, "time-points", next(i for i, r in enumerate(times, 1) if r[:2] == ["sun-2006", "week-1"]), "value", "2"
    )

    def found() -> list[tuple[str, str | None]]:
        return sorted((f.rule, m[1] if (m := re.search(r"and (\S+) in ", f.message)) else None) for f in number_findings(chart_of(charted), TERMS) if f.rule in ("dispersion-zero", "time-name-differs"))  # fmt: skip

    zero = [("dispersion-zero", "sun-2006/r6"), ("dispersion-zero", "sun-2006/r7")]
    assert found() == [*zero, ("time-name-differs", "sun-2006")]
    notes = read(charted, "notes")
    line = dict(zip(notes[0], notes[-1], strict=True)) | {
        "decision": decision,
        "kind": "misprint",
        "reports": "sun-2006",
    }
    lines = [
        line | {"note": "one", "rule": "dispersion-zero", "results": "sun-2006/r6"},
        line | {"note": "two", "rule": "time-name-differs:week-1", "results": "not-applicable"},
    ]
    write(charted, "notes", [*notes, *([x[c] for c in notes[0]] for x in lines)])
    assert found() == zero[1:]


def test_units_are_converted() -> None:
    """45 mm lie on a line of 10 cm, 45 cm do not."""
    chart = chart_of(CHARTED)
    row = next(r for r in chart.rows("results") if (r["report"], r["result"]) == ("kim-2016", "r3"))
    bench = benches(chart)["kim-2016"]
    cells = printed("45", dispersion="13")
    assert not any("outside-scale" in f or "unit" in f for f in bench.found({at(row): {**cells, "unit": "mm"}}))
    assert any("outside-scale" in f for f in bench.found({at(row): {**cells, "unit": "cm"}}))


# Worked out by hand from the printed rows; an empty direction is a change for the worse.
DIRECTIONS = {
    "desando-2017/r3": ("favours-technology", "measurements and p between the arms"),  # 92.4 and 84.22, P < 0.05
    "kim-2013/r5": ("within-arm-improvement", "measurements at two times"),  # VAS 7.2 to 4.0
    "kim-koh-2016/r11": (
        "within-arm-improvement",
        "measurements at two times and p within the arm",
    ),  # AOFAS 64.4 to 79.6
    "paget-2021/r1": ("within-arm-improvement", "change and interval"),  # 10, 6 to 14
    "karatosun-2008/r1": ("within-arm-improvement", "measurements at two times"),  # both arms rise
    "degroot-2012/r3": ("", "change: for the worse"),  # -0.4
    "kumai-2018/r3": ("favours-technology", "changes and p between the arms"),  # -3.3 and -2.4, P = 0.029
    "shetty-2019/r9": ("within-arm-improvement", "measurements at two times"),  # 1.7 to 3.7, as the row uses the scale
    "guney-2015/r3": None,  # 89.2 against 71.0 is untested, and the prose names no measure
    "buda-2015/r4": None,
    "paget-2023/r1": None,  # the value contradicts its interval
    "hannon-2016/r2": None,  # T2 has no polarity
    "kim-2014b/r1": None,  # a percentage change has no sign
    "raeissadat-2020/r2": None,  # p without values
}


def test_computed_directions_of_the_review(review_chart: Chart) -> None:
    """Where numbers and polarity allow it, and only there; none contradicts what is stated."""
    values = Values(review_chart, TERMS)
    rows = {f"{r['report']}/{r['result']}": r for r in review_chart.rows("results")}
    for key, expected in DIRECTIONS.items():
        found = values.computed(rows[key])
        assert (found and (found.direction, found.basis)) == expected, key
    every = {k: c for k, r in rows.items() if (c := values.computed(r))}
    assert len(every) == 28
    assert [k for k, c in every.items() if c.agrees(rows[k].value("direction")) is False] == []


def test_swapped_arms_and_turned_scales(clean: Chart) -> None:
    """Swapping the arms turns a computed direction round; turning values and polarity round changes nothing."""
    turned = {"favours-technology": "favours-comparator", "favours-comparator": "favours-technology"}
    flip = {1: "lower-is-better", -1: "higher-is-better"}
    seen = 0
    for report, bench in benches(clean).items():
        for row in bench.rows():
            found = bench.values.computed(row)
            if found is None or row["kind"] != "between-arm-comparison" or row.value("value"):
                continue
            swapped = edited(row, arms=row["comparator_arms"], comparator_arms=row["arms"])
            other = bench.values.computed(swapped)
            assert other and other.direction == turned.get(found.direction, found.direction)
            low, high = bench.values.ends(report, row["outcome_measures"], "") or (Decimal(0), Decimal(0))
            uses = tuple(edited(u, polarity=flip[bench.values.polarity(report, row["outcome_measures"]) or 0]) if u["outcome_measure"] == row["outcome_measures"] else u for u in bench.rows("scale-uses"))  # fmt: skip
            mirrored = tuple(
                edited(r, value=f"{low + high - Decimal(r['value'])}") if r in found.rows else r for r in bench.rows()
            )
            again = Values(Chart({**bench.chart.tables, "results": mirrored, "scale-uses": uses}, ""), TERMS).computed(
                row
            )
            assert again and again.direction == found.direction
            seen += 1
    assert seen > 20


def test_sums_that_a_mean_allows() -> None:
    """The example of Brown and Heathers: 5.19 is no mean of 28 whole numbers, 5.18 is one of 145."""
    assert sums_of("5.19", 28) == []
    assert sums_of("5.18", 28) == [145]


def test_the_rules_are_documented() -> None:
    """The reference page lists each rule with its severity, cell and sentence, and none that is gone."""
    page = (ROOT / "docs" / "reference" / "numbers.md").read_text("utf-8")
    rows = [f"| `{n}` | {r.severity} | {r.table}.csv, {r.column} | {r.sentence} |" for n, r in RULES.items()]
    assert [
        line for line in page.splitlines() if re.match(r"\| `[a-z0-9-]+` \| (?:violation|warning|info) ", line)
    ] == rows
    assert f"plants {len(SEEDS)} kinds of error" in page


def test_findings_name_a_column_of_their_table() -> None:
    """What a rule is about can be looked up."""
    tables = {
        r["name"]: {f["name"] for f in r["schema"]["fields"]} for r in charting.read_description(CHARTED)["resources"]
    }
    assert {n for n, r in RULES.items() if r.column not in tables[r.table]} == set()
    assert all(re.fullmatch(r"[A-Z].+\.", r.sentence) for r in RULES.values())
