"""The one door to the engine: what it refuses, and that an endpoint answers as the embedded engine does."""

from __future__ import annotations

import gc
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pyoxigraph as ox
import pytest

from conftest import CHARTED, oxigraph, program
from regen_kg import build, queries
from regen_kg.analysis.certificate import gap_certificate
from regen_kg.analysis.explain import explain
from regen_kg.errors import BuildError, QueryError, StoreError
from regen_kg.remote import RemoteStore
from regen_kg.store import EmbeddedStore, refuse_unsafe

UNSAFE = [
    "INSERT DATA { <urn:a> <urn:b> <urn:c> }",
    "DELETE WHERE { ?s ?p ?o }",
    "SELECT * { SERVICE <http://localhost:1/> { ?s ?p ?o } }",
    "select * { service silent <http://localhost:1/> { ?s ?p ?o } }",
    "LOAD <file:///etc/passwd>",
    "CLEAR ALL",
    "SELECT * { \\u0053ERVICE <http://localhost:1/> { ?s ?p ?o } }",
    # What hides the keyword from a search for words:
    "SELECT * { ?a ?b ?c.SERVICE <http://localhost:1/> { ?s ?p ?o } }",
    "SELECT * { ?a ?b 1SERVICE <http://localhost:1/> { ?s ?p ?o } }",
    "PREFIX : <http://localhost:1/> SELECT * { SERVICE : { ?s ?p ?o } }",
    "PREFIX e: <http://localhost:1/> SELECT * { ?a ?b e:x\\# . SERVICE e: { ?s ?p ?o } }",
    "PREFIX e: <http://localhost:1/> SELECT * { ?a ?b e:x\\' . SERVICE e: { ?s ?p ?o } . ?c ?d e:x\\' }",
    "SELECT * { # a comment\rSERVICE <http://localhost:1/> { ?s ?p ?o } }",
    'SELECT * { ?a ?b "\\u0022 . SERVICE <http://localhost:1/> { ?s ?p ?o } #" }',
    "PREFIX e: <urn:e> # a comment\n BASE <urn:b> \\u0049NSERT DATA { <urn:a> <urn:b> <urn:c> }",
]
SAFE = [
    'SELECT * { ?s ?p "SERVICE" }',
    "SELECT ?load { ?load a <http://example.org/LOAD> } # CLEAR ALL",
    "SELECT ?service { ?service ?p ?o }",
    "PREFIX service: <urn:s> PREFIX add: <urn:a> SELECT * { ?s service:drop add:copy, <urn:SERVICE> }",
    'PREFIX e: <urn:e> SELECT * { ?s e:x.service e:service, e:clear ; e:a\\#service "it is a SERVICE" . _:service e:p 1 }',
    'SELECT (1 AS ?service) (2 AS ?servicx) { FILTER("caf\\u00e9 service" != """ " service""") }',
]


def test_the_harmless_queries_parse() -> None:
    """What must pass is SPARQL, so that passing means something."""
    for text in SAFE:
        EmbeddedStore.of([]).query(text)


@pytest.mark.parametrize("text", UNSAFE)
def test_updates_and_service_are_refused(text: str) -> None:
    """Nothing that writes, or leaves the machine, reaches the engine."""
    with pytest.raises(QueryError):
        refuse_unsafe(text)


@pytest.mark.parametrize("text", SAFE)
def test_harmless_words_pass(text: str) -> None:
    """The same words as strings, names, variables or comments pass."""
    refuse_unsafe(text)


def test_a_question_about_service_opens_no_connection() -> None:
    """Refusing is done before the engine could call out, with nobody listening any word of it would be an error of the net."""
    for text in UNSAFE:
        with pytest.raises(QueryError) as refused:
            EmbeddedStore.of([]).query(text)
        assert "onnection" not in str(refused.value)


def _graphs() -> EmbeddedStore:
    quads = [ox.Quad(ox.NamedNode(f"urn:g:{n}"), ox.NamedNode("urn:p"), ox.Literal(n), ox.NamedNode(f"urn:g:{n}")) for n in "abc"]  # fmt: skip
    return EmbeddedStore.of(quads)


