"""What people do in a real browser, with the network off: Chromium, driven by Playwright, on the packaged build."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from conftest import free_port, needs, program, running
from regen_kg import build
from regen_kg.cli import main
from regen_kg.explorer.navigation import PAGES_DIR

ROOT = Path(__file__).resolve().parent.parent
TOOLS = {
    "gap_map": "gap-map?technology=hyaluronic-acid&disease=ligament-injury",
    "directions": "directions?technology=platelet-rich-plasma",
    "graph": "graph?focus=report/paget-2023",
    "ask": "ask?mode=own",
}
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The explorer, running."""
    needs("playwright", "axe_playwright_python")
    made = build.current(ROOT / "graph" / "charted")
    port = free_port()
    flags = [
        "server.headless=true",
        "server.fileWatcherType=none",
        "browser.gatherUsageStats=false",
        "client.toolbarMode=viewer",
    ]
    command = [
        sys.executable,
        "-m",
        "streamlit",
        "run",
        str(ROOT / "app.py"),
        f"--server.port={port}",
        "--server.address=127.0.0.1",
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REGEN_KG_BUILD", str(made.folder))
        place = f"http://127.0.0.1:{port}/"
        with running([*command, *(f"--{f}" for f in flags)], place + "_stcore/health", tmp_path_factory.mktemp("app")):
            yield place


@pytest.fixture(scope="module")
def chromium():
    """Debian's browser."""
    needs("playwright")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=program("chromium"), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium, address):
    """A page that fails its test on any request off the explorer's own origin, and on any fault of a script."""
    context = chromium.new_context(viewport={"width": 1280, "height": 1000}, reduced_motion="reduce")
    one, faults = context.new_page(), []

    def guard(route):
        if route.request.url.startswith((address, "data:", "blob:")):
            route.continue_()
        else:
            faults.append(route.request.url)
            route.abort()

    one.route("**/*", guard)
    one.on("pageerror", lambda error: faults.append(str(error)))
    one.set_default_timeout(60_000)
    yield one
    context.close()
    assert faults == []


def go(page, place: str) -> None:
    """Open a page and wait until it is drawn."""
    page.goto(place)
    ready(page)


def ready(page) -> None:
    page.wait_for_selector("[data-testid=stApp][data-test-connection-state=CONNECTED]")
    page.get_by_text("no study here was appraised").wait_for()
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]")


def test_a_request_off_the_origin_is_caught(page, address):
    """The guard of these tests sees a request that leaves the machine."""
    go(page, address + "about")
    caught = []
    page.unroute("**/*")
    page.route("**/*", lambda route: (caught.append(route.request.url), route.abort()))
    page.evaluate("fetch('https://example.org/x').catch(() => 0)")
    page.wait_for_timeout(300)
    assert caught == ["https://example.org/x"]


def test_no_page_asks_for_anything_from_elsewhere(page, address):
    """Every page is drawn with nothing but what its own server sends."""
    names = sorted(p.stem.replace("_", "-") for p in PAGES_DIR.glob("*.py"))
    assert len(names) > 12
    for name in names:
        go(page, address + ("" if name == "overview" else name))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", TOOLS)
def test_tools_have_no_serious_barrier(page, address, name, scheme):
    """axe finds nothing serious or critical."""
    from axe_playwright_python.sync_playwright import Axe

    page.emulate_media(color_scheme=scheme)
    go(page, address + TOOLS[name])
    # The menu's lists are Streamlit's own: its section headings stand among the items.
    found = Axe().run(page, {"exclude": [["[data-testid=stSidebarNav]"]]}).response["violations"]
    serious = [v for v in found if v["impact"] in ("serious", "critical")]
    assert [(v["id"], n["html"]) for v in serious for n in v["nodes"]] == []


