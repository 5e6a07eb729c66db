"""The SPARQL endpoint, run as a real process and asked over real sockets."""

from __future__ import annotations

import csv
import http.client
import io
import json
import multiprocessing
import os
import re
import socket
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

from conftest import load_benchmark, needs
from regen_kg import build, endpoint, queries, worker
from regen_kg.analysis.noted import noted
from regen_kg.cli import main
from regen_kg.errors import InputError
from regen_kg.remote import RemoteStore

CHARTED = Path(__file__).resolve().parent.parent / "graph" / "charted"
SELECT = "SELECT ?s ?label { ?s <http://www.w3.org/2000/01/rdf-schema#label> ?label } ORDER BY ?s ?label LIMIT 200"
CONSTRUCT = "CONSTRUCT { ?s a ?c } WHERE { { SELECT ?s ?c { ?s a ?c FILTER(isIRI(?s)) } ORDER BY ?s ?c LIMIT 50 } }"
PRODUCT = "SELECT (COUNT(*) AS ?n) { ?a ?b ?c . ?d ?e ?f . ?g ?h ?i }"
RESULTS = ox.QueryResultsFormat


class Client:
    """One request at a time to a loopback port."""

    def __init__(self, port: int, process: int = 0) -> None:
        self.port = port
        self.process = process
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

    def held(self) -> int:
        """Return the bytes that the server and its workers hold in memory."""
        processes = [str(self.process)]
        for process in processes:
            for children in Path(f"/proc/{process}/task").glob("*/children"):
                processes += children.read_text().split()
        pages = sum(int(Path(f"/proc/{p}/statm").read_text().split()[1]) for p in processes)
        return pages * os.sysconf("SC_PAGE_SIZE")

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


def _serve(made, taken, limits):
    endpoint.run(made, taken, lambda _: None, limits)


SMALL = worker.Limits(seconds=1, rows=10, memory_bytes=200 << 20, wait_seconds=0.5, body_seconds=0.5, in_flight=5)


@pytest.fixture(scope="module")
def strict(made):
    """A server with small limits."""
    with endpoint.listen(0) as taken:
        # Not a daemon: the server has workers of its own.
        server = multiprocessing.get_context("spawn").Process(target=_serve, args=(made, taken, SMALL))
        server.start()
        port = taken.getsockname()[1]
    try:
        yield Client(port, server.pid)
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


FORM, DIRECT = "application/x-www-form-urlencoded", "application/sparql-query"
MINT = "INSERT DATA { <urn:a> <urn:b> <urn:c> }"
# What the SPARQL 1.1 Protocol asks of a service, sections 2.1 and 2.2: method, parameters in the address, type and body,
# then the statuses that it allows.
PROTOCOL = {
    "query by GET": ("GET", {"query": "ASK {}"}, None, None, {200}),
    "query by POST as a form": ("POST", {}, FORM, "query=ASK%20%7B%7D", {200}),
    "query by POST, direct": ("POST", {}, DIRECT, "ASK {}", {200}),
    "a charset beside the type": ("POST", {}, DIRECT + "; charset=UTF-8", "ASK {}", {200}),
    "graphs in the address of a form": (
        "POST",
        {"default-graph-uri": "@"},
        FORM,
        "query=ASK%7B%3Fs%20%3Fp%20%3Fo%7D",
        {200},
    ),
    "graphs in the form": ("POST", {}, FORM, "query=ASK%7B%7D&default-graph-uri=@", {200}),
    "graphs with a direct query": ("POST", {"named-graph-uri": "@"}, DIRECT, "ASK {}", {200}),
    "a parameter of another server": ("GET", {"query": "ASK {}", "format": "json"}, None, None, {200}),
    "another method": ("PUT", {"query": "ASK {}"}, None, None, {405}),
    "two queries": ("GET", [("query", "ASK {}"), ("query", "SELECT * {}")], None, None, {400}),
    "two queries in a form": ("POST", {}, FORM, "query=ASK%7B%7D&query=ASK%7B%7D", {400}),
    "a query in the address and one direct": ("POST", {"query": "ASK {}"}, DIRECT, "ASK {}", {400}),
    "no query": ("POST", {}, FORM, "", {400}),
    "an empty query": ("GET", {"query": ""}, None, None, {400}),
    "a wrong type": ("POST", {}, "text/plain", "ASK {}", {415}),
    "a form without a type": ("POST", {}, None, "query=ASK%20%7B%7D", {415}),
    "a query without a type": ("POST", {}, None, "ASK {}", {415}),
    "a query in UTF-16": ("POST", {}, DIRECT, "ASK {}".encode("utf-16"), {400}),
    "a form in Latin-1": ("POST", {}, FORM, "query=ASK%7B%3Fs%20%3Fp%20%22%E9%22%7D", {400}),
    "a query that does not parse": ("GET", {"query": "ASK {"}, None, None, {400}),
    "a graph that is not there": ("GET", {"query": "ASK {}", "default-graph-uri": "urn:none"}, None, None, {400}),
    "a graph that is no IRI": ("GET", {"query": "ASK {}", "named-graph-uri": "no iri"}, None, None, {400}),
    "update by GET": ("GET", {"update": MINT}, None, None, {400}),
    "update by POST as a form": ("POST", {}, FORM, urlencode({"update": MINT}), {400}),
    "update by POST, direct": ("POST", {}, "application/sparql-update", MINT, {400}),
    "update as a query": ("POST", {}, DIRECT, MINT, {400}),
    "update beside a query": ("POST", {"query": "ASK {}"}, FORM, urlencode({"update": MINT}), {400}),
    "update with graphs": ("POST", {"using-graph-uri": "@"}, "application/sparql-update", MINT, {400}),
}


