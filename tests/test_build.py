"""A build is deterministic, atomic, and what it writes reads back."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pyoxigraph as ox
import pytest
import rdflib
from hypothesis import example, given
from hypothesis import strategies as st

from conftest import CHARTED, ROOT, bytes_of, change, read, write
from regen_kg import build, charting, queries, triples
from regen_kg.errors import BuildError, ChartingError
from regen_kg.iris import GRAPH
from regen_kg.layout import ontology_dir
from regen_kg.lines import Lines
from regen_kg.model import Chart
from regen_kg.store import EmbeddedStore
from regen_kg.terms import Terms


def lines_of(folder: Path) -> list[str]:
    return (folder / "regen-kg.nq").read_text("utf-8").splitlines(keepends=True)


@pytest.mark.no_cover  # many runs of what other tests reach
def test_two_builds_are_byte_equal(tmp_path: Path) -> None:
    """The committed build is what a rebuild gives, byte for byte."""
    build.make(CHARTED, tmp_path / "again")
    again, committed = bytes_of(tmp_path / "again"), bytes_of(ROOT / "graph" / "built")
    assert {"regen-kg.nq", "answers/gap-matrix.jsonl"} <= set(again) == set(committed)
    for name, content in again.items():
        assert content == committed[name], name


def ended(*_: object) -> None:
    """End the process that does it."""
    os._exit(3)


def test_answers_asked_in_several_processes_are_those_of_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large build asks its questions of the store on disk, several at a time; a process that is killed is said."""
    built = ROOT / "graph" / "built"
    shutil.copy(built / "regen-kg.nq", tmp_path)
    EmbeddedStore.write_disk(tmp_path / "regen-kg.nq")
    found = build._answers(tmp_path, 25, 2)
    assert found == build.read_manifest(built)["answers"] and len(found) > 30
    assert bytes_of(tmp_path / "answers") == bytes_of(built / "answers")
    shutil.rmtree(tmp_path / "answers")
    monkeypatch.setattr(build, "_answer", ended)
    with pytest.raises(BuildError, match="give fewer --processes"):
        build._answers(tmp_path, 25, 2)


def test_a_failed_build_leaves_the_last_one(charted: Path, tmp_path: Path) -> None:
    """After bad input the last good build is there, unchanged."""
    out = tmp_path / "out"
    shutil.copytree(ROOT / "graph" / "built", out)
    before = bytes_of(out)
    change(charted, "arms", 2, "n", "many")
    with pytest.raises(ChartingError):
        build.make(charted, out)
    assert bytes_of(out) == before
    assert [p.name for p in tmp_path.iterdir() if "part" in p.name] == []


def test_an_arm_sum_above_n_stops_the_build(charted: Path, tmp_path: Path) -> None:
    """More participants in the arms than in the study is a violation unless a note says so."""
    change(charted, "arms", 2, "n", "150")
    with pytest.raises(build.ValidationFailed) as caught:
        build.make(charted, tmp_path / "out")
    assert [f.rule for f in caught.value.findings if f.severity == "violation"] == ["arm-sum-above-sample-size"]
    assert not (tmp_path / "out").exists()


def test_without_its_note_the_source_error_is_found(charted: Path) -> None:
    """Hannon's 56 of 34 passes only because an accepted note covers it."""
    rows = read(charted, "notes")
    kept = [r for r in rows if not (r[0] != "note" and r[1] == "arms-against-sample-size" and "hannon-2016" in r[3])]
    assert len(kept) < len(rows)
    write(charted, "notes", kept)
    _, findings, _ = build.assemble(charted)
    assert ("arm-sum-above-sample-size", "34") in {(f.rule, f.value) for f in findings}


