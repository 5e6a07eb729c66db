"""One question, any engine: the same rows from each, what each gets wrong, and how a server is given a build."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import rdflib

from conftest import CHARTED, ROOT, Server, oxigraph, program
from regen_kg import build, cli, queries, remote
from regen_kg.analysis.certificate import gap_certificate
from regen_kg.analysis.explain import explain
from regen_kg.errors import QueryError, StoreError
from regen_kg.explorer.data import remote_build
from regen_kg.iris import BASE, OWL, RDFS, RKG
from regen_kg.remote import PROBES, RemoteStore, Target, failed_probes, loading
from regen_kg.remote.asking import ready_builds, without_denied_paths
from regen_kg.remote.loading import closure_lines, merged_lines
from regen_kg.remote.probes import values
from regen_kg.store import Answer, EmbeddedStore, Store, Term

SERVERS = ["oxigraph_server", "virtuoso_server"]
ENGINES = ["memory", "disk", *SERVERS]
Rows = tuple[tuple[Term | None, ...], ...]
LIMITS = {"virtuoso_server": {"truth"}}
# Questions that it gets wrong by itself, at most; which, differs with its plans. Readers get the answers that came with the build.
WRONG = {"virtuoso_server": 10}
PLAIN = {
    "reports",
    "arms",
    "randomised",
    "study-flow",
    "time-points",
    "quality-notes",
}  # lists of rows that none gets wrong
SOMETIMES = {"virtuoso_server": {"path-denied", "inner-optional"}}  # with some of its plans
DENIED = (
    f"PREFIX rdfs: <{RDFS}> PREFIX rkg: <{RKG}> SELECT DISTINCT ?c {{ ?c rdfs:subClassOf ?x FILTER(isIRI(?c) && isIRI(?x)) "
    "{} } ORDER BY ?c"
)


def may_write(server: Server, patch: pytest.MonkeyPatch) -> None:
    """Put the server's credentials where regen-kg looks for them."""
    for name, value in (("REGEN_KG_USER", server.user), ("REGEN_KG_PASSWORD", server.password)):
        patch.setenv(name, value)


@pytest.fixture(scope="session")
def published(request: pytest.FixtureRequest) -> Iterator[dict[str, RemoteStore]]:
    """Servers by fixture, each loaded with the review when it is first asked for."""
    yield {}


def loaded(request: pytest.FixtureRequest, name: str) -> RemoteStore:
    """Return a server that holds the review, loaded by `build.publish`, which asks it every saved question."""
    known: dict[str, RemoteStore] = request.getfixturevalue("published")
    if name not in known:
        server: Server = request.getfixturevalue(name)
        said: list[str] = []
        with pytest.MonkeyPatch.context() as patch:
            may_write(server, patch)
            graph = build.publish(build.current(CHARTED), Target(server.store), said.append)
        assert graph.startswith(BASE + "build/")
        sentences = {p.sentence for p in PROBES if p.name in LIMITS.get(name, set())}
        assert all(any(line.endswith(s) for line in said) for s in sentences)
        known[name] = RemoteStore(server.query)
    return known[name]


@pytest.fixture(scope="session")
def disk(tmp_path_factory: pytest.TempPathFactory) -> EmbeddedStore:
    """The review as a store on disk."""
    folder = tmp_path_factory.mktemp("disk")
    shutil.copy(build.current(CHARTED).folder / "regen-kg.nq", folder)
    EmbeddedStore.write_disk(folder / "regen-kg.nq")
    (folder / "regen-kg.nq").write_bytes(b"")
    return EmbeddedStore.open(folder / "regen-kg.nq")


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest, review: EmbeddedStore) -> tuple[str, Store]:
    """Each engine in turn, holding the review, with no kept answers."""
    if request.param == "memory":
        return request.param, EmbeddedStore(review.native)
    if request.param == "disk":
        return request.param, request.getfixturevalue("disk")
    return request.param, loaded(request, request.param)


