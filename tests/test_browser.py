"""Tasks of surgeons, reviewers, guideline writers, ontologists and analysts, done in a real browser that must not leave the machine."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from conftest import CHARTED, free_port, needs, program, running
from regen_kg import queries
from regen_kg.cli import main
from regen_kg.explorer.charts import palette
from regen_kg.explorer.navigation import _SECTIONS

FOOTER = "no study here was appraised for risk of bias"
# Streamlit looks for its own server below the address of a page first, and then at the root; the first gives two 404s.
PROBES = re.compile(r"/[a-z-]+/_stcore/(health|host-config)$")
# One address per page, each with content of its own.
PAGES = {
    "overview": "",
    "about": "about",
    "gap-map": "gap-map?technology=hyaluronic-acid&disease=ligament-injury",
    "directions": "directions?disease=achilles-tendon-injury",
    "conflicts": "conflicts?technology=platelet-rich-plasma&disease=achilles-tendon-injury",
    "safety": "safety?technology=hyaluronic-acid",
    "reports": "reports?disease=plantar-fasciitis",
    "compare": "compare?id=paget-2021&id=evans-2020",
    "disease": "disease?id=ligament-injury",
    "technology": "technology?id=placental-tissue",
    "outcome": "outcome?id=visa-a",
    "report": "report?id=paget-2021",
    "ask": "ask?q=reports",
    "ask-own": "ask?mode=own",
    "graph": "graph",
    "ontology": "ontology?term=platelet-rich-plasma",
    "as-seen-by": "as-seen-by?as=mondo&term=mondo:0005178",
    "method": "method",
    "quality": "quality?severity=grave",
}


class Visitor:
    """A person at a page of the explorer: what the page asked for and complained of is kept, and what was clicked counted."""

    def __init__(self, page, home: str) -> None:
        self.page, self.home, self.clicks = page, home, 0
        self.left: list[str] = []
        self.complaints: list[str] = []
        self.watch(page)

    def watch(self, page) -> None:
        """Keep every request that leaves the origin and every error of a page."""
        page.on("request", lambda r: self._asked(r.url))
        page.on("websocket", lambda w: self._asked(w.url.replace("ws", "http", 1)))
        page.on("console", self._complained)
        page.on("pageerror", lambda e: self.complaints.append(str(e)))

    def _asked(self, url: str) -> None:
        if not url.startswith((self.home, "data:", "blob:", "about:")):
            self.left.append(url)

    def _complained(self, message) -> None:
        if message.type == "error" and not PROBES.search(urlsplit(message.location.get("url", "")).path):
            self.complaints.append(message.text)

    def settled(self):
        """Wait until the page is drawn whole, and return it."""
        from playwright.sync_api import expect

        expect(self.page.get_by_text(FOOTER).last).to_be_visible()
        expect(self.page.locator("[data-testid=stApp][data-test-script-state=notRunning]")).to_be_attached()
        return self.page

    def open(self, address: str):
        """Type an address."""
        self.page.goto(self.home + address)
        return self.settled()

    def click(self, what) -> None:
        """Click, and count it."""
        self.clicks += 1
        what.click()

    def choose(self, label: str, words: str, several: bool = False) -> None:
        """Choose what begins with some words in a select box; one that takes several stays open until it is closed."""
        from playwright.sync_api import TimeoutError as Late

        box = self.page.get_by_role("combobox", name=label, exact=True)
        for again in range(5):  # a part of the page that is drawn anew closes an open list
            box.click()
            box.fill(words)
            try:
                self.page.get_by_role("option", name=words).first.click(timeout=5_000)
                break
            except Late:
                assert again < 4, f"{label!r} offers nothing like {words!r}"
        if several:
            self.page.keyboard.press("Escape")

    def sees(self, *words: str) -> None:
        """Require words on screen, and wait for the rest of the page."""
        from playwright.sync_api import expect

        for said in words:
            expect(self.page.get_by_test_id("stMain").get_by_text(said).first).to_be_visible()
        self.settled()

    def heading(self, words: str) -> None:
        """Require a heading of exactly these words, and wait for the rest of the page."""
        from playwright.sync_api import expect

        expect(self.page.get_by_role("heading", name=words, exact=True)).to_be_visible()
        self.settled()

    def download(self, button: str) -> str:
        """Press a download button and return what was saved."""
        with self.page.expect_download() as saved:
            self.page.get_by_role("button", name=button, exact=True).first.click()
        return Path(saved.value.path()).read_text("utf-8")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """The address of the explorer, started by its command on the shipped review."""
    needs("playwright", "axe_playwright_python")
    program("chromium")
    port = free_port()
    command = [sys.executable, "-m", "regen_kg.cli", "explore", "--port", str(port), "--charted", str(CHARTED)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BROWSER", "true")  # the command opens a browser: not here
        folder = tmp_path_factory.mktemp("explorer")
        with running(command, f"http://127.0.0.1:{port}/_stcore/health", folder):
            yield f"http://127.0.0.1:{port}/"


@pytest.fixture(scope="module")
def browser(home):
    """Chromium, for which no name but loopback exists."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=60_000)
    flags = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update",
             "--disable-sync", "--no-first-run", "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"]  # fmt: skip
    with sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=program("chromium"), args=flags)
        yield started
        started.close()


