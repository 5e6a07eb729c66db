"""Questions of reviewers, clinicians and guideline writers, with answers worked out by hand from the printed review."""

from __future__ import annotations

import pytest

from conftest import CHARTED, read
from regen_kg import queries
from regen_kg.store import EmbeddedStore

PRP, HA, BMAC = "platelet-rich-plasma", "hyaluronic-acid", "bone-marrow-aspirate-concentrate"
TALUS, OA, ACH, PF, LIG = (
    "talus-cartilage-injury", "ankle-osteoarthritis", "achilles-tendon-injury", "plantar-fasciitis", "ligament-injury",
)  # fmt: skip


def ask(store: EmbeddedStore, name: str, **values: str) -> list[dict[str, str]]:
    return queries.run(store, queries.get(name), values)


def cells(store: EmbeddedStore, placement: str) -> dict[tuple[str, str], dict[str, str]]:
    return {(r["technology"], r["disease"]): r for r in ask(store, "gap-matrix", placement=placement)}


def test_which_reports(review: EmbeddedStore) -> None:
    """61 reports: 17 + 9 + 18 of Tables 5 to 7, and 3 + 8 + 6 of the prose; two are verified reviews."""
    rows = ask(review, "reports")
    assert len(rows) == 61
    assert {r["report"] for r in rows if r["kind"] == "secondary"} == {"xiong-2023", "laohajaroensombat-2023"}
    assert sum(bool(r["sample_size"]) for r in rows) == 46
    assert len({r["study"] for r in rows if r["study"]}) == 58


COUNTS = [
    # technology, disease, reports, studies, participants, by the population that was studied
    (PRP, TALUS, 3, 3, 30 + 35 + 40),
    (HA, TALUS, 4, 4, 30 + 40 + 35 + 57),
    (BMAC, TALUS, 7, 7, 80 + 22 + 101 + 34 + 94 + 60 + 54),
    ("autologous-chondrocyte-implantation", TALUS, 2, 2, 80 + 22),
    ("mesenchymal-stem-cells", OA, 2, 2, 64 + 49),
    ("adipose-derived-stromal-cells", OA, 1, 1, 31),
    (PRP, OA, 5, 2, 100),  # Paget's two reports are one study; two reviews are none; Evans prints no size
    (HA, OA, 7, 7, 43 + 56 + 16 + 17 + 20 + 75 + 46),
    (PRP, ACH, 8, 8, 30 + 24),
    ("placental-tissue", ACH, 1, 1, 44),  # Werber
    (PRP, PF, 6, 6, 90 + 55 + 38 + 31 + 20 + 158),
    (HA, PF, 3, 3, 16 + 168 + 75),
    ("hypertonic-glucose", PF, 6, 6, 29 + 50 + 20 + 40 + 158 + 59),
    ("placental-tissue", PF, 5, 5, 1 + 44 + 45 + 23 + 31),
    (PRP, LIG, 6, 6, 0),
    (HA, LIG, 0, 0, 0),
    ("exosomes", ACH, 0, 0, 0),
    ("3d-printing", TALUS, 0, 0, 0),
]


@pytest.mark.parametrize(("technology", "disease", "reports", "studies", "participants"), COUNTS)
def test_how_much_evidence(
    review: EmbeddedStore, technology: str, disease: str, reports: int, studies: int, participants: int
) -> None:
    """Counts of a cell equal those made by hand from the rows."""
    cell = cells(review, "population")[technology, disease]
    assert (cell["reports"], cell["studies"], cell["participants"]) == (str(reports), str(studies), str(participants))


def test_the_matrix_is_whole(review: EmbeddedStore) -> None:
    """Eleven technologies times five diseases are 55 cells under either placement, empty ones included."""
    for placement in ("population", "charted"):
        found = cells(review, placement)
        assert len(found) == 55
        assert any(c["reports"] == "0" for c in found.values())
    assert cells(review, "charted")["mesenchymal-stem-cells", OA]["reports"] == "0"


def test_arm_sums(review: EmbeddedStore) -> None:
    """Hannon's arms hold 56 of 34; Paget 2023 prints no n per arm; Abas has one arm."""
    rows = {r["report"]: r for r in ask(review, "arm-sums")}
    assert len(rows) == 61
    assert rows["hannon-2016"] == {
        "report": "hannon-2016",
        "sample_size": "34",
        "sum_of_arms": "56",
        "status": "mismatch",
    }
    assert [r for r, x in rows.items() if x["status"] == "mismatch"] == ["hannon-2016"]
    assert rows["paget-2021"]["status"] == "match"
    assert {rows[r]["status"] for r in ("paget-2023", "zelen-2013", "raeissadat-2020", "rowden-2015")} == {
        "not-checkable"
    }
    assert {rows[r]["status"] for r in ("abas-2022", "natali-2021", "sun-2006", "kumai-2014")} == {"single-arm"}