def unordered(rows: list[dict[str, str]]) -> list[str]:
    """Rows without their order, which Virtuoso does not always keep for long strings."""
    return sorted(map(str, rows))


def test_every_saved_question_has_the_same_rows(engine: tuple[str, Store], review: EmbeddedStore) -> None:
    """All saved questions, gaps and conflicts among them, give the same rows as the build's own answers."""
    saved = queries.load_all()
    assert {"gap-matrix", "evidence-gaps", "conflicts"} <= set(saved)
    differing = [n for n, q in saved.items() if queries.run(engine[1], q) != queries.run(review, q)]
    assert differing == []
    parameters = {
        "gap-matrix": {"placement": "charted"},
        "results": {"outcome": "visa-a"},
        "roll-up": {"axis": "disease"},
    }
    for name, value in parameters.items():
        query = queries.get(name)
        assert queries.run(engine[1], query, value) == queries.run(review, query, value)


@pytest.mark.parametrize("name", SERVERS)
def test_a_server_itself_gives_these_rows(name: str, request: pytest.FixtureRequest, review: EmbeddedStore) -> None:
    """Without the answers that came with the build, the engine gives the same rows, or refuses with the reason."""
    store = loaded(request, name)
    alone = RemoteStore(store.endpoint)
    alone.kept = None
    refused, differing = set(), set()
    saved = queries.load_all()
    assert set(saved) > PLAIN
    for question, query in saved.items():
        if query.summary in store.wrong:
            refused.add(question)
            with pytest.raises(QueryError, match=r"can't be asked this question: .*; ask a local build"):
                queries.run(alone, query)
        elif unordered(queries.run(alone, query)) != unordered(queries.run(review, query)):
            differing.add(question)
    assert len(refused | differing) <= WRONG.get(name, 0), refused | differing
    assert not (refused | differing) & PLAIN


def test_gaps_are_certified_alike_or_not_at_all(engine: tuple[str, Store], review: EmbeddedStore) -> None:
    """One gap of each type has the same certificate; an engine that gets things wrong certifies and explains nothing."""
    by_type = {row["type"]: row["gap"] for row in queries.run(review, queries.get("evidence-gaps"))}
    assert len(by_type) > 5
    if engine[0] == "virtuoso_server":
        with pytest.raises(StoreError, match="a certificate asks many queries of its own, so do without --endpoint"):
            gap_certificate(engine[1], next(iter(by_type.values())))
        with pytest.raises(StoreError, match="an explanation asks"):
            explain(engine[1], "SELECT ?s { ?s a <urn:none> }")
        return
    for gap in by_type.values() if engine[0] == "oxigraph_server" else [next(iter(by_type.values()))]:
        assert gap_certificate(engine[1], gap) == gap_certificate(review, gap)


def test_what_each_engine_gets_wrong_is_known(engine: tuple[str, Store]) -> None:
    """The probes find what an engine always gets wrong, and nothing but what is known."""
    name, store = engine
    failed = store.failed if isinstance(store, RemoteStore) else failed_probes(store.query)
    assert {p.name for p in failed} - SOMETIMES.get(name, set()) == LIMITS.get(name, set())


@pytest.mark.parametrize("denial", ["MINUS {{ {} }}", "FILTER NOT EXISTS {{ {} }}", "FILTER(!EXISTS {{ {} }})"])
@pytest.mark.parametrize("sign", ["+", "*"])
def test_denied_paths_count(denial: str, sign: str, engine: tuple[str, Store], review: EmbeddedStore) -> None:
    """A path inside a denial leaves out what lies below a class, on an engine that ignores it too."""
    text = DENIED.replace("{}", denial.format(f"?c rdfs:subClassOf{sign} rkg:Technology ."))
    wanted = review.query(text)
    assert 0 < len(wanted.rows) < len(review.query(DENIED.replace("{}", "")).rows)
    assert engine[1].query(text) == wanted


