"""The command line: data on stdout, words on stderr, 0 fine, 1 violations, 2 wrong use; never a traceback."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pyoxigraph as ox
import pytest

from conftest import CHARTED, ROOT, change
from regen_kg import build, cli, layout, queries, reasoning, validation
from regen_kg.model import Finding
from regen_kg.store import EmbeddedStore

COMMANDS = ["build", "validate", "query", "sparql", "gap", "verify", "explore", "serve", "link", "enrich", "info"]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], review: EmbeddedStore):
    """Run the command line; return its exit code, stdout and stderr."""

    def call(*arguments: str) -> tuple[int, str, str]:
        try:
            code = cli.main([str(a) for a in arguments])
        except SystemExit as stop:
            code = int(stop.code or 0)
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return code, out, err

    return call


@pytest.fixture
def ontology(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the ontology that the command line takes for its own."""
    folder = tmp_path / "ontology"
    shutil.copytree(ROOT / "ontology", folder)
    monkeypatch.setattr(layout, "ontology_dir", lambda: folder)
    monkeypatch.setattr(build, "ontology_dir", lambda: folder)
    return folder


@pytest.fixture
def no_reasoner(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the slow gates, which have tests of their own."""
    monkeypatch.setattr(reasoning, "check_consistency", lambda triples: None)
    monkeypatch.setattr(validation, "shacl_findings", lambda store, shapes, say: [])


def test_help_names_exactly_the_commands(run) -> None:
    """Every command that works is named, and no other."""
    code, out, _ = run("--help")
    assert code == 0
    assert re.findall(r"^    ([a-z]+) ", out, re.M) == COMMANDS
    for command in COMMANDS:
        assert run(command, "--help")[0] == 0


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("nonsense",),
        ("query", "--format", "xml"),
        ("info", "--nonsense"),
        ("explore", "--port", "many"),
        ("build", "--processes", "0"),
        ("validate", "--format", "table"),
    ],
)
def test_wrong_use_is_2(run, arguments: tuple[str, ...]) -> None:
    """What argparse refuses gives 2, words on stderr and nothing on stdout."""
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert "error" in err


def test_info(run) -> None:
    """Info says what is built and that nothing was appraised."""
    code, out, _ = run("info", "--charted", CHARTED)
    assert code == 0
    assert re.search(r"^reports +61$", out, re.M)
    assert "appraised no study" in out


def test_query_formats_hold_the_same_rows(run, review: EmbeddedStore) -> None:
    """CSV, JSON and Turtle read back to the rows of the question, the table has a line for each; nothing else on stdout."""
    saved = queries.get("gap-matrix")
    rows = queries.run(review, saved)
    assert len(rows) == 55
    outs = {}
    for form in ("table", "csv", "json", "ttl"):
        code, outs[form], _ = run("query", "gap-matrix", "--charted", CHARTED, "--format", form)
        assert code == 0
    assert json.loads(outs["json"]) == rows
    assert [dict(r) for r in csv.DictReader(io.StringIO(outs["csv"]))] == rows
    assert len(outs["table"].splitlines()) == 2 + len(rows)
    assert outs["table"].split("\n")[0].split() == list(saved.columns)
    store = ox.Store()
    store.load(outs["ttl"].encode(), format=ox.RdfFormat.TURTLE)
    found = store.query(
        "PREFIX rs: <http://www.w3.org/2001/sw/DataAccess/tests/result-set#> "
        "SELECT ?s ?c ?v { ?s rs:binding [ rs:variable ?c ; rs:value ?v ] }"
    )
    back: dict[str, dict[str, str]] = {}
    for row in found:
        back.setdefault(str(row["s"]), {})[row["c"].value] = row["v"].value
    plain = [{c: v for c, v in row.items() if v} for row in rows]
    assert sorted(map(sorted, (d.items() for d in back.values()))) == sorted(map(sorted, (d.items() for d in plain)))


def test_every_saved_question_is_listed_and_runs(run) -> None:
    """`--list` names all; each answers with its columns as CSV."""
    code, listed, _ = run("query", "--list")
    names = re.findall(r"^([a-z-]+)", listed, re.M)
    assert code == 0 and len(names) > 10
    assert names == list(queries.load_all())
    for name in names:
        code, out, _ = run("query", name, "--charted", CHARTED, "--format", "csv")
        assert code == 0
        assert out.splitlines()[0].split(",") == list(queries.get(name).columns)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("query",), "give the name of a saved question"),
        (("query", "gap-matrx"), 'nearest: "gap-matrix"'),
        (("query", "../reports"), "no saved query"),
        (("query", "--list", "--receipt", "r.json"), "--list answers no question"),
        (("query", "reports", "--include-noted"), "--include-noted is for direction-mix, effect-sizes"),
        (("query", "effect-sizes", "--include-noted", "--param", "include_noted=false"), "contradict each other"),
        (("query", "reports", "--receipt", "/nowhere/r.json"), "cannot be written"),
        (("verify", "/nowhere/r.json"), "cannot be read"),
        (("verify", str(CHARTED / "reports.csv")), "is no JSON"),
        (("query", "results", "--param", "reprt=guney-2015"), 'no parameter "reprt"; it has '),
        (("query", "results", "--param", "report=guney-2051"), 'nearest: "guney-2015"'),
        (("query", "results", "--param", "report"), "should be NAME=VALUE"),
        (("query", "gap-matrix", "--param", "placement=x"), "it is one of charted, population"),
        (("query", "reports", "--list"), "leave out NAME"),
        (("query", "results", "--param", "report=guney-2015", "--param", "report=guney-2015"), "given twice"),
        (("query", "results", "--param", 'report=x" } #'), "is no slug"),
        (("query", "reports", "--endpoint", "ftp://x"), "is no endpoint address"),
        (("sparql",), "give one query"),
        (("sparql", "ASK {}", "-f", "x.rq"), "give one query"),
        (("sparql", "-f", "/nowhere/x.rq"), "cannot be read"),
        (("sparql", "SELECT * {"), "does not parse"),
        (
            ("sparql", "SELECT * { ?s a rkg:Arm }"),
            "begin the query with PREFIX rkg: <https://w3id.org/regen-kg/ontology#>",
        ),
        (("sparql", "SELECT * { ?s a foo:Arm ; rdfs:label 'a b:c'@en }"), "not declared: foo:, rdfs:; begin"),
        (("sparql", "CONSTRUCT { ?s a ?t } WHERE { ?s a ?t }", "--format", "csv"), "use --format ttl"),
        (("sparql", "INSERT DATA { <a:a> <a:b> 1 }"), "INSERT is refused"),
        (("sparql", "DELETE WHERE { ?s ?p ?o }"), "DELETE is refused"),
        (("sparql", "DROP ALL"), "DROP is refused"),
        (("sparql", "SELECT * { SERVICE <http://x/> { ?s ?p ?o } }"), "SERVICE is refused"),
        (("validate", "/nowhere"), "/nowhere"),
        (("build", "--charted", "/nowhere"), "/nowhere"),
        (("info", "--charted", "/nowhere"), "/nowhere"),
    ],
)
def test_what_cannot_be_used_is_2_with_words(run, arguments: tuple[str, ...], said: str) -> None:
    """The message says what and what to do."""
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert said in err


def test_an_endpoint_that_does_not_answer_is_1(run) -> None:
    """No server, no rows, but words."""
    code, out, err = run("sparql", "ASK { ?s ?p ?o }", "--endpoint", "http://127.0.0.1:9/query")
    assert (code, out) == (1, "")
    assert "cannot be reached" in err


def test_no_rows_are_said_on_stderr(run) -> None:
    """An empty answer is an answer: code 0, the header on stdout, words on stderr."""
    code, out, err = run("sparql", "SELECT ?x { ?x a <urn:nothing> }", "--charted", CHARTED, "--format", "csv")
    assert (code, out) == (0, "x\n")
    assert "no rows" in err


def test_the_list_of_questions_is_a_table_too(run) -> None:
    """A program gets the saved questions as rows, one each."""
    code, out, _ = run("query", "--list", "--format", "csv")
    rows = {r["name"]: r for r in csv.DictReader(io.StringIO(out))}
    assert code == 0 and set(rows) == set(queries.load_all())
    assert rows["results"]["parameters"] == "outcome|report"


def test_sparql_answers_of_each_kind(run, tmp_path: Path) -> None:
    """ASK gives a word, CONSTRUCT N-Triples, SELECT from a file rows."""
    assert run("sparql", "ASK { ?s ?p ?o }", "--charted", CHARTED)[:2] == (0, "true\n")
    code, out, _ = run("sparql", "CONSTRUCT { ?s a ?t } WHERE { ?s a ?t } LIMIT 5", "--charted", CHARTED)
    assert code == 0 and len(list(ox.parse(out.encode(), format=ox.RdfFormat.N_TRIPLES))) == 5
    (tmp_path / "q.rq").write_text("SELECT (1 + 1 AS ?two) {}")
    assert (
        run("sparql", "-f", tmp_path / "q.rq", "--charted", CHARTED, "--format", "json")[1]
        == '[\n {\n  "two": "2"\n }\n]\n'
    )


def test_a_receipt_is_written_and_verified(run, tmp_path: Path) -> None:
    """A question writes its receipt and answers as without one; verify gives 0, and 1 with what differs once it is altered."""
    file = tmp_path / "receipt.json"
    question = ("query", "results", "--param", "report=paget-2023")
    plain, with_ = run(*question), run(*question, "--receipt", str(file))
    assert plain == with_
    assert "  grave      2: paget-2023-lost-sign, paget-2023-worse-not-equal" in plain[2]
    code, out, _ = run("verify", str(file))
    assert (code, out.splitlines()[-1]) == (0, "all as the receipt says")
    text = file.read_text("utf-8")
    file.write_text(text.replace('"0.97"', '"0.79"') if '"0.97"' in text else text.replace('"4"', '"5"', 1), "utf-8")
    code, out, _ = run("verify", str(file), "--format", "json")
    found = json.loads(out)
    assert code == 1
    assert found["same"] is False
    assert {"receipt", "answer"} <= {p["part"] for p in found["parts"] if p["differs"]}
    code, _, _ = run("sparql", "ASK { ?s ?p ?o }", "--receipt", str(file))
    assert (code, run("verify", str(file))[0]) == (0, 0)


def test_noted_values_can_be_kept(run) -> None:
    """--include-noted is the parameter include_noted=true, and only questions that leave something out take it."""
    one = run("query", "effect-sizes", "--include-noted", "--format", "json")
    other = run("query", "effect-sizes", "--param", "include_noted=true", "--format", "json")
    without = run("query", "effect-sizes", "--format", "json")
    assert one == other
    assert one[1] != without[1]
    assert "leave out values under" in without[2]
    assert "hold values under" in one[2]


def test_csv_holds_no_formula(run) -> None:
    """A cell that a spreadsheet would run is quoted; a negative number is not."""
    text = 'SELECT ?x { VALUES ?x { "=cmd()" "@SUM(1)" "+1+cmd" "-1.5" } }'
    _, out, _ = run("sparql", text, "--charted", CHARTED, "--format", "csv")
    assert sorted(out.splitlines()[1:]) == ["'+1+cmd", "'=cmd()", "'@SUM(1)", "-1.5"]


def test_validate_names_every_fault(run, charted: Path) -> None:
    """Faults of several tables come together, with exit code 2."""
    change(charted, "arms", 2, "n", "many")
    change(charted, "reports", 3, "year", "MMXX")
    change(charted, "results", 4, "kind", "guess")
    code, out, err = run("validate", charted)
    assert (code, out) == (2, "")
    for place in ("arms.csv, row 2, column n", "reports.csv, row 3, column year", "results.csv, row 4, column kind"):
        assert place in err


@pytest.mark.parametrize("form", ["text", "json", "csv", "ttl"])
def test_validate_reports_violations_with_1(run, charted: Path, no_reasoner: None, form: str) -> None:
    """A violation gives 1 and stands on stdout in each format."""
    change(charted, "arms", 2, "n", "150")
    code, out, err = run("validate", charted, "--format", form)
    assert code == 1
    assert "rows checked, 1 violations" in err
    if form == "json":
        assert [f["rule"] for f in json.loads(out)] == ["arm-sum-above-sample-size"]
    elif form == "csv":
        assert [r["rule"] for r in csv.DictReader(io.StringIO(out))] == ["arm-sum-above-sample-size"]
    elif form == "ttl":
        store = ox.Store()
        store.load(out.encode(), format=ox.RdfFormat.TURTLE)
        assert bool(store.query("PREFIX sh: <http://www.w3.org/ns/shacl#> ASK { ?r sh:conforms false ; sh:result ?x }"))
    else:
        assert "arm-sum-above-sample-size" in out or "sample_size" in out


def test_build_exit_codes(run, charted: Path, tmp_path: Path, no_reasoner: None) -> None:
    """0 with the folder on stdout; 1 on a violation, 2 on an unreadable cell or a folder of other files, nothing written."""
    code, out, err = run("build", "--charted", charted, "--out", tmp_path / "out")
    assert (code, out) == (0, f"{tmp_path / 'out'}\n")
    assert "named graphs" in err
    before = (tmp_path / "out" / "manifest.json").read_bytes()
    assert run("build", "--charted", charted, "--out", charted)[0] == 2
    change(charted, "arms", 2, "n", "150")
    code, out, err = run("build", "--charted", charted, "--out", tmp_path / "out")
    assert (code, out) == (1, "")
    assert "1 violations; nothing was built" in err
    change(charted, "arms", 2, "n", "many")
    assert run("build", "--charted", charted, "--out", tmp_path / "out")[:2] == (2, "")
    assert (tmp_path / "out" / "manifest.json").read_bytes() == before


@pytest.mark.parametrize("name", ["core.ttl", "shapes/numbers.ttl"])
def test_broken_turtle_is_said_in_words(run, ontology: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Broken Turtle of the ontology or its shapes gives 2 and names the file."""
    monkeypatch.setattr(reasoning, "check_consistency", lambda triples: None)
    path = ontology / name
    path.write_text(path.read_text("utf-8") + "\nrkg:Broken a [ .\n", "utf-8")
    code, out, err = run("validate", CHARTED)
    assert (code, out) == (2, "")
    assert path.name in err and "cannot be read as Turtle" in err


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"slug,label\n"])
def test_a_broken_term_table_is_said_in_words(run, ontology: Path, content: bytes) -> None:
    """An empty, mis-encoded or mis-headed table gives 2 and names the file."""
    (ontology / "anatomy.csv").write_bytes(content)
    code, out, err = run("validate", CHARTED)
    assert (code, out) == (2, "")
    assert "anatomy.csv" in err


def test_a_finding_keeps_its_place() -> None:
    """The line of a finding names file, row and column."""
    line = Finding("rule", "violation", "arms.csv", 2, "n", "0", "An n is at least 1.", "").line()
    for part in ("arms.csv", "2", "n", "0", "An n is at least 1."):
        assert part in line


def test_the_module_runs_as_a_process() -> None:
    """`python -m regen_kg.cli` passes the exit code on; stdout stays clean and stderr holds one line of words."""
    command = [sys.executable, "-m", "regen_kg.cli", "query", "gap-matrx"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
