"""The explorer's tools: a map on any two axes, the graph, the workbench, directions, one file for offline reading, an endpoint."""

from __future__ import annotations

import html.parser
import json
import re
import subprocess
import sys
import time

import pyoxigraph as ox
import pytest

from conftest import oxigraph, program
from regen_kg import queries
from regen_kg.cli import main
from regen_kg.errors import QueryError, StoreError
from regen_kg.explorer import charts, data, directions, evidence_map, export, neighbours, workbench
from regen_kg.explorer.evidence_map import AXES, SILENT
from regen_kg.iris import ID, RKG
from regen_kg.store import Answer, EmbeddedStore
from regen_kg.worker import Limits
from test_explorer import made, on_screen, open_page, store  # noqa: F401  (fixtures)

PAIRS = [(a, b) for a in AXES for b in AXES if a != b]
SILENCE = {slug for slug, _ in SILENT.values()}
EMPTY = ("hyaluronic-acid", "ligament-injury")


@pytest.fixture(scope="module")
def by_population(store):  # noqa: F811
    return evidence_map.read(store)


# ---- the gap map on any axes ------------------------------------------------------------------------------------


@pytest.mark.parametrize("placement", data.PLACEMENTS)
def test_the_map_counts_what_the_question_counts(store, placement):  # noqa: F811
    """On technology and disease, the map has the numbers of the saved question gap-matrix, cell by cell."""
    asked = {(c["technology"], c["disease"]): c for c in data.ask(store, "gap-matrix", placement=placement)}
    cells = evidence_map.read(store, placement).cells("technology", "disease")
    assert len(cells) == len(asked) == 55
    for c in cells:
        assert {m: c.count(m) for m in data.MEASURES} == {m: int(asked[c.row, c.column][m]) for m in data.MEASURES}


def test_outcome_domains_count_what_coverage_counts(store, by_population):  # noqa: F811
    """Narrowed to a disease, technology by outcome domain has the numbers of the saved question coverage."""
    asked = {(c["technology"], c["disease"], c["outcome_domain"]): c for c in data.ask(store, "coverage")}
    seen = 0
    for disease in by_population.values("disease"):
        for c in by_population.cells("technology", "outcome_domain", {"disease": disease}):
            known = asked.get((c.row, disease, c.column))
            if c.column in SILENCE:
                continue
            assert {m: c.count(m) for m in data.MEASURES} == {m: int(known[m]) if known else 0 for m in data.MEASURES}
            seen += known is not None
    assert seen == len(asked) > 40