def test_a_denied_path_that_cannot_be_replaced(engine: tuple[str, Store], review: EmbeddedStore) -> None:
    """A path along anything but the class hierarchy is refused by Virtuoso with the reason, and right elsewhere."""
    text = DENIED.replace("{}", "MINUS { ?c (rdfs:subClassOf|rdfs:seeAlso)+ rkg:Technology }")
    wanted = review.query(text)
    assert wanted.rows
    if engine[0] == "virtuoso_server":
        with pytest.raises(QueryError, match="ignores paths"):
            engine[1].query(text)
    else:
        assert engine[1].query(text) == wanted


ABOVE, WITHIN = f"<{BASE}closure#below>", f"<{BASE}closure#within>"
REWRITTEN = {
    "SELECT * { ?s ?p ?o MINUS { ?s <urn:a+b> <urn:c> FILTER(?o * 2 > ?n+1) } }": (None, False),
    'SELECT * { ?s ?p "MINUS { ?s rdfs:subClassOf+ ?c }" }': (None, False),
    "SELECT * { ?s rdfs:subClassOf+ <urn:c> }": (None, False),
    "SELECT * { ?s ?p ?o MINUS { ?s <urn:p>+ <urn:c> } }": (None, True),
    "SELECT * { ?s ?p ?o FILTER NOT EXISTS { ?s (rdfs:subClassOf|<urn:p>)* <urn:c> } }": (None, True),
    "SELECT * { ?s ?p ?o MINUS { ?s rdfs:subClassOf* ?d . ?s ?q ?r MINUS { ?r rdfs:subClassOf+/<urn:q> ?e } } ?s rdfs:subClassOf+ ?o }": (
        f"SELECT * {{ ?s ?p ?o MINUS {{ ?s {WITHIN} ?d . ?s ?q ?r MINUS {{ ?r {ABOVE}/<urn:q> ?e }} }} ?s rdfs:subClassOf+ ?o }}",
        False,
    ),
}


@pytest.mark.parametrize("text", REWRITTEN)
def test_only_denied_paths_are_rewritten(text: str) -> None:
    """Strings, IRIs and paths outside a denial stay as they are; a path that can't be replaced is noticed."""
    wanted, left = REWRITTEN[text]
    assert without_denied_paths(text) == (wanted or text, left)


def test_the_closure_is_what_the_paths_reach(review: EmbeddedStore) -> None:
    """The closure that is loaded holds each pair that a path finds among named classes, and no other."""
    lines = set(closure_lines(build.current(CHARTED).dataset()))
    for sign, name in (("+", ABOVE), ("*", WITHIN)):
        found = review.query(
            f"SELECT DISTINCT ?a ?b {{ ?a a <{OWL}Class> . ?b a <{OWL}Class> . ?a <{RDFS}subClassOf>{sign} ?b FILTER(isIRI(?a) && isIRI(?b)) }}"
        ).rows
        assert len(found) > 100
        assert {f"<{a.value}> {name} <{b.value}> .\n" for a, b in found if a and b} == {
            x for x in lines if f" {name} " in x
        }


INTEGER_ONE = Term("literal", "1", "http://www.w3.org/2001/XMLSchema#integer")
FAULTS: dict[str, tuple[str, Callable[[Rows], Rows]]] = {
    "once": ("SELECT ?a ?b", lambda rows: rows + rows[:1]),
    "path": ("SELECT DISTINCT ?c { ?c rdfs:subClassOf+", lambda rows: rows[1:]),
    "path-denied": ("MINUS", lambda rows: rows[1:]),
    "zero-cells": ("VALUES ?r", lambda rows: tuple(r for r in rows if r[2] and r[2].value != "0")),
    "joined-counts": ("COALESCE(?n, 0)", lambda rows: rows[1:]),
    "inner-optional": ("?none", lambda rows: tuple((r[0], None) for r in rows)),
    "count-nothing": ("SELECT (COUNT(?x) AS ?n)", lambda rows: ()),
    "joined-text": ("GROUP_CONCAT", lambda rows: tuple(tuple(None for _ in r) for r in rows)),
    "decimals": ("0.1 + 0.2", lambda rows: ((Term("literal", "not"),),)),
    "truth": ("BIND(EXISTS", lambda rows: ((INTEGER_ONE,),)),
}


