"""Notes behind answers, and receipts: every alteration is found and named, and nothing else is."""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import CHARTED, change, read, write
from regen_kg import queries
from regen_kg.analysis import noted, receipts
from regen_kg.analysis.receipts import read_receipt, receipt, receipt_text, verify
from regen_kg.analysis.sources import INFERRED, Asked
from regen_kg.errors import QueryError, ReceiptError
from regen_kg.store import EmbeddedStore
from test_analysis import ask, light_store

PREFIXES = "PREFIX rkg: <https://w3id.org/regen-kg/ontology#> PREFIX skos: <http://www.w3.org/2004/02/skos/core#> "


@pytest.fixture(scope="module")
def store() -> EmbeddedStore:
    """The review as it is charted now."""
    return light_store(CHARTED)


def saved(name: str, **values: str) -> Asked:
    return Asked(queries.get(name).text, name, tuple(sorted(values.items())))


@pytest.fixture(scope="module")
def kim(store: EmbeddedStore) -> dict[str, Any]:
    """The receipt of the results of Kim et al. (2014a), some of them garbled in print."""
    return receipt(store, saved("results", report="kim-2014a"), "of-the-file")


@pytest.fixture(scope="module")
def made_of(store: EmbeddedStore) -> Callable[[str], dict[str, Any]]:
    """The receipt of a saved question, made once."""
    return functools.cache(lambda name: receipt(store, saved(name), "of-the-file"))


def behind(store: EmbeddedStore, name: str, **values: str) -> dict[str, tuple[int, ...]]:
    return {b.note: b.rows for b in noted.notes_behind(store, queries.get(name), ask(store, name, **values), values)}


def test_a_result_rests_on_the_notes_that_touch_it(store: EmbeddedStore) -> None:
    """The rows behind a note of the charted table are those of the results that it names, in every question that names results."""
    rows = ask(store, "results")
    place = {r["result"]: i for i, r in enumerate(rows)}
    head, *lines = read(CHARTED, "notes")
    expected = {}
    for line in lines:
        note = dict(zip(head, line, strict=True))
        if note["decision"] == "accepted" and "/" in note["results"]:
            expected[note["note"]] = tuple(sorted(place[r] for r in note["results"].split("|")))
    assert len(expected) > 50
    assert behind(store, "results") == expected
    assert {i for at in expected.values() for i in at} == {i for i, r in enumerate(rows) if r["noted"] == "true"}


def test_a_row_without_results_rests_on_the_notes_at_its_places(store: EmbeddedStore) -> None:
    """The arms of Hannon et al. stand in cells where a grave note stands; the note on another cell of the row is not theirs."""
    rows = ask(store, "arms")
    found = behind(store, "arms")
    assert {rows[i]["report"] for i in found["hannon-2016-arms"]} == {"hannon-2016"}
    assert "paget-2023-lost-sign" not in found  # it stands in the results cell
    assert "paget-one-trial" in found  # it stands at the whole row, of which the arm's cell is part


def test_a_note_reaches_only_the_measures_of_its_results(store: EmbeddedStore) -> None:
    """The note on the MRI values of Hannon et al. is not behind its directions in other domains."""
    rows = ask(store, "directions-by-outcome")
    at = behind(store, "directions-by-outcome")["hannon-2016-t2"]
    assert {rows[i]["report"] for i in at} == {"hannon-2016"}
    assert {rows[i]["outcome_domain"] for i in at} == {"imaging"}
    assert {r["outcome_domain"] for r in rows if r["report"] == "hannon-2016"} > {"imaging"}