@pytest.fixture(scope="module")
def window(browser):
    """One window for all tasks, so that the explorer's scripts are read once."""
    context = browser.new_context(viewport={"width": 1360, "height": 900}, color_scheme="light", reduced_motion="reduce", accept_downloads=True)  # fmt: skip
    context.set_default_timeout(60_000)
    yield context
    context.close()


@pytest.fixture
def visitor(window, home):
    """A visitor whose page must not leave its origin nor complain."""
    came = Visitor(window.new_page(), home)
    yield came
    came.page.close()
    assert came.left == []
    assert came.complaints == []


def table(text: str) -> list[dict[str, str]]:
    rows = list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))
    assert rows
    return rows


def ask(review, name: str, **given: str) -> list[dict[str, str]]:
    rows = queries.run(review, queries.get(name), given)
    assert rows
    return rows


def cell(page, technology: str, disease: str):
    """Find a cell of the map by what it says to a screen reader."""
    return page.locator(f"[data-testid=stVegaLiteChart] svg path[aria-label^='{technology}, {disease}:']")


def test_a_request_off_the_machine_is_noticed(window, home):
    """The watch over the pages fails on a request that leaves the origin, and on an error in the console."""
    planted = Visitor(window.new_page(), home)
    planted.open("about")
    assert (planted.left, planted.complaints) == ([], [])
    with planted.page.expect_console_message(lambda m: m.text == "planted"):
        planted.page.evaluate("fetch('http://192.0.2.1/font.woff2').catch(() => console.error('planted'))")
    assert planted.left == ["http://192.0.2.1/font.woff2"]
    assert "planted" in planted.complaints
    planted.page.close()


# ---- tasks ------------------------------------------------------------------------------------------------------


def test_why_is_there_no_evidence_on_hyaluronic_acid_for_ligaments(visitor):
    """Surgeon: the empty cell says that no report is named, what was searched, what was probed and what is nearest."""
    page = visitor.open("")
    visitor.click(page.get_by_test_id("stMain").get_by_role("link", name="Gap map", exact=True))
    visitor.click(cell(page, "hyaluronic acid", "ligament injury of the ankle"))
    visitor.heading("hyaluronic acid in ligament injury of the ankle: 0 reports")
    visitor.sees("That is absence from the named evidence, not evidence of absence.", "Certificate: absent from the named evidence.",
                 "?evidence rkg:testsTechnology", "ankle osteoarthritis: 7")  # fmt: skip
    assert visitor.clicks == 2


def test_from_a_cell_to_the_row_of_the_review(visitor, review):
    """Reviewer: from a cell of the map to a value with its place in the review in two clicks, and the row is the charted one."""
    page = visitor.open("gap-map")
    visitor.click(cell(page, "platelet-rich plasma", "talar cartilage injury"))
    visitor.heading("platelet-rich plasma in talar cartilage injury: 3 reports")
    visitor.click(page.get_by_test_id("stMain").get_by_role("link", name="guney-2015").first)
    visitor.heading("Guney et al. (2015)")
    assert visitor.clicks <= 3
    found = [r for r in ask(review, "results", report="guney-2015") if r["outcome_measure"] == "aofas" and r["value"]]
    row = (
        page.get_by_role("row")
        .filter(has_text=found[0]["charted_text"])
        .filter(has_text=found[0]["source"].split("|")[0])
    )
    assert found[0]["value"] in row.first.inner_text()