KILLED = """
import os, signal, sys
from pathlib import Path
import pyoxigraph as ox
from regen_kg import build
from regen_kg.lines import Lines

out = Path(sys.argv[1])
MOMENTS = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir"}

def make(number, moment=0):  # a whole build of one statement, SIGKILLed just before its n-th touch of the disk
    quad = ox.Quad(ox.NamedNode("urn:build"), ox.NamedNode("urn:number"), ox.Literal(number), ox.NamedNode("urn:graph"))
    manifest = {"inputs": str(number), "rows": {}, "triples": {"urn:graph": 1}}
    build.assemble = lambda *_: (Lines([f"{quad} .\\n"]), [], manifest)
    build.queries.kept_answers = lambda *_: [("question", "digest", "row\\n")]
    def watch(event, _):
        nonlocal moment
        if event in MOMENTS:
            moment -= 1
            if moment == 0:
                os.kill(os.getpid(), signal.SIGKILL)
    if moment:
        sys.addaudithook(watch)
    build.make(None, out)

def number():
    answer = build.open_build(out).store().query("SELECT ?n { <urn:build> <urn:number> ?n }")
    return int(answer.rows[0][0].value)

def apart(job):  # in a process of its own
    if not (child := os.fork()):
        job()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

make(0)
good, kills, between = 0, 0, 0
while True:
    killed = apart(lambda: make(kills + 1, kills + 1))
    names = sorted(p.name for p in out.parent.iterdir())
    between += "out" not in names
    assert len(names) <= 3, names
    now = number()
    assert now in (good, kills + 1), (now, good)
    good, kills = now, kills + 1
    if killed == 0:
        break
    assert killed == -signal.SIGKILL, killed
assert good == kills and names == ["out"], names
print(kills - 1, between)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills a fork of a process")
def test_a_build_killed_at_any_touch_of_the_disk_leaves_one_that_opens(tmp_path: Path) -> None:
    """SIGKILL before each file is opened, renamed or removed: the last build or the new one answers, and no leftover stays."""
    command = [sys.executable, "-c", KILLED, str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    kills, between = map(int, done.stdout.split())
    assert kills > 20 and between > 0


@pytest.mark.parametrize("moment", ["checking consistency", "writing files"])
def test_the_command_killed_leaves_the_last_build(tmp_path: Path, moment: str) -> None:
    """A real build killed while HermiT runs, or while it writes, changes no byte of the last one; the next leaves nothing beside it."""
    out = tmp_path / "out"
    shutil.copytree(ROOT / "graph" / "built", out)
    before = bytes_of(out)
    command = [sys.executable, "-m", "regen_kg.cli", "build", "--charted", str(CHARTED), "--out", str(out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        assert any(moment in line for line in process.stderr)
        time.sleep(0.3)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert bytes_of(out) == before
    assert build.open_build(out).store().query("ASK { ?s ?p ?o }").boolean
    build._place(out, Lines(lines_of(out)[:1]), build.read_manifest(out))
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


FULL = """
import resource, sys
from pathlib import Path
from regen_kg import build, cli
from regen_kg.lines import Lines
out = Path(sys.argv[-1])
lines = Lines((out / "regen-kg.nq").read_text("utf-8").splitlines(keepends=True))
manifest = build.read_manifest(out)
build.assemble = lambda *_: (lines, [], manifest)
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
sys.exit(cli.main(sys.argv[1:]))
"""


def test_a_build_that_does_not_fit_says_so(tmp_path: Path) -> None:
    """Where the system refuses to write on, exit code 2 and words; the last build is as it was, nothing half written stays."""
    pytest.importorskip("resource", reason="the limit on a file's size is POSIX")
    out = tmp_path / "out"
    shutil.copytree(ROOT / "graph" / "built", out)
    before = bytes_of(out)
    command = [sys.executable, "-c", FULL, "build", "--charted", str(CHARTED), "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert f"{out}: cannot be written (File too large)" in done.stderr and "Traceback" not in done.stderr
    assert bytes_of(out) == before
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize(
    ("error", "where"), [(errno.ENOSPC, "write_text"), (errno.EROFS, "mkdir"), (errno.EACCES, "rename")]
)
def test_a_disk_that_refuses_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int, where: str) -> None:
    """A full disk, a read-only one, a folder that may not be renamed: words, and the last build opens."""
    out = tmp_path / "out"
    shutil.copytree(ROOT / "graph" / "built", out)
    lines, manifest = Lines(lines_of(out)[:1]), build.read_manifest(out)
    monkeypatch.setattr(build, "assemble", lambda *_: (lines, [], manifest))
    whole = getattr(Path, where)

    def refuse(path: Path, *arguments: object, **options: object) -> object:
        if any(name.startswith("out.part-") for name in path.parts):
            raise OSError(error, os.strerror(error), str(path))
        return whole(path, *arguments, **options)

    monkeypatch.setattr(Path, where, refuse)
    with pytest.raises(BuildError, match=os.strerror(error)):
        build.make(CHARTED, out)
    monkeypatch.undo()
    assert build.open_build(out).manifest["rows"]["reports"] == 61
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_a_build_takes_no_place_that_holds_something_else(tmp_path: Path) -> None:
    """Neither a file nor a folder with a file of another's is overwritten."""
    (tmp_path / "file").write_text("mine")
    shutil.copytree(ROOT / "graph" / "built", tmp_path / "built")
    (tmp_path / "built" / "thesis.docx").write_text("mine")
    for name in ("file", "built"):
        with pytest.raises(BuildError, match=rf"{name}: (is a file|holds other files)"):
            build._place(tmp_path / name, Lines(), {})
    assert (tmp_path / "built" / "thesis.docx").read_text() == "mine"