@pytest.mark.parametrize(("rows", "columns"), [p for p in PAIRS if p[0] < p[1]])
def test_the_query_of_a_cell_finds_its_reports(store, by_population, rows, columns):  # noqa: F811
    """On every pair of axes, the query shown for a cell returns the reports that the cell counts: none where there is a gap."""
    cells = [c for c in by_population.cells(rows, columns) if not {c.row, c.column} & SILENCE]
    assert {c.status for c in cells} >= {"filled"}
    for c in cells[:: max(1, len(cells) // 40)]:
        got = store.query(evidence_map.gap_query({rows: c.row, columns: c.column}))
        assert [r["report"] for r in queries.plain_rows(got, ("report",))] == list(c.reports), (c.row, c.column)


@pytest.mark.parametrize(("rows", "columns"), PAIRS)
def test_axes_span_the_vocabulary(by_population, rows, columns):
    """Every value of the vocabulary has its row and column, evidence or not, and a map turned round counts the same."""
    cells = by_population.cells(rows, columns)
    assert len(cells) == len(by_population.values(rows)) * len(by_population.values(columns))
    assert set(by_population.values(rows)) >= set(by_population.vocabulary[rows])
    turned = {(c.column, c.row): c.reports for c in by_population.cells(columns, rows)}
    assert {(c.row, c.column): c.reports for c in cells} == turned


def test_two_reports_of_one_trial_count_their_participants_once(by_population):
    """Paget 2021 and 2023 report one study: two reports, one study, its participants once."""
    mine = [e for e in by_population.entries if e.report in ("paget-2021", "paget-2023")]
    assert len({e.report for e in mine}) == 2 and len({e.study for e in mine}) == 1
    cell = by_population._cell("", "", mine, {"technology": "platelet-rich-plasma"})
    assert (len(cell.reports), cell.studies, cell.participants) == (2, 1, max(e.participants for e in mine))


def test_cells_that_cannot_be_filled_are_drawn_apart(by_population):
    """Not applicable, empty and filled cells differ in text and in stroke, light and dark."""
    cells = by_population.cells("technology", "disease")
    values = charts.gap_map(
        cells, "reports", "count", by_population.values("technology"), by_population.values("disease"), ("", ""), False
    )["data"]["values"]
    said = {v["status"]: v["said"] for v in values}
    assert said["not-applicable"] == "n/a" and said["empty"] == "no\nreport" and said["filled"].isdigit()


@pytest.mark.parametrize("colour", evidence_map.COLOURS)
@pytest.mark.parametrize("dark", [False, True])
def test_every_cell_says_in_text_what_its_colour_says(by_population, colour, dark):
    """Each drawn cell has text, whose contrast to its cell is 4.5 or more (WCAG 2.2, 1.4.3)."""
    for rows, columns in PAIRS:
        cells = by_population.cells(rows, columns)
        spec = charts.gap_map(
            cells, "reports", colour, by_population.values(rows), by_population.values(columns), ("", ""), dark
        )
        filled = [v for v in spec["data"]["values"] if v["status"] == "filled"]
        assert filled
        assert all(v["said"] for v in spec["data"]["values"])
        assert min(charts.contrast(v["ink"], v["fill"]) for v in filled) >= 4.5


def test_map_on_other_axes(open_page):  # noqa: F811
    """Axes, count, colour and choice come from the address; the cell names its reports with their directions."""
    text = on_screen(open_page("gap_map", rows="comparator", columns="disease", comparator="inert-control", disease="plantar-fasciitis", colour="severity"))  # fmt: skip
    assert "Comparator by disease" in text
    assert "inert control · plantar fasciitis:" in text
    assert "The gravest note that touches a report of the cell." in text


def test_a_cell_that_is_empty_on_other_axes_says_so(open_page, by_population):  # noqa: F811
    """An empty cell of other axes says that it is absence from the named evidence, and what stands nearest."""
    cell = next(c for c in by_population.cells("technology", "time") if c.status == "empty" and by_population.within({"technology": c.row}))  # fmt: skip
    text = on_screen(open_page("gap_map", columns="time", technology=cell.row, time=cell.column))
    assert "not evidence of absence. Nearest: without" in text
    assert "Open this cell's query in SPARQL" in text


def test_an_empty_cell_has_its_certificate(open_page):  # noqa: F811
    """A gap is certified on the page of its cell: verdict, patterns with their matches, names searched, nearest answers."""
    text = on_screen(open_page("gap_map", technology=EMPTY[0], disease=EMPTY[1]))
    assert "Certificate: absent from the named evidence." in text
    assert "?evidence rkg:testsTechnology rkg:HyaluronicAcid" in text
    assert "viscosupplementation" in text
    assert "ankle osteoarthritis: 7" in text


def test_a_narrower_gap_has_its_certificate_when_asked(open_page, store):  # noqa: F811
    """A cell with reports lists its narrower gaps; the address chooses whose certificate is shown."""
    gap = data.cell_gaps(store, "hyaluronic-acid", "ankle-osteoarthritis")[0]["gap"]
    text = on_screen(open_page("gap_map", technology="hyaluronic-acid", disease="ankle-osteoarthritis", gap=gap))
    assert f"gap {gap}" in text


def test_only_gaps(open_page, by_population):  # noqa: F811
    """With only gaps, rows without an empty cell leave; cells with reports step back."""
    cells = by_population.cells("technology", "disease")
    rows, columns = evidence_map.only_gaps(cells, by_population.values("technology"), by_population.values("disease"))
    assert set(rows) == {c.row for c in cells if c.status == "empty"}
    assert "platelet-rich-plasma" not in rows
    assert set(columns) == {c.column for c in cells if c.status == "empty"}
    on_screen(open_page("gap_map", cells="gaps"))


# ---- the graph --------------------------------------------------------------------------------------------------


def test_neighbours_come_twenty_five_at_a_time(store):  # noqa: F811
    """The first drawing has 25 neighbours, the next 50; what is left is counted; relations filter."""
    focus = RKG + "PlateletRichPlasma"
    every = neighbours.links(store, focus)
    first = neighbours.drawing(store, focus, {})
    assert (len(first.nodes), first.more[focus]) == (26, len(every) - 25)
    assert len(neighbours.drawing(store, focus, {focus: 50}).edges) == 50
    only = neighbours.drawing(store, focus, {focus: 500}, ["tests technology"])
    tested = {r["report"] for r in data.reports(store) if "platelet-rich-plasma" in data.items(r["technologies"])}
    assert {n["name"] for n in only.nodes} - {"platelet-rich plasma"} == tested


def test_a_full_picture_says_so(store):  # noqa: F811
    """A hub is never drawn whole."""
    focus = RKG + "PlateletRichPlasma"
    drawn = neighbours.drawing(store, focus, {focus: 500})
    assert drawn.full and len(drawn.nodes) == neighbours.MOST_DRAWN


def test_the_way_between_two_things(store):  # noqa: F811
    """From PRP to ankle osteoarthritis leads a report; no way leads through a gap, a list or a place."""
    found = neighbours.way(store, RKG + "PlateletRichPlasma", RKG + "AnkleOsteoarthritis")
    assert [e["relation"] for e in found.edges] == ["tests technology", "studies disease"]
    assert found.said().startswith("platelet-rich plasma ← tests technology ← ")
    for end in ("LigamentInjury", "TalusCartilageInjury"):
        way = neighbours.way(store, RKG + "HyaluronicAcid", RKG + end)
        assert way.nodes and not any(n["id"].startswith(ID + "gap/") for n in way.nodes)
    assert neighbours.way(store, RKG + "HyaluronicAcid", "https://example.org/none").edges == []


def test_the_graph_page_expands_by_its_table(open_page):  # noqa: F811
    """A keyboard user opens the next neighbours by a button; the address keeps them, the sentence counts them."""
    at = open_page("graph")
    assert "Drawn are 26 things and 25 links." in on_screen(at)
    at.button(key="graph-more").click().run()
    assert "Drawn are 51 things and 50 links." in on_screen(at)
    assert at.query_params["open"] in ("rkg:PlateletRichPlasma*50", ["rkg:PlateletRichPlasma*50"])


def test_the_graph_page_finds_ways_and_explains_unknown_names(open_page):  # noqa: F811
    """A way is told in words; an unknown start names the nearest."""
    assert "2 links: platelet-rich plasma" in on_screen(open_page("graph", focus="rkg:PlateletRichPlasma", to="rkg:AnkleOsteoarthritis"))  # fmt: skip
    text = on_screen(open_page("graph", focus="report/paget-2032"))
    assert "Nothing in the graph is called “report/paget-2032”. Nearest:" in text and "paget-2023" in text
    assert "Nothing in the graph is called" in on_screen(open_page("graph", focus="x> ?p ?o } #"))


# ---- the workbench ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def desk(made):  # noqa: F811
    one = workbench.Desk(made, Limits(seconds=2, rows=50, workers=1))
    yield one
    one.close()


def test_a_query_that_takes_too_long_is_ended(desk):
    """A query that would never end is stopped and said to be; the next one is answered."""
    started = time.perf_counter()
    with pytest.raises(StoreError, match="took longer than 2 seconds"):
        desk.ask("SELECT (COUNT(*) AS ?n) { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i }")
    assert time.perf_counter() - started < 20
    assert desk.ask("ASK { ?s ?p ?o }").summary().startswith("Answer: true")


def test_the_desk_answers_as_the_store_does(desk, store):  # noqa: F811
    """Rows, triples and truth values come back alike; too many rows are cut and said to be."""
    text = f"SELECT ?r ?n {{ ?r a <{RKG}Report> ; <{RKG}sampleSize> ?n }} ORDER BY ?r LIMIT 20"
    assert desk.query(text) == store.query(text)
    built = f"CONSTRUCT {{ ?r a <{RKG}Report> }} WHERE {{ ?r a <{RKG}Report> }} LIMIT 9"
    assert desk.query(built).triples.count("\n") == 9
    assert "a rkg:Report" in desk.ask(built).turtle
    assert desk.ask("SELECT * { ?s ?p ?o }").truncated
    with pytest.raises(QueryError, match="more than 50 rows"):
        desk.query("SELECT * { ?s ?p ?o }")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("SELECT * {", "does not parse"),
        ("DELETE WHERE { ?s ?p ?o }", "DELETE is refused"),
        ("SELECT * { SERVICE <http://example.org/> { ?s ?p ?o } }", "SERVICE is refused"),
        ("ASK { ?s ?p ?o }", "Answer: true"),
        ("SELECT * { ?s <urn:none> ?o }", "0 rows: nothing in the graph fits the pattern"),
        ("CONSTRUCT { ?r a <urn:x> } WHERE { ?r a <urn:none> }", "0 triples: nothing in the graph"),
    ],
)
def test_own_query(open_page, text, said):  # noqa: F811
    """One's own query is answered, or refused with the reason; it stands in the address then."""
    at = open_page("ask", mode="own")
    at.session_state["own-editor"] = {"run": text}
    at.run()
    assert said in on_screen(at)