def test_who_is_randomised(review: EmbeddedStore) -> None:
    """Only six rows say that chance decided."""
    assert [r["report"] for r in ask(review, "randomised")] == [
        "degroot-2012", "hanselman-2015", "karatosun-2008", "paget-2021", "paget-2023", "shetty-2019",
    ]  # fmt: skip


def test_safety(review: EmbeddedStore) -> None:
    """Five of 61 reports have any word on safety; for the others it is not charted, which is not 'none'."""
    rows = ask(review, "safety-reporting")
    assert len(rows) == 61
    assert [r["report"] for r in rows if r["status"] == "charted"] == [
        "abas-2022", "kumai-2014", "kumai-2018", "natali-2021", "salk-2006",
    ]  # fmt: skip
    assert {r["status"] for r in rows} == {"charted", "not-charted"}


def test_head_to_head(review: EmbeddedStore) -> None:
    """Six reports test two technologies in separate arms."""
    rows = {r["report"]: r for r in ask(review, "head-to-head")}
    assert set(rows) == {"mei-dan-2012", "gormeli-2015", "buda-2015", "desando-2017", "kim-2014b", "ugurlar-2018"}
    assert rows["desando-2017"]["technology_a"] == "autologous-chondrocyte-implantation"
    assert rows["desando-2017"]["direction"] == "favours-technology"
    assert rows["gormeli-2015"]["direction"] == "favours-comparator"  # seen from hyaluronic acid
    assert rows["mei-dan-2012"]["direction"] == "not-charted"
    assert rows["buda-2015"]["direction"] == "no-difference"


DIRECTIONS = [
    ("paget-2023", PRP, "favours-comparator"),
    ("paget-2021", PRP, "no-difference"),
    ("gormeli-2015", PRP, "favours-technology"),
    ("shetty-2019", PRP, "favours-technology"),
    ("krogh-2016", PRP, "no-difference"),
    ("monto-2012", PRP, "within-arm-improvement"),
    ("tabrizi-2020", PRP, "favours-comparator"),
    ("breton-2022", PRP, "mixed"),
    ("raeissadat-2020", HA, "favours-comparator"),
    ("hanselman-2015", "placental-tissue", "mixed"),
    ("nakagawa-2022", "placental-tissue", "mixed"),
    ("kesikburun-2022", "hypertonic-glucose", "no-difference"),
    ("kim-2014b", PRP, "within-arm-improvement"),
    ("rowden-2015", PRP, "no-difference"),
    ("keene-2022", PRP, "no-difference"),
    ("medina-porqueres-2024", PRP, "within-arm-improvement"),
]


@pytest.mark.parametrize(("report", "technology", "direction"), DIRECTIONS)
def test_directions(review: EmbeddedStore, report: str, technology: str, direction: str) -> None:
    """The direction of a report is that of its results, else its conclusion, else the prose."""
    found = {(r["report"], r["technology"]): r["direction"] for r in ask(review, "directions")}
    assert found[report, technology] == direction


def test_each_report_and_technology_has_one_direction(review: EmbeddedStore) -> None:
    """No report is counted twice for one technology."""
    pairs = [(r["report"], r["technology"]) for r in ask(review, "directions")]
    assert len(pairs) == len(set(pairs)) == 67


def test_filed_elsewhere(review: EmbeddedStore) -> None:
    """Natali and two Kims stand under talus cartilage but are about ankle osteoarthritis; Werber's conclusion names tendonitis."""
    rows = {r["report"]: r["population"] for r in ask(review, "placement-differs")}
    assert rows == {
        "natali-2021": f"{OA}|{TALUS}",
        "kim-2016": OA,
        "kim-koh-2016": OA,
        "werber-2015": f"{ACH}|{PF}",
    }


def test_longest_follow_up(review: EmbeddedStore) -> None:
    """PRP and glucose reach 36 months (Ugurlar), BMAC 36 (Murphy, Desando); treatment length and disease duration don't count."""
    rows = ask(review, "longest-time-point")
    longest = {r["technology"]: (r["months"], r["report"]) for r in rows}
    assert longest[PRP] == ("36", "ugurlar-2018")
    assert {r["report"] for r in rows if r["technology"] == BMAC} == {"desando-2017", "murphy-2019"}
    assert longest["placental-tissue"] == ("24", "sun-2018")