@pytest.mark.parametrize(
    ("clauses", "default", "named"),
    [
        ("", "abc", "abc"),
        ("FROM <urn:g:a>", "a", ""),
        ("from<urn:g:a>FROM <urn:g:b>", "ab", ""),
        ("FROM NAMED <urn:g:c>", "", "c"),
        ("FROM # FROM <urn:g:b>\n g:a FROM NAMED g:b FROM\nNAMED <c>", "a", "bc"),
    ],
)
def test_from_is_honoured(clauses: str, default: str, named: str) -> None:
    """FROM and FROM NAMED make the dataset, however they are written; without them it is the union of all graphs."""
    head = "BASE <urn:g:x> PREFIX g: <urn:g:> " if "g:a FROM NAMED" in clauses else ""
    clauses = clauses.replace("<c>", "<urn:g:c>")
    for pattern, wanted in (("?s ?p ?from", default), ("GRAPH ?g { ?s ?p ?from }", named)):
        answer = _graphs().query(f'{head}SELECT ?from {clauses} {{ {pattern} FILTER("FROM <urn:no>" != 1 || true) }}')
        assert sorted(row[0].value for row in answer.rows if row[0]) == sorted(wanted)


def test_a_graph_outside_the_dataset_is_refused() -> None:
    """FROM a graph that is not there is an error, never an empty answer."""
    for clause in ("FROM <urn:g:d>", "FROM NAMED <http://localhost:1/>", "FROM <urn:g:a> FROM <file:///etc/passwd>"):
        with pytest.raises(QueryError, match="is no graph of this dataset"):
            _graphs().query(f"SELECT * {clause} {{ ?s ?p ?o }}")
    with pytest.raises(QueryError, match="whole IRI"):
        _graphs().query("SELECT * FROM <urn:g:\\u0061> {}")
    with pytest.raises(QueryError, match="does not parse"):
        _graphs().query("SELECT * FROM g:a {}")


def test_an_address_with_a_password_is_refused() -> None:
    """A secret never stands in an endpoint's address."""
    with pytest.raises(QueryError):
        RemoteStore("http://user:secret@localhost:7878/query")


def test_a_dead_endpoint_is_named() -> None:
    """An endpoint that nobody listens at gives its address and the reason."""
    with pytest.raises(StoreError, match=r"127\.0\.0\.1:9"):
        RemoteStore("http://127.0.0.1:9/query", timeout=2).query("ASK {}")


@pytest.fixture(scope="session")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real Oxigraph server on loopback that holds the review."""
    folder = tmp_path_factory.mktemp("oxigraph")
    dump = build.current(CHARTED).folder / "regen-kg.nq"
    load = [program("oxigraph"), "load", "--location", str(folder), "--file", str(dump)]
    subprocess.run(load, check=True, capture_output=True)
    with oxigraph(folder, "--union-default-graph", mode="serve-read-only") as server:
        yield server.query


@pytest.mark.parametrize("name", sorted(queries.load_all()))
def test_an_endpoint_gives_the_same_rows(name: str, endpoint: str, review: EmbeddedStore) -> None:
    """Every saved question gives the same rows on a real server as embedded."""
    saved = queries.get(name)
    rows = queries.run(review, saved)
    assert rows
    assert queries.run(RemoteStore(endpoint), saved) == rows


def the_engine_alone(store: EmbeddedStore) -> EmbeddedStore:
    """The same graph, without the answers that its build kept."""
    return EmbeddedStore(store.native)


@pytest.mark.parametrize("name", sorted(queries.load_all()))
def test_kept_answers_are_the_engines(name: str, review: EmbeddedStore) -> None:
    """Kept rows are the rows of the query, as they are and picked by each value of each parameter."""
    saved = queries.get(name)
    engine = the_engine_alone(review)
    asked: list[dict[str, str]] = [{}]
    for parameter in saved.parameters:
        known = queries.known_values(engine, parameter.name)
        asked += [{parameter.name: value} for value in known[:: max(1, len(known) // 12)]]
    assert review.kept and name in review.kept.queries
    assert [queries.run(review, saved, values) for values in asked] == [
        queries.run(engine, saved, values) for values in asked
    ]


def copy_of(made: build.Build, folder: Path) -> build.Build:
    """A copy of a build, to change."""
    shutil.copytree(made.folder, folder)
    return build.open_build(folder)


def test_a_kept_answer_opens_no_store(tmp_path: Path) -> None:
    """With the dataset gone, kept questions are answered still, and the others say what is missing."""
    made = copy_of(build.current(CHARTED), tmp_path / "copy")
    (made.folder / "regen-kg.nq").unlink()
    assert len(queries.run(made.store(), queries.get("gap-matrix"))) == 55
    assert len(queries.run(made.store(), queries.get("gap-matrix"), {"placement": "charted"})) == 55
    assert {r["arm"] for r in queries.run(made.store(), queries.get("arms"), {"report": "gormeli-2015"})} == {
        "ha",
        "prp",
        "saline",
    }
    with pytest.raises(BuildError, match="regen-kg build"):
        queries.run(made.store(), queries.get("arms"), {"report": "gormeli-2051"})


@pytest.mark.parametrize("harm", ["deleted", "altered", "another query"])
def test_a_kept_answer_that_does_not_fit_is_not_given(harm: str, tmp_path: Path) -> None:
    """Kept rows count only if file and query are those of the build; else the engine answers."""
    made = copy_of(build.current(CHARTED), tmp_path / "copy")
    path = made.folder / "answers" / "randomised.jsonl"
    saved = queries.get("randomised")
    wanted = queries.run(the_engine_alone(made.store()), saved)
    if harm == "deleted":
        path.unlink()
    elif harm == "altered":
        path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[1:]))
    else:
        saved = queries.parse("randomised", saved.text.replace("ORDER BY ?report", "ORDER BY DESC(?report)"))
    got = queries.run(made.store(), saved)
    assert got == (wanted[::-1] if harm == "another query" else wanted)


def test_an_answer_asked_of_some_reports_at_a_time_is_the_whole_one(
    review: EmbeddedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Large builds ask questions ordered by report of some reports at a time: same rows in the same order, of every question."""
    engine, asked = the_engine_alone(review), []
    texts = EmbeddedStore.texts
    monkeypatch.setattr(
        EmbeddedStore, "texts", lambda self, text, columns: asked.append(text) or texts(self, text, columns)
    )
    in_parts = set()
    for (name, digest, rows), (_, other, parts) in zip(
        queries.kept_answers(engine), queries.kept_answers(engine, 7), strict=True
    ):
        whole = list(rows)
        asked.clear()
        assert digest == other and whole == list(parts), name
        if len(asked) > 1:
            in_parts.add(name)
            assert len(asked) == 9 and all(text.count('VALUES ?report { "') == 1 for text in asked)  # 61 reports
    assert in_parts == {"arms", "results"}


