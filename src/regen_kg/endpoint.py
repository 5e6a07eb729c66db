"""Own the SPARQL 1.1 protocol endpoint: a read-only service on this machine, each query in a process that can be ended."""

from __future__ import annotations

import asyncio
import errno
import json
import multiprocessing
import os
import re
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from multiprocessing import connection
from pathlib import Path
from urllib.parse import parse_qsl

import pyoxigraph as ox
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from regen_kg import queries
from regen_kg.errors import InputError, QueryError, StoreError
from regen_kg.iris import PREFIXES, RDF
from regen_kg.store import BLANKED, EmbeddedStore, refuse_unsafe

SD = "http://www.w3.org/ns/sparql-service-description#"
_FORMATS_BASE = "http://www.w3.org/ns/formats/"
# Media type -> name of the format in pyoxigraph, name in the W3C's list of formats; the first is the default.
_TABLES = {
    "application/sparql-results+json": ("JSON", "SPARQL_Results_JSON"),
    "application/sparql-results+xml": ("XML", "SPARQL_Results_XML"),
    "text/csv": ("CSV", "SPARQL_Results_CSV"),
    "text/tab-separated-values": ("TSV", "SPARQL_Results_TSV"),
}
_GRAPHS = {
    "text/turtle": ("TURTLE", "Turtle"),
    "application/n-triples": ("N_TRIPLES", "N-Triples"),
    "application/ld+json": ("JSON_LD", "JSON-LD"),
    "application/rdf+xml": ("RDF_XML", "RDF_XML"),
}
_FROM = re.compile(r"(?<![?$:@.\w-])FROM\b(?!\s*:)", re.I)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one query, one request and the whole service may take."""

    seconds: float = 20.0
    rows: int = 100_000
    result_bytes: int = 50_000_000
    memory_bytes: int = 2 << 30  # on top of what the loaded graph takes
    query_bytes: int = 100_000
    body_bytes: int = 400_000
    workers: int = 2
    wait_seconds: float = 5.0


@dataclass(frozen=True, slots=True)
class _Job:
    """One query, as it goes to a worker; `graphs` is (default, named) where the request or query sets the dataset."""

    text: str
    graphs: tuple[tuple[str, ...], tuple[str, ...]] | None
    table: str | None
    graph: str | None


@dataclass(frozen=True, slots=True)
class _Reply:
    status: int
    media: str
    body: bytes
    truncated: bool = False


def _words(status: int, text: str) -> _Reply:
    return _Reply(status, "text/plain; charset=utf-8", text.encode() + b"\n")


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


def _table(found: ox.QuerySolutions, media: str, limits: Limits) -> _Reply:
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
    if _TABLES[media][0] != "JSON":
        again = ox.parse_query_results(body, ox.QueryResultsFormat.JSON)
        assert isinstance(again, ox.QuerySolutions)
        body = again.serialize(format=getattr(ox.QueryResultsFormat, _TABLES[media][0])) or b""
    return _Reply(200, media, body, truncated)


def _graph_body(triples: Iterable[ox.Triple], media: str) -> bytes:
    prefixes = {**PREFIXES, "sd": SD}
    return ox.serialize(triples, format=getattr(ox.RdfFormat, _GRAPHS[media][0]), prefixes=prefixes) or b""


def _graph(found: ox.QueryTriples, media: str, limits: Limits) -> _Reply:
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
    return _Reply(200, media, _graph_body(triples, media), truncated)


def _not_acceptable(offered: Iterable[str]) -> _Reply:
    return _words(406, f"none of the formats that you accept can be given; this query answers in {', '.join(offered)}")


def _answer(native: ox.Store, job: _Job, limits: Limits) -> _Reply:
    try:
        refuse_unsafe(job.text)  # here, not in the server: some texts take it long
        if job.graphs is not None:
            default, named = ([ox.NamedNode(g) for g in part] for part in job.graphs)
            found = native.query(job.text, default_graph=list(default), named_graphs=list(named))
        else:
            # The union would override FROM without a word, so a query with FROM is run without it.
            union = not _FROM.search(BLANKED.sub(" ", job.text))
            found = native.query(job.text, use_default_graph_as_union=union)
        if isinstance(found, ox.QueryTriples):
            return _graph(found, job.graph, limits) if job.graph else _not_acceptable(_GRAPHS)
        if not job.table:
            return _not_acceptable(_TABLES)
        if isinstance(found, ox.QueryBoolean):
            body = found.serialize(format=getattr(ox.QueryResultsFormat, _TABLES[job.table][0])) or b""
            return _Reply(200, job.table, body)
        return _table(found, job.table, limits)
    except QueryError as err:
        return _words(400, str(err))
    except SyntaxError as err:
        return _words(400, f"the query does not parse: {err}")
    except (ValueError, RuntimeError, OSError) as err:
        return _words(400, f"the query cannot be run: {err}")


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
        native = EmbeddedStore.open(Path(nquads)).native
    except StoreError as err:
        pipe.send(str(err))
        return
    _answer(native, _Job("ASK {}", None, next(iter(_TABLES)), None), limits)
    _confine(limits.memory_bytes)
    pipe.send("")
    while True:
        try:
            pipe.send(_answer(native, pipe.recv(), limits))
        except MemoryError:
            os._exit(1)
        except (EOFError, OSError):
            return


# In the server ------------------------------------------------------------------------------------------------


class Worker:
    """A process that holds the graph and answers one query at a time; it is killed and replaced on time-out."""

    def __init__(self, nquads: Path, limits: Limits) -> None:
        self.nquads = nquads
        self.limits = limits
        self.closed = False
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs, str(self.nquads), self.limits), daemon=True)
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
        if self.ready:
            return
        try:
            said = self.pipe.recv() if self.pipe.poll(120) else "loading takes more than two minutes"
        except (EOFError, OSError):
            said = "a worker ended while it loaded the graph"
        if said:
            self._replace()
            raise StoreError(said)
        self.ready = True

    def query(self, job: _Job) -> _Reply:
        """Answer a job within the limits."""
        try:
            self.wait()
        except StoreError as err:
            return _words(503, str(err))
        try:
            self.pipe.send(job)
            if self.pipe.poll(self.limits.seconds):
                reply: _Reply = self.pipe.recv()
                return reply
            why = (
                f"the query took longer than {self.limits.seconds:g} seconds and was stopped; narrow it or add a LIMIT"
            )
        except (EOFError, OSError):
            why = "the query took more memory than it may, or nests too deep, and was stopped; narrow it or add a LIMIT"
        self._replace()
        return _words(503, why)

    def _replace(self) -> None:
        self.process.kill()
        self.process.join()
        self.pipe.close()
        if not self.closed:
            self._start()

    def close(self) -> None:
        """End the process."""
        self.closed = True
        self.process.kill()
        self.process.join()


def _preferred(accept: str, offered: Iterable[str]) -> str | None:
    """Return the offered media type that an Accept header ranks highest; None if it takes none.

    Examples
    --------
    >>> _preferred("text/*;q=0.5, text/csv", ["text/turtle", "text/csv"])
    'text/csv'
    >>> _preferred("image/png", ["text/turtle"]) is None
    True
    """
    ranges: list[tuple[str, float]] = []
    for part in (accept or "*/*").split(","):
        media, *settings = (p.strip().lower() for p in part.split(";"))
        quality = 1.0
        for setting in settings:
            if re.fullmatch(r"q=[01](\.\d*)?", setting):
                quality = float(setting[2:])
        ranges.append((media, quality))
    best, best_quality = None, 0.0
    for media in offered:
        for pattern in (media, media.split("/")[0] + "/*", "*/*"):  # the closest range decides
            found = [q for m, q in ranges if m == pattern]
            if found:
                if max(found) > best_quality:
                    best, best_quality = media, max(found)
                break
    return best


def _pairs(raw: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=200)
    except ValueError as err:
        raise HTTPException(400, f"the parameters cannot be read: {err}") from err


async def _body(request: Request, most: int) -> bytes:
    out = b""
    async for chunk in request.stream():
        out += chunk
        if len(out) > most:
            raise HTTPException(413, f"the request is larger than {most:,} bytes")
    return out


def _description(address: str, graphs: Sequence[str]) -> list[ox.Triple]:
    def sd(name: str) -> ox.NamedNode:
        return ox.NamedNode(SD + name)

    kind = ox.NamedNode(RDF + "type")
    me, data, default = ox.NamedNode(address), ox.BlankNode("dataset"), ox.BlankNode("default")
    out = [
        ox.Triple(me, kind, sd("Service")),
        ox.Triple(me, sd("endpoint"), me),
        ox.Triple(me, sd("supportedLanguage"), sd("SPARQL11Query")),
        ox.Triple(me, sd("feature"), sd("UnionDefaultGraph")),
        *(
            ox.Triple(me, sd("resultFormat"), ox.NamedNode(_FORMATS_BASE + name))
            for _, name in [*_TABLES.values(), *_GRAPHS.values()]
        ),
        ox.Triple(me, sd("defaultDataset"), data),
        ox.Triple(data, kind, sd("Dataset")),
        ox.Triple(data, sd("defaultGraph"), default),
        ox.Triple(default, kind, sd("Graph")),
    ]
    for number, name in enumerate(graphs):
        one = ox.BlankNode(f"graph{number}")
        out += [ox.Triple(data, sd("namedGraph"), one), ox.Triple(one, kind, sd("NamedGraph"))]
        out.append(ox.Triple(one, sd("name"), ox.NamedNode(name)))
    return out


class _Service:
    """The routes' common ground: the graph, its workers and the limits."""

    def __init__(self, nquads: Path, limits: Limits) -> None:
        self.nquads = nquads
        self.limits = limits
        self.store = EmbeddedStore.open(nquads)
        self.graphs = sorted(g.value for g in self.store.native.named_graphs() if isinstance(g, ox.NamedNode))
        self.free: list[Worker] = []
        self.slots = asyncio.Semaphore(limits.workers)

    @asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        """Start the workers with the server, and end them with it."""
        workers = [Worker(self.nquads, self.limits) for _ in range(self.limits.workers)]
        try:
            for worker in workers:
                await run_in_threadpool(worker.wait)
            self.free = list(workers)
            yield
        finally:
            for worker in workers:
                worker.close()

    async def _ask(self, job: _Job) -> _Reply:
        try:
            async with asyncio.timeout(self.limits.wait_seconds):
                await self.slots.acquire()
        except TimeoutError:
            return _words(503, f"busy: all {self.limits.workers} places are taken by other queries; try again")
        worker = self.free.pop()
        try:
            return await run_in_threadpool(worker.query, job)
        finally:
            self.free.append(worker)
            self.slots.release()

    async def _request(self, request: Request) -> tuple[list[str], list[tuple[str, str]]]:
        """Return the queries of a protocol request and its other parameters."""
        pairs = _pairs(request.scope["query_string"])
        direct: list[str] = []
        if request.method == "POST":
            kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
            body = await _body(request, self.limits.body_bytes)
            if kind == "application/x-www-form-urlencoded":
                pairs += _pairs(body)
            elif kind == "application/sparql-query":
                try:
                    direct = [body.decode("utf-8")]
                except UnicodeDecodeError as err:
                    raise HTTPException(400, "the query is not in UTF-8") from err
            elif kind == "application/sparql-update":
                raise HTTPException(400, "updates are refused: the graph is read-only")
            else:
                raise HTTPException(
                    415, "send application/sparql-query, or application/x-www-form-urlencoded with query=..."
                )
        if any(name == "update" for name, _ in pairs):
            raise HTTPException(400, "updates are refused: the graph is read-only")
        return direct + [v for n, v in pairs if n == "query"], [(n, v) for n, v in pairs if n != "query"]

    def _dataset(self, pairs: list[tuple[str, str]]) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
        default = tuple(v for n, v in pairs if n == "default-graph-uri")
        named = tuple(v for n, v in pairs if n == "named-graph-uri")
        for graph in default + named:
            if graph not in self.graphs:
                raise HTTPException(400, f"<{graph}> is no graph of this dataset; it has {', '.join(self.graphs)}")
        return (default, named) if default or named else None

    async def sparql(self, request: Request) -> Response:
        """Answer at /sparql."""
        asked, pairs = await self._request(request)
        accept = ",".join(request.headers.getlist("accept"))
        table, graph = _preferred(accept, _TABLES), _preferred(accept, _GRAPHS)
        if not asked and request.method in ("GET", "HEAD"):
            if not graph:
                raise HTTPException(406, _not_acceptable(_GRAPHS).body.decode().strip())
            try:
                about = _description(str(request.url.replace(query="")), self.graphs)
            except ValueError as err:
                raise HTTPException(400, f"the Host header is no address: {err}") from err
            return Response(_graph_body(about, graph), media_type=graph)
        if len(asked) != 1:
            raise HTTPException(400, f"give one query; the request holds {len(asked)}")
        if len(asked[0].encode("utf-8", "replace")) > self.limits.query_bytes:
            raise HTTPException(413, f"the query is longer than {self.limits.query_bytes:,} bytes")
        if not table and not graph:
            raise HTTPException(406, _not_acceptable([*_TABLES, *_GRAPHS]).body.decode().strip())
        reply = await self._ask(_Job(asked[0], self._dataset(pairs), table, graph))
        headers = {"Vary": "Accept"}
        if reply.truncated:
            headers["X-Truncated"] = "true"
        if reply.status == 503:
            headers["Retry-After"] = "1"
        return Response(reply.body, reply.status, headers, reply.media)

    async def health(self, _: Request) -> Response:
        """Say that the service runs and what it holds."""
        return JSONResponse({"status": "ok", "quads": len(self.store.native), "graphs": len(self.graphs)})

    async def questions(self, _: Request) -> Response:
        """List the saved questions with their parameters."""
        listed = [
            {
                "name": saved.name,
                "summary": saved.summary,
                "parameters": [{"name": p.name, "type": p.type, "meaning": p.meaning} for p in saved.parameters],
                "columns": list(saved.columns),
                "csv": f"/queries/{saved.name}.csv",
                "json": f"/queries/{saved.name}.json",
            }
            for saved in queries.load_all().values()
        ]
        return JSONResponse(listed)

    async def question(self, request: Request) -> Response:
        """Ask a saved question."""
        from regen_kg.validation import csv_text

        form = request.path_params["form"]
        if form not in ("csv", "json"):
            raise HTTPException(404, f'no answers in "{form}"; there are csv and json')
        try:
            saved = queries.get(request.path_params["name"])
        except QueryError as err:
            raise HTTPException(404, str(err).replace("regen-kg query --list", "/queries")) from err
        values: dict[str, str] = {}
        for name, value in _pairs(request.scope["query_string"]):
            if name in values:
                raise HTTPException(400, f"parameter {name} is given twice")
            values[name] = value
        try:
            rows = await run_in_threadpool(queries.run, self.store, saved, values)
        except QueryError as err:
            raise HTTPException(400, str(err)) from err
        if form == "json":
            return JSONResponse(rows)
        return Response(csv_text(saved.columns, rows), media_type="text/csv")