def test_who_contradicts_whom_on_prp_in_the_achilles_tendon(visitor, review):
    """Guideline writer: every pair stands on screen with both directions and what differs; nothing is called a cause."""
    page = visitor.open("conflicts")
    visitor.choose("Technology", "platelet-rich plasma")
    visitor.choose("Disease", "Achilles tendon injury")
    pairs = [r for r in ask(review, "conflicts") if (r["technology"], r["disease"]) == ("platelet-rich-plasma", "achilles-tendon-injury")]  # fmt: skip
    visitor.heading(f"{len(pairs)} pairs")
    shown = page.locator("table").first.locator("tbody tr").all_inner_texts()
    assert len(shown) == len(pairs) > 1
    for row, pair in zip(shown, pairs, strict=True):
        assert pair["report_a"] in row and pair["report_b"] in row
    assert any("Achilles tendon rupture" in row for row in shown)
    visitor.sees("What differs is listed as a hypothesis, never as a cause.")
    assert table(visitor.download("Download as CSV")) == pairs


def test_all_aofas_values_of_prp_as_csv(visitor, review):
    """Analyst: the values of one measure and one technology, each with its time point and place, are those of the saved question."""
    visitor.open("outcome?id=aofas")
    visitor.choose("Values of", "platelet-rich plasma")
    wanted = [r for r in ask(review, "results", outcome="aofas") if "platelet-rich-plasma" in r["technologies"].split("|")]  # fmt: skip
    visitor.heading(f"Values ({len(wanted)} of {len(ask(review, 'results', outcome='aofas'))})")
    with visitor.page.expect_download() as saved:
        visitor.page.get_by_test_id("stDownloadButton").filter(has_text="Download the values as CSV").get_by_role(
            "button"
        ).click()
    got = table(Path(saved.value.path()).read_text("utf-8"))
    assert [r["result"] for r in got] == [r["result"] for r in wanted]
    assert [(r["value"], r["time_point"], r["source"]) for r in got] == [(r["value"], r["time_point"], r["source"]) for r in wanted]  # fmt: skip
    assert all(r["time_point"] and r["source"] for r in got)


def test_what_harms_are_charted_for_hyaluronic_acid(visitor, review):
    """Surgeon: the statements on harm stand on screen, and for how many reports there is none, which is not called safe."""
    visitor.open("safety")
    visitor.choose("Technology", "hyaluronic acid")
    mine = [r for r in ask(review, "safety-reporting") if "hyaluronic-acid" in r["technologies"].split("|")]
    silent = sum(r["status"] == "not-charted" for r in mine)
    assert 0 < silent < len(mine)
    visitor.sees(f"Anything on safety is charted for {len(mine) - silent} of {len(mine)} reports on hyaluronic acid, for {silent} it is not.",
                 "it doesn't mean that no harm occurred", "No severe adverse events")  # fmt: skip
    visitor.choose("Status", "not charted")
    visitor.page.wait_for_function(f"document.querySelectorAll('table tbody tr').length === {silent}")


def test_a_saved_question_with_a_parameter(visitor, review):
    """Analyst: a saved question is chosen, given its parameter, answered, put in the address and saved as JSON."""
    from playwright.sync_api import expect

    page = visitor.open("ask")
    visitor.choose("Question", "What was found, for which arm, measure and time")
    visitor.choose("outcome: an outcome measure, or not-named; all by default", "VISA-A")
    rows = ask(review, "results", outcome="visa-a")
    visitor.sees(f"{len(rows)} rows in ")
    assert parse_qs(urlsplit(page.url).query) == {"q": ["results"], "p_outcome": ["visa-a"]}
    expect(page.get_by_test_id("stDataFrame").locator("td").filter(has_text=rows[0]["result"])).to_have_count(1)
    answer = json.loads(visitor.download("Download as JSON"))
    assert len(answer["results"]["bindings"]) == len(rows)


def test_the_neighbourhood_of_prp_by_keyboard_alone(visitor):
    """Keyboard user: Tab reaches the button that opens the next neighbours, which is seen to have the focus, and Enter opens them."""
    page = visitor.open("graph")
    visitor.sees("Drawn are 26 things and 25 links.")
    focused = "document.activeElement.innerText || ''"
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate(focused).startswith("Open the next 25 of"):
            break
    else:
        pytest.fail("Tab never reaches the button that opens the next neighbours")
    assert page.evaluate("getComputedStyle(document.activeElement).boxShadow + getComputedStyle(document.activeElement).outlineStyle") != "nonenone"  # fmt: skip
    page.keyboard.press("Enter")
    visitor.sees("and 50 links.")
    assert parse_qs(urlsplit(page.url).query)["open"] == ["rkg:PlateletRichPlasma*50"]
    assert page.locator("table tbody tr").count() == 50


