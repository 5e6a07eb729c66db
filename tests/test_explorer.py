"""The explorer says on screen what the charted tables say."""

from __future__ import annotations

import ast
import csv
import html
import re
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from regen_kg import build
from regen_kg.explorer import charts, data, widgets
from regen_kg.explorer.navigation import PAGES_DIR

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted(p.stem for p in PAGES_DIR.glob("*.py"))


@pytest.fixture(scope="module")
def made():
    return build.current(ROOT / "graph" / "charted")


@pytest.fixture(scope="module")
def store(made):
    return made.store()


@pytest.fixture
def open_page(made, monkeypatch):
    """Open a page of the real app on the packaged build."""
    monkeypatch.setenv("REGEN_KG_BUILD", str(made.folder))

    def opened(name: str, **query: str) -> AppTest:
        at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
        at.switch_page(str(PAGES_DIR / f"{name}.py"))
        for key, value in query.items():
            at.query_params[key] = value
        return at.run()

    return opened


def on_screen(at: AppTest) -> str:
    """Return all text of a page, tags taken out."""
    assert [e.message for e in at.exception] == []
    said = [
        getattr(e, "value", "") or ""
        for kind in ("title", "header", "markdown", "caption", "info", "warning", "error", "code")
        for e in at.get(kind)
    ]
    said += [
        re.sub(r"<[^>]+>", " ", re.sub(r"<style>.*?</style>", "", e.proto.body, flags=re.S)) for e in at.get("html")
    ]
    said += [f"{m.label} {m.value}" for m in at.metric]
    said += [e.proto.label for e in at.get("page_link")]
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"\\(?=[^\w\s])", "", "\n".join(map(str, said)))))


