"""Own the worker: a process that holds a graph, answers one query at a time within limits, and can be ended."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import connection
from pathlib import Path
from types import ModuleType

import pyoxigraph as ox

from regen_kg.errors import QueryError, StoreError
from regen_kg.iris import PREFIXES, SD
from regen_kg.store import EmbeddedStore, Graphs

# Media type -> name of the format in pyoxigraph, name in the W3C's list of formats; the first is the default.
TABLES = {
    "application/sparql-results+json": ("JSON", "SPARQL_Results_JSON"),
    "application/sparql-results+xml": ("XML", "SPARQL_Results_XML"),
    "text/csv": ("CSV", "SPARQL_Results_CSV"),
    "text/tab-separated-values": ("TSV", "SPARQL_Results_TSV"),
}
GRAPHS = {
    "text/turtle": ("TURTLE", "Turtle"),
    "application/n-triples": ("N_TRIPLES", "N-Triples"),
    "application/ld+json": ("JSON_LD", "JSON-LD"),
    "application/rdf+xml": ("RDF_XML", "RDF_XML"),
}


@dataclass(frozen=True, slots=True)
class Limits:
    """What one query, one request and the whole service may take."""

    seconds: float = 20.0
    rows: int = 100_000
    result_bytes: int = 50_000_000
    memory_bytes: int = 2 << 30  # on top of what the loaded graph takes
    query_bytes: int = 100_000
    body_bytes: int = 400_000
    body_seconds: float = 10.0
    workers: int = 2
    wait_seconds: float = 10.0
    in_flight: int = 100


@dataclass(frozen=True, slots=True)
class Job:
    """One query, as it goes to a worker; `graphs` is (default, named) where the request or query sets the dataset."""

    text: str
    graphs: Graphs | None
    table: str | None
    graph: str | None


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a job: a body of a media type, or words with an HTTP status that says what went wrong."""

    status: int
    media: str
    body: bytes
    truncated: bool = False


def in_words(status: int, text: str) -> Reply:
    """Return a reply in plain words."""
    return Reply(status, "text/plain; charset=utf-8", text.encode() + b"\n")


# In the worker ------------------------------------------------------------------------------------------------


def _json_term(node: object) -> dict[str, object]:
    if isinstance(node, ox.NamedNode):
        return {"type": "uri", "value": node.value}
    if isinstance(node, ox.BlankNode):
        return {"type": "bnode", "value": node.value}
    if isinstance(node, ox.Triple):
        parts = {"subject": node.subject, "predicate": node.predicate, "object": node.object}
        return {"type": "triple", "value": {k: _json_term(v) for k, v in parts.items()}}
    assert isinstance(node, ox.Literal)
    out: dict[str, object] = {"type": "literal", "value": node.value}
    if node.language:
        out["xml:lang"] = node.language
    elif node.datatype.value != PREFIXES["xsd"] + "string":
        out["datatype"] = node.datatype.value
    return out


def _table(found: ox.QuerySolutions, media: str, limits: Limits) -> Reply:
    names = [v.value for v in found.variables]
    rows: list[str] = []
    size, truncated = 0, False
    for solution in found:
        cells = {n: _json_term(c) for n, c in zip(names, solution, strict=True) if c is not None}
        row = json.dumps(cells, ensure_ascii=False, separators=(",", ":"))
        size += len(row)
        if len(rows) >= limits.rows or size > limits.result_bytes:
            truncated = True
            break
        rows.append(row)
    text = f'{{"head":{{"vars":{json.dumps(names)}}},"results":{{"bindings":[{",".join(rows)}]}}}}'
    body = text.encode("utf-8")
    if TABLES[media][0] != "JSON":
        again = ox.parse_query_results(body, ox.QueryResultsFormat.JSON)
        assert isinstance(again, ox.QuerySolutions)
        body = again.serialize(format=getattr(ox.QueryResultsFormat, TABLES[media][0])) or b""
    return Reply(200, media, body, truncated)


def graph_body(triples: Iterable[ox.Triple], media: str) -> bytes:
    """Write triples in a media type of `GRAPHS`, with our prefixes."""
    prefixes = {**PREFIXES, "sd": SD}
    return ox.serialize(triples, format=getattr(ox.RdfFormat, GRAPHS[media][0]), prefixes=prefixes) or b""


def _graph(found: ox.QueryTriples, media: str, limits: Limits) -> Reply:
    triples: dict[ox.Triple, None] = {}
    size, truncated = 0, False
    for triple in found:
        if triple in triples:
            continue
        size += len(str(triple))
        if len(triples) >= limits.rows or size > limits.result_bytes:
            truncated = True
            break
        triples[triple] = None
    return Reply(200, media, graph_body(triples, media), truncated)