def test_a_way_between_two_things(visitor):
    """Reviewer: the way from a technology to a disease is told in words and as a table."""
    visitor.open("graph?focus=rkg:HyaluronicAcid&to=rkg:PlantarFasciitis")
    visitor.heading("From hyaluronic acid (technology) to plantar fasciitis (disease)")
    visitor.sees("2 links:", "tests technology")


def test_a_filtered_view_is_shared_by_its_address(visitor, window):
    """Reviewer: filters go into the address; who opens it sees the same; a reload keeps it; back takes the last step back."""
    page = visitor.open("reports")
    visitor.choose("Technology", "platelet-rich plasma", several=True)
    visitor.heading("28 of 61 reports")
    visitor.choose("Disease, by population", "plantar fasciitis", several=True)
    visitor.heading("6 of 61 reports")
    shared = page.url
    other = Visitor(window.new_page(), visitor.home)
    other.open(shared.removeprefix(visitor.home))
    other.heading("6 of 61 reports")
    other.page.reload()
    other.heading("6 of 61 reports")
    assert (other.left, other.complaints) == ([], [])
    other.page.close()
    page.go_back()
    visitor.heading("28 of 61 reports")


def test_two_reports_side_by_side(visitor):
    """Guideline writer: from a report to the one that points elsewhere, side by side, then only what differs."""
    from playwright.sync_api import expect

    page = visitor.open("report?id=paget-2021")
    visitor.click(page.get_by_role("link", name="Side by side"))
    visitor.heading("Compare")
    expect(page.locator("table thead th")).to_have_text(["Property", "In all?", "paget-2021", "evans-2020"])
    visitor.click(page.get_by_text("only what differs"))
    page.wait_for_function(
        "[...document.querySelectorAll('table tbody tr')].every(r => r.innerText.includes('≠ differs'))"
    )
    visitor.sees("randomised controlled trial")


def test_a_printable_answer_on_a_disease(visitor, tmp_path, window):
    """Surgeon: one file per disease, with clinical, preclinical and safety apart, that opens without the server; paper has no menu."""
    page = visitor.open("disease?id=plantar-fasciitis")
    text = visitor.download("Download the page (HTML)")
    (tmp_path / "sheet.html").write_text(text, "utf-8")
    page.emulate_media(media="print")
    assert not page.get_by_test_id("stSidebar").is_visible()
    page.emulate_media(media="screen")
    alone = window.new_page()
    alone.goto((tmp_path / "sheet.html").as_uri())
    heads = " ".join(alone.locator("h1, h2").all_inner_texts()).lower()
    assert [w for w in ("plantar fasciitis", "clinical", "preclinical", "safety") if w in heads] == ["plantar fasciitis", "clinical", "preclinical", "safety"]  # fmt: skip
    alone.close()


def test_a_mapping_has_its_reason(visitor):
    """Ontologist: an outside identifier finds our term, whose mapping says how it is meant and why."""
    page = visitor.open("ontology")
    box = page.get_by_role("textbox", name="Search (label, synonym, definition, or an identifier such as ncit:C106557)")
    box.fill("ncit:C121547")
    box.press("Enter")
    visitor.heading("1 term found")
    visitor.click(page.get_by_test_id("stMain").get_by_role("link", name="visual analogue scale of pain").first)
    visitor.heading("visual analogue scale of pain")
    mapping = page.get_by_role("row").filter(has=page.get_by_role("link", name="ncit:C121547")).inner_text()
    assert "broadMatch" in mapping and "a scale for any symptom; ours is for pain" in mapping


def test_an_unknown_report_explains_itself(visitor):
    """Anyone: an address with a slip says so and offers the nearest, which opens."""
    page = visitor.open("report?id=paget-2012")
    visitor.sees("No report is called “paget-2012”.")
    visitor.click(page.get_by_test_id("stMain").get_by_role("link", name="paget-2021"))
    visitor.heading("Paget et al. (2021)")