def wrong(probe: str, text: str, answer: Answer) -> Answer:
    """An engine's answer with the fault that a probe looks for."""
    mark, spoil = FAULTS[probe]
    return Answer(answer.columns, spoil(answer.rows)) if mark in text else answer


@pytest.mark.parametrize("probe", [p.name for p in PROBES])
def test_each_probe_can_fail(probe: str, review: EmbeddedStore) -> None:
    """An engine with just one fault fails just that probe; counts by class need the path, too."""
    failed = failed_probes(lambda text: wrong(probe, text, review.query(text)))
    assert probe in [p.name for p in failed]
    assert {p.name for p in failed} - {probe} <= {"joined-counts"}


def test_an_engine_that_fails_a_probe_is_not_used(
    request: pytest.FixtureRequest, review: EmbeddedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault with no way round it stops every question, with the sentence that does not hold."""
    endpoint = loaded(request, "oxigraph_server").endpoint
    raw = RemoteStore.raw
    monkeypatch.setattr(
        RemoteStore, "raw", lambda me, text, graphs=(): wrong("zero-cells", text, raw(me, text, graphs))
    )
    with pytest.raises(StoreError, match="keeps the cells that hold nothing"):
        queries.run(RemoteStore(endpoint), queries.get("reports"))


def test_named_graphs_are_asked_where_the_default_graph_is_empty(tmp_path: Path, review: EmbeddedStore) -> None:
    """A server that was given the N-Quads, and whose default graph is not the union, gives the same rows."""
    dump = build.current(CHARTED).folder / "regen-kg.nq"
    load = [program("oxigraph"), "load", "--location", str(tmp_path), "--file", str(dump)]
    subprocess.run(load, check=True, capture_output=True)
    with oxigraph(tmp_path, mode="serve-read-only") as server:
        store = RemoteStore(server.query)
        for name in ("reports", "gap-matrix", "conflicts"):
            assert queries.run(store, queries.get(name)) == queries.run(review, queries.get(name))


def test_a_server_without_a_build_is_named() -> None:
    """An empty server is no server on which nothing was found."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RemoteStore, "raw", lambda me, text, *_: Answer(("x",), (), boolean=False))
        with pytest.raises(StoreError, match="holds no build of regen-kg; load one with regen-kg build --to"):
            RemoteStore("http://127.0.0.1:9/query").query("ASK {}")


class RdflibStore:
    """rdflib's engine behind the face of a store."""

    kept = None

    def __init__(self, triples: str) -> None:
        self.graph = rdflib.Graph().parse(data=triples, format="nt")

    def query(self, text: str) -> Answer:
        """Run a SELECT; what rdflib raises comes as a refused query."""
        try:
            rows = list(self.graph.query(text))
        except Exception as err:
            raise QueryError(f"rdflib: {err!r}") from err
        return Answer((), tuple(tuple(self._term(cell) for cell in row) for row in rows))

    @staticmethod
    def _term(node: object) -> Term | None:
        if node is None:
            return None
        if isinstance(node, rdflib.Literal):
            return Term("literal", str(node), str(node.datatype or ""), node.language or "")
        return Term("iri" if isinstance(node, rdflib.URIRef) else "bnode", str(node))


def test_rdflib_is_refused_with_the_reason(review: EmbeddedStore) -> None:
    """rdflib loses zero cells, and stops at a GROUP_CONCAT over nothing; the other probes hold there."""
    ontology = review.query(f"CONSTRUCT {{ ?s ?p ?o }} {{ GRAPH <{BASE}graph/ontology> {{ ?s ?p ?o }} }}").triples
    assert ontology
    store = RdflibStore(ontology)
    failed = failed_probes(store.query)
    assert [(p.name, p.remedy) for p in failed] == [("zero-cells", "refused"), ("joined-text", "refused")]
    text = 'SELECT ?x (GROUP_CONCAT(DISTINCT ?y; separator="|") AS ?s) { ?x a owl:Class OPTIONAL { ?x <urn:p> ?y } } GROUP BY ?x'
    with pytest.raises(QueryError, match="NotBoundError"):
        store.query(text)


def test_the_probes_stand_in_the_docs() -> None:
    """The table of the how-to holds each probe with its sentence and remedy, and no other."""
    page = (ROOT / "docs" / "how-to" / "other-engines.md").read_text("utf-8")
    lines = [line for line in page.splitlines() if line.startswith("| `") and line.count("|") == 4]
    assert [line for line in lines if line.endswith((" refused |", " rewritten |", " avoided |"))] == [
        f"| `{p.name}` | {p.sentence} | {p.remedy} |" for p in PROBES
    ]


# On the command line ------------------------------------------------------------------------------------------


def test_a_server_in_doubt_is_said_to_be(
    request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str], review: EmbeddedStore
) -> None:
    """Where a server gets things wrong, saved questions are answered, own queries with a warning, and the explorer is refused."""
    endpoint = loaded(request, "virtuoso_server").endpoint
    assert cli.main(["query", "roll-up", "--format", "json", "--endpoint", endpoint]) == 0
    out, words = capsys.readouterr()
    assert json.loads(out) == queries.run(review, queries.get("roll-up"))
    assert "which rows rest on noted cells was not found out: " in words
    assert cli.main(["sparql", "ASK {}", "--endpoint", endpoint]) == 0
    out, words = capsys.readouterr()
    assert (out, "not checked: " in words) == ("true\n", True)
    with pytest.raises(StoreError, match="the explorer asks many queries of its own"):
        remote_build(endpoint)


