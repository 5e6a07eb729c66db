"""What other endpoints say of our terms: two real servers, and servers that fail in every usual way."""

from __future__ import annotations

import csv
import http.server
import io
import json
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from conftest import Server, free_port, oxigraph, virtuoso
from regen_kg import cli, lookup

# True identifiers and labels; wording of synonyms and the choice of terms are ours.
MONDO = """@prefix obo: <http://purl.obolibrary.org/obo/> . @prefix owl: <http://www.w3.org/2002/07/owl#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> . @prefix oio: <http://www.geneontology.org/formats/oboInOwl#> .
obo:MONDO_0004833 a owl:Class ; rdfs:label "plantar fasciitis" ; oio:hasExactSynonym "inflammation of the plantar fascia"@en ,
  "Plantarfasziitis"@de ; rdfs:subClassOf obo:MONDO_0004830 , [ a owl:Restriction ] .
obo:MONDO_0004830 a owl:Class ; rdfs:label "fasciitis" ; owl:deprecated true .
obo:UBERON_0008783 a owl:Class ; rdfs:label "Plantar Fascia"@en .
<http://example.org/blood> rdfs:label "blood" .
"""


def put(server: Server, graph: str, text: str) -> None:
    """Put a named graph into a server."""
    digest = urllib.request.HTTPPasswordMgrWithDefaultRealm()
    digest.add_password(None, server.store, server.user, server.password)
    opener = urllib.request.build_opener(urllib.request.HTTPDigestAuthHandler(digest))
    request = urllib.request.Request(
        f"{server.store}?graph={graph}", text.encode(), {"Content-Type": "text/turtle"}, method="PUT"
    )
    opener.open(request, timeout=60).close()


@pytest.fixture(scope="module", params=[oxigraph, virtuoso])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Each server in turn, holding nothing but the small Mondo in a named graph."""
    with request.param(tmp_path_factory.mktemp("server")) as found:
        put(found, "urn:mondo", MONDO)
        yield found


def ask(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, list[dict[str, str]], str]:
    code = cli.main(["link", "lookup", *words, "--format", "csv"])
    out, err = capsys.readouterr()
    return code, list(csv.DictReader(io.StringIO(out))), err


def test_real_servers_say_what_they_hold(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    """Label, English synonyms and parents of mapped terms come from named graphs; terms not held say so."""
    code, rows, err = ask(capsys, "plantar-fasciitis", "--endpoint", server.query)
    assert (code, err) == (0, "")
    by = {r["object"]: r for r in rows}
    assert by["mondo:0004833"] == {
        "concept": "plantar-fasciitis", "predicate": "skos:exactMatch", "object": "mondo:0004833",
        "expected_label": "plantar fasciitis", "found": "true", "label": "plantar fasciitis",
        "synonyms": "inflammation of the plantar fascia", "parents": "mondo:0004830 fasciitis", "retired": "false",
    }  # fmt: skip
    assert (by["mondo:0004830"]["found"], by["mondo:0004830"]["retired"]) == ("true", "true")
    others = [r for r in rows if not r["object"].startswith("mondo:")]
    assert others and {(r["found"], r["label"], r["retired"]) for r in others} == {("false", "", "")}


def test_unmapped_terms_are_looked_up_by_wording(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    """A term mapped to nothing is found by its label, whatever the case; one that nobody has is an answer too."""
    code, rows, _ = ask(capsys, "blood", "--endpoint", server.query)
    assert (code, [(r["predicate"], r["object"], r["label"]) for r in rows]) == (0, [("", "http://example.org/blood", "blood")])  # fmt: skip
    code, rows, err = ask(capsys, "talar-tilt", "--endpoint", server.query)
    assert (code, rows) == (0, []) and "no term of its names" in err


Answering = Callable[[http.server.BaseHTTPRequestHandler, int], None]


@contextmanager
def faulty(answering: Answering) -> Iterator[tuple[str, list[int]]]:
    """Run a server that answers as told; the list grows by one per request."""
    seen: list[int] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            seen.append(len(seen))
            answering(self, len(seen))

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    listening = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listening.daemon_threads = True
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listening.server_port}/sparql", seen
    finally:
        listening.shutdown()
        listening.server_close()


def send(code: int, body: bytes, kind: str = "application/sparql-results+json", **headers: str) -> Answering:
    """Answer always alike."""

    def answering(handler: http.server.BaseHTTPRequestHandler, _: int) -> None:
        handler.send_response(code)
        own = {name.replace("_", "-"): value for name, value in headers.items()}
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **own}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return answering


EMPTY = json.dumps({"head": {"vars": ["x", "p", "v"]}, "results": {"bindings": []}}).encode()


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses between tries, not waited for."""
    waited: list[float] = []
    monkeypatch.setattr(lookup.time, "sleep", waited.append)
    return waited


