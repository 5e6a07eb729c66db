"""The SPARQL endpoint, run as a real process and asked over real sockets."""

from __future__ import annotations

import csv
import http.client
import io
import json
import multiprocessing
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlencode

import pyoxigraph as ox
import pytest
from rdflib.plugins.stores.sparqlstore import SPARQLStore
from SPARQLWrapper import JSON, POST, POSTDIRECTLY, SPARQLWrapper

from regen_kg import build, endpoint, queries, worker
from regen_kg.cli import main
from regen_kg.errors import InputError
from regen_kg.store import RemoteStore

CHARTED = Path(__file__).resolve().parent.parent / "graph" / "charted"
SELECT = "SELECT ?s ?label { ?s <http://www.w3.org/2000/01/rdf-schema#label> ?label } ORDER BY ?s ?label LIMIT 200"
CONSTRUCT = "CONSTRUCT { ?s a ?c } WHERE { { SELECT ?s ?c { ?s a ?c FILTER(isIRI(?s)) } ORDER BY ?s ?c LIMIT 50 } }"
PRODUCT = "SELECT (COUNT(*) AS ?n) { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i }"
RESULTS = ox.QueryResultsFormat


class Client:
    """One request at a time to a loopback port."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.address = f"http://127.0.0.1:{port}/sparql"

    def send(self, method: str, path: str, body: bytes | None = None, **headers: str):
        """Return status, headers and body."""
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            link.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
            got = link.getresponse()
            return got.status, got.headers, got.read()
        finally:
            link.close()

    def ask(self, query: str, accept: str = "*/*", **more: str):
        """Ask by GET."""
        return self.send("GET", "/sparql?" + urlencode({"query": query, **more}), Accept=accept)

    def post(self, body: str | bytes, kind: str, path: str = "/sparql"):
        """Ask by POST."""
        return self.send("POST", path, body.encode() if isinstance(body, str) else body, Content_Type=kind)


@pytest.fixture(scope="module")
def made():
    return build.current(CHARTED)


@pytest.fixture(scope="module")
def client(made):
    """`regen-kg serve` as its user starts it, on a port that the system picks."""
    command = [sys.executable, "-m", "regen_kg.cli", "serve", "--port", "0", "--charted", str(CHARTED)]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        line = server.stderr.readline()
        assert "SPARQL is at http://127.0.0.1:" in line
        yield Client(int(line.split(":")[2].split("/")[0]))
    finally:
        server.terminate()
        out, err = server.communicate(timeout=15)
    assert (out, err) == ("", "")


def _serve(nquads, taken, limits):
    endpoint.run(nquads, taken, lambda _: None, limits)


@pytest.fixture(scope="module")
def strict(made):
    """A server with small limits."""
    limits = worker.Limits(seconds=2, rows=10, memory_bytes=200 << 20, wait_seconds=0.5)
    with endpoint.listen(0) as taken:
        # Not a daemon: the server has workers of its own.
        server = multiprocessing.get_context("spawn").Process(
            target=_serve, args=(made.folder / "regen-kg.nq", taken, limits)
        )
        server.start()
        port = taken.getsockname()[1]
    try:
        yield Client(port)
    finally:
        server.terminate()
        server.join(15)
        assert server.exitcode is not None


def test_sparqlwrapper_gets_the_embedded_rows(client, made):
    wanted = [tuple(t.value for t in row) for row in made.store().query(SELECT).rows]
    wrapper = SPARQLWrapper(client.address, returnFormat=JSON)
    wrapper.setQuery(SELECT)
    for method, how in (("GET", None), (POST, None), (POST, POSTDIRECTLY)):
        wrapper.setMethod(method)
        if how:
            wrapper.setRequestMethod(how)
        rows = wrapper.query().convert()["results"]["bindings"]
        assert [(r["s"]["value"], r["label"]["value"]) for r in rows] == wanted
    assert len(wanted) == 200


def test_rdflibs_store_and_our_own_client_get_them_too(client, made):
    wanted = made.store().query(SELECT)
    assert RemoteStore(client.address).query(SELECT) == wanted
    rows = SPARQLStore(client.address).query(SELECT)
    assert [tuple(map(str, r)) for r in rows] == [tuple(t.value for t in row) for row in wanted.rows]


def test_get_and_both_posts_give_the_same(client):
    by_get = client.ask(SELECT)
    by_form = client.post(urlencode({"query": SELECT}), "application/x-www-form-urlencoded; charset=UTF-8")
    direct = client.post(SELECT, "application/sparql-query")
    assert by_get[0] == by_form[0] == direct[0] == 200
    assert by_get[2] == by_form[2] == direct[2]
    assert by_get[1]["Access-Control-Allow-Origin"] is None  # only to those that ask from elsewhere
    assert client.send("GET", "/health", Origin="http://e.org")[1]["Access-Control-Allow-Origin"] == "*"
    preflight = client.send("OPTIONS", "/sparql", Origin="http://e.org", Access_Control_Request_Method="POST")
    assert preflight[0] == 200 and "POST" in preflight[1]["Access-Control-Allow-Methods"]


def test_each_table_format_holds_the_engines_own_rows(client, made):
    # Values of every kind: with language, datatype, unbound, with tabs, quotes and line ends.
    hard = 'SELECT * { VALUES (?a ?b) { ("x\\t\\"y\\"\\n,"@en UNDEF) (1.50 <http://e/>) (true "é\U0001f600") } }'
    native = made.store().native
    for query in (SELECT, hard):
        for media, form in (
            ("application/sparql-results+json", RESULTS.JSON),
            ("application/sparql-results+xml", RESULTS.XML),
            ("text/tab-separated-values", RESULTS.TSV),
        ):
            status, headers, body = client.ask(query, media)
            assert (status, headers["content-type"].split(";")[0]) == (200, media)
            found = ox.parse_query_results(body, form)
            wanted = native.query(query, use_default_graph_as_union=True)
            assert [v.value for v in found.variables] == [v.value for v in wanted.variables]
            assert [tuple(r) for r in found] == [tuple(r) for r in wanted]
        status, headers, body = client.ask(query, "text/csv")
        assert (status, headers["content-type"].split(";")[0]) == (200, "text/csv")
        wanted = native.query(query, use_default_graph_as_union=True)
        rows = list(csv.reader(io.StringIO(body.decode(), newline="")))[1:]
        assert rows == [["" if c is None else c.value for c in r] for r in wanted]


def test_ask_and_graph_formats(client, made):
    for media, form in (
        ("application/sparql-results+json", RESULTS.JSON),
        ("application/sparql-results+xml", RESULTS.XML),
    ):
        assert bool(ox.parse_query_results(client.ask("ASK { ?s ?p ?o }", media)[2], form))
    native = made.store().native
    wanted = set(native.query(CONSTRUCT, use_default_graph_as_union=True))
    for media, form in (
        ("*/*", ox.RdfFormat.TURTLE),
        ("text/turtle", ox.RdfFormat.TURTLE),
        ("application/n-triples", ox.RdfFormat.N_TRIPLES),
        ("application/ld+json", ox.RdfFormat.JSON_LD),
        ("application/rdf+xml", ox.RdfFormat.RDF_XML),
    ):
        status, headers, body = client.ask(CONSTRUCT, media)
        assert status == 200 and headers["content-type"].split(";")[0] == media.replace("*/*", "text/turtle")
        assert {q.triple for q in ox.parse(body, form)} == wanted
    assert client.ask("DESCRIBE ?s { ?s a ?c } LIMIT 1")[0] == 200


def test_accept_header(client):
    assert client.ask(SELECT, "text/html,text/csv;q=0.4,*/*;q=0.1")[1]["content-type"].startswith("text/csv")
    assert client.ask(SELECT, "application/*")[1]["content-type"] == "application/sparql-results+json"
    for query, accept in (
        (SELECT, "image/png"),
        (SELECT, "text/turtle"),
        (CONSTRUCT, "text/csv"),
        ("ASK {}", "*/*;q=0"),
    ):
        status, _, body = client.ask(query, accept)
        assert status == 406 and b"accept" in body
    assert client.send("GET", "/sparql", Accept="text/csv")[0] == 406


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("SELECT * {", "does not parse"),
        ("", "does not parse"),
        ("SELECT * { SERVICE <http://127.0.0.1:1/> { ?s ?p ?o } }", "SERVICE is refused"),
        ("INSERT DATA { <a:a> <a:b> <a:c> }", "INSERT is refused"),
        ("LOAD <file:///etc/passwd>", "LOAD is refused"),
        ("SELECT * { \\u0053ERVICE <http://127.0.0.1:1/> { ?s ?p ?o } }", "\\u escape"),
    ],
)
def test_refused_queries_say_why(client, query, words):
    for status, _, body in (client.ask(query), client.post(query, "application/sparql-query")):
        assert status == 400 and words in body.decode()


def test_refused_requests_say_why(client):
    form = "application/x-www-form-urlencoded"
    assert client.post("update=CLEAR+ALL", form)[::2] == (400, b"updates are refused: the graph is read-only\n")
    assert client.post("CLEAR ALL", "application/sparql-update")[0] == 400
    assert client.post("query=ASK{}&query=ASK{}", form)[0] == 400
    assert client.post("query=%FF", form)[0] == 400
    assert client.post(b"\xff", "application/sparql-query")[0] == 400
    assert client.post("", form)[0] == 400
    assert client.post("ASK {}", "text/plain")[0] == 415
    assert client.post("#" * 100_001, "application/sparql-query")[0] == 413
    assert client.post("#" * 500_000, "application/sparql-query")[0] == 413
    assert client.send("DELETE", "/sparql")[0] == 405
    assert client.ask("ASK {} #" + "x" * 90_000)[0] == 200


def test_datasets_are_honoured(client, made):
    def count(query: str = "SELECT (COUNT(*) AS ?n) { ?s ?p ?o }", **more: str) -> int:
        status, _, body = client.ask(query, **more)
        assert status == 200, body
        return int(json.loads(body)["results"]["bindings"][0]["n"]["value"])

    native = made.store().native
    graph = next(g for g in native.named_graphs() if g.value.endswith("provenance"))
    held = len(list(native.quads_for_pattern(None, None, None, graph)))
    assert count() == len({q.triple for q in native}) > held > 0
    assert count(**{"default-graph-uri": graph.value}) == held
    assert count(f"SELECT (COUNT(*) AS ?n) FROM <{graph.value}> {{ ?s ?p ?o }}") == held
    assert count(**{"named-graph-uri": graph.value}) == 0
    inside = "SELECT (COUNT(*) AS ?n) { GRAPH ?g { ?s ?p ?o } }"
    assert count(inside, **{"named-graph-uri": graph.value}) == held
    status, _, body = client.ask(SELECT, **{"default-graph-uri": "http://e.org/none"})
    assert status == 400 and b"<http://e.org/none> is no graph of this dataset" in body


def test_service_description(client, made):
    status, headers, body = client.send("GET", "/sparql")
    assert status == 200 and headers["content-type"].startswith("text/turtle")
    triples = {q.triple for q in ox.parse(body, ox.RdfFormat.TURTLE)}
    me = ox.NamedNode(client.address)
    said = {
        (t.predicate.value.split("#")[1], getattr(t.object, "value", "").split("#")[-1])
        for t in triples
        if t.subject == me
    }
    assert {("type", "Service"), ("endpoint", client.address), ("supportedLanguage", "SPARQL11Query")} <= said
    assert ("feature", "UnionDefaultGraph") in said
    assert sum(p == "resultFormat" for p, _ in said) == 8
    names = {t.object for t in triples if t.predicate.value.endswith("#name")}
    assert names == set(made.store().native.named_graphs())


def test_saved_questions(client, made):
    status, _, body = client.send("GET", "/queries")
    listed = {q["name"]: q for q in json.loads(body)}
    assert status == 200 and set(listed) == set(queries.load_all())
    assert listed["gap-matrix"]["parameters"][0]["name"] == "placement"
    status, headers, body = client.send("GET", "/queries/gap-matrix.csv?placement=charted")
    assert status == 200 and headers["content-type"].startswith("text/csv")
    assert len(body.decode().splitlines()) == 56
    status, _, body = client.send("GET", "/queries/gap-matrix.json?placement=charted")
    assert json.loads(body) == queries.run(made.store(), queries.get("gap-matrix"), {"placement": "charted"})
    for path, code, words in (
        ("gap-matrix.csv?placement=chartered", 400, 'nearest: "charted"'),
        ("gap-matrix.csv?place=charted", 400, "it has placement"),
        ("gap-matrix.csv?placement=charted&placement=charted", 400, "given twice"),
        ("gap-matrx.csv", 404, 'nearest: "gap-matrix"'),
        ("gap-matrix.xlsx", 404, "csv and json"),
    ):
        status, _, body = client.send("GET", f"/queries/{path}")
        assert status == code and words in body.decode()


def test_health(client, made):
    status, _, body = client.send("GET", "/health")
    assert status == 200 and json.loads(body)["status"] == "ok"
    assert json.loads(body)["quads"] == len(made.store().native)


def test_a_query_without_end_is_stopped_and_the_next_one_answers(strict):
    assert strict.ask("ASK {}")[0] == 200
    before = time.monotonic()
    status, headers, body = strict.ask(PRODUCT)
    assert time.monotonic() - before < 4
    assert status == 503 and b"longer than 2 seconds" in body and headers["retry-after"]
    assert strict.ask("ASK { ?s ?p ?o }")[2] == b'{"head":{},"boolean":true}'


def test_a_query_that_takes_all_memory_is_stopped(strict):
    before = time.monotonic()
    status, _, body = strict.ask("SELECT * { ?a ?b ?c . ?d ?e ?f } ORDER BY ?c ?f")
    assert time.monotonic() - before < 4
    assert status == 503 and b"was stopped" in body
    assert strict.ask("ASK { ?s ?p ?o }")[0] == 200


def test_rows_are_capped_and_the_answer_says_so(strict):
    status, headers, body = strict.ask("SELECT * { ?a ?b ?c . ?d ?e ?f }")
    assert status == 200 and headers["x-truncated"] == "true" and len(json.loads(body)["results"]["bindings"]) == 10
    status, headers, body = strict.ask("SELECT * { ?a ?b ?c } LIMIT 10")
    assert "x-truncated" not in headers and len(json.loads(body)["results"]["bindings"]) == 10
    status, headers, body = strict.ask("CONSTRUCT WHERE { ?a ?b ?c }", "application/n-triples")
    assert headers["x-truncated"] == "true" and len(body.splitlines()) == 10


def test_a_third_query_is_told_that_the_service_is_busy(strict):
    strict.ask("ASK {}")
    slow = [threading.Thread(target=strict.ask, args=(PRODUCT,)) for _ in range(2)]
    for thread in slow:
        thread.start()
    time.sleep(0.5)
    status, _, body = strict.ask("ASK {}")
    assert status == 503 and b"busy" in body
    assert strict.send("GET", "/health")[0] == 200
    for thread in slow:
        thread.join()
    assert strict.ask("ASK {}")[0] == 200


def _try_to_leave(pipe, query):
    worker._confine(1 << 30)
    try:
        pipe.send(f"answered {list(ox.Store().query(query))}")
    except OSError as err:
        pipe.send(f"refused {err}")


@pytest.mark.skipif(sys.platform == "win32", reason="no such limit there; SERVICE is refused by its name alone")
def test_a_worker_can_open_no_connection():
    """Past the refusal of SERVICE by its name, the process itself has no way out."""
    context = multiprocessing.get_context("spawn")
    with endpoint.listen(0) as trap:
        trap.settimeout(0.2)
        ours, theirs = context.Pipe()
        query = f"SELECT * {{ SERVICE <http://127.0.0.1:{trap.getsockname()[1]}/> {{ ?s ?p ?o }} }}"
        process = context.Process(target=_try_to_leave, args=(theirs, query), daemon=True)
        process.start()
        try:
            assert ours.poll(20) and ours.recv().startswith("refused")
        finally:
            process.kill()
            process.join()
        with pytest.raises(TimeoutError):
            trap.accept()


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * {" + "{" * 40_000,
        '"' + '\\"' * 45_000,
        "SELECT (GROUP_CONCAT(?c) AS ?x) { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i }",
        "SELECT * { ?a (!<a:a>)* ?b . ?b (!<a:b>)* ?c . ?c (!<a:c>)* ?d } ORDER BY ?d",
        "SELECT DISTINCT ?a ?f ?i { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i } ORDER BY ?i",
        'SELECT (COUNT(*) AS ?n) { ?a ?b ?c . ?d ?e ?f FILTER(REGEX(CONCAT(STR(?c), STR(?f)), "(.*a.*){20}x")) }',
    ],
)
def test_hostile_queries_end_in_time_and_hold_up_nobody(strict, query):
    strict.ask("ASK {}")
    thread = threading.Thread(target=strict.post, args=(query, "application/sparql-query"))
    before = time.monotonic()
    thread.start()
    time.sleep(0.1)
    assert strict.send("GET", "/health")[0] == 200
    assert time.monotonic() - before < 1
    thread.join()
    assert time.monotonic() - before < 4
    assert strict.ask("ASK { ?s ?p ?o }")[0] == 200


def test_a_taken_port_is_said_in_words(capsys):
    with endpoint.listen(0) as taken:
        port = taken.getsockname()[1]
        assert main(["serve", "--port", str(port)]) == 2
        assert f"port {port} is taken" in capsys.readouterr().err
    with pytest.raises(InputError, match="cannot be used"):
        endpoint.listen(70_000)