def test_a_build_is_loaded_from_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`build --to` prints the folder and the graph; a second time it finds the build there; wrong use is exit code 2."""
    monkeypatch.setattr(build, "make", lambda *_: build.current(CHARTED))
    with oxigraph(tmp_path) as server:
        for _ in range(2):
            assert cli.main(["build", "--to", server.store]) == 0
            out, words = capsys.readouterr()
            folder, graph = out.splitlines()
            assert graph == f"{BASE}build/{build.open_build(Path(folder)).manifest['inputs'][:16]}"
        assert "holds this build already" in words
        assert cli.main(["sparql", "ASK {}", "--endpoint", server.query]) == 0
        assert "not checked" not in capsys.readouterr().err
    assert cli.main(["build", "--to", server.store]) == 1
    assert "cannot be reached" in capsys.readouterr().err
    assert cli.main(["build", "--endpoint", server.query]) == 2
    assert cli.main(["build", "--to", "http://localhost:1/nowhere"]) == 2


# Loading ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def two_builds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Small builds that differ in every thing's label, so that half of each would show."""
    folder = tmp_path_factory.mktemp("builds")
    lines = (build.current(CHARTED).folder / "regen-kg.nq").read_text("utf-8").splitlines(keepends=True)
    kept = [line for line in lines if "/graph/ontology>" in line and "_:" not in line]
    assert len(kept) > 500
    out = {}
    for name in ("first", "second", "third"):
        things = [f'<urn:thing:{i:05}> <{RDFS}label> "{name}" <{BASE}graph/things> .\n' for i in range(3_000)]
        out[name] = folder / f"{name}.nq"
        out[name].write_text("".join(sorted([*kept, *things])), "utf-8")
    return out