@pytest.mark.parametrize("placement", ["population", "charted"])
def test_a_cell_rests_on_the_notes_of_its_reports(store: EmbeddedStore, placement: str) -> None:
    """The cells behind the note on Natali et al. are those that count the report, by either placement."""
    rows = ask(store, "gap-matrix", placement=placement)
    cells = {
        (rows[i]["technology"], rows[i]["disease"])
        for i in behind(store, "gap-matrix", placement=placement)["natali-2021-product"]
    }
    expected = {"population": {"ankle-osteoarthritis", "talus-cartilage-injury"}, "charted": {"talus-cartilage-injury"}}
    (placed,) = [r for r in ask(store, "placement-differs") if r["report"] == "natali-2021"]
    assert {d for _, d in cells} == (
        set(placed["population"].split("|")) if placement == "population" else {placed["placed_under"]}
    )
    assert {d for _, d in cells} <= {d for e in expected.values() for d in e}
    assert {t for t, _ in cells} == {"adipose-derived-stromal-cells"}


def test_a_term_rests_on_the_notes_of_its_reports(store: EmbeddedStore) -> None:
    """In the roll-up a note on a report is behind the terms it is charted with and those above, and behind no other."""
    rows = ask(store, "roll-up")
    terms = {rows[i]["term"] for i in behind(store, "roll-up")["natali-2021-product"]}
    assert {"adipose-derived-stromal-cells", "ankle-osteoarthritis"} <= terms
    assert not {"plantar-fasciitis", "platelet-rich-plasma"} & terms


def test_each_account_of_the_flow_has_its_notes(store: EmbeddedStore) -> None:
    """A note on the figure is behind the figure's steps only."""
    rows = ask(store, "study-flow")
    found = behind(store, "study-flow")
    assert {rows[i]["account"] for i in found["flow-figure-77"]} == {"figure"}
    assert {rows[i]["account"] for i in found["flow-two-accounts"]} == {"figure", "text"}


def test_every_question_is_asked_of_its_notes(store: EmbeddedStore) -> None:
    """Notes stand behind every question on evidence; none behind those on notes and on other ontologies."""
    silent = {n for n in queries.load_all() if not behind(store, n)}
    assert silent == {
        "mappings",
        "near-misses",
        "unmapped",
        "by-external-term",
        "note-targets",
        "quality-notes",
    }  # light_store maps nothing


def test_counts_stay(store: EmbeddedStore) -> None:
    """What notes leave out of a mix stays in the answer, as left out; with them the answer has the same rows, and leaves nothing out."""
    without, with_ = ask(store, "direction-mix"), ask(store, "direction-mix", include_noted="true")
    cell = ("technology", "disease", "outcome_domain", "direction")
    assert [tuple(r[c] for c in cell) for r in without] == [tuple(r[c] for c in cell) for r in with_]
    assert sum(int(r["left_out"]) for r in without) > 10
    assert {r["left_out"] for r in with_} == {"0"}
    for a, b in zip(without, with_, strict=True):
        assert int(a["results"]) + int(a["left_out"]) == int(b["results"])
        assert set(a["reports"].split("|")) - {""} <= set(b["reports"].split("|"))


# by hand: Paget et al. (2023) print 4 (95% CI -7 to -1); the direction of pain is under a grave note of its own
MIX = [
    ("platelet-rich-plasma", "ankle-osteoarthritis", "pain", "no-difference", "paget-2021", "paget-2021|paget-2023"),
    ("platelet-rich-plasma", "ankle-osteoarthritis", "function", "favours-comparator", "", "paget-2023"),
    ("placental-tissue", "plantar-fasciitis", "pain", "favours-technology", "nakagawa-2022|zelen-2013", "hanselman-2015|nakagawa-2022|zelen-2013"),
]  # fmt: skip


@pytest.mark.parametrize(("technology", "disease", "domain", "direction", "without", "with_"), MIX)
def test_the_mix_leaves_out_what_is_gravely_noted(
    store: EmbeddedStore, technology: str, disease: str, domain: str, direction: str, without: str, with_: str
) -> None:
    """A cell of the mix names its reports without those under a grave note, and with them when asked."""
    for value, expected in (("false", without), ("true", with_)):
        rows = ask(store, "direction-mix", include_noted=value)
        key = (technology, disease, domain, direction)
        (row,) = [r for r in rows if (r["technology"], r["disease"], r["outcome_domain"], r["direction"]) == key]
        assert row["reports"] == expected


