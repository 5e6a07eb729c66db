"""The explorer says on screen what the charted tables say."""

from __future__ import annotations

import ast
import csv
import gc
import hashlib
import html
import json
import re
import shutil
import time
from pathlib import Path

import pyoxigraph as ox
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from regen_kg import build, queries
from regen_kg.explorer import data, downloads, entities, evidence_map, method, pictures, server, vocabulary, widgets
from regen_kg.explorer import index as indexes
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
    """Open a page on the packaged build."""
    monkeypatch.setenv("REGEN_KG_BUILD", str(made.folder))

    def opened(name: str, **query: str) -> AppTest:
        at = AppTest.from_file(str(PAGES_DIR / f"{name}.py"), default_timeout=60)
        for key, value in query.items():
            at.query_params[key] = value
        return at.run()

    return opened


def on_screen(at: AppTest) -> str:
    """Return all text of a page, tags taken out."""
    assert [e.message for e in at.exception] == []
    said = [
        getattr(e, "value", "") or ""
        for kind in ("title", "header", "subheader", "markdown", "caption", "info", "warning", "error", "code")
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
def test_every_page_says_that_nothing_was_appraised(made, monkeypatch, name):
    """Every page of the app opens without fault and says that no study was appraised."""
    monkeypatch.setenv("REGEN_KG_BUILD", str(made.folder))
    at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    if name != "overview":  # which is the app's first
        at.run().switch_page(str(PAGES_DIR / f"{name}.py"))
    assert "no study here was appraised for risk of bias" in on_screen(at.run())


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
        cells = [c for c in data.ask(store, "gap-matrix", placement=placement) if c["reports"] != "0"]
        assert cells
        found, reports = evidence_map.read(store, placement), {r["report"]: r for r in data.reports(store)}
        for c in cells:
            here = {axis: c[axis] for axis in ("technology", "disease")}
            assert len(evidence_map.evidence(found, here, reports)) == int(c["reports"])
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
    """The quality page shows every accepted note of a severity, how full the chart is, and what the checks found."""
    grave = [n for n in charted("notes") if n["severity"] == "grave" and n["decision"] == "accepted"]
    assert grave
    text = on_screen(open_page("quality", severity="grave"))
    assert f"{len(grave)} grave notes" in text
    assert all(n["note"] in text for n in grave)
    assert "How full is the chart?" in text and "0 violations" in text


def test_safety_page(open_page, store):
    """The safety page has one row per report."""
    text = on_screen(open_page("safety"))
    assert f"of {len(charted('reports'))} reports" in text
    assert "not charted" in text
    rows = [r for r in data.ask(store, "safety-reporting") if "hyaluronic-acid" in data.items(r["technologies"])]
    silent = sum(r["status"] == "not-charted" for r in rows)
    assert rows and silent
    said = on_screen(open_page("safety", technology="hyaluronic-acid"))
    assert f"charted for {len(rows) - silent} of {len(rows)} reports on hyaluronic acid, for {silent} it is not" in said


def test_saved_question(open_page, store):
    """A saved question answers on screen as it does in the library, and shows its text."""
    at = open_page("ask", q="quality-notes", p_severity="grave")
    expected = data.ask(store, "quality-notes", severity="grave")
    assert len(at.dataframe[0].value) == len(expected)
    assert 'VALUES ?severity { "grave" }' in on_screen(at)


NOTED = [
    ("gap_map", {"technology": "platelet-rich-plasma", "disease": "ankle-osteoarthritis"}, ""),
    ("conflicts", {}, "conflicts"),
    ("directions", {"technology": "platelet-rich-plasma"}, ""),
    ("quality", {}, "effect-sizes"),
]


@pytest.mark.parametrize(("page", "query", "question"), NOTED, ids=[n[0] for n in NOTED])
def test_pages_say_what_rests_on_noted_cells(open_page, store, page, query, question):
    """A page that aggregates says how many of its rows rest on noted cells, with the grave notes by name."""
    said = on_screen(open_page(page, **query))
    assert re.search(r"\d+ of \d+ rows rest on noted cells; without those under a grave note: \d+ rows", said)
    assert re.search(r"▲ grave \d+: [a-z0-9-]+", said)
    if question:
        assert data.noted_lines(store, question, data.ask(store, question))[0] in said


@pytest.mark.parametrize("name", sorted(data.queries.load_all()))
def test_every_saved_question_opens(open_page, name):
    """Every saved question can be asked from its address."""
    on_screen(open_page("ask", q=name))


def test_hostile_labels_are_text(made, monkeypatch):
    """Markup in data is drawn as it stands."""
    monkeypatch.setenv("REGEN_KG_BUILD", str(made.folder))
    assert widgets.escaped("[a](javascript:x) <b>") == r"\[a\]\(javascript\:x\) &lt;b&gt;"
    assert "<script" not in widgets.report_link('"><script>') + widgets.list_words("<script>") + widgets.list_text(
        "<script>"
    )


DRAWN = {"server", "components", "navigation", "widgets", "entity_page"}


@pytest.mark.parametrize("name", sorted({p.stem for p in PAGES_DIR.parent.glob("*.py")} - DRAWN))
def test_data_layer_knows_no_streamlit(name):
    """What pages show can be had without drawing it."""
    tree = ast.parse((PAGES_DIR.parent / f"{name}.py").read_text("utf-8"))
    names = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    names |= {n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
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
    assert "no report tests hyaluronic acid in ligament injury of the ankle" in text
    assert "hyaluronic acid in ankle osteoarthritis: 7 reports" in text


@pytest.mark.parametrize("name", PAGES)
def test_unknown_parts_of_an_address_explain_themselves(open_page, name):
    """A part of the address that a page does not know is named on screen, with those it knows."""
    text = on_screen(open_page(name, shade="red"))
    assert "The address has a part “shade” that this page does not know." in text
    assert "This page knows" in text


def test_unknown_values_of_an_address_name_the_nearest(open_page):
    """A slip in a value of the address is named, left out, and answered by the nearest right value."""
    text = on_screen(open_page("gap_map", technology="platelet-rich-plasm"))
    assert "technology=“platelet-rich-plasm”, which is not known here and was left out." in text
    assert "Nearest: “platelet-rich-plasma”." in text


# ---- technologies, diseases, outcome measures -------------------------------------------------------------------


@pytest.fixture(scope="module")
def index(store):
    return indexes.build_index(store)


@pytest.fixture(scope="module")
def terms(store):
    return vocabulary.build_vocabulary(store)


def found(index, terms, kind, slug, sub=True) -> entities.Entity:
    e = entities.entity(index, terms, kind, slug, sub)
    assert e is not None
    return e


def participants(cell) -> str:
    """What a page says where no study of a cell has a sample size: a zero would mislead."""
    return "not charted" if (cell["participants"], cell["studies"] != "0") == ("0", True) else cell["participants"]


def test_disease_pages_count_what_the_gap_map_counts(store, index, terms):
    """On a disease's page, each technology has the reports, studies and participants of its cell of the gap map."""
    cells = {(c["disease"], c["technology"]): c for c in data.ask(store, "gap-matrix") if c["reports"] != "0"}
    assert cells
    seen = set()
    for disease in data.labels(store, "disease"):
        for group in found(index, terms, "disease", disease).groups:
            cell = cells[disease, group["other"]]
            assert (group["reports"], group["studies"]) == (cell["reports"], cell["studies"])
            assert group["participants"].split(" (")[0] == participants(cell)
            seen.add((disease, group["other"]))
    assert seen == set(cells)


def test_technology_pages_count_what_the_gap_map_counts(store, index, terms):
    """On a technology's page, each disease has the reports, studies and participants of its cell of the gap map."""
    cells = {(c["technology"], c["disease"]): c for c in data.ask(store, "gap-matrix") if c["reports"] != "0"}
    seen = set()
    for technology in data.labels(store, "technology"):
        for group in found(index, terms, "technology", technology).groups:
            cell = cells[technology, group["other"]]
            assert (group["reports"], group["studies"]) == (cell["reports"], cell["studies"])
            assert group["participants"].split(" (")[0] == participants(cell)
            seen.add((technology, group["other"]))
    assert seen and seen == set(cells)


def test_narrower_terms_can_be_left_out(index, terms):
    """A disease alone has the reports whose population is named just so; with its narrower terms it has theirs too."""
    alone = {r["report"] for r in found(index, terms, "disease", "achilles-tendon-injury", sub=False).reports}
    every = {r["report"] for r in found(index, terms, "disease", "achilles-tendon-injury").reports}
    exact = {p["report"] for p in charted("populations") if p["condition"] == "achilles-tendon-injury"}
    assert alone == exact and alone < every
    assert "monto-2012" in every - alone  # chronic Achilles tendinopathy


def test_narrower_technology(index, terms):
    """A form of hyaluronic acid has the reports that give this very form under test."""
    expected = {
        c["report"] for c in charted("components") if (c["intervention"], c["role"]) == ("sodium-hyaluronate", "tested")
    }
    assert (
        expected and {r["report"] for r in found(index, terms, "technology", "sodium-hyaluronate").reports} == expected
    )


def test_every_term_has_a_page(index, terms):
    """Every technology, procedure, disease and outcome measure of the vocabulary can be gathered, in both ways."""
    for kind, table in (("technology", "interventions"), ("disease", "conditions"), ("outcome", "outcome-measures")):
        with (ROOT / "ontology" / f"{table}.csv").open(encoding="utf-8", newline="") as file:
            expected = {r["slug"] for r in csv.DictReader(file)}
        assert expected and set(terms.slugs(kind)) == expected
        for slug in expected:
            assert len(found(index, terms, kind, slug).reports) >= len(
                found(index, terms, kind, slug, sub=False).reports
            )


def test_disease_page(open_page, store):
    """The page of a disease says what is charted, missing and disputed, by the population that was studied."""
    text = on_screen(open_page("disease", id="achilles-tendon-injury"))
    assert "A sample size is charted for 3 of 9 studies" in text
    assert "Nothing was appraised for risk of bias." in text
    assert "within arm improvement : boesen-2017" in text and "no difference : boesen-2020" in text
    gaps = [g for g in data.ask(store, "evidence-gaps") if g["disease"] == "achilles-tendon-injury"]
    conflicts = [c for c in data.ask(store, "conflicts") if "achilles-tendon-injury" in data.items(c["disease"])]
    assert gaps and f"What is missing ({len(gaps)})" in text
    assert conflicts and f"What is disputed ({len(conflicts)})" in text
    assert "Filed in the review under another disease" in text and "werber-2015 plantar fasciitis" in text
    assert "Preclinical: claims on animal or laboratory work" in text
    mapped = [m["object"] for m in data.ask(store, "mappings") if m["concept"] == "achilles-tendon-injury"]
    assert mapped and all(m in text for m in mapped)


def test_technology_without_reports_is_absence_from_the_named_evidence(open_page):
    """A technology that no report tests is in the vocabulary, not in the evidence, and its gaps say why."""
    text = on_screen(open_page("technology", id="exosomes"))
    assert "That is absence from the named evidence, not evidence of absence." in text
    assert "What is missing (5)" in text and "preclinical only" in text
    assert "Reports 0" not in text


def test_outcome_page_lists_every_value(open_page, store):
    """The page of AOFAS lists every result on it, with its place in the review."""
    expected = data.ask(store, "results", outcome="aofas")
    text = on_screen(open_page("outcome", id="aofas"))
    assert expected and f"Values ({len(expected)})" in text
    assert all(r["source"].replace("|", "; ") in text for r in expected)
    assert ("function" in text and "higher-is-better" in text) or "higher is better" in text


@pytest.mark.parametrize(
    ("page", "slug", "said"),
    [
        ("disease", "plantar-fascitis", "No disease is called “plantar-fascitis”. Nearest:"),
        ("technology", "plantar-fasciitis", "plantar fasciitis (disease)"),
        ("outcome", "", "No outcome measure is chosen."),
        ("outcome", "<b>", "No outcome measure is called “<b>”."),
    ],
)
def test_unknown_terms_explain_themselves(open_page, page, slug, said):
    """An unknown term is named with the nearest ones; one of another kind leads to its own page."""
    assert said in on_screen(open_page(page, id=slug)).replace("&lt;", "<").replace("&gt;", ">")


def test_disease_sheet_is_one_harmless_file(index, terms):
    """The printable page has clinical, preclinical and safety apart, loads nothing, and shows markup as text."""
    e = found(index, terms, "disease", "plantar-fasciitis")
    sheet = downloads.disease_sheet(e, lambda s: "<script>alert(1)</script>\u202e" + s, "abc")
    for part in ("<h2>Clinical</h2>", "<h2>Preclinical", "<h2>Safety</h2>", "Nothing here was appraised"):
        assert part in sheet
    assert (
        "<script" not in sheet
        and "\u202e" not in sheet
        and "src=" not in sheet
        and "http" not in sheet.split("</style>")[1]
    )
    assert f"Not charted for {sum(s['status'] == 'not-charted' for s in e.safety)} of {len(e.safety)} reports" in sheet


# ---- lists, comparison, references ------------------------------------------------------------------------------


def test_facets_count_what_they_give(index):
    """The number beside every value of every facet is that of the reports it gives, alone and beside another choice."""
    for chosen in ({}, {"technology": ["platelet-rich-plasma"], "safety": ["not-charted"]}):
        for facet, values in indexes.facet_counts(index.reports, chosen).items():
            assert values
            for value, n in values.items():
                rows = [r for r in index.reports if indexes.fits(r, {**chosen, facet: [value]})]
                assert len(rows) == n, (facet, value)


def test_facets_cover_every_report(index):
    """No report falls out of a facet: what is empty is a value of its own."""
    for facet in indexes.FACETS:
        assert all(indexes.facet_values(r, facet) for r in index.reports)


def test_facets_are_in_the_address(open_page, index):
    """Filters stand in the address, each value repeated; a reload gives the same list."""
    at = open_page("reports", technology=["platelet-rich-plasma", "hyaluronic-acid"], disease="ankle-osteoarthritis")
    rows = [
        r
        for r in index.reports
        if {"platelet-rich-plasma", "hyaluronic-acid"} & set(data.items(r["technologies"]))
        and "ankle-osteoarthritis" in data.items(r["diseases"])
    ]
    assert rows and at.header[0].value == f"{len(rows)} of {len(index.reports)} reports"
    at.multiselect(key="several-kind").set_value(["secondary"]).run()
    assert list(at.query_params["kind"]) == ["secondary"] or at.query_params["kind"] == "secondary"
    assert at.header[0].value == f"{sum(r['kind'] == 'secondary' for r in rows)} of {len(index.reports)} reports"
    at.button[0].click().run()
    assert not at.query_params
    assert at.header[0].value == f"{len(index.reports)} of {len(index.reports)} reports"


def test_a_filter_of_no_such_value_is_named(open_page):
    """A slip in a filter is named with the nearest value, and the other filters stay."""
    at = open_page("reports", comparator="saline-injectoin", kind="secondary")
    text = on_screen(at)
    assert (
        "comparator=“saline-injectoin”, which is not known here and was left out. Nearest: “saline-injection”." in text
    )
    assert "2 of 61 reports" in text


def test_comparison_marks_what_differs(open_page, index):
    """Reports stand side by side, and a word, not a colour, says what differs."""
    text = on_screen(open_page("compare", id=["krogh-2016", "monto-2012"]))
    assert "≠ differs" in text and "= same" in text
    assert "saline" in text and "failed 6 months of conservative treatment" in text
    rows = indexes.compare(index, ["krogh-2016", "krogh-2016"])
    assert rows and {r["differs"] for r in rows} == {"same"}


def test_comparison_needs_two(open_page):
    """One report is not compared; an unknown one is named, with the nearest."""
    text = on_screen(open_page("compare", id=["krogh-2016", "monto-2021"]))
    assert "Choose one report more" in text
    assert "id=“monto-2021”, which is not known here and was left out. Nearest: “monto-2012”." in text


def test_references(index):
    """Each report is one RIS record; identifiers stand only where verified, and no value can begin a field."""
    text = downloads.ris(index.reports)
    assert text.count("TY  - ") == text.count("ER  - ") == len(index.reports)
    verified = {r["report"] for r in charted("bibliography") if r["status"] == "verified"}
    for record in text.split("ER  - ")[:-1]:
        slug = re.search(r"^ID  - (.+)$", record, re.M)
        assert slug is not None
        assert ("TY  - JOUR" in record) == (slug.group(1) in verified)
        assert slug.group(1) in verified or "DO  - " not in record
    first = {**index.reports[0], "title": "a\nER  - \r\nTY  - BOOK\u2028DO  - x"}
    assert [line[:6] for line in downloads.ris([first]).splitlines()].count("TY  - ") == 1
    assert "AU  - Alessio-Mazzola\n" in text and "AU  - et al" not in text


# ---- parts of long lists ----------------------------------------------------------------------------------------


def shown_rows(at: AppTest) -> list[str]:
    """Return the rows of the first table of a page as HTML."""
    table = next(e.proto.body for e in at.get("html") if "<table" in e.proto.body)
    return re.findall(r"<tr>(?!<th scope=\"col\")(.*?)</tr>", table)


def test_a_long_list_comes_in_parts(open_page, store):
    """A list that grows with the studies is shown in parts that the address names; together they are the whole list."""
    conflicts = data.ask(store, "conflicts")
    assert len(conflicts) > 50
    whole: list[str] = []
    for start in range(0, len(conflicts), 25):
        at = open_page("conflicts", **{"from": str(start)})
        part = shown_rows(at)
        assert len(part) == min(25, len(conflicts) - start)
        assert f"{len(conflicts)} pairs" in on_screen(at)
        assert f"{start + 1} to {start + len(part)} of {len(conflicts)}" in on_screen(at)
        whole += part
    assert len(set(whole)) == len(conflicts)
    first = shown_rows(open_page("conflicts"))
    assert shown_rows(open_page("conflicts", **{"from": "100000"})) == first == whole[:25]


def test_the_way_to_a_part_keeps_the_filters(open_page):
    """A link to another part changes nothing of the address but the part; an address that is no number is named."""
    at = open_page("conflicts", technology="platelet-rich-plasma")
    links = re.findall(r'<a class="rkg-go" data-rkg-stay href="([^"]+)"', "".join(e.proto.body for e in at.get("html")))
    assert links and all(html.unescape(x).startswith("?technology=platelet-rich-plasma&from") for x in links)
    assert "from=“x”, which is not known here" in on_screen(open_page("conflicts", **{"from": "x"}))


@pytest.mark.parametrize(
    ("page", "query"),
    [
        ("conflicts", {}),
        ("safety", {}),
        ("reports", {}),
        ("directions", {}),
        ("quality", {}),
        ("compare", {"id": ["krogh-2016", "monto-2012"]}),
        ("gap_map", {"technology": "platelet-rich-plasma", "disease": "plantar-fasciitis"}),
        ("technology", {"id": "platelet-rich-plasma"}),
        ("outcome", {"id": "aofas"}),
    ],
)
def test_references_wherever_reports_are_listed(open_page, page, query):
    """Where reports are listed they can be had as CSV and as RIS, and the list can be opened in SPARQL."""
    at = open_page(page, **query)
    labels = [e.proto.label for e in at.get("download_button")]
    assert any(label.endswith("as RIS") for label in labels) and any(label.endswith("CSV") for label in labels)
    assert any("Open" in e.proto.label and "SPARQL" in e.proto.label for e in at.get("page_link"))


def test_entity_pages_show_the_notes_they_rest_on(open_page, index, terms):
    """The page of an entity counts the notes that touch its reports and draws the gravest first."""
    for kind, slug in (("technology", "hyaluronic-acid"), ("disease", "ankle-osteoarthritis"), ("outcome", "visa-a")):
        e = found(index, terms, kind, slug)
        text = on_screen(open_page(kind, id=slug))
        assert e.notes and f"Notes on the source ({len(e.notes)})" in text
        assert all(re.sub(r"\s+", " ", n["summary"]) in text for n in e.notes[:10])
        assert re.search(r"\d+ of \d+ rows rests? on noted cells", text)


def test_a_certificate_waits_where_the_graph_is_large(open_page, made, monkeypatch):
    """On a large graph a certificate is worked out when it is asked for, by the address or by hand; on a small one at once."""
    here = {"technology": "exosomes", "disease": "talus-cartilage-injury", "rows": "technology", "columns": "disease"}
    assert "Certificate:" in on_screen(open_page("gap_map", **here))
    monkeypatch.setitem(made.manifest["triples"], "all", 1_000_000)
    monkeypatch.setattr(widgets, "_build", lambda: made)
    at = open_page("gap_map", **here)
    assert "Certificate:" not in on_screen(at)
    gap = at.selectbox(key="choice-gap").options
    assert len(gap) > 1


# ---- the start of the server ------------------------------------------------------------------------------------


def test_the_lists_of_the_quality_page_come_in_parts(open_page, monkeypatch):
    """Reports filed elsewhere and sums of arms are drawn a part at a time, each by a part of the address of its own."""
    part = widgets.part
    monkeypatch.setattr(widgets, "part", lambda total, step=50, name="from": part(total, 2, name))
    for name, question in (("from-placed", "placement-differs"), ("from-sums", "arm-sums")):
        listed = [r["report"] for r in widgets.rows(question)]
        text = "".join(e.proto.body for e in open_page("quality", **{name: "2"}).get("html"))
        assert f"3 to 4 of {len(listed)} · part" in text, name
        tables = [re.findall(r'id=([a-z0-9-]+)"', t) for t in re.findall(r"<tbody>.*?</tbody>", text, re.S)]
        assert listed[2:4] in tables, name


def test_rows_of_a_whole_question_are_shared_and_those_of_a_choice_are_not(made):
    """Pages that ask the same question look at the same rows; a choice, and another wording of the question, get their own."""
    store, saved = data.Remembering(made.store()), queries.get("arms")
    rows = data.ask(store, "arms")
    assert data.ask(store, "arms") is rows and len(rows) == len(queries.run(made.store(), saved))
    assert {r["report"] for r in data.ask(store, "arms", report="gormeli-2015")} == {"gormeli-2015"}
    assert data.ask(store, "arms") is rows
    assert list(store.answers.values()) == [rows]
    other = queries.parse("arms", saved.text.replace("ORDER BY ?report", "ORDER BY DESC(?report)"))
    assert queries.run(store, other)[0]["report"] == rows[-1]["report"]


def test_what_took_long_to_read_is_left_out_of_the_collected_garbage():
    """Streamlit collects garbage after each click, over all that is kept: what took long is frozen, the rest is not."""
    gc.unfreeze()
    try:
        assert widgets.for_good(lambda: "quick") == "quick" and gc.get_freeze_count() == 0
        assert widgets.for_good(lambda: time.sleep(0.6) or "slow") == "slow" and gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()


def test_the_first_visitor_waits_for_no_question(made, monkeypatch, tmp_path):
    """What the overview needs is read while the server starts; a build that can't be opened is left for the page to tell."""
    monkeypatch.setenv("REGEN_KG_BUILD", str(made.folder))
    st.cache_resource.clear()
    server.warm()

    def asked(self, text: str):
        raise AssertionError(f"asked: {text}")

    with monkeypatch.context() as patch:
        patch.setattr(data.Remembering, "query", asked)
        at = AppTest.from_file(str(PAGES_DIR / "overview.py"), default_timeout=60).run()
        assert "no study here was appraised" in on_screen(at)
    monkeypatch.setenv("REGEN_KG_BUILD", str(tmp_path))
    st.cache_resource.clear()
    server.warm()
    at = AppTest.from_file(str(PAGES_DIR / "overview.py"), default_timeout=60).run()
    assert "The graph cannot be opened." in on_screen(at)
    st.cache_resource.clear()


def test_the_server_is_started_with_settings_that_keep_to_the_machine():
    """The command starts the server on a port; nothing is sent out and nobody else is let in."""
    assert server.command(8501)[1:] == ["-m", "regen_kg.explorer.server", "8501"]
    assert server.SETTINGS["server.address"] == "127.0.0.1" and server.SETTINGS["browser.gatherUsageStats"] == "false"


# ---- ontology and method ----------------------------------------------------------------------------------------


def test_every_class_is_in_the_tree(terms):
    """Each class and named individual is reached from the roots, has a definition and a source."""
    reached, todo = set(), terms.roots()
    while todo:
        key = todo.pop()
        if key not in reached:
            reached.add(key)
            todo += [*terms.terms[key].children, *terms.terms[key].inferred_children]
    assert reached == set(terms.terms)
    assert [k for k, t in terms.terms.items() if not t.definition or not t.source] == []


def test_ontology_page(open_page, terms):
    """A term shows its definition, what is asserted and what is inferred above it, its members and its mappings."""
    text = on_screen(open_page("ontology", term="PlateletRichPlasma"))
    assert "Superclasses, asserted technology" in text
    assert "Superclasses, inferred in addition blood-derived therapy , injection therapy" in text
    assert "ncit:C106557" in text and "exactMatch" in text
    found = on_screen(open_page("ontology", text="ncit:C106557"))
    assert "1 term found" in found and "platelet-rich plasma" in found
    slip = on_screen(open_page("ontology", term="PlateletRichPlasm"))
    assert "No term is called “PlateletRichPlasm”. Nearest:" in slip and " PlateletRichPlasma " in slip


def test_method_page(open_page, store):
    """The method page has every row of the method's tables, and both accounts of the flow as picture and sentence."""
    at = open_page("method")
    text = on_screen(at)
    for table, column in (
        ("search", "line"),
        ("charting-form", "label"),
        ("eligibility", "rule"),
        ("study-flow", "label"),
        ("instruments", "long_name"),
    ):
        rows = charted(table)
        assert rows and all(r[column] in text for r in rows), table
    m = method.read_method(store)
    for account in ("text", "figure"):
        drawn = pictures.flow_drawing(m.flow, account, False)
        steps = [s for s in m.flow if s["account"] == account]
        assert steps and all(s["charted"] in drawn for s in steps)
        assert "▲ computed" in drawn
        assert pictures.flow_sentence(m.flow, account) in text
    assert "✗ no" in text and "◐ partly" in text


def test_completeness_adds_up(store):
    """Content and the four statuses of a column add up to the rows of its table."""
    rows = method.completeness(store)
    assert rows
    for r in rows:
        assert int(r["rows"]) == len(charted(r["table"]))
        assert sum(
            int(r[k]) for k in ("with content", "not charted", "not reported", "unclear", "not applicable")
        ) == int(r["rows"])


def test_pictures_over_time_hold_the_charted_values(open_page, index):
    """A report's picture has one mark per value that is charted, hollow where a note touches it, and equal words."""
    slug = "sun-2006"
    rows = pictures.over_time(index.results[slug], index.times[slug], index.arms[slug])
    measured = [
        r
        for r in charted("results")
        if r["report"] == slug and r["kind"] == "arm-measurement" and r["value"] != "not-charted"
    ]
    assert measured and len(rows) == len(measured)
    spec, said = pictures.time_picture(rows, "aofas", "AOFAS", False)
    marks = spec["data"]["values"]
    assert [m["text"] for m in marks] == ["64", "75", "78", "78"]
    assert [m["noted"] for m in marks] == [r["noted"] == "true" for r in rows if r["outcome"] == "aofas"]
    assert "64 at baseline" in said
    assert said.split(". ", 1)[1] in on_screen(open_page("report", id=slug))


# ---- hostile labels ---------------------------------------------------------------------------------------------

HOSTILE = (
    '</td><script>alert(1)</script><img src=x onerror=alert(1)> [x](javascript:alert(1)) =HYPERLINK("x") \u202eevil'
)


@pytest.fixture(scope="module")
def hostile(made, tmp_path_factory):
    """A build in which a citation, an arm, a paraphrase and a term carry markup, a formula and marks of direction."""
    folder = tmp_path_factory.mktemp("hostile")
    shutil.copytree(made.folder, folder, dirs_exist_ok=True)
    text, literal = (folder / "regen-kg.nq").read_text("utf-8"), str(ox.Literal(HOSTILE))
    for victim in ('"Krogh et al. (2016)"', '"platelet-rich plasma"@en', '"PRP"', '"Achilles tendon injury"@en'):
        assert victim in text
        text = text.replace(victim, literal + ("@en" if victim.endswith("@en") else ""))
    (folder / "regen-kg.nq").write_text(text, "utf-8")
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    manifest["files"]["regen-kg.nq"] = hashlib.sha256(text.encode()).hexdigest()
    manifest["inputs"], manifest["answers"] = "hostile", {}  # kept answers are those of the build that was copied
    (folder / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    return folder


@pytest.mark.parametrize(
    ("page", "query"),
    [
        ("overview", {}),
        ("reports", {"technology": "platelet-rich-plasma"}),
        ("report", {"id": "krogh-2016"}),
        ("compare", {"id": ["krogh-2016", "monto-2012"]}),
        ("technology", {"id": "platelet-rich-plasma"}),
        ("disease", {"id": "achilles-tendon-injury"}),
        ("outcome", {"id": "visa-a"}),
        ("ontology", {"term": "PlateletRichPlasma"}),
        ("conflicts", {}),
        ("method", {}),
    ],
)
def test_hostile_build_stays_harmless(hostile, monkeypatch, page, query):
    """Markup in the data of a build never becomes markup, and marks of direction are shown, not obeyed."""
    monkeypatch.setenv("REGEN_KG_BUILD", str(hostile))
    widgets._build.clear()  # the build is looked for once a minute
    at = AppTest.from_file(str(PAGES_DIR / f"{page}.py"), default_timeout=60)
    for key, value in query.items():
        at.query_params[key] = value
    at.run()
    widgets._build.clear()
    text = on_screen(at)
    bodies = [e.proto.body for e in at.get("html") if not e.proto.unsafe_allow_javascript]
    assert bodies and not any(re.search(r"<script>alert|<img src=x|</td><script|\u202e", b) for b in bodies)
    said = [
        e.value
        for kind in ("title", "header", "subheader", "markdown", "caption", "info", "warning")
        for e in at.get(kind)
    ]
    assert not any("](javascript:" in s or "<script>alert" in s or "\u202e" in s for s in said)
    if page in ("report", "technology", "disease", "reports"):
        assert "<script>alert(1)</script>" in text


def test_hostile_downloads_stay_harmless(hostile):
    """In what people take away, markup is text, formulas are none, and no value begins a line of its own."""
    store = build.open_build(hostile).store()
    index, terms = indexes.build_index(store), vocabulary.build_vocabulary(store)
    row = next(r for r in index.reports if r["report"] == "krogh-2016")
    assert row["citation"] == HOSTILE
    assert widgets.csv_text(["c"], [{"c": '=HYPERLINK("x")'}]).splitlines()[1].startswith("\"'=")
    assert all(re.match(r"[A-Z][A-Z0-9]  - |$", line) for line in downloads.ris([row]).splitlines())
    sheet = downloads.disease_sheet(found(index, terms, "disease", "achilles-tendon-injury"), widgets.term, "x")
    assert "<script" not in sheet and "<img" not in sheet and "&lt;script&gt;" in sheet