@pytest.mark.parametrize("case", PROTOCOL)
def test_the_protocol(client, made, case):
    """Every request of the protocol has its answer; what it forbids has words and no trace in the graph."""
    method, parameters, kind, body, allowed = PROTOCOL[case]
    graph = "https://w3id.org/regen-kg/graph/provenance"
    address = "/sparql?" + urlencode(parameters).replace("%40", graph)
    sent = body.replace("@", graph).encode() if isinstance(body, str) else body
    status, headers, said = client.send(method, address, sent, **({"Content_Type": kind} if kind else {}))
    assert status in allowed, said
    if status == 200:
        assert json.loads(said)["boolean"] is True
    elif status != 405:
        assert headers["content-type"].startswith("text/plain") and len(said) > 20
    assert json.loads(client.ask("ASK { <urn:a> <urn:b> <urn:c> }")[2])["boolean"] is False


def test_the_dataset_of_the_request_wins_over_from(client):
    """Where request and query both name graphs, those of the request count (protocol, 2.1.4)."""
    base = "https://w3id.org/regen-kg/graph/"
    query = f"SELECT ?p FROM <{base}claims> {{ <https://w3id.org/regen-kg/dataset> ?p ?o }} LIMIT 1"
    rows = [
        len(json.loads(client.ask(query, **more)[2])["results"]["bindings"])
        for more in ({}, {"default-graph-uri": base + "provenance"})
    ]
    assert rows == [0, 1]


def test_an_answer_that_is_known_is_not_sent_again(client):
    """An ETag stands for the build, the question and the format; it never outlives one of them."""
    asked = "/sparql?" + urlencode({"query": SELECT})
    paths = (asked, "/sparql", "/void", "/queries/reports.csv", "/queries/gap-matrix.json?placement=charted")
    tags = set()
    for path in paths:
        status, headers, _ = client.send("GET", path)
        tags.add(headers["etag"])
        assert status == 200
        again = client.send("GET", path, If_None_Match=f'"x", {headers["etag"]}')
        assert (again[0], again[1]["etag"], again[2]) == (304, headers["etag"], b"")
        assert client.send("GET", path, If_None_Match='"x"')[0] == 200
    tags.add(client.send("GET", asked, Accept="text/csv")[1]["etag"])
    tags.add(client.send("GET", "/queries/gap-matrix.json")[1]["etag"])
    assert len(tags) == len(paths) + 2 and None not in tags
    assert client.ask("SELECT (NOW() AS ?x) {}")[1]["etag"] is None


def test_head_gives_the_headers_alone(client):
    for path in ("/", "/sparql", "/queries/reports.csv", "/void", "/sparql?" + urlencode({"query": SELECT})):
        status, headers, body = client.send("HEAD", path)
        full = client.send("GET", path)
        assert (status, body) == (200, b"")
        assert headers["content-type"] == full[1]["content-type"]
        assert int(headers["content-length"]) == len(full[2]) > 0


