"""Effect sizes: published worked examples, rows of the review worked out by hand, and what must not be computed."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from conftest import CHARTED, change, read
from regen_kg import queries
from regen_kg.analysis.effects import Effect, find_effects, hedges_g
from regen_kg.analysis.values import Values
from regen_kg.store import EmbeddedStore
from test_analysis import ask, light_store
from test_numbers import TERMS, chart_of

# Means, SDs and n: Borenstein, Hedges, Higgins and Rothstein (2009), Introduction to Meta-Analysis, table 14.1. Estimate, standard error
# and limits: the notebook "Meta-Analysis in statsmodels" of the statsmodels documentation, which prints six places.
PUBLISHED = {
    "Carroll": ((94, 22, 60, 92, 20, 60), (0.094524, 0.182680, -0.263521, 0.452570)),
    "Grant": ((98, 21, 65, 92, 22, 65), (0.277356, 0.176279, -0.068144, 0.622857)),
    "Peck": ((98, 28, 40, 88, 26, 40), (0.366546, 0.225573, -0.075569, 0.808662)),
    "Donat": ((94, 19, 200, 82, 17, 200), (0.664385, 0.102748, 0.463002, 0.865768)),
    "Stewart": ((98, 21, 50, 88, 22, 45), (0.461808, 0.208310, 0.053527, 0.870089)),
    "Young": ((96, 21, 85, 92, 22, 85), (0.185165, 0.153729, -0.116139, 0.486468)),
}


@pytest.mark.parametrize("study", PUBLISHED)
def test_published_examples(study: str) -> None:
    """Hedges' g with its standard error and interval agrees with published figures to 1e-6."""
    given, expected = PUBLISHED[study]
    assert hedges_g(*given) == pytest.approx(expected, abs=1e-6)


def test_swapped_arms_change_the_sign_only() -> None:
    """g of a less b is minus g of b less a, with the same width."""
    g, error, lower, upper = hedges_g(89.2, 3.9, 19, 71.0, 10.2, 16)
    assert hedges_g(71.0, 10.2, 16, 89.2, 3.9, 19) == pytest.approx((-g, error, -upper, -lower))


@pytest.fixture(scope="module")
def store() -> EmbeddedStore:
    """The review as it is charted now."""
    return light_store(CHARTED)


# (report, arm, comparator, measure, months, kind): what stands in the row, worked out by hand from the printed cells
GOLDEN = {
    # "10-point increase (from 63 to 73 [95% CI, 6-14])"; "11-point increase"; the placebo arm has no mean at 26 weeks
    ("paget-2021", "prp", "", "aofas", "5.98", "change"): ("10", "6", "14", "48", "", "computed"),
    ("paget-2021", "placebo", "", "aofas", "5.98", "change"): ("11", "", "", "52", "", "computed"),
    ("paget-2021", "prp", "placebo", "aofas", "5.98", "difference-of-changes"): ("-1", "", "", "48", "52", "computed"),
    ("paget-2021", "prp", "placebo", "aofas", "5.98", "standardised-mean-difference"): ("", "", "", "", "", "not-computed"),
    # 75.5 - 52.3 = 23.2; 69.6 - 40.7 = 28.9; the arm with concentrate gains 5.7 less
    ("shimozono-2019", "aot-cbma", "", "faos", "", "change"): ("23.2", "", "", "28", "", "computed"),
    ("shimozono-2019", "aot", "", "faos", "", "change"): ("28.9", "", "", "26", "", "computed"),
    ("shimozono-2019", "aot-cbma", "aot", "faos", "", "difference-of-changes"): ("-5.7", "", "", "28", "26", "computed"),
    # -3.3 less -2.4; the ± 0.3 is inferred to be an SE, and an inference gives no interval
    ("kumai-2018", "h-ha", "control", "vas-pain", "", "difference-of-changes"): ("-0.9", "", "", "56", "56", "computed"),
    # -0.4 at 6 weeks, so 4.9 + 0.4
    ("degroot-2012", "ha", "saline", "aofas", "1.38", "difference-of-changes"): ("5.3", "", "", "", "", "computed"),
    # 7.1 to 0.6 in the arm whose numbers are garbled
    ("kim-2014a", "bms", "", "vas-pain", "", "change"): ("", "", "", "26", "", "left-out"),
    ("kim-2014a", "msc-bms", "", "vas-pain", "", "change"): ("-3.9", "", "", "24", "", "computed"),
    ("kim-2014a", "msc-bms", "bms", "vas-pain", "", "difference-of-changes"): ("", "", "", "24", "26", "left-out"),
    # 4 outside -7 to -1
    ("paget-2023", "prp", "placebo", "aofas", "11.96", "mean-difference"): ("", "", "", "", "", "left-out"),
    ("guney-2015", "prp-microfracture", "control", "aofas", "16.2", "standardised-mean-difference"): ("", "", "", "19", "16", "not-computed"),
    # "improved total FFI by 30.4%"
    ("kim-2014b", "prp", "", "ffi", "", "change"): ("", "", "", "", "", "not-computed"),
}  # fmt: skip
KEY = ("report", "arm", "comparator", "outcome_measure", "months", "kind")
SHOWN = ("estimate", "lower", "upper", "n_a", "n_b", "status")