def charted(name: str) -> list[dict[str, str]]:
    with (ROOT / "graph" / "charted" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("name", PAGES)
def test_every_page_says_that_nothing_was_appraised(open_page, name):
    """Every page opens without fault and says that no study was appraised."""
    assert "no study here was appraised for risk of bias" in on_screen(open_page(name))


@pytest.mark.parametrize("name", PAGES)
def test_bad_addresses_are_harmless(open_page, name):
    """Unknown values in the address change nothing but what they name."""
    at = open_page(
        name,
        technology="no-such",
        disease="<b>",
        placement="x",
        measure="x",
        severity="x",
        status="x",
        q="x",
        mode="x",
        text="[x](y)",
    )
    assert "no study here was appraised" in on_screen(at)


def test_overview_counts(open_page, store):
    """The overview counts what is in the tables, and says that the review claims more than it names."""
    text = on_screen(open_page("overview"))
    named = len(charted("reports"))
    assert f"Reports {named}" in text
    assert f"Results {len(charted('results')):,}" in text
    assert f"The review claims 77 studies and names {named} reports." in text


def test_empty_cell_says_what_it_means(open_page):
    """A cell without a report is said to be absence from the named evidence."""
    text = on_screen(open_page("gap_map", technology="exosomes", disease="plantar-fasciitis"))
    assert "plantar fasciitis: 0 reports" in text.lower()
    assert (
        "(PubMed, English, to 31 December 2024; 61 reports named). That is absence from the named evidence, not evidence of absence."
        in text
    )


def test_filled_cell_lists_its_reports(open_page, store):
    """The list under the map has as many reports as the cell counts, in both placements."""
    for placement in data.PLACEMENTS:
        cells = [c for c in data.gap_matrix(store, placement) if c["reports"] != "0"]
        assert cells
        rows = data.reports(store)
        for c in cells:
            assert len(data.cell_reports(rows, c["technology"], c["disease"], placement)) == int(c["reports"])
    at = open_page("gap_map", technology="platelet-rich-plasma", disease="ankle-osteoarthritis")
    assert "paget-2023" in on_screen(at)


def test_selectboxes_choose_the_cell(open_page):
    """Choosing a technology and a disease by keyboard is as good as a click, and the address keeps it."""
    at = open_page("gap_map")
    at.selectbox(key="choice-technology").set_value("platelet-rich-plasma").run()
    at.selectbox(key="choice-disease").set_value("plantar-fasciitis").run()
    assert {k: v[0] if isinstance(v, list) else v for k, v in at.query_params.items()} == {
        "technology": "platelet-rich-plasma",
        "disease": "plantar-fasciitis",
    }
    assert "reports" in at.header[0].value


def test_gap_map_spans_the_vocabulary(store):
    """All 55 cells are drawn; the empty ones say so in words."""
    technologies, diseases = data.labels(store, "technology"), data.labels(store, "disease")
    assert (len(technologies), len(diseases)) == (11, 5)
    cells = data.gap_matrix(store, "population")
    drawn = charts.gap_map(cells, "reports", technologies, diseases, ("", ""), False)["data"]["values"]
    assert len(drawn) == 55
    assert {v["said"] for v in drawn if v["empty"]} == {"no\nreport"}


def test_numbers_on_the_gap_map_can_be_read(store):
    """Every text of the gap map has a contrast of 4.5 to its cell, light and dark (WCAG 2.2, 1.4.3)."""
    technologies, diseases = data.labels(store, "technology"), data.labels(store, "disease")
    for measure in data.MEASURES:
        for dark in (False, True):
            spec = charts.gap_map(data.gap_matrix(store, "population"), measure, technologies, diseases, ("", ""), dark)
            filled = [v for v in spec["data"]["values"] if not v["empty"]]
            assert filled
            assert min(charts.contrast(v["ink"], v["fill"]) for v in filled) >= 4.5


def test_report_page_of_paget(open_page):
    """The report page of Paget 2023 shows a value, its charted text and its place."""
    text = on_screen(open_page("report", id="paget-2023"))
    assert "-7" in text
    assert "Table 6, row 2" in text
    assert "not charted" in text


def test_a_cell_walks_from_the_table_to_the_screen(open_page, store):
    """A value of results.csv stands on its report's page with its charted text and its row."""
    rows = charted("results")
    number, row = next(
        (i, r)
        for i, r in enumerate(rows, 2)
        if re.fullmatch(r"-?\d+\.\d+", r["value"]) and r["dispersion"][:1].isdigit()
    )
    at = open_page("report", id=row["report"])
    text = on_screen(at)
    for cell in (
        row["value"],
        row["dispersion"],
        re.sub(r"\s+", " ", row["charted_text"]),
        f"results.csv#row={number}",
    ):
        assert cell in text
    for measure in row["outcome_measures"].split("|"):
        assert data.term_labels(store)[measure] in text


def test_every_report_has_a_page(store):
    """Every report's page has its arms, components, results, directions and safety as charted."""
    for report in charted("reports"):
        page = data.report_page(store, report["report"])
        assert page is not None
        for table, rows in (
            ("arms", page.arms),
            ("components", page.components),
            ("results", page.results),
            ("directions", page.directions),
            ("safety", page.safety),
        ):
            assert len(rows) == sum(r["report"] == report["report"] for r in charted(table)), (report["report"], table)
        assert all(c["arm"] for c in page.components)


def test_unknown_report_explains_itself(open_page):
    """An unknown id names the nearest ones."""
    text = on_screen(open_page("report", id="paget-2032"))
    assert "No report is called “paget-2032”. Nearest:" in text
    assert "paget-2023" in text


def test_only_verified_bibliography_is_shown(store):
    """Identifiers that were not verified are on no page."""
    for row in charted("bibliography"):
        page = data.report_page(store, row["report"])
        assert page is not None
        assert bool(page.bibliography) == (row["status"] == "verified")


def test_reports_filter(open_page):
    """Words in the address filter the list."""
    at = open_page("reports", text="paget 2023")
    assert at.header[0].value == "1 of 61 reports"


def test_quality_lists_the_notes(open_page):
    """The quality page shows every accepted note of a severity, and both accounts of the flow."""
    grave = [n for n in charted("notes") if n["severity"] == "grave" and n["decision"] == "accepted"]
    assert grave
    text = on_screen(open_page("quality", severity="grave"))
    assert f"{len(grave)} grave notes" in text
    assert all(n["note"] in text for n in grave)
    assert "As told in the text" in text and "As told in the figure" in text


def test_safety_page(open_page, store):
    """The safety page has one row per report."""
    text = on_screen(open_page("safety"))
    assert f"of {len(charted('reports'))} reports" in text
    assert "not charted" in text


def test_saved_question(open_page, store):
    """A saved question answers on screen as it does in the library, and shows its text."""
    at = open_page("ask", q="quality-notes", p_severity="grave")
    expected = data.ask(store, "quality-notes", severity="grave")
    assert len(at.dataframe[0].value) == len(expected)
    assert 'VALUES ?severity { "grave" }' in on_screen(at)


@pytest.mark.parametrize("name", sorted(data.queries.load_all()))
def test_every_saved_question_opens(open_page, name):
    """Every saved question can be asked from its address."""
    on_screen(open_page("ask", q=name))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("SELECT * {", "does not parse"),
        ("DELETE WHERE { ?s ?p ?o }", "DELETE is refused"),
        ("SELECT * { SERVICE <http://example.org/> { ?s ?p ?o } }", "SERVICE is refused"),
        ("ASK { ?s ?p ?o }", "Answer: true"),
        ("SELECT * { ?s <urn:none> ?o }", "0 rows: nothing in the graph fits the pattern"),
    ],
)
def test_own_query(open_page, text, said):
    """One's own query is answered, or refused with the reason."""
    at = open_page("ask", mode="own")
    at.text_area[0].set_value(text)
    at.button[0].click().run()
    assert said in on_screen(at)