def load(path: Path, name: str, target: Target, faults: Exception | None = None) -> None:
    """Load a small build that has no answers; its check finds nothing wrong, or raises."""

    def check(_: RemoteStore) -> dict[str, str]:
        if faults:
            raise faults
        return {}

    remote.load(path, name, {}, target, check, print)


@pytest.fixture(params=["oxigraph", "virtuoso_server"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    """A server whose builds may come and go: an Oxigraph of its own, or the Virtuoso with its builds removed after."""
    if request.param == "oxigraph":
        with oxigraph(tmp_path) as server:
            yield server
    else:
        known: dict[str, RemoteStore] = request.getfixturevalue("published")
        known.pop("virtuoso_server", None)  # it will not be there any more
        yield request.getfixturevalue("virtuoso_server")


LABELS = f'SELECT ?l (COUNT(*) AS ?n) {{ ?s <{RDFS}label> ?l FILTER(STRSTARTS(STR(?s), "urn:thing:")) }} GROUP BY ?l'


@pytest.mark.parametrize("way", ["store", "update"])
def test_a_reader_sees_one_build_or_the_other(
    way: str, empty: Server, two_builds: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a build replaces another, every answer is whole and of one of them, whichever way it is loaded."""
    may_write(empty, monkeypatch)
    target = Target(getattr(empty, way), empty.query)
    load(two_builds["first"], f"{way}-first", target)
    early = RemoteStore(empty.query)
    assert early.query(LABELS).rows[0][0] == Term("literal", "first", "http://www.w3.org/2001/XMLSchema#string")
    seen: set[tuple[str, ...]] = set()
    faults: list[Exception] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            try:
                seen.update(values(RemoteStore(empty.query).query(LABELS)))
            except StoreError as err:
                faults.append(err)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        load(two_builds["second"], f"{way}-second", target)
        while ("second", "3000") not in seen and not faults:
            done.wait(0.05)
    finally:
        done.set()
        reader.join(60)
    assert seen == {("first", "3000"), ("second", "3000")}
    assert faults == []
    assert values(early.query(LABELS)) == [("first", "3000")]  # the build before stays for its readers
    load(two_builds["third"], f"{way}-third", target)
    with pytest.raises(StoreError, match="replaced while it was read"):
        early.query(LABELS)
    assert not early.raw("ASK { ?s ?p ?o }", early.graphs).boolean  # and is gone with the next one
    assert values(RemoteStore(empty.query).query(LABELS)) == [("third", "3000")]


def test_a_build_that_fails_its_check_is_never_seen(
    oxigraph_server: Server, request: pytest.FixtureRequest, two_builds: dict[str, Path]
) -> None:
    """A load that stops half way, or is answered wrongly, leaves readers where they were; the next load clears it away."""
    before = queries.run(loaded(request, "oxigraph_server"), queries.get("reports"))
    with pytest.raises(StoreError, match="answers otherwise"):
        load(two_builds["first"], "never", Target(oxigraph_server.store), StoreError("answers otherwise"))
    assert queries.run(RemoteStore(oxigraph_server.query), queries.get("reports")) == before
    assert len(ready_builds(RemoteStore(oxigraph_server.query).raw)) == 1


def test_statements_that_do_not_arrive_are_missed(
    oxigraph_server: Server,
    request: pytest.FixtureRequest,
    two_builds: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A server that holds fewer statements than it was given is not switched to."""
    loaded(request, "oxigraph_server")
    put = Target.put

    def lossy(self: Target, graph: str, lines: Iterator[str], say: object = None) -> None:
        kept = list(lines)
        put(self, graph, kept[: len(kept) - 1] if len(kept) > 2 else kept)

    monkeypatch.setattr(Target, "put", lossy)
    with pytest.raises(StoreError, match=r"holds \d+ of \d+ statements"):
        load(two_builds["first"], "lossy", Target(oxigraph_server.store))


@pytest.mark.parametrize("way", ["store", "update"])
def test_blank_nodes_stay_whole(
    way: str, oxigraph_server: Server, review: EmbeddedStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many requests it takes, a class expression stays one thing."""
    lines = build.current(CHARTED).dataset().read_text("utf-8").splitlines(keepends=True)
    (tmp_path / "ontology.nq").write_text("".join(x for x in lines if x.endswith("/graph/ontology> .\n")), "utf-8")
    monkeypatch.setattr(loading, "_LINES", {"graphs": 500, "update": 500})
    target = Target(getattr(oxigraph_server, way))
    target.put("urn:blank", merged_lines(tmp_path / "ontology.nq"))
    text = f"SELECT ?c ?p ?v {{ ?c <{RDFS}subClassOf> ?b . ?b <{OWL}onProperty> ?p ; <{OWL}someValuesFrom> ?v FILTER(isIRI(?v)) }} ORDER BY ?c ?p ?v"
    found = RemoteStore(oxigraph_server.query).raw(text, ["urn:blank"])
    assert len(found.rows) > 20
    assert found == review.query(text)
    target.drop("urn:blank")


def test_each_statement_is_sent_once(tmp_path: Path) -> None:
    """A statement of two graphs is one line; terms with spaces and brackets stay whole."""
    path = tmp_path / "a.nq"
    path.write_text('<urn:a> <urn:b> "c <d> e" <urn:g> .\n<urn:a> <urn:b> "c <d> e" <urn:h> .\n', "utf-8")
    assert list(merged_lines(path)) == ['<urn:a> <urn:b> "c <d> e" .\n']


# Credentials --------------------------------------------------------------------------------------------------


class Asking(BaseHTTPRequestHandler):
    """A server that asks for basic authentication and notes what it is shown."""

    shown: list[str]

    def do_GET(self) -> None:
        """Ask who is there."""
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Basic realm="x"')
        self.end_headers()

    def do_PUT(self) -> None:
        """Note the credentials, and refuse them."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.shown.append(self.headers.get("Authorization", ""))
        self.send_response(403)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.mark.parametrize("kind", ["password", "token", "none"])
def test_credentials_come_from_the_environment_and_are_never_shown(
    kind: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Password or token reach the server, and neither the words on screen nor the error."""
    if kind == "password":
        monkeypatch.setenv("REGEN_KG_USER", "ada")
        monkeypatch.setenv("REGEN_KG_PASSWORD", "s3cret")
    elif kind == "token":
        monkeypatch.setenv("REGEN_KG_TOKEN", "s3cret")
    handler = type("Noting", (Asking,), {"shown": []})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        target = Target(f"http://127.0.0.1:{server.server_port}/store")
        with pytest.raises(StoreError, match="REGEN_KG_PASSWORD") as caught:
            target.put("urn:g", ["<urn:a> <urn:b> <urn:c> .\n"])
        server.shutdown()
    wanted = {"password": "Basic YWRhOnMzY3JldA==", "token": "Bearer s3cret", "none": ""}
    assert handler.shown == [wanted[kind]]
    assert not re.search("s3cret|YWRh", str(caught.value) + "".join(capsys.readouterr()))


def test_credentials_go_to_no_other_machine_in_the_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over http, a password is sent to this machine only."""
    monkeypatch.setenv("REGEN_KG_TOKEN", "s3cret")
    with pytest.raises(StoreError, match="by https only"):
        Target("http://example.org/store")
    with pytest.raises(StoreError, match="by https only"):
        RemoteStore("http://example.org/query").query("ASK {}")


def test_an_address_that_tells_nothing_is_refused() -> None:
    """Where the address does not say how graphs are taken, the known ways are listed."""
    with pytest.raises(QueryError, match=r"/sparql-graph-crud-auth.*--endpoint"):
        Target("http://localhost:7878/somewhere")
    with pytest.raises(QueryError, match="without a password"):
        Target("http://ada:s3cret@localhost:7878/store")