def test_void_names_dataset_and_endpoint(client):
    """Both usual addresses describe the dataset, its graphs and where to ask."""
    bodies = [client.send("GET", path, Accept="application/n-triples")[2] for path in ("/void", "/.well-known/void")]
    said = {q.triple for q in ox.parse(bodies[0], ox.RdfFormat.N_TRIPLES)}
    assert said == {q.triple for q in ox.parse(bodies[1], ox.RdfFormat.N_TRIPLES)}
    dataset, void = ox.NamedNode("https://w3id.org/regen-kg/dataset"), "http://rdfs.org/ns/void#"
    assert ox.Triple(dataset, ox.NamedNode(void + "sparqlEndpoint"), ox.NamedNode(client.address)) in said
    assert sum(t.predicate.value == void + "subset" for t in said) > 60
    assert client.send("GET", "/void", Accept="text/csv")[0] == 406


def test_openapi_is_valid_and_complete(client):
    """The document validates, and every address it gives answers as it says."""
    needs("openapi_spec_validator")
    from openapi_spec_validator import OpenAPIV31SpecValidator, validate
    from openapi_spec_validator.validation.exceptions import OpenAPIValidationError

    document = json.loads(client.send("GET", "/openapi.json")[2])
    validate(document, cls=OpenAPIV31SpecValidator)
    with pytest.raises(OpenAPIValidationError):
        validate({**document, "paths": {"queries": {}}}, cls=OpenAPIV31SpecValidator)
    listed = {f"/queries/{n}.{form}" for n in queries.load_all() for form in ("csv", "json", "ttl")}
    assert listed < set(document["paths"])
    given = document["paths"]["/queries/gap-matrix.csv"]["get"]["parameters"][0]["schema"]
    assert given == {"type": "string", "enum": ["charted", "population"], "default": "population"}
    for path in [*sorted(set(document["paths"]) - listed), "/queries/arms.csv", "/queries/reports.json"]:
        status, headers, _ = client.send("GET", path)
        media = document["paths"][path]["get"]["responses"]["200"]["content"]
        assert status == 200 and headers["content-type"].split(";")[0] in media


def test_metrics_count_what_happens(strict):
    """Counters move by what was done, in the format that Prometheus reads."""
    needs("prometheus_client")
    from prometheus_client.parser import text_string_to_metric_families

    def counted():
        text = strict.send("GET", "/metrics")[2].decode()
        return {
            (s.name, *sorted(s.labels.values())): s.value
            for f in text_string_to_metric_families(text)
            for s in f.samples
        }

    before = counted()
    strict.ask("ASK {}")
    strict.ask("ASK {")
    strict.ask(PRODUCT)
    after = counted()
    moved = {k: v - before.get(k, 0) for k, v in after.items() if v != before.get(k, 0)}
    assert moved.pop(("regen_kg_query_seconds_sum",)) > SMALL.seconds
    assert moved.pop(("regen_kg_requests_total", "/metrics", "200")) == 1
    assert {k: v for k, v in moved.items() if "bucket" not in k[0]} == {
        ("regen_kg_requests_total", "/sparql", "200"): 1,
        ("regen_kg_requests_total", "/sparql", "400"): 1,
        ("regen_kg_requests_total", "/sparql", "503"): 1,
        ("regen_kg_refusals_total",): 1,
        ("regen_kg_stopped_total",): 1,
        ("regen_kg_worker_restarts_total",): 1,
        ("regen_kg_query_seconds_count",): 3,
    }
    assert after["regen_kg_in_flight",] == 1 and after["regen_kg_errors_total",] == 0


def test_the_front_page_names_what_there_is(client):
    """It links to every saved question, every link leads somewhere, and it fetches nothing and runs nothing."""
    status, headers, body = client.send("GET", "/")
    page = body.decode()
    assert status == 200 and headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in headers["content-security-policy"]
    links = set(re.findall(r'href="([^"]+)"', page))
    assert {f"/queries/{name}.csv" for name in queries.load_all()} < links
    assert {"/sparql", "/void", "/openapi.json", "/queries", "/metrics"} < links
    assert all(link.startswith("/") for link in links) and "<script" not in page and "src=" not in page
    for link in sorted(links - {f"/queries/{n}.{f}" for n in queries.load_all() for f in ("json", "ttl")}):
        assert client.send("GET", link)[0] == 200, link