def test_hostile_labels_are_text(made, monkeypatch):
    """Markup in data is drawn as it stands."""
    monkeypatch.setenv("REGEN_KG_BUILD", str(made.folder))
    assert widgets.escaped("[a](javascript:x) <b>") == r"\[a\]\(javascript\:x\) &lt;b&gt;"
    assert "<script" not in widgets.report_link('"><script>') + widgets.list_words("<script>") + widgets.list_text(
        "<script>"
    )


def test_data_layer_knows_no_streamlit():
    """What pages show can be had without drawing it."""
    for name in ("data", "charts"):
        tree = ast.parse((PAGES_DIR.parent / f"{name}.py").read_text("utf-8"))
        names = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
        names |= {n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
        assert names
        assert not any(n.split(".")[0] in ("streamlit", "pandas") for n in names)


def test_app_is_short():
    """app.py draws nothing itself."""
    assert len((ROOT / "app.py").read_text("utf-8").splitlines()) <= 40


def test_who_contradicts_whom_on_prp_in_the_achilles_tendon(open_page):
    """The conflicts page names Krogh against Monto, each with its direction, and what differs."""
    text = on_screen(open_page("conflicts", technology="platelet-rich-plasma", disease="achilles-tendon-injury"))
    assert "krogh-2016" in text and "monto-2012" in text
    assert "no difference" in text and "What differs" in text


def test_an_empty_cell_shows_its_gap(open_page):
    """HA in ligament injury: the cell says of which type its gap is, and where the nearest evidence is."""
    text = on_screen(open_page("gap_map", technology="hyaluronic-acid", disease="ligament-injury"))
    assert "no report tests hyaluronic-acid in ligament-injury" in text
    assert "hyaluronic-acid in ankle-osteoarthritis: 7 reports" in text


@pytest.mark.parametrize("name", PAGES)
def test_unknown_parts_of_an_address_explain_themselves(open_page, name):
    """A part of the address that a page does not know is named on screen, with those it knows."""
    text = on_screen(open_page(name, colour="red"))
    assert "The address has a part “colour” that this page does not know." in text
    assert "This page knows" in text


def test_unknown_values_of_an_address_name_the_nearest(open_page):
    """A slip in a value of the address is named, left out, and answered by the nearest right value."""
    text = on_screen(open_page("gap_map", technology="platelet-rich-plasm"))
    assert "technology=“platelet-rich-plasm”, which is not known here and was left out." in text
    assert "Nearest: “platelet-rich-plasma”." in text