def test_golden_rows(store: EmbeddedStore) -> None:
    """Values of the review as worked out by hand; each row has a source, a row without a value the reason why not."""
    rows = {tuple(r[c] for c in KEY): r for r in ask(store, "effect-sizes")}
    for key, expected in GOLDEN.items():
        assert tuple(rows[key][c] for c in SHOWN) == expected, key
    assert all(r["source"] for r in rows.values())
    assert all(r["reason"] for r in rows.values() if r["status"] != "computed")
    assert all(bool(r["estimate"]) == (r["status"] == "computed") for r in rows.values())
    assert Counter(r["status"] for r in rows.values() if r["kind"] == "standardised-mean-difference").keys() == {
        "not-computed"
    }
    # g of Guney by hand: pooled SD = sqrt((18 * 3.9^2 + 15 * 10.2^2) / 33) = 7.456, d = 18.2 / 7.456 = 2.441, J = 1 - 3 / 131,
    # standard error = sqrt(35 / 304 + 2.385^2 / 62.12) = 0.4547
    guney = rows[("guney-2015", "prp-microfracture", "control", "aofas", "16.2", "standardised-mean-difference")]
    assert guney["reason"] == "what ± means is not stated; only if it is the SD, g would be 2.385 (1.494 to 3.276)"
    assert rows[("shetty-2019", "prp", "", "roles-maudsley", "", "change")]["better"] == "higher"  # as the row uses it
    assert rows[("kumai-2014", "ha", "", "vas-pain", "", "change")]["better"] == "lower"


def test_values_under_a_grave_note_are_left_out_unless_asked_for(store: EmbeddedStore) -> None:
    """The default leaves out five values and names the notes; asked to, it shows them, and nothing else changes."""
    default, kept = ask(store, "effect-sizes"), ask(store, "effect-sizes", include_noted="true")
    out = [(a, b) for a, b in zip(default, kept, strict=True) if a != b]
    assert Counter(a["report"] for a, _ in out) == {"kim-2014a": 4, "paget-2023": 1}
    assert all(a["status"] == "left-out" and a["left_out_noted"] and not a["estimate"] for a, _ in out)
    assert sorted(b["estimate"] for _, b in out) == ["-6.5", "2.6", "4", "5.8", "9.8"]
    assert all(b["status"] == "computed" for _, b in out)


def test_every_comparison_and_every_change_is_listed(store: EmbeddedStore) -> None:
    """Each charted comparison and change has a row for each of its measures."""
    rows = ask(store, "effect-sizes")
    between = {(r["report"], r["arm"], r["comparator"], r["outcome_measure"]) for r in rows if r["comparator"]}
    within = {(r["report"], r["arm"], r["outcome_measure"]) for r in rows if not r["comparator"]}
    seen = 0
    for row in chart_of(CHARTED).rows("results"):
        for measure in row.items("outcome_measures"):
            for arm in row.items("arms") or ("",):
                if row["kind"] == "within-arm-change":
                    assert (row["report"], arm, measure) in within
                    seen += 1
                if row["kind"] == "between-arm-comparison":
                    for other in row.items("comparator_arms"):
                        assert (row["report"], arm, other, measure) in between
                        seen += 1
    assert seen > 150