def test_why_an_answer_is_empty(open_page):  # noqa: F811
    """An empty answer can be asked for its reason, which names the pattern and the nearest right word."""
    at = open_page("ask", mode="own", why="yes")
    at.session_state["own-editor"] = {"run": f"SELECT ?r {{ ?r a <{RKG}Report> ; <{RKG}testsTechnologie> ?t }}"}
    at.run()
    text = on_screen(at)
    assert "empty, because:" in text and "testsTechnology" in text


def test_an_address_brings_a_query_that_is_not_run(open_page):  # noqa: F811
    """A query in the address stands in the editor and waits."""
    assert "Not run yet." in on_screen(open_page("ask", mode="own", query="SELECT * { ?s ?p ?o }"))


def test_views_of_an_answer(open_page):  # noqa: F811
    """A saved question is shown as chart, raw and, where it has no triples, without a graph but with the reason."""
    assert "reports by outcome_measure" in on_screen(open_page("ask", q="outcome-use", view="chart"))
    assert "no column holds numbers" in on_screen(open_page("ask", q="placement-differs", view="chart"))
    assert "the answer is a table" in on_screen(open_page("ask", q="outcome-use", view="graph"))
    assert '"head": {"vars": ["outcome_measure"' in on_screen(open_page("ask", q="outcome-use", view="raw"))