def test_accept_header(client):
    assert client.ask(SELECT, "text/html,text/csv;q=0.4,*/*;q=0.1")[1]["content-type"].startswith("text/csv")
    assert client.ask(SELECT, "text/csv;q=0.3, text/tab-separated-values;q=0.31")[1]["content-type"].startswith(
        "text/tab"
    )
    assert client.ask(SELECT, "text/csv;q=0, */*;q=0.1")[1]["content-type"] == "application/sparql-results+json"
    assert client.ask(SELECT, "")[1]["content-type"] == "application/sparql-results+json"
    assert b"text/csv, text/tab-separated-values" in client.ask(SELECT, "image/png")[2]
    assert client.ask(SELECT, "application/*")[1]["content-type"] == "application/sparql-results+json"
    for query, accept in (
        (SELECT, "image/png"),
        (SELECT, "text/turtle"),
        (CONSTRUCT, "text/csv"),
        ("ASK {}", "*/*;q=0"),
        (SELECT, "text/csv;q=0, text/turtle"),
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
        ("SELECT * { \\u0053ERVICE <http://127.0.0.1:1/> { ?s ?p ?o } }", "SERVICE is refused"),
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
    status, headers, body = client.send("GET", "/queries/gap-matrix.ttl?placement=charted")
    assert status == 200 and headers["content-type"].startswith("text/turtle")
    solutions = [q for q in ox.parse(body, ox.RdfFormat.TURTLE) if q.predicate.value.endswith("#solution")]
    assert len(solutions) == 55
    _, headers, body = client.send("GET", "/queries/results.json?outcome=aofas")
    wanted = noted(made.store(), queries.get("results"), json.loads(body), {"outcome": "aofas"}).lines()
    assert "kim-2014a-garbled" in headers["x-noted"] and headers["x-noted"].startswith(wanted[0])
    for path, code, words in (
        ("gap-matrix.csv?placement=chartered", 400, 'nearest: "charted"'),
        ("gap-matrix.csv?place=charted", 400, "it has placement"),
        ("gap-matrix.csv?placement=charted&placement=charted", 400, "given twice"),
        ("gap-matrx.csv", 404, 'nearest: "gap-matrix"'),
        ("gap-matrix.xlsx", 404, "csv, json, ttl"),
    ):
        status, _, body = client.send("GET", f"/queries/{path}")
        assert status == code and words in body.decode()


def test_health(client, made):
    status, _, body = client.send("GET", "/health")
    assert status == 200 and json.loads(body)["status"] == "ok"
    assert json.loads(body)["quads"] == len(made.store().native)
    assert json.loads(body)["build"] == made.manifest["files"]["regen-kg.nq"]


def test_a_query_without_end_is_stopped_and_the_next_one_answers(strict):
    assert strict.ask("ASK {}")[0] == 200
    before = time.monotonic()
    status, headers, body = strict.ask(PRODUCT)
    assert time.monotonic() - before < SMALL.seconds + 1
    assert status == 503 and b"longer than 1 seconds" in body and headers["retry-after"]
    assert strict.ask("ASK { ?s ?p ?o }")[2] == b'{"head":{},"boolean":true}'


def test_a_query_that_takes_all_memory_is_stopped(strict):
    before = time.monotonic()
    status, _, body = strict.ask("SELECT * { ?a ?b ?c . ?d ?e ?f } ORDER BY ?c ?f")
    assert time.monotonic() - before < SMALL.seconds + 1
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


ALL = "?a ?b ?c . ?d ?e ?f . ?g ?h ?i"
DOUBLED = " ".join(f"BIND(CONCAT(?x{n}, ?x{n}) AS ?x{n + 1})" for n in range(40))
REPLACED = " ".join(f'BIND(REPLACE(?x{n}, ".", ?x{n}) AS ?x{n + 1})' for n in range(8))
HOSTILE = {
    "product": f"SELECT (COUNT(*) AS ?n) {{ {ALL} }}",
    "product, sorted": f"SELECT * {{ {ALL} }} ORDER BY ?c ?f ?i",
    "product, distinct": f"SELECT DISTINCT ?a ?f ?i {{ {ALL} }} ORDER BY ?i",
    "product, skipped": f"SELECT * {{ {ALL} }} OFFSET 1000000000000 LIMIT 1",
    "product, grouped": f"SELECT ?a ?f (COUNT(DISTINCT ?i) AS ?n) {{ {ALL} }} GROUP BY ?a ?f HAVING (COUNT(?h) > 3)",
    "product, asked for": f"ASK {{ {ALL} FILTER(?a = ?f && ?f = ?i && ?i != ?a) }}",
    "product in an aggregate": f"SELECT (GROUP_CONCAT(?c) AS ?x) {{ {ALL} }}",
    "product of sub-queries": "SELECT (COUNT(*) AS ?n) { { SELECT ?a ?c { ?a ?b ?c } } { SELECT ?d ?f { ?d ?e ?f } } { SELECT ?g { ?g ?h ?i } } }",
    "large CONSTRUCT": f"CONSTRUCT {{ ?a ?e ?i . ?d ?h ?c . ?g ?b ?f }} WHERE {{ {ALL} FILTER(isLiteral(?a)) }}",
    "everything described": "DESCRIBE ?a ?c ?d ?f { ?a ?b ?c . ?d ?e ?f }",
    "deep paths": "SELECT * { ?a (!<a:a>)* ?b . ?b (!<a:b>)* ?c . ?c (!<a:c>)* ?d } ORDER BY ?d",
    "path there and back": "SELECT (COUNT(*) AS ?n) { ?a (!<a:a>|!^<a:a>)+ ?b . ?b (!<a:a>|!^<a:a>)+ ?c }",
    "path with many branches": "SELECT (COUNT(*) AS ?n) { ?a ("
    + "|".join(f"!<a:{n}>" for n in range(3000))
    + ")* ?b }",
    "nested OPTIONAL": "SELECT (COUNT(*) AS ?n) { "
    + "".join(f"OPTIONAL {{ ?s{n} ?p{n} ?o{n} " for n in range(30))
    + "}" * 31,
    "NOT EXISTS without a link": "SELECT (COUNT(*) AS ?n) { ?a ?b ?c . ?d ?e ?f FILTER NOT EXISTS { ?g ?h ?i FILTER(?i = ?a) } }",
    "MINUS of a product": f"SELECT * {{ ?a ?b ?c MINUS {{ {ALL} FILTER(?c > ?f) }} }} ORDER BY ?a",
    "UNION of many": "SELECT (COUNT(*) AS ?n) { " + " UNION ".join(["{ ?a ?b ?c . ?d ?e ?f }"] * 2000) + " }",
    "regular expression": 'SELECT (COUNT(*) AS ?n) { ?a ?b ?c . ?d ?e ?f FILTER(REGEX(CONCAT(STR(?c), STR(?f)), "(.*a.*){20}x")) }',
    "large regular expression": 'SELECT (COUNT(*) AS ?n) { ?a ?b ?c FILTER(REGEX(STR(?c), "((a{0,200}){0,200}){0,200}")) }',
    "doubled strings": f'SELECT (STRLEN(?x40) AS ?n) {{ BIND("0123456789" AS ?x0) {DOUBLED} }}',
    "REPLACE with itself": f'SELECT (STRLEN(?x8) AS ?n) {{ BIND("0123456789" AS ?x0) {REPLACED} }}',
    "large VALUES": "SELECT (COUNT(*) AS ?n) { "
    + " ".join(f"VALUES ?v{n} {{ {' '.join(map(str, range(3000)))} }}" for n in range(5))
    + " }",
    "large IN": "SELECT (COUNT(*) AS ?n) { ?a ?b ?c . ?d ?e ?f FILTER(?c IN ("
    + ",".join(map(str, range(9000)))
    + ")) }",
    "deep brackets": "SELECT * {" + "{" * 40_000,
    "deep sums": "SELECT (" + "(" * 20_000 + "1" + ")" * 20_000 + " AS ?x) {}",
    "endless quotes": '"' + '\\"' * 45_000,
    "words that are looked for": "SELECT * { ?s ?p '" + "FROM SERVICE " * 7000 + "' }",
    "prologue without end": "PREFIX a:<b>#\n" * 6000 + "FROM",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_queries_end_in_time_and_hold_up_nobody(strict, name):
    """Each is answered, refused or stopped within a second of the limit, and the next query is answered."""
    query = HOSTILE[name]
    assert len(query) <= SMALL.query_bytes
    strict.ask("ASK {}")
    got = []
    thread = threading.Thread(target=lambda: got.append(strict.post(query, "application/sparql-query")[0]))
    before = time.monotonic()
    thread.start()
    time.sleep(0.1)
    assert strict.send("GET", "/health")[0] == 200
    assert time.monotonic() - before < 1
    thread.join()
    assert time.monotonic() - before < SMALL.seconds + 1
    assert got[0] in (200, 400, 503)
    assert strict.ask("ASK { ?s ?p ?o }")[2] == b'{"head":{},"boolean":true}'


def settled(server):
    """The memory of a server, once replaced workers have loaded."""
    held = [0]
    while len(held) < 4 or max(held[-3:]) - min(held[-3:]) > 1 << 20:
        time.sleep(0.3)
        held.append(server.held())
        assert len(held) < 100
    return held[-1]


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc, which only Linux has")
def test_memory_comes_back(strict):
    """After queries that fill their process and are stopped, the service holds what it held before."""
    before = settled(strict)
    for name in ("product, sorted", "doubled strings", "product, distinct"):
        assert strict.ask(HOSTILE[name])[0] == 503
        assert strict.ask("ASK { ?s ?p ?o }")[0] == 200
    assert before > 60 << 20
    assert settled(strict) < before + (SMALL.workers * SMALL.memory_bytes // 8)


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc, which only Linux has")
def test_a_process_that_kept_much_of_an_answered_query_is_replaced(made):
    """A query within its limits may leave its process large; the next one then gets a new process."""
    one = worker.Worker(made.dataset(), worker.Limits(memory_bytes=120 << 20))
    try:
        filled = 'SELECT (STRLEN(?x21) AS ?n) { BIND("0123456789" AS ?x0) ' + DOUBLED.split("BIND(CONCAT(?x21")[0] + "}"
        for query, restarts in (("ASK { ?s ?p ?o }", 0), (filled, 1), ("ASK { ?s ?p ?o }", 1)):
            assert one.query(worker.Job(query, None, next(iter(worker.TABLES)), None)).status == 200
            assert one.restarts == restarts
    finally:
        one.close()


def test_too_many_requests_at_once_are_turned_away(strict):
    """Beyond the places there is a 503 with Retry-After at once, and the service goes on."""
    got = []
    threads = [threading.Thread(target=lambda: got.append(strict.ask(PRODUCT))) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    full = [(headers, body) for status, headers, body in got if b"requests are being answered" in body]
    assert {status for status, _, _ in got} == {503} and full
    assert all(headers["retry-after"] for _, headers, _ in got)
    assert strict.ask("ASK { ?s ?p ?o }")[0] == 200


def test_a_body_that_does_not_come_is_not_waited_for(strict):
    """A request that stops in its middle is told so and gives its place back."""
    with socket.create_connection(("127.0.0.1", strict.port), 10) as link:
        link.sendall(
            b"POST /sparql HTTP/1.1\r\nHost: h\r\nContent-Type: application/sparql-query\r\nContent-Length: 9\r\n\r\nASK"
        )
        assert link.recv(1000).startswith(b"HTTP/1.1 408 ")
    assert strict.ask("ASK { ?s ?p ?o }")[0] == 200


def test_fifty_readers_meet_no_error(client):
    """Half a minute of fifty readers at once: every answer is right, none is missing."""
    readers = load_benchmark("readers")
    found = readers.read(client.port, 50, 30)
    assert found.faults == []
    assert len(found.seconds) > 500 and found.not_modified > 50


def test_a_taken_port_is_said_in_words(capsys):
    with endpoint.listen(0) as taken:
        port = taken.getsockname()[1]
        assert main(["serve", "--port", str(port)]) == 2
        assert f"port {port} is taken" in capsys.readouterr().err
    with pytest.raises(InputError, match="cannot be used"):
        endpoint.listen(70_000)
    with pytest.raises(InputError, match=r"of nowhere\.invalid cannot be used"):
        endpoint.listen(0, "nowhere.invalid")


def test_binding_wider_is_warned_of(made, monkeypatch):
    """Without --host only this machine can ask; with another address there is a warning."""
    said = []
    monkeypatch.setattr("uvicorn.Server.run", lambda self, sockets: None)
    for host in (endpoint.LOOPBACK, "0.0.0.0"):
        with endpoint.listen(0, host) as taken:
            assert taken.getsockname()[0] == host
            endpoint.run(made, taken, said.append)
    assert [line.split(":")[0] for line in said] == ["SPARQL is at http", "warning", "SPARQL is at http"]
    assert "open to other machines" in said[1]