def test_which_way_reports_point_and_where_nothing_is_charted(visitor, review):
    """Guideline writer: the plot of directions says in words what it shows, where nothing is charted, and has its table."""
    from playwright.sync_api import expect

    page = visitor.open("directions?technology=platelet-rich-plasma&disease=ligament-injury")
    visitor.sees("No direction is charted in:")
    rows = [r for r in ask(review, "directions-by-outcome") if r["technology"] == "platelet-rich-plasma" and "ligament-injury" in r["disease"].split("|")]  # fmt: skip
    visitor.heading(f"The same as a table: {len(rows)} rows")
    assert page.locator("table").first.locator("tbody tr").count() == len(rows)
    expect(page.locator("[data-testid=stVegaLiteChart] svg path[aria-label^='laver-2015']").first).to_be_attached()


def test_the_grave_errors_of_the_source(visitor, review):
    """Reviewer: the grave notes stand with their reasoning and places; the study flow is told in both of its accounts."""
    page = visitor.open("quality")
    visitor.choose("Severity", "▲ grave")
    grave = ask(review, "quality-notes", severity="grave")
    visitor.heading(f"{len(grave)} grave notes")
    visitor.click(page.get_by_role("link", name="The study flow in its two accounts, and the rest of the method"))
    visitor.heading("As told in the text")
    visitor.sees("Full texts assessed: 111", "Full texts assessed: 231")


def test_a_picture_is_saved(visitor):
    """Anyone: the map is saved as SVG and as PNG, with what stands on screen."""
    page = visitor.open("gap-map")
    cell(page, "platelet-rich plasma", "plantar fasciitis").wait_for()
    kept = {}
    for kind in ("SVG", "PNG"):
        with page.expect_download() as saved:
            page.get_by_role("button", name=kind, exact=True).click()
        assert saved.value.suggested_filename == f"gap-map-technology-disease.{kind.lower()}"
        kept[kind] = Path(saved.value.path()).read_bytes()
    assert b"platelet-rich plasma" in kept["SVG"] and kept["PNG"].startswith(b"\x89PNG")


def test_writing_a_query(visitor):
    """Analyst: the editor completes a term with its prefix, marks a broken line, runs by keyboard, and the address keeps the query."""
    page = visitor.open("ask?mode=own")
    area = page.get_by_role("textbox", name="SPARQL query")
    area.press("Control+a")
    area.type("SELECT * { ?r a rkg:Rep")
    page.get_by_role("option").first.wait_for()
    area.press("Enter")
    assert area.input_value() == "PREFIX rkg: <https://w3id.org/regen-kg/ontology#>\nSELECT * { ?r a rkg:Report"
    area.press("Control+Enter")
    visitor.sees("does not parse: error at 2:")
    page.locator("pre .error").wait_for()
    area.press("End")
    area.type(" }")
    area.press("Control+Enter")
    visitor.sees("61 rows in")
    assert parse_qs(urlsplit(page.url).query)["query"][0].startswith("PREFIX")


def test_a_query_without_end_is_ended(visitor):
    """Analyst: a query that would never end is stopped, with the reason, and the next is answered."""
    page = visitor.open("ask?mode=own&query=" + quote("SELECT (COUNT(*) AS ?n) { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i }"))
    area = page.get_by_role("textbox", name="SPARQL query")
    area.press("Control+Enter")
    visitor.sees("took longer than 10 seconds and was stopped")
    area.fill("ASK { ?s ?p ?o }")
    area.press("Control+Enter")
    visitor.sees("Answer: true")


def test_the_offline_file_opens_without_network(browser, tmp_path):
    """Anyone: the exported map opens with the network off and scripts off; a cell and a report are reached by keyboard."""
    path = tmp_path / "map.html"
    assert main(["explore", "--export", str(path)]) == 0
    context = browser.new_context(offline=True, java_script_enabled=False, viewport={"width": 400, "height": 800})
    one, asked = context.new_page(), []
    one.on("request", lambda request: asked.append(request.url))
    one.goto(path.as_uri())
    one.locator(".map a", has_text="7").first.focus()
    one.keyboard.press("Enter")
    one.wait_for_url(re.compile("#cell-"))
    one.locator("section:target h3").wait_for()
    one.locator("section:target a").first.focus()
    one.keyboard.press("Enter")
    one.wait_for_url(re.compile("#report-"))
    context.close()
    assert asked == [path.as_uri()]


# ---- every page -------------------------------------------------------------------------------------------------