def guney(charted: Path) -> Effect:
    (found,) = [
        e for e in find_effects(Values(chart_of(charted), TERMS))
        if e.report == "guney-2015" and e.kind == "standardised-mean-difference" and e.measure == "aofas"
    ]  # fmt: skip
    return found


def test_only_a_stated_sd_or_se_is_standardised(charted: Path) -> None:
    """A stated SD gives g, the SE of the same data the same g; an inferred one, or a missing n, gives none."""
    rows = read(charted, "results")
    places = [i for i, r in enumerate(rows, 1) if r[:2] in (["guney-2015", "r1"], ["guney-2015", "r2"])]

    def put(column: str, *values: str) -> None:
        for place, value in zip(places, values, strict=True):
            change(charted, "results", place, column, value)

    put("dispersion_inferred", "SD", "SD")
    assert guney(charted).status == "not-computed"
    put("dispersion_kind", "SD", "SD")
    found = guney(charted)
    g, _, lower, upper = hedges_g(89.2, 3.9, 19, 71.0, 10.2, 16)
    assert [float(x or 0) for x in (found.estimate, found.lower, found.upper)] == pytest.approx(
        [g, lower, upper], abs=1e-6
    )
    assert "number analysed is not charted" in found.reason
    put("dispersion_kind", "SE", "SE")
    put("dispersion", "0.894721", "2.55")  # 3.9 / sqrt(19), 10.2 / sqrt(16)
    assert float(guney(charted).estimate or 0) == pytest.approx(g, abs=1e-5)
    put("n_analysed", "18", "15")
    assert (guney(charted).n, guney(charted).reason) == ((18, 15), "")
    put("dispersion", "not-charted", "2.55")
    assert guney(charted).reason == "no dispersion is charted for prp-microfracture"


def test_a_difference_of_changes_has_an_interval_where_the_sd_is_stated(charted: Path) -> None:
    """Kumai with SE stated: -0.9, standard error sqrt(0.3^2 + 0.3^2) = 0.4243, so -1.73 to -0.07."""
    rows = read(charted, "results")
    for place in [i for i, r in enumerate(rows, 1) if r[:2] in (["kumai-2018", "r1"], ["kumai-2018", "r2"])]:
        change(charted, "results", place, "dispersion_kind", "SE")
    (found,) = [
        e for e in find_effects(Values(chart_of(charted), TERMS)) if e.report == "kumai-2018" and e.kind == "difference-of-changes"
    ]  # fmt: skip
    assert (found.estimate, found.lower, found.upper) == (Decimal("-0.9"), Decimal("-1.731542"), Decimal("-0.068458"))


def test_direction_checks(store: EmbeddedStore) -> None:
    """One row per result whose numbers point somewhere; stated and computed stand side by side."""
    rows = {r["result"]: r for r in ask(store, "direction-checks")}
    assert len(rows) == 28
    assert Counter(r["agrees"] for r in rows.values()) == {"true": 20, "": 8}
    desando = rows["desando-2017/r3"]
    assert (desando["stated"], desando["computed"], desando["agrees"], desando["rests_on"], desando["noted"]) == (
        "favours-technology", "favours-technology", "true", "desando-2017/r1|desando-2017/r2", "true",
    )  # fmt: skip
    worse = rows["degroot-2012/r3"]
    assert (worse["stated"], worse["computed"], worse["basis"]) == ("", "", "change: for the worse")


def test_nothing_charted_gives_no_rows() -> None:
    """Both questions answer an empty store with no rows."""
    for name in ("effect-sizes", "direction-checks"):
        assert queries.run(EmbeddedStore.of([]), queries.get(name), {}) == []