def test_the_mix_is_of_the_directions_by_outcome(store: EmbeddedStore) -> None:
    """With noted results kept, each cell names the reports that directions-by-outcome has there, and no other."""
    expected: dict[tuple[str, ...], set[str]] = {}
    for r in ask(store, "directions-by-outcome"):
        for disease in r["disease"].split("|"):
            expected.setdefault((r["technology"], disease, r["outcome_domain"], r["direction"]), set()).add(r["report"])
    rows = ask(store, "direction-mix", include_noted="true")
    found = {
        (r["technology"], r["disease"], r["outcome_domain"], r["direction"]): set(r["reports"].split("|")) for r in rows
    }
    assert len(found) > 50
    assert found == expected


@pytest.mark.parametrize("name", ["direction-mix", "effect-sizes"])
def test_what_is_left_out_is_said(store: EmbeddedStore, name: str) -> None:
    """The line counts exactly the rows that another choice would change, and names their notes."""
    both = [ask(store, name, include_noted=v) for v in ("false", "true")]
    differ = [a for a, b in zip(*both, strict=True) if a != b]
    assert differ
    for included, rows in zip((False, True), both, strict=True):
        found = noted.noted(store, queries.get(name), rows, {"include_noted": str(included).lower()})
        assert (found.changed, found.included) == (len(differ), included)
        assert set(found.left_out) == {n for r in differ for n in r["left_out_noted"].split("|")}
        assert f"{len(differ)} of {len(rows)} rows {'hold' if included else 'leave out'} values" in found.lines()[-1]


def test_words(store: EmbeddedStore) -> None:
    """What is said names the notes by severity and what stays without them; of counts it says that they stay."""
    rows = ask(store, "results", report="paget-2023")
    said = noted.noted(store, queries.get("results"), rows).lines()
    grave = sum(r["result"] in ("paget-2023/r1", "paget-2023/r2") for r in rows)
    assert said[0].endswith(f"without those under a grave note: {len(rows) - grave} rows")
    assert said[1] == "  grave      2: paget-2023-lost-sign, paget-2023-worse-not-equal"
    said = noted.noted(store, queries.get("gap-matrix"), ask(store, "gap-matrix")).lines()
    assert said[0].endswith("a note changes no count")


