"""The evidence as another ontology sees it: the page counts what the saved question counts, and says what is left out."""

from __future__ import annotations

import csv
import html
import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from conftest import CHARTED
from regen_kg import build, cli, ontologies
from regen_kg.explorer import as_seen_by, data
from regen_kg.explorer.navigation import PAGES_DIR
from regen_kg.store import Store

# True identifiers and labels; the choice of terms is ours. Fasciitis has two parents; one label carries markup.
SMALL = """format-version: 1.4
data-version: 2026-05-05
ontology: mondo

[Term]
id: MONDO:0000001
name: disease

[Term]
id: MONDO:0002081
name: musculoskeletal system disorder
is_a: MONDO:0000001 ! disease

[Term]
id: MONDO:0021166
name: inflammatory disease <script>alert(1)</script>
is_a: MONDO:0000001 ! disease

[Term]
id: MONDO:0005178
name: osteoarthritis
is_a: MONDO:0002081 ! musculoskeletal system disorder

[Term]
id: MONDO:0004830
name: fasciitis
is_a: MONDO:0002081 ! musculoskeletal system disorder
is_a: MONDO:0021166 ! inflammatory disease

[Term]
id: MONDO:0004833
name: plantar fasciitis
is_a: MONDO:0004830 ! fasciitis

[Term]
id: MONDO:0010808
name: fatal familial insomnia
is_a: MONDO:0000001 ! disease
"""


@pytest.fixture(scope="module")
def made() -> build.Build:
    return build.current(CHARTED)


@pytest.fixture(scope="module")
def store(made: build.Build) -> Store:
    return made.store()