def not_acceptable(offered: Iterable[str]) -> Reply:
    """Say that the client takes none of the offered media types."""
    return in_words(
        406, f"none of the formats that you accept can be given; this query answers in {', '.join(offered)}"
    )


def _answer(store: EmbeddedStore, job: Job, limits: Limits) -> Reply:
    try:
        with store.found(job.text, job.graphs) as found:
            if isinstance(found, ox.QueryTriples):
                return _graph(found, job.graph, limits) if job.graph else not_acceptable(GRAPHS)
            if not job.table:
                return not_acceptable(TABLES)
            if isinstance(found, ox.QueryBoolean):
                body = found.serialize(format=getattr(ox.QueryResultsFormat, TABLES[job.table][0])) or b""
                return Reply(200, job.table, body)
            return _table(found, job.table, limits)
    except QueryError as err:
        return in_words(400, str(err))


def _confine(memory: int) -> None:
    """Let this process take no more than `memory` on top of what it has, and open no file or socket."""
    if sys.platform == "win32":  # the time limit and refuse_unsafe still hold
        return
    import resource

    size = Path("/proc/self/statm")
    if size.exists():
        most = int(size.read_text().split()[0]) * resource.getpagesize() + memory
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))


def _end_with_server() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _work(pipe: connection.Connection, nquads: str, limits: Limits) -> None:
    """Answer jobs from the pipe until it closes; a worker that runs out of memory ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_server, daemon=True).start()
    try:
        store = EmbeddedStore.open(Path(nquads))
    except StoreError as err:
        pipe.send(str(err))
        return
    _answer(store, Job("ASK {}", None, next(iter(TABLES)), None), limits)
    _confine(limits.memory_bytes)
    pipe.send("")
    while True:
        try:
            pipe.send(_answer(store, pipe.recv(), limits))
        except MemoryError:
            os._exit(1)
        except (EOFError, OSError):
            return


# In the process that asks -------------------------------------------------------------------------------------


_ONE_AT_A_TIME = threading.Lock()


@contextmanager
def _no_script() -> Iterator[None]:
    """Hide the script that runs as __main__: a new process would run it too, and under Streamlit it is a page."""
    with _ONE_AT_A_TIME:  # two threads that hide and restore in turns would leave it hidden
        script = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = script


class Worker:
    """A process that holds the graph and answers one query at a time; it is killed and replaced on time-out."""

    def __init__(self, nquads: Path, limits: Limits) -> None:
        self.nquads = nquads
        self.limits = limits
        self.closed = False
        self.restarts = 0
        self.starting: threading.Thread | None = None
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs, str(self.nquads), self.limits), daemon=True)
        with _no_script():
            self.process.start()
        theirs.close()
        self.ready = False

    def wait(self) -> None:
        """Wait until the graph is loaded.

        Raises
        ------
        StoreError
            If it cannot be.
        """
        if self.starting:
            self.starting.join()
        if not self.ready and (said := self._load()):
            self._replace()
            raise StoreError(said)

    def _load(self) -> str:
        """Wait for the process to hold the graph; return why it does not, if so."""
        try:
            said = str(self.pipe.recv()) if self.pipe.poll(120) else "loading takes more than two minutes"
        except (EOFError, OSError):
            said = "a worker ended while it loaded the graph"
        if not said:
            self.size = self._resident()
            self.ready = True
        return said

    def _restart(self) -> None:
        self._start()
        self._load()

    def _resident(self) -> int:
        """Return the bytes that the process holds; 0 where the system does not tell."""
        try:
            pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        except (OSError, IndexError):
            return 0
        return pages * os.sysconf("SC_PAGE_SIZE")

    def query(self, job: Job) -> Reply:
        """Answer a job within the limits."""
        try:
            self.wait()
        except StoreError as err:
            return in_words(503, str(err))
        try:
            self.pipe.send(job)
            if self.pipe.poll(self.limits.seconds):
                reply: Reply = self.pipe.recv()
                if self._resident() - self.size > self.limits.memory_bytes // 8:
                    self._replace()  # freed memory may stay with the process; ending it gives it back
                return reply
            why = (
                f"the query took longer than {self.limits.seconds:g} seconds and was stopped; narrow it or add a LIMIT"
            )
        except (EOFError, OSError):
            why = "the query took more memory than it may, or nests too deep, and was stopped; narrow it or add a LIMIT"
        self._replace()
        return in_words(503, why)

    def _replace(self) -> None:
        self.process.kill()
        self.process.join()
        self.pipe.close()
        if not self.closed:
            self.restarts += 1
            self.ready = False
            self.starting = threading.Thread(target=self._restart, daemon=True)  # the reply needn't wait for it
            self.starting.start()

    def close(self) -> None:
        """End the process."""
        self.closed = True
        self.process.kill()
        if self.starting:
            self.starting.join()  # it may have started another one meanwhile
            self.process.kill()
        self.process.join()