def test_reading_kept_rows_leaves_the_collection_of_garbage_as_it_was(review: EmbeddedStore) -> None:
    """It is off while many rows are read, and on or off afterwards as before."""
    saved = queries.get("arms")
    try:
        for before in (True, False):
            (gc.enable if before else gc.disable)()
            assert queries.run(review, saved) and gc.isenabled() is before
    finally:
        gc.enable()


def test_a_kept_answer_is_checked_again_once_its_file_changed(tmp_path: Path) -> None:
    """A file that was whole when it was first read, and is altered then, is not given by the same store; the engine answers."""
    made = copy_of(build.current(CHARTED), tmp_path / "copy")
    store, saved = made.store(), queries.get("arms")
    wanted, one = queries.run(store, saved), queries.run(store, saved, {"report": "gormeli-2015"})
    assert len(one) == 3 and one == [r for r in wanted if r["report"] == "gormeli-2015"]
    path = made.folder / "answers" / "arms.jsonl"
    path.write_bytes(path.read_bytes().replace(b"gormeli-2015", b"gormeli-2051"))
    assert queries.run(store, saved, {"report": "gormeli-2015"}) == one
    assert queries.run(store, saved) == wanted


def test_the_store_on_disk_answers_alike(tmp_path: Path) -> None:
    """A large build opens from disk, for many readers at once, and gives the rows of the store in memory."""
    made = copy_of(build.current(CHARTED), tmp_path / "copy")
    EmbeddedStore.write_disk(made.folder / "regen-kg.nq")
    shutil.copyfile(made.folder / "manifest.json", made.folder / "regen-kg.nq")  # what is read now is not this file
    first, second = (EmbeddedStore(build.open_build(made.folder).store().native) for _ in range(2))
    in_memory = the_engine_alone(build.current(CHARTED).store())
    for name in ("reports", "results", "conflicts", "quality-notes"):
        saved = queries.get(name)
        assert queries.run(first, saved) == queries.run(second, saved) == queries.run(in_memory, saved)


def test_an_endpoint_is_explained_and_certified_alike(endpoint: str, review: EmbeddedStore) -> None:
    """Why a query is empty, and the certificate of a gap, come out the same over HTTP."""
    remote = RemoteStore(endpoint)
    query = (
        "PREFIX rkg: <https://w3id.org/regen-kg/ontology#> "
        "SELECT ?r { ?r rkg:testsTechnology rkg:HyaluronicAcid ; rkg:studiesDisease rkg:LigamentInjuri . FILTER(?x > 1) }"
    )
    here, there = explain(review, query), explain(remote, query)
    assert here.empty and here.causes
    assert there == here
    gap = "no-report/hyaluronic-acid/ligament-injury"
    assert gap_certificate(remote, gap) == gap_certificate(review, gap)