# SPARQLWrapper leaves the connection of an answer that breaks off to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(
    ("answering", "requests", "said"),
    [
        (send(200, b"<html>Welcome</html>", "text/html"), 1, "did not answer in SPARQL results"),
        (send(200, b'{"head": {"vars"', "application/sparql-results+json"), 1, "did not answer in SPARQL results"),
        (send(200, b'{"hello": 1}', "application/sparql-results+json"), 1, "no SPARQL result"),
        (send(503, b"busy", "text/plain"), 3, "503"),
        (send(429, b"slow down", "text/plain", Retry_After="3600"), 1, "429"),
        (send(403, b"no", "text/plain"), 1, "403"),
        (send(404, b"no", "text/plain"), 1, "is its path right?"),
        (send(200, EMPTY, Content_Length="9999"), 1, "broke off"),
    ],
)
def test_faults_are_told_in_one_line(
    answering: Answering, requests: int, said: str, pauses: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    """A web page, cut or foreign JSON, a busy server, a refusal: one line, exit code 1, and new tries only where they may help."""
    with faulty(answering) as (address, seen):
        code, rows, err = ask(capsys, "plantar-fasciitis", "--endpoint", address)
    assert (code, rows, len(seen)) == (1, [], requests)
    assert said in err.splitlines()[-1] and "Traceback" not in err and len(err.splitlines()) == requests
    assert pauses == [1.0, 2.0][: requests - 1]


def test_a_busy_server_is_asked_again_when_it_says(pauses: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    """After 503 with Retry-After the second try comes when told and gives the answer."""

    def answering(handler: http.server.BaseHTTPRequestHandler, n: int) -> None:
        (send(503, b"busy", "text/plain", Retry_After="7") if n == 1 else send(200, EMPTY))(handler, n)

    with faulty(answering) as (address, _):
        code, rows, err = ask(capsys, "plantar-fasciitis", "--endpoint", address)
    assert (code, {r["found"] for r in rows}, pauses) == (0, {"false"}, [7.0])
    assert "trying again in 7 s (2 of 3)" in err and "says nothing" in err


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_slow_and_absent_servers_end_in_time(capsys: pytest.CaptureFixture[str]) -> None:
    """A server that sends a byte now and then, and an address where nobody listens, end within the limit."""
    stop = threading.Event()

    def answering(handler: http.server.BaseHTTPRequestHandler, _: int) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "application/sparql-results+json")
        handler.end_headers()
        while not stop.wait(0.2):
            handler.wfile.write(b" ")
            handler.wfile.flush()

    with faulty(answering) as (address, _):
        start = time.monotonic()
        code, _, err = ask(capsys, "plantar-fasciitis", "--endpoint", address, "--timeout", "1", "--tries", "1")
        assert code == 1 and "within 1 s" in err and time.monotonic() - start < 10
        stop.set()
    code, _, err = ask(capsys, "plantar-fasciitis", "--endpoint", f"http://127.0.0.1:{free_port()}/", "--tries", "1")
    assert code == 1 and "cannot be reached" in err
    assert ask(capsys, "plantar-fascitis", "--endpoint", "http://127.0.0.1:9/")[0] == 2