async def _in_words(_: Request, err: Exception) -> Response:
    assert isinstance(err, HTTPException)
    return PlainTextResponse(f"{err.detail}\n", err.status_code, err.headers)


def app(nquads: Path, limits: Limits | None = None) -> Starlette:
    """Return the service over a built N-Quads file, for any ASGI server.

    Raises
    ------
    StoreError
        If the file cannot be read.
    """
    service = _Service(nquads, limits or Limits())
    return Starlette(
        routes=[
            Route("/sparql", service.sparql, methods=["GET", "POST"]),
            Route("/health", service.health),
            Route("/queries", service.questions),
            Route("/queries/{name}.{form}", service.question),
        ],
        middleware=[
            Middleware(
                CORSMiddleware,
                allow_origins=["*"],
                allow_methods=["GET", "POST"],
                allow_headers=["*"],
                expose_headers=["X-Truncated"],
            )
        ],
        exception_handlers={HTTPException: _in_words},
        lifespan=service.lifespan,
    )


def listen(port: int) -> socket.socket:
    """Take a port of this machine's own address.

    Raises
    ------
    InputError
        If it is taken or cannot be.
    """
    taken = socket.socket()
    try:
        if sys.platform != "win32":
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        taken.listen(128)
    except (OSError, OverflowError) as err:
        taken.close()
        if isinstance(err, OSError) and err.errno == errno.EADDRINUSE:
            raise InputError(f"port {port} is taken by another program; give a free one with --port") from err
        raise InputError(f"port {port} cannot be used ({err}); give another with --port") from err
    return taken


def run(nquads: Path, taken: socket.socket, say: Callable[[str], None], limits: Limits | None = None) -> None:
    """Serve on a socket from `listen` until the process is told to stop."""
    import uvicorn

    limits = limits or Limits()
    config = uvicorn.Config(
        app(nquads, limits),
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        limit_concurrency=200,
        timeout_graceful_shutdown=2,
        http="h11",
        ws="none",
        h11_max_incomplete_event_size=limits.body_bytes + 20_000,
    )
    say(f"SPARQL is at http://127.0.0.1:{taken.getsockname()[1]}/sparql (Ctrl+C stops it)")
    try:
        uvicorn.Server(config).run(sockets=[taken])
    except KeyboardInterrupt:
        return