@pytest.mark.parametrize("name", sorted(queries.load_all()))
def test_a_receipt_verifies(
    store: EmbeddedStore, made_of: Callable[[str], dict[str, Any]], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The receipt of any saved question comes back from its file, is found true, and is the same when made again."""
    made = made_of(name)
    text = receipt_text(made)
    again = []
    monkeypatch.setattr(receipts, "receipt", lambda *given: again.append(receipt(*given)) or again[0])
    checks = verify(store, read_receipt(text), "of-the-file")
    assert [c.part for c in checks] == [
        "receipt",
        "package",
        "inputs",
        "content",
        "query",
        "answer",
        "sources",
        "notes",
    ]
    assert not [c for c in checks if c.differs or c.not_compared]
    assert receipt_text(again[0]) == text
    assert [dict(zip(made["columns"], r, strict=True)) for r in made["answer"]] == queries.run(store, queries.get(name))


# An absence has no charted row, and mappings are no charted evidence.
WITHOUT_SOURCES = {"evidence-gaps", "gap-reasons", "mappings", "near-misses", "unmapped", "by-external-term"}


@pytest.mark.parametrize("name", sorted(set(queries.load_all()) - WITHOUT_SOURCES))
def test_every_number_has_its_rows(made_of: Callable[[str], dict[str, Any]], name: str) -> None:
    """Each row of a question on evidence names the charted rows that it is read from, unless it counts nothing."""
    made = made_of(name)
    assert made["answer"]
    for row, things in zip(made["answer"], made["rests_on"], strict=True):
        assert things or dict(zip(made["columns"], row, strict=True)).get("reports") == "0"
        assert all(made["sources"][t]["charted"].partition("#row=")[2].isdigit() for t in things)


def test_a_source_is_the_charted_row(store: EmbeddedStore, kim: dict[str, Any]) -> None:
    """The charted row that a receipt names holds the very value of the answer, and the place it was printed in."""
    at = {c: i for i, c in enumerate(kim["columns"])}
    table = read(CHARTED, "results")
    seen = 0
    for row, things in zip(kim["answer"], kim["rests_on"], strict=True):
        source = kim["sources"][f"result/{row[at['result']]}"]
        assert f"result/{row[at['result']]}" in things
        line = dict(zip(table[0], table[int(source["charted"].removeprefix("results.csv#row=")) - 1], strict=True))
        assert (f"{line['report']}/{line['result']}", "|".join(source["places"])) == (
            row[at["result"]],
            row[at["source"]],
        )
        if row[at["value"]]:
            assert line["value"] == row[at["value"]]
            seen += 1
    assert seen > 5


def test_the_rows_behind_a_count(made_of: Callable[[str], dict[str, Any]]) -> None:
    """The reports behind a cell of the gap map are as many as it counts, and their sample sizes stand in the rows that it names."""
    made = made_of("gap-matrix")
    counted = [(row, things) for row, things in zip(made["answer"], made["rests_on"], strict=True)]
    assert len(counted) == 55
    for row, things in counted:
        assert sum(t.startswith("report/") for t in things) == int(row[2])
        assert any(t.startswith("result/") for t in things) == (row[5] != "0")


def edited(made: dict[str, Any], edit: Callable[[dict[str, Any]], None], sealed: bool) -> dict[str, Any]:
    out = copy.deepcopy(made)
    edit(out)
    return {**out, "sha256": receipts._seal(out)} if sealed else out


def binding(r: dict[str, Any]) -> None:
    r["answer"][3][r["columns"].index("value")] = "9.9"


def fewer(r: dict[str, Any]) -> None:
    del r["answer"][0], r["rests_on"][0]


def text(r: dict[str, Any]) -> None:
    r["question"]["text"] = r["question"]["text"].replace("ORDER BY ?report", "ORDER BY DESC(?report)")


def row_hash(r: dict[str, Any]) -> None:
    r["sources"]["result/kim-2014a/r4"]["sha256"] = "0" * 64


def place(r: dict[str, Any]) -> None:
    r["sources"]["result/kim-2014a/r4"]["places"] = ["Table 5, row 17, Results"]


def other_source(r: dict[str, Any]) -> None:
    r["rests_on"][0], r["rests_on"][1] = r["rests_on"][1], r["rests_on"][0]


def parameter(r: dict[str, Any]) -> None:
    r["question"]["parameters"]["report"] = "kim-2013"


def no_note(r: dict[str, Any]) -> None:
    r["notes"] = [n for n in r["notes"] if n["note"] != "kim-2014a-vas"]


def package(r: dict[str, Any]) -> None:
    r["package"] = "9.9.9"


def inputs(r: dict[str, Any]) -> None:
    r["build"]["inputs"] = "f" * 64


def content(r: dict[str, Any]) -> None:
    r["build"]["content"] = "another-file"


TAMPERED = [
    (binding, {"answer", "sources"}, 'row 4, column value: the receipt has "9.9"; now "0.6"'),
    (fewer, {"answer", "sources", "notes"}, "rows in the receipt; now"),
    (text, {"query"}, "is not that of the saved question results, from line"),
    (row_hash, {"sources"}, "result/kim-2014a/r4 (results.csv#row="),
    (place, {"sources"}, "result/kim-2014a/r4: places in the receipt ['Table 5, row 17, Results']"),
    (other_source, {"sources"}, "the rows rest on other sources than in the receipt"),
    (
        parameter,
        {"answer", "sources", "notes"},
        "16 rows in the receipt; now 15",
    ),
    (no_note, {"notes"}, "kim-2014a-vas: new behind the answer"),
    (package, {"package"}, "the receipt has 9.9.9; now"),
    (inputs, {"inputs"}, f"the receipt has {'f' * 64}; now"),
    (content, {"content"}, "the receipt has another-file; now of-the-file"),
]


@pytest.mark.parametrize("sealed", [False, True], ids=["plain", "sealed-again"])
@pytest.mark.parametrize(("edit", "parts", "said"), TAMPERED, ids=[t[0].__name__ for t in TAMPERED])
def test_an_alteration_is_found_and_named(
    store: EmbeddedStore,
    kim: dict[str, Any],
    edit: Callable[[dict[str, Any]], None],
    parts: set[str],
    said: str,
    sealed: bool,
) -> None:
    """Whatever part of a receipt is altered is named, even where its own hash was made anew; no other part is."""
    altered = edited(kim, edit, sealed)
    assert altered != kim
    checks = verify(store, read_receipt(receipt_text(altered)), "of-the-file")
    differing = {c.part for c in checks if c.differs}
    if edit is fewer:
        differing.discard("notes")  # its rows count from the first; gone where that has no note
        parts = parts - {"notes"}
    assert differing == parts | (set() if sealed else {"receipt"})
    assert said in "\n".join(line for c in checks for line in c.lines())


def test_a_changed_row_is_found_and_named(kim: dict[str, Any], charted: Path) -> None:
    """A charted value that changed is named by its row, as source and in the answer; so is one that the answer doesn't show."""
    table = read(charted, "results")
    at = next(i for i, r in enumerate(table, 1) if r[:2] == ["kim-2014a", "r4"])
    change(charted, "results", at, "value", "3.9")
    hidden = next(i for i, r in enumerate(table, 1) if r[:2] == ["kim-2014a", "r1"])
    assert "dispersion_inferred" not in kim["columns"]
    change(charted, "results", hidden, "dispersion_inferred", "SE")
    checks = {c.part: c for c in verify(light_store(charted), kim, "of-the-file")}
    assert {p for p, c in checks.items() if c.differs} == {"answer", "sources"}
    assert 'column value: the receipt has "0.6"; now "3.9"' in checks["answer"].differs[0]
    assert list(checks["sources"].differs) == [
        f"result/kim-2014a/r1 (results.csv#row={hidden}): the charted row says something else",
        f"result/kim-2014a/r4 (results.csv#row={at}): the charted row says something else",
    ]


def test_a_row_that_went_is_named(kim: dict[str, Any], charted: Path) -> None:
    """A result that is no longer charted is missed by its key, and the rows below it by their new number."""
    table = read(charted, "notes")
    notes = [i for i, r in enumerate(table, 1) if "kim-2014a/r2" in r[table[0].index("results")].split("|")]
    for i in notes:
        left = [x for x in table[i - 1][table[0].index("results")].split("|") if x != "kim-2014a/r2"]
        change(charted, "notes", i, "results", "|".join(left) or "not-applicable")
    rows = read(charted, "results")
    write(charted, "results", [r for r in rows if r[:2] != ["kim-2014a", "r2"]])
    checks = {c.part: c for c in verify(light_store(charted), kim, "of-the-file")}
    assert "rows in the receipt; now" in checks["answer"].differs[0]
    said = "\n".join(checks["sources"].differs)
    assert "result/kim-2014a/r2" in said
    assert "is no longer charted" in said


def test_only_what_the_build_adds_is_left_out_of_a_rows_hash(review: EmbeddedStore) -> None:
    """All that the graphs computed and inferred say of charted things is known as added by the build."""
    found = review.query(
        PREFIXES
        + "SELECT DISTINCT ?p { VALUES ?g { <https://w3id.org/regen-kg/graph/computed> <https://w3id.org/regen-kg/graph/inferred> } "
        "GRAPH ?g { ?x ?p ?o } GRAPH ?h { ?x rkg:chartedRow ?row } }"
    )
    said = {row[0].value for row in found.rows if row[0]}
    assert said == INFERRED


def test_a_free_query_has_its_receipt(store: EmbeddedStore) -> None:
    """A count, a grouped count, a truth value and triples can be replayed; the rows of a count are those it counts."""
    arms = len(read(CHARTED, "arms")) - 1
    made = receipt(store, Asked(PREFIXES + "SELECT (COUNT(?x) AS ?n) WHERE { ?x a rkg:Arm }"))
    assert made["answer"] == [[str(arms)]]
    assert len(made["rests_on"][0]) == arms
    grouped = (
        PREFIXES
        + "SELECT ?report (COUNT(?x) AS ?n) { ?x a rkg:Arm ; rkg:ofReport/skos:notation ?report } GROUP BY ?report HAVING (COUNT(?x) > 2)"
    )
    made = receipt(store, Asked(grouped))
    assert made["answer"]
    assert all(len(things) == int(row[1]) for row, things in zip(made["answer"], made["rests_on"], strict=True))
    head = (
        PREFIXES
        + 'SELECT (IF(EXISTS { ?x rkg:unclear "n" }, "unclear", "clear") AS ?word) ?arm { ?x a rkg:Arm ; skos:notation ?arm }'
    )
    made = receipt(store, Asked(head))
    assert all(made["rests_on"])
    for text_ in ("ASK { ?x a rkg:Arm }", "CONSTRUCT { ?x a rkg:Arm } WHERE { ?x a rkg:Arm }"):
        made = receipt(store, Asked(PREFIXES + text_))
        assert made["answer"] in (True, sorted(made["answer"]) if isinstance(made["answer"], list) else True)
        assert not [c for c in verify(store, made) if c.differs]
        wrong = {**made, "answer": False if made["answer"] is True else made["answer"][1:]}
        assert "answer" in {c.part for c in verify(store, wrong) if c.differs}


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT (RAND() AS ?x) {}", "RAND answers otherwise each time"),
        ("SELECT ?x { ?x <http://www.w3.org/2002/07/owl#onProperty> ?y }", "blank nodes, which have no lasting name"),
        ("SELECT ?x { ?x ?p ?o ", "does not parse"),
    ],
)
def test_what_cannot_be_replayed_gets_no_receipt(store: EmbeddedStore, query: str, said: str) -> None:
    """An answer that can't come out again, or no query at all, is refused with the reason."""
    with pytest.raises((ReceiptError, QueryError), match=said):
        receipt(store, Asked(query))


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda r: "{", "is no JSON"),
        (lambda r: "[]", "is no receipt"),
        (lambda r: json.dumps({**r, "receipt": 2}), "is of form 2; this version reads form 1"),
        (lambda r: json.dumps({k: v for k, v in r.items() if k != "notes"}), 'lacks "notes"'),
        (lambda r: json.dumps({**r, "date": ""}), 'has an unknown "date"'),
        (lambda r: json.dumps({**r, "answer": [["one"]]}), '"answer" has another shape'),
        (lambda r: json.dumps({**r, "question": {"name": "results"}}), '"question" has another shape'),
        (lambda r: json.dumps({**r, "sources": {"x": {}}}), '"sources" has another shape'),
        (lambda r: json.dumps({**r, "build": None}), '"build" has another shape'),
        (lambda r: json.dumps({**r, "notes": [1]}), '"notes" has another shape'),
    ],
)
def test_what_is_no_receipt_is_refused(kim: dict[str, Any], edit: Callable[[dict[str, Any]], str], said: str) -> None:
    """A file that is no receipt is refused in words."""
    with pytest.raises(ReceiptError, match=said):
        read_receipt(edit(kim), "some.json")


def test_a_receipt_cannot_leave_the_machine(store: EmbeddedStore, kim: dict[str, Any]) -> None:
    """A receipt is a file from anywhere: a query in it that would leave the machine or write is not run."""
    for bad in ("SELECT * { SERVICE <http://127.0.0.1:1/> { ?s ?p ?o } }", "DELETE WHERE { ?s ?p ?o }"):
        given = {**kim, "question": {"name": "", "parameters": {}, "text": bad}}
        (check,) = [c for c in verify(store, given) if c.part == "answer"]
        assert "is refused" in check.differs[0]