@pytest.mark.parametrize("name", TOOLS)
def test_tools_fit_a_telephone(page, address, name):
    """At 400 px nothing makes the page scroll sideways."""
    page.set_viewport_size({"width": 400, "height": 800})
    go(page, address + TOOLS[name])
    main_part = "document.querySelector('[data-testid=stMain]')"
    assert page.evaluate(f"{main_part}.scrollWidth - {main_part}.clientWidth") <= 0


def test_from_a_cell_of_the_map_to_the_row_of_the_review(page, address):
    """A click on a cell lists its reports; a click on a report shows its place in the review."""
    go(page, address + "gap-map")
    cell = "path[aria-label*='platelet-rich plasma, ankle osteoarthritis']"
    page.locator(f"[data-testid=stVegaLiteChart] svg {cell}").first.click(force=True)
    page.get_by_role("heading", name=re.compile("platelet-rich plasma in ankle osteoarthritis: 5 reports")).wait_for()
    assert "technology=platelet-rich-plasma" in page.url and "disease=ankle-osteoarthritis" in page.url
    page.get_by_role("link", name="paget-2023").first.click()
    page.get_by_text("Table 6, row 2").first.wait_for()
    page.go_back()
    page.get_by_role("heading", name=re.compile("ankle osteoarthritis: 5 reports")).wait_for()


def test_why_there_is_no_evidence_on_ha_in_ligament_injury(page, address):
    """By keyboard alone, the two selects lead to the gap and its certificate."""
    go(page, address + "gap-map")
    for label, typed in (("Technology", "hyaluronic"), ("Disease", "ligament")):
        page.get_by_role("combobox", name=label).last.focus()
        page.keyboard.type(typed)
        page.keyboard.press("Enter")
        ready(page)
    page.get_by_text("Certificate: absent from the named evidence.").wait_for()


def test_prp_is_opened_by_keyboard_alone(page, address):
    """The button over the table opens the next neighbours in the picture, and the address keeps them."""
    go(page, address + "graph")
    page.get_by_role("button", name=re.compile("Open the next 25")).focus()
    page.keyboard.press("Enter")
    page.get_by_text("Drawn are 51 things").wait_for()
    go(page, page.url)
    page.get_by_text("Drawn are 51 things").wait_for()


def test_writing_a_query(page, address):
    """The editor completes a term with its prefix, marks a broken line, runs by keyboard, and the address keeps the query."""
    go(page, address + "ask?mode=own")
    area = page.locator("textarea")
    area.press("Control+a")
    area.type("SELECT * { ?r a rkg:Rep")
    page.get_by_role("option").first.wait_for()
    area.press("Enter")
    assert area.input_value() == "PREFIX rkg: <https://w3id.org/regen-kg/ontology#>\nSELECT * { ?r a rkg:Report"
    area.press("Control+Enter")
    page.get_by_text("does not parse: error at 2:").wait_for()
    page.locator("pre .error").wait_for()
    area.press("End")
    area.type(" }")
    area.press("Control+Enter")
    page.get_by_text("61 rows in").wait_for()
    assert "query=PREFIX" in page.url


def test_the_offline_file_opens_without_network(chromium, tmp_path):
    """The exported map opens with the network off and scripts off; a cell and a report are reached by keyboard."""
    path = tmp_path / "map.html"
    assert main(["explore", "--export", str(path)]) == 0
    context = chromium.new_context(offline=True, java_script_enabled=False, viewport={"width": 400, "height": 800})
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


def test_the_page_stays_up_while_a_query_is_ended(page, address):
    """A query that would never end is stopped, with the reason, and the next is answered."""
    go(page, address + "ask?mode=own&query=" + "SELECT (COUNT(*) AS ?n) { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i }".replace(" ", "%20").replace("?", "%3F"))  # fmt: skip
    page.locator("textarea").press("Control+Enter")
    page.get_by_text("took longer than 10 seconds and was stopped").wait_for()
    area = page.locator("textarea")
    area.press("Control+a")
    area.type("ASK { ?s ?p ?o }")
    area.press("Control+Enter")
    page.get_by_text("Answer: true").wait_for()