def test_completion_knows_our_terms(store):  # noqa: F811
    """Classes, properties and slugs are offered with their labels; every prefix is one that the editor can write."""
    found = {c["insert"]: c for c in workbench.completions(store)}
    used = {workbench._compact(r["t"]) for r in data.select(store, "SELECT DISTINCT ?t { ?s ?t ?o }")}
    assert used and used - set(found) == set()
    assert found["rkg:PlateletRichPlasma"]["label"] == "platelet-rich plasma"
    assert found["rkg:testsTechnology"]["kind"] == "property"
    assert found['"platelet-rich-plasma"']["kind"] == "slug"
    names = [n for n in found if n[0] not in '"<']
    assert names and all(n.split(":")[0] in data.PREFIXES for n in names)


def test_results_json_is_read_back(store):  # noqa: F811
    """What is downloaded as JSON is the answer: terms, types and gaps."""
    from regen_kg.store import read_json

    answer = store.query(f"SELECT ?r ?n ?l {{ ?r a <{RKG}Report> OPTIONAL {{ ?r <{RKG}sampleSize> ?n }} OPTIONAL {{ ?r <http://www.w3.org/2000/01/rdf-schema#label> ?l }} }}")  # fmt: skip
    assert read_json(json.loads(workbench.results_json(answer))) == answer
    assert read_json(json.loads(workbench.results_json(Answer(boolean=False)))) == Answer(boolean=False)


# ---- directions -------------------------------------------------------------------------------------------------


def test_no_direction_is_lost_on_the_plot(store):  # noqa: F811
    """Every row of directions-by-outcome stands on the plot, and every report with a direction has a sign."""
    rows = data.ask(store, "directions-by-outcome")
    marks = directions.marks(rows, directions.severities(data.notes(store)))
    assert sum(m.results for m in marks) == len(rows) > 100
    assert {(m.report, m.technology) for m in marks} == {(r["report"], r["technology"]) for r in data.ask(store, "directions")}  # fmt: skip
    assert {m.direction for m in marks} <= set(directions.MARKS)


def test_directions_differ_by_shape_and_sign():
    """No two directions share a sign or a shape, so that none is told by colour alone."""
    assert len({m[0] for m in directions.MARKS.values()}) == len({m[1] for m in directions.MARKS.values()}) == 6


def test_directions_page(open_page):  # noqa: F811
    """The page lists the rows of its choice and never counts by significance."""
    text = on_screen(open_page("directions", technology="platelet-rich-plasma", disease="achilles-tendon-injury"))
    assert "8 reports on 1 technology" in text and "krogh-2016" in text and "nothing was appraised" in text
    assert "No report of this choice gives a direction." in on_screen(open_page("directions", technology="exosomes"))


# ---- one file for offline reading -------------------------------------------------------------------------------