def test_time_roles(review: EmbeddedStore) -> None:
    """28 weeks of injections are treatment, 33 months of tendinopathy disease duration, 3.1 months to recovery an event."""
    roles = {(r["report"], r["months"]): r["role"] for r in ask(review, "time-points")}
    assert roles["mei-dan-2012", "6.44"] == "treatment-length"
    assert roles["krogh-2016", "33"] == "disease-duration"
    assert roles["alessio-mazzola-2023", "3.1"] == "time-to-event"


def test_the_flow_disagrees_with_itself(review: EmbeddedStore) -> None:
    """Text: 111 full texts less 43 and 34 are 34, not 77. Figure: 231 less 151 are 80, not 77."""
    rows = {(r["account"], r["step"]): r for r in ask(review, "study-flow")}
    text, figure = rows["text", "included"], rows["figure", "included"]
    assert (text["charted"], text["computed"], text["agrees"]) == ("77", "34", "false")
    assert (figure["charted"], figure["computed"], figure["agrees"]) == ("77", "80", "false")


def test_instruments(review: EmbeddedStore) -> None:
    """AOFAS also stands as AHFS and AODAS; EQ-VAS is in Table 4 and never used; VAS is never EQ-VAS."""
    rows = {r["outcome_measure"]: r for r in ask(review, "outcome-use")}
    assert {"AHFS", "AODAS", "AOFAS"} <= set(rows["aofas"]["printed_as"].split("|"))
    assert (rows["eq-vas"]["in_table_4"], rows["eq-vas"]["reports"]) == ("true", "0")
    assert rows["ffi"]["in_table_4"] == "false"
    assert sum(r["in_table_4"] == "true" for r in rows.values()) == 10  # eleven rows, AHFS and AOFAS are one scale


def test_a_number_and_its_place(review: EmbeddedStore) -> None:
    """Guney's AOFAS of 71.0 keeps its printed zero, its dispersion of unstated kind, and its place."""
    rows = ask(review, "results", report="guney-2015", outcome="aofas")
    control = next(r for r in rows if r["arm"] == "control")
    assert (control["value"], control["dispersion"], control["dispersion_kind"]) == ("71.0", "10.2", "not-stated")
    assert control["source"] == "Table 5, row 2, Results"


def test_the_lost_sign_of_paget(review: EmbeddedStore) -> None:
    """4 points with an interval from -7 to -1: charted as printed, noted, not repaired."""
    row = next(r for r in ask(review, "results", report="paget-2023") if r["value"] == "4")
    assert (row["ci"], row["p"], row["p_scope"], row["direction"]) == (
        "-7 to -1",
        "=0.02",
        "between",
        "favours-comparator",
    )
    assert row["noted"] == "true"


def test_the_garbled_kim(review: EmbeddedStore) -> None:
    """Kim 2014a's conventional arm ends at a VAS of 0.6 as printed, under a grave note."""
    rows = ask(review, "results", report="kim-2014a", outcome="vas-pain")
    value = next(r for r in rows if r["value"] == "0.6")
    assert value["noted"] == "true"
    assert any("kim-2014a" in n["reports"] for n in ask(review, "quality-notes", severity="grave"))


def test_every_value_equals_its_cell(review: EmbeddedStore) -> None:
    """Each charted number is in the answer as charted, with the place of its row."""
    rows = read(CHARTED, "results")
    header = rows[0]
    charted = {f"{r[0]}/{r[1]}": dict(zip(header, r, strict=True)) for r in rows[1:]}
    answered = {r["result"]: r for r in ask(review, "results")}
    assert set(answered) == set(charted)
    assert len(charted) > 200
    for key, cell in charted.items():
        for column in ("value", "dispersion", "p"):
            expected = "" if cell[column] in ("not-charted", "not-applicable", "unclear") else cell[column]
            assert answered[key][column] == expected, (key, column)
        assert len(answered[key]["source"].split("|")) == len(cell["source"].split("|"))


@pytest.mark.parametrize("name", sorted(queries.load_all()))
def test_a_saved_question_has_its_columns(review: EmbeddedStore, name: str) -> None:
    """Every question answers on the review with exactly the columns of its header."""
    saved = queries.get(name)
    rows = ask(review, name)
    assert rows
    assert all(tuple(r) == saved.columns for r in rows)