# Streamlit's menu has the titles of its sections as items of no list of their own; pages can't change that.
OF_STREAMLIT = {"list": "[data-testid=stSidebarNav]", "listitem": "[data-testid=stSidebarNav]"}


def barriers(page, **options) -> list[tuple[str, str]]:
    """Return what axe finds serious or critical on a page, but for what is listed above."""
    from axe_playwright_python.sync_playwright import Axe

    seen = Axe().run(page, options={"resultTypes": ["violations"], **options}).response
    assert seen["passes"]
    inside = "([one, part]) => Boolean(document.querySelector(one)?.closest(part))"
    return [
        (fault["id"], node["html"][:200]) for fault in seen["violations"] if fault["impact"] in ("serious", "critical") for node in fault["nodes"]
        if fault["id"] not in OF_STREAMLIT or not page.evaluate(inside, [node["target"][0], OF_STREAMLIT[fault["id"]]])
    ]  # fmt: skip


def past_the_edge(page) -> list:
    """Return the widths of the page and of its content at 400 px, and the text that stands past the edge."""
    return page.evaluate("""() => {
      const main = document.querySelector('[data-testid=stMain]');
      const cut = [...main.querySelectorAll('h1, h2, h3, p, button, input, li, td, dd')].filter(e => {
        const box = e.getBoundingClientRect();
        return box.width && box.right > 401 && !e.closest('.rkg-wrap, pre, .st-key-rkg-broad, [data-testid=stDataFrame], [data-testid=stVegaLiteChart]');
      });
      return [document.documentElement.scrollWidth, main.scrollWidth, cut.map(e => e.innerText.slice(0, 40))];
    }""")


@pytest.mark.parametrize("name", PAGES)
def test_no_page_bars_anyone(visitor, name):
    """No page has a serious or critical fault of accessibility, and at 400 px none scrolls sideways or cuts text.

    A page that is open when the system turns dark turns dark, its pictures too; what could differ then is the contrast.
    """
    page = visitor.open(PAGES[name])
    assert barriers(page) == []
    page.set_viewport_size({"width": 400, "height": 800})
    page.wait_for_function("document.querySelector('[data-testid=stMain]').clientWidth <= 400")
    page.wait_for_timeout(300)  # pictures follow the width
    assert past_the_edge(page) == [400, 400, []]
    page.set_viewport_size({"width": 1360, "height": 900})
    page.emulate_media(color_scheme="dark")
    page.wait_for_function("dark => [...document.querySelectorAll('[data-testid=stHtml] style')].some(s => s.textContent.includes(dark))", arg=f"background:{palette(True)['paper']}")  # fmt: skip
    visitor.settled()
    assert page.evaluate("getComputedStyle(document.querySelector('[data-testid=stApp]')).colorScheme") == "dark"
    assert barriers(page, runOnly=["color-contrast"]) == []


def test_a_barrier_is_noticed(visitor):
    """The check of barriers fails on a field without a name and on grey on white."""
    page = visitor.open("about")
    page.evaluate("document.querySelector('[data-testid=stMain] p').innerHTML = '<input type=text><b style=\"color:#ccc;background:#fff\">pale</b>'")  # fmt: skip
    assert {rule for rule, _ in barriers(page)} == {"label", "color-contrast"}


def test_every_page_of_the_menu_is_looked_at():
    """The addresses above cover every page of the menu."""
    menu = {address for pages in _SECTIONS.values() for _, address in pages.values()}
    assert {name.removesuffix("-own") for name in PAGES} == menu


def test_what_a_phone_cuts_is_noticed(visitor):
    """The check of the width fails on a line that is wider than the phone."""
    visitor.page.set_viewport_size({"width": 400, "height": 800})
    page = visitor.open("about")
    page.evaluate("document.querySelector('[data-testid=stMain] p').innerHTML = '<span style=\"display:block;width:500px\">wide</span>'; document.querySelector('[data-testid=stMain] p').style.width = '500px'")  # fmt: skip
    assert past_the_edge(page)[1:] != [400, []]


def test_the_menu_of_a_phone(visitor):
    """At 400 px the menu is behind a button, opens and leads on."""
    visitor.page.set_viewport_size({"width": 400, "height": 800})
    page = visitor.open("about")
    page.get_by_test_id("stExpandSidebarButton").click()
    page.get_by_test_id("stSidebar").get_by_role("link", name="Safety").click()
    visitor.heading("Safety")