@pytest.fixture
def own_home(made: build.Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's data folder without any copy; the build is the one at hand."""
    monkeypatch.setattr(build, "current", lambda *_: made)
    monkeypatch.setenv("REGEN_KG_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def small(own_home: Path, tmp_path: Path) -> str:
    """The small Mondo, added by the command that the page names."""
    (tmp_path / "mine.obo").write_text(SMALL, "utf-8")
    assert cli.main(["link", "add", str(tmp_path / "mine.obo"), "--as", "mondo"]) == 0
    return as_seen_by.stamp("mondo")


@pytest.fixture
def shown(made: build.Build, monkeypatch: pytest.MonkeyPatch):
    """Open the page at an address; return what stands on it, tags taken out, and the page."""
    monkeypatch.setenv("REGEN_KG_BUILD", str(made.folder))

    def opened(**query: str) -> tuple[str, AppTest]:
        at = AppTest.from_file(str(PAGES_DIR / "as_seen_by.py"), default_timeout=60)
        for key, value in query.items():
            at.query_params[key] = value
        at.run()
        assert [e.message for e in at.exception] == []
        kinds = ("title", "header", "subheader", "markdown", "caption", "info", "warning")
        said = [getattr(e, "value", "") or "" for kind in kinds for e in at.get(kind)]
        said += [re.sub(r"<[^>]+>", " ", re.sub(r"<style>.*?</style>", "", e.proto.body, flags=re.S)) for e in at.get("html")]  # fmt: skip
        text = html.unescape(re.sub(r"\\(?=[^\w\s])", "", "\n".join(map(str, said))))
        return re.sub(r"\s+", " ", text), at

    return opened


def test_without_a_copy_mapped_classes_are_counted_flat(store: Store, own_home: Path) -> None:
    """Without a copy every mapped class stands by itself, with the reports that the saved question has there."""
    seen = as_seen_by.seen(store, "mondo", as_seen_by.stamp("mondo"))
    assert seen.flat and seen.rows and {(r["depth"], r["parents"], r["reports_below"]) for r in seen.rows} == {("0", "", "")}  # fmt: skip
    asked = [r for r in data.ask(store, "by-external-term") if r["object"].startswith("mondo:")]
    assert {r["term"]: int(r["reports"]) for r in seen.rows} == {
        name: len({r["report"] for r in asked if r["object"] == name}) for name in {r["object"] for r in asked}
    }


def test_with_a_copy_its_classes_stand_above(store: Store, small: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With a copy the rows are those of the command, and a class with two parents stands under one and names the other."""
    seen = as_seen_by.seen(store, "mondo", small)
    capsys.readouterr()
    assert cli.main(["link", "roll-up", "mondo", "--format", "csv"]) == 0
    assert list(csv.DictReader(io.StringIO(capsys.readouterr().out))) == list(seen.rows)
    rows = {r["term"]: r for r in seen.rows}
    fascia = rows["mondo:0004833"]["reports_here"]
    assert int(fascia) > 10 and rows["mondo:0004830"]["reports_below"] == fascia == rows["mondo:0021166"]["reports"]
    assert int(rows["mondo:0002081"]["reports"]) == int(fascia) + int(rows["mondo:0005178"]["reports"])
    assert "mondo:0010808" not in rows
    assert seen.drawn_under()["mondo:0004830"] in rows["mondo:0004830"]["parents"].split("|")
    assert rows["mondo:0004830"]["parents"] == "mondo:0002081|mondo:0021166"


@pytest.mark.parametrize("prefix", ["chebi", "cl", "doid", "efo", "hp", "icd10", "icd10cm", "icd11", "maxo", "mesh", "mondo", "ncit"])  # fmt: skip
def test_each_report_is_seen_or_left_out(store: Store, own_home: Path, prefix: str) -> None:
    """Seen and unseen reports part the whole; a term is left out where no counted match holds its reports, and only there."""
    assert prefix in as_seen_by.choices(store)
    seen = as_seen_by.seen(store, prefix, "")
    under = {r["report"] for r in seen.brought}
    assert under.isdisjoint(seen.unseen) and len(under) + len(seen.unseen) == seen.total == 61
    assert under == {report for t in seen.rollup.terms.values() for report in t.reports}
    counted = {m["concept"] for rows in seen.mapped.values() for m in rows if m["counts"] == "yes"}
    left = {r["concept"]: set(r["reports"].split("|")) for r in seen.unmapped}
    assert counted.isdisjoint(left)
    brought = {(r["concept"], r["report"]) for r in seen.brought}
    assert not {(c, r) for c, reports in left.items() for r in reports} & brought
    for row in seen.unmapped:
        assert set(row["seen_otherwise"].split("|")) - {""} == left[row["concept"]] & under
    holds = ontologies.sources()[prefix].holds
    assert {r["list"] for r in seen.unmapped} <= set(holds or ("condition", "intervention"))
    if holds == ("condition",):  # every unseen report has a disease that is left out
        assert set(seen.unseen) <= set().union(*left.values(), set())


def test_what_is_left_out_by_hand(store: Store, own_home: Path) -> None:
    """Mondo has no class for injury of the Achilles tendon: its three reports are named; what is recorded doesn't count."""
    seen = as_seen_by.seen(store, "mondo", "")
    assert [(r["concept"], r["reports"]) for r in seen.unmapped] == [("achilles-tendon-injury", "boesen-2017|filardo-2014|krogh-2016")]  # fmt: skip
    assert seen.unseen == ("boesen-2017", "filardo-2014", "krogh-2016")
    ankle = next(r for r in as_seen_by.seen(store, "icd10cm", "").unmapped if r["concept"] == "ankle-osteoarthritis")
    assert ankle["nearest"] == "skos:closeMatch icd10cm:M19.07|skos:closeMatch icd10cm:M19.17"
    achilles = next(r for r in as_seen_by.seen(store, "doid", "").unmapped if r["concept"] == "achilles-tendinopathy")
    assert achilles["nearest"].endswith("|near miss doid:12857") and achilles["why"]


def test_evidence_of_a_class_opens_as_a_query(store: Store, small: str) -> None:
    """The query that the page opens runs without the copy and gives the reports of the class, and of all classes."""
    seen = as_seen_by.seen(store, "mondo", small)
    for term in ("mondo:0002081", "mondo:0004830", "mondo:0005178"):
        answer = data.select(store, seen.query(term))
        assert {(r["report"], r["via"], r["concept"]) for r in answer} == {
            (r["report"], r["via"], r["concept"]) for r in seen.evidence(term)
        }
        assert {r["report"] for r in answer} == set(seen.rollup.terms[term].reports)
        ways = seen.ways(term)
        assert {(w["via"], report) for w in ways for report in w["reports"].split("|")} == {
            (r["via"], r["report"]) for r in answer
        }
        assert {w["at"] for w in ways if w["via"] == term} <= {"here"} == {"here"} - {w["at"] for w in ways if w["via"] != term}  # fmt: skip
    assert "}" not in replace(seen, version="1\n} DROP ALL").query().splitlines()[1]
    assert {r["report"] for r in data.select(store, seen.query())} == {r["report"] for r in seen.brought}


def test_a_store_that_holds_the_slice_needs_no_copy(made: build.Build, store: Store, small: str) -> None:
    """At an endpoint that holds the ontology's graph beside the build, the page counts what it counts with a local copy."""
    held = as_seen_by.seen(made.store_with(["mondo"]), "mondo", "")
    mine = as_seen_by.seen(store, "mondo", small)
    assert held.rows == mine.rows and not held.flat
    assert (held.unmapped, held.unseen) == (mine.unmapped, mine.unseen)
    assert held.evidence("mondo:0002081") == mine.evidence("mondo:0002081")


def test_page_without_a_copy_says_how_to_load_one(shown, own_home: Path) -> None:
    """The page works from the mappings alone and names the command; its rows lead out by the Bioregistry."""
    text, at = shown(**{"as": "mondo", "term": "mondo:0005178"})
    assert "15 here; below it: not known without the hierarchy" in text and "Reports here Studies" in text
    text, at = shown()
    assert "regen-kg link add FILE --as mondo" in text and "is here to say what stands above what" in text
    assert "7 classes with reports" in text and "58 of 61 reports come in under some class, 3 under none" in text
    bodies = "".join(e.proto.body for e in at.get("html"))
    assert 'href="https://bioregistry.io/mondo:0005178"' in bodies and "as-seen-by?as=mondo&amp;term=mondo%3A0005178" in bodies  # fmt: skip
    assert {e.proto.label for e in at.get("download_button")} == {
        "Download the classes as CSV", "Download the reports as RIS", "Download those left out as RIS", "Download the unmapped terms as CSV",
    }  # fmt: skip
    assert any("SPARQL" in e.proto.label for e in at.get("page_link"))


def test_page_of_a_class(shown, small: str) -> None:
    """A class above what is mapped shows its evidence by mapped class; markup in a copy's label is text."""
    text, at = shown(**{"as": "mondo", "term": "mondo:0021166"})
    assert "version 2026-05-05" in text and "<script>alert(1)</script>" in text
    assert "Nothing. Its reports come from the classes below it." in text and "ugurlar-2018" in text
    assert not any("<script>alert" in e.proto.body for e in at.get("html") if not e.proto.unsafe_allow_javascript)
    text, _ = shown(**{"as": "mondo", "term": "mondo:0005178"})
    assert "ankle osteoarthritis skos:broadMatch yes" in text and "0 below" in text


def test_long_lists_come_in_parts(shown, own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more classes than a page draws, the address says which part; of more reports, how many are left out of sight."""
    monkeypatch.setattr(as_seen_by, "MANY", 4)
    text, at = shown(**{"as": "mondo", "term": "mondo:0005178", "from": "4"})
    assert "5 to 7 of 7 · part" in text and "and 11 more" in text
    assert "Download its reports as RIS" in {e.proto.label for e in at.get("download_button")}
    classes = next(e.proto.body for e in at.get("html") if "Leads out</th>" in e.proto.body)
    assert classes.count("<tr>") == 1 + 3  # its head, and classes 5 to 7


def test_page_and_its_address(shown, small: str) -> None:
    """The address is the state: another ontology drops the class, an unknown class or ontology is named."""
    text, at = shown(**{"as": "ncit", "term": "mondo:0005178"})
    assert "term" not in at.query_params and "ncit" in at.query_params["as"]
    assert at.selectbox[0].value == "ncit" and "mondo:0005178" not in text
    text, _ = shown(**{"as": "mondo", "term": "mondo:0010808"})
    assert "No report is evidence under “mondo:0010808”" in text
    text, _ = shown(**{"as": "mundo"})
    assert "as=“mundo”, which is not known here and was left out. Nearest: “mondo”." in text


def test_a_damaged_copy_is_named_and_left_aside(shown, small: str) -> None:
    """A copy cut short is named with what to do, and the mapped classes are still counted."""
    path = ontologies.folder() / "mondo.nq"
    path.write_bytes(path.read_bytes()[:-40])
    text, _ = shown(**{"as": "mondo"})
    assert "the copy is damaged" in text and "7 classes with reports" in text


def test_a_closed_licence_is_said(store: Store, own_home: Path, tmp_path: Path) -> None:
    """With a copy of the Human Phenotype Ontology the page says that its licence restricts altered copies."""
    text = "format-version: 1.4\nontology: hp\n\n[Term]\nid: HP:0002758\nname: Osteoarthritis\n"
    (tmp_path / "hp.obo").write_text(text, "utf-8")
    assert cli.main(["link", "add", str(tmp_path / "hp.obo")]) == 0
    assert as_seen_by.seen(store, "hp", as_seen_by.stamp("hp")).closed == "HPO licence"
    assert as_seen_by.seen(store, "hp", "").closed == as_seen_by.seen(store, "mondo", "").closed == ""
