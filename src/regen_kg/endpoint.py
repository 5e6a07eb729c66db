"""Own the SPARQL 1.1 protocol endpoint: a read-only service on this machine, each query in a process that can be ended."""

from __future__ import annotations

import asyncio
import errno
import re
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
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
from regen_kg.errors import InputError, QueryError
from regen_kg.iris import RDF, SD
from regen_kg.store import EmbeddedStore
from regen_kg.worker import GRAPHS, TABLES, Job, Limits, Reply, Worker, graph_body, in_words, not_acceptable

_FORMATS_BASE = "http://www.w3.org/ns/formats/"


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
            for _, name in [*TABLES.values(), *GRAPHS.values()]
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

    async def _ask(self, job: Job) -> Reply:
        try:
            async with asyncio.timeout(self.limits.wait_seconds):
                await self.slots.acquire()
        except TimeoutError:
            return in_words(503, f"busy: all {self.limits.workers} places are taken by other queries; try again")
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
        table, graph = _preferred(accept, TABLES), _preferred(accept, GRAPHS)
        if not asked and request.method in ("GET", "HEAD"):
            if not graph:
                raise HTTPException(406, not_acceptable(GRAPHS).body.decode().strip())
            try:
                about = _description(str(request.url.replace(query="")), self.graphs)
            except ValueError as err:
                raise HTTPException(400, f"the Host header is no address: {err}") from err
            return Response(graph_body(about, graph), media_type=graph)
        if len(asked) != 1:
            raise HTTPException(400, f"give one query; the request holds {len(asked)}")
        if len(asked[0].encode("utf-8", "replace")) > self.limits.query_bytes:
            raise HTTPException(413, f"the query is longer than {self.limits.query_bytes:,} bytes")
        if not table and not graph:
            raise HTTPException(406, not_acceptable([*TABLES, *GRAPHS]).body.decode().strip())
        reply = await self._ask(Job(asked[0], self._dataset(pairs), table, graph))
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