def test_a_kill_between_the_renames_is_survived(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If only `folder.last` is left, it opens, and the command line finds it without building."""
    shutil.copytree(ROOT / "graph" / "built", tmp_path / "out.last")
    assert build.open_build(tmp_path / "out").manifest["rows"]["reports"] == 61
    manifest = {**build.read_manifest(tmp_path / "out.last"), "inputs": build.input_digest(CHARTED)}
    (tmp_path / "out.last" / "manifest.json").write_text(json.dumps(manifest))
    monkeypatch.setattr(build, "packaged_built_dir", lambda: tmp_path / "out")
    assert build.current(CHARTED).folder == tmp_path / "out.last"


def test_the_files_say_the_same(tmp_path: Path) -> None:
    """N-Quads, TriG, Turtle and JSON-LD hold the same triples, read by another library than wrote them."""
    folder = ROOT / "graph" / "built"
    quads = {str(q) for q in ox.parse(path=folder / "regen-kg.nq", format=ox.RdfFormat.N_QUADS)}
    trig = {str(q) for q in ox.parse(path=folder / "regen-kg.trig", format=ox.RdfFormat.TRIG)}
    assert quads == trig
    merged = {str(q.triple) for q in ox.parse(path=folder / "regen-kg.nq", format=ox.RdfFormat.N_QUADS)}
    assert len(rdflib.Graph().parse(folder / "regen-kg.ttl")) == len(merged)


def test_the_merged_dump_answers_alike(review: EmbeddedStore) -> None:
    """Every saved question gives the same rows on the graph-free dump as on the union of the named graphs."""
    native = ox.Store()
    native.bulk_load(path=str(ROOT / "graph" / "built" / "regen-kg.ttl"), format=ox.RdfFormat.TURTLE)
    merged = EmbeddedStore(native)
    for name, saved in queries.load_all().items():
        assert queries.run(merged, saved) == queries.run(review, saved), name


@given(st.text(st.characters(exclude_categories=("Cs",))))
@example('a "quoted" \\ back\tslash\r\nand \x00\x1f\x7f\x85')
def test_any_text_reads_back_as_written(text: str) -> None:
    """Whatever a cell holds, its literal is canonical N-Quads and reads back as the same text."""
    writer = triples._Writer("urn:x-test:graph")
    writer.text("urn:x-test:thing", "summary", text)
    (quad,) = ox.parse(writer.nquads().encode(), format=ox.RdfFormat.N_QUADS)
    assert quad.object == ox.Literal(text)
    assert f"{quad} .\n" == writer.nquads()


def test_one_named_graph_per_report() -> None:
    """61 reports, 61 graphs, and none of them is empty."""
    manifest = json.loads((ROOT / "graph" / "built" / "manifest.json").read_text())
    graphs = {g: n for g, n in manifest["triples"].items() if g.startswith(GRAPH + "report/")}
    assert len(graphs) == 61
    assert min(graphs.values()) > 20


def test_charted_data_hold_no_blank_node() -> None:
    """Only class expressions of the ontology are blank nodes."""
    for quad in ox.parse(path=ROOT / "graph" / "built" / "regen-kg.nq", format=ox.RdfFormat.N_QUADS):
        if isinstance(quad.subject, ox.BlankNode) or isinstance(quad.object, ox.BlankNode):
            assert quad.graph_name.value == GRAPH + "ontology"


def test_every_predicate_and_class_is_declared(review: EmbeddedStore) -> None:
    """No term of our namespace is used that the ontology does not define."""
    undeclared = review.query(
        """PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#> PREFIX skos: <http://www.w3.org/2004/02/skos/core#>
        SELECT DISTINCT ?t { { ?s ?t ?o } UNION { ?s a ?t }
          FILTER(STRSTARTS(STR(?t), "https://w3id.org/regen-kg/ontology#"))
          FILTER NOT EXISTS { ?t rdfs:label ?l ; skos:definition ?d } } ORDER BY ?t"""
    )
    assert [row[0].value for row in undeclared.rows if row[0]] == []


def test_a_damaged_build_does_not_open(tmp_path: Path) -> None:
    """A truncated dataset is named, not half read."""
    shutil.copytree(ROOT / "graph" / "built", tmp_path / "built")
    path = tmp_path / "built" / "regen-kg.nq"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(BuildError, match="damaged"):
        build.open_build(tmp_path / "built").dataset()
    with pytest.raises(BuildError, match="damaged"):
        build.open_build(tmp_path / "built").store().query("ASK {}")


@pytest.mark.no_cover  # many runs of what other tests reach
def test_a_value_outside_its_scale_is_found_whatever_else_is_noted(charted: Path) -> None:
    """Guney's result carries a note of another kind; an AOFAS of 171.0 is still named, with row, column and value."""
    rows = read(charted, "results")
    number = next(i for i, r in enumerate(rows, 1) if r[:2] == ["guney-2015", "r2"])
    assert any("guney-2015/r2" in r[4] for r in read(charted, "notes"))
    change(charted, "results", number, "value", "171.0")
    _, findings, _ = build.assemble(charted)
    found = [f for f in findings if f.severity == "violation"]
    assert [(f.rule, f.file, f.row, f.column, f.value) for f in found] == [
        ("value-outside-scale", "results.csv", number, "value", "171.0")
    ]


@pytest.mark.no_cover  # many runs of what other tests reach
def test_paget_passes_only_by_its_own_note(charted: Path) -> None:
    """4 points with an interval from -7 to -1 are a violation once no note of kind value-outside-interval touches them."""
    rows = read(charted, "notes")
    kept = [r for r in rows if not (r[1] == "value-outside-interval" and "paget-2023/r1" in r[4])]
    assert len(kept) < len(rows)
    write(charted, "notes", kept)
    _, findings, _ = build.assemble(charted)
    assert ("value-outside-interval", "4") in {(f.rule, f.value) for f in findings}


def part_of(part: int, parts: int) -> list[str]:
    """The N-Quads of every part-th study, from a chart that holds nothing of the other studies."""
    terms = Terms.load(ontology_dir())
    chart = charting.read_chart(CHARTED, build.known_words(terms))
    studies = sorted({row["study"] for row in chart.rows("reports")})
    mine = {r["report"] for r in chart.rows("reports") if studies.index(r["study"]) % parts == part}
    tables = {
        name: tuple(r for r in rows if r.cells.get("report") in mine)
        for name, rows in chart.tables.items()
        if any("report" in r.cells for r in rows)
    }
    text = "".join(triples.review_nquads(Chart(tables, chart.digest), terms))
    return [line for line in text.splitlines(keepends=True) if f"<{GRAPH}report/" in line]


def test_partitions_merge_into_the_single_build() -> None:
    """Studies turned into quads apart, in processes that know nothing of each other, merge byte-equal to all at once."""
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        parts = list(pool.map(part_of, range(3), [3] * 3))
    assert all(parts)
    merged = "".join(sorted(line for part in parts for line in part))
    assert merged == "".join(sorted(part_of(0, 1)))