class _Page(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.loads: list[str] = []

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.tags.add(tag)
        self.ids += [given["id"]] if "id" in given else []
        self.links += [given["href"]] if tag == "a" else []
        self.loads += [v for k, v in attrs if k in ("src", "srcset", "action", "data") or (k == "href" and tag != "a")]


def test_the_export_stands_alone(tmp_path, made):  # noqa: F811
    """The file asks for nothing, every link leads to a place in it, and every cell and report is there."""
    path = tmp_path / "map.html"
    assert main(["explore", "--export", str(path)]) == 0
    text = path.read_text("utf-8")
    page = _Page()
    page.feed(text)
    assert page.loads == [] and not page.tags & {"script", "link", "img", "iframe"} and "url(" not in text
    assert {x.removeprefix("#") for x in page.links} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    assert sum(i.startswith("cell-") for i in page.ids) == 55
    assert sum(i.startswith("report-") for i in page.ids) == 61
    assert "no report tests hyaluronic-acid in ligament-injury" in text
    assert "Nothing here was appraised." in text


def test_hostile_text_stays_text_in_the_export(made, store):  # noqa: F811
    """Markup in the graph is written as it stands."""
    hostile = '<script>alert(1)</script>" onmouseover="x'
    changed = [
        ox.Quad(q.subject, q.predicate, ox.Literal(hostile), q.graph_name)
        if q.predicate.value == RKG + "citation" and q.subject.value.endswith("paget-2023")
        else q
        for q in store.native
    ]
    text = export.html_map(EmbeddedStore.of(changed), made)
    assert "<script" not in text and "&lt;script&gt;alert(1)" in text


def test_the_export_cannot_be_written(tmp_path, capsys):
    """A folder that isn't there is said to be, with what to do."""
    assert main(["explore", "--export", str(tmp_path / "none" / "map.html")]) == 2
    assert "give another file with --export" in capsys.readouterr().err


# ---- a build at an endpoint -------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["regen-kg.nq", "regen-kg.ttl"])
def endpoint(request, made, tmp_path_factory):  # noqa: F811
    """An Oxigraph server with the build, as named graphs or merged."""
    place = tmp_path_factory.mktemp("endpoint")
    load = [program("oxigraph"), "load", "--location", str(place), "--file", str(made.folder / request.param)]
    subprocess.run(load, check=True, capture_output=True)
    with oxigraph(place, "--union-default-graph", mode="serve-read-only") as server:
        yield server.query, request.param.endswith(".nq")


def test_pages_are_alike_at_an_endpoint(endpoint, open_page, monkeypatch):  # noqa: F811
    """Every page says the same of a build at an endpoint as of the local one."""
    cases = [
        ("overview", {}), ("gap_map", {"technology": EMPTY[0], "disease": EMPTY[1]}), ("gap_map", {"rows": "comparator", "columns": "time"}),
        ("reports", {}), ("report", {"id": "paget-2023"}), ("conflicts", {}), ("safety", {}), ("directions", {}),
        ("graph", {}), ("graph", {"to": "rkg:AnkleOsteoarthritis"}), ("ask", {"q": "arms", "p_report": "paget-2023"}),
    ]  # fmt: skip

    def text(name: str, query: dict[str, str]) -> str:
        said = on_screen(open_page(name, **query))
        return re.sub(r"[\d,]+ triples|in \d+\.\d\d s", "", said)

    if not endpoint[1]:
        cases = cases[1:5]  # the merged build differs from named graphs only where a query names a graph
    local = [text(*case) for case in cases]
    monkeypatch.setenv("REGEN_KG_ENDPOINT", endpoint[0])
    import streamlit as st

    st.cache_resource.clear()
    remote = [text(*case) for case in cases]
    monkeypatch.delenv("REGEN_KG_ENDPOINT")
    st.cache_resource.clear()
    assert all(local)
    for case, here, there in zip(cases, local, remote, strict=True):
        assert here == there, case


def test_an_endpoint_without_a_build_is_refused(capsys):
    """An address that is no endpoint, or holds no build, is said to be."""
    assert main(["explore", "--endpoint", "nonsense"]) == 2
    assert "is no endpoint address" in capsys.readouterr().err
    assert main(["explore", "--endpoint", "http://127.0.0.1:1/query"]) == 1
    assert main(["explore", "--endpoint", "http://127.0.0.1:1/query", "--charted", "."]) == 2


@pytest.mark.parametrize(
    "module", ["evidence_map", "neighbours", "workbench", "directions", "export", "charts", "data"]
)
def test_logic_knows_no_streamlit(module):
    """What the tools work out can be had without drawing it."""
    code = f"import sys, regen_kg.explorer.{module}; print([m for m in ('streamlit', 'pandas') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"  # fmt: skip
