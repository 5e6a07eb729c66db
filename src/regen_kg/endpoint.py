"""Own the SPARQL 1.1 protocol endpoint: a read-only service on this machine, each query in a process that can be ended."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import ipaddress
import json
import math
import re
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import anyio
import anyio.from_thread
import anyio.to_thread
import pyoxigraph as ox
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from regen_kg import __version__, describe, queries
from regen_kg.build import Build
from regen_kg.errors import InputError, QueryError
from regen_kg.store import Answer, Kept, read_json
from regen_kg.worker import GRAPHS, TABLES, Job, Limits, Reply, Worker, graph_body, in_words, not_acceptable


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


async def _body(request: Request, limits: Limits) -> bytes:
    out = b""
    try:
        async with asyncio.timeout(limits.body_seconds):
            async for chunk in request.stream():
                out += chunk
                if len(out) > limits.body_bytes:
                    raise HTTPException(413, f"the request is larger than {limits.body_bytes:,} bytes")
    except TimeoutError as err:
        raise HTTPException(408, f"the request took longer than {limits.body_seconds:g} seconds to arrive") from err
    return out


_BUCKETS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
# A query with one of these answers differently each time.
_VOLATILE = re.compile(r"\b(NOW|RAND|UUID|STRUUID|BNODE)\s*\(", re.I)


@dataclass
class _Metrics:
    """What the service has done since it started."""

    requests: Counter[tuple[str, int]] = field(default_factory=Counter)  # by route and status
    seconds: Counter[float] = field(default_factory=Counter)  # queries, by the bucket of their time
    total_seconds: float = 0.0
    in_flight: int = 0
    stopped: int = 0
    busy: int = 0

    def took(self, seconds: float) -> None:
        self.seconds[next((b for b in _BUCKETS if seconds <= b), math.inf)] += 1
        self.total_seconds += seconds

    def text(self, restarts: int) -> str:
        """Return the counters in the text format of Prometheus."""
        statuses: Counter[str] = Counter()
        for (_, status), count in self.requests.items():
            statuses[
                "refused" if 400 <= status < 500 else "failed" if status >= 500 and status != 503 else "other"
            ] += count
        running, buckets = 0, []
        for bucket in (*_BUCKETS, math.inf):
            running += self.seconds[bucket]
            edge = "+Inf" if bucket == math.inf else f"{bucket:g}"
            buckets.append(f'regen_kg_query_seconds_bucket{{le="{edge}"}} {running}')
        counted = [
            ("refusals", "Requests that were refused (4xx).", statuses["refused"]),
            ("errors", "Requests that failed by a fault of the service (5xx other than 503).", statuses["failed"]),
            ("stopped", "Queries that were stopped at a limit of time or memory.", self.stopped),
            ("busy", "Requests that were turned away because all places were taken.", self.busy),
            ("worker_restarts", "Query processes that were ended and replaced.", restarts),
        ]
        return "".join(
            line + "\n"
            for line in [
                "# HELP regen_kg_requests_total Requests answered, by path and status.",
                "# TYPE regen_kg_requests_total counter",
                *(
                    f'regen_kg_requests_total{{path="{path}",status="{status}"}} {count}'
                    for (path, status), count in sorted(self.requests.items())
                ),
                *(
                    line
                    for name, words, count in counted
                    for line in (
                        f"# HELP regen_kg_{name}_total {words}",
                        f"# TYPE regen_kg_{name}_total counter",
                        f"regen_kg_{name}_total {count}",
                    )
                ),
                "# HELP regen_kg_in_flight Requests being answered.",
                "# TYPE regen_kg_in_flight gauge",
                f"regen_kg_in_flight {self.in_flight}",
                "# HELP regen_kg_query_seconds Time of a query in its process.",
                "# TYPE regen_kg_query_seconds histogram",
                *buckets,
                f"regen_kg_query_seconds_sum {self.total_seconds:.6f}",
                f"regen_kg_query_seconds_count {running}",
            ]
        )


class _Gate:
    """Count each request, and turn it away while too many others are being answered."""

    def __init__(self, inner: ASGIApp, metrics: _Metrics, most: int) -> None:
        self.inner, self.metrics, self.most = inner, metrics, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.inner(scope, receive, send)
            return
        status = 500

        async def counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        self.metrics.in_flight += 1
        try:
            if self.metrics.in_flight > self.most:
                self.metrics.busy += 1
                words = f"busy: {self.most} requests are being answered; try again\n"
                await PlainTextResponse(words, 503, {"Retry-After": "1"})(scope, receive, counted)
            else:
                await self.inner(scope, receive, counted)
        finally:
            self.metrics.in_flight -= 1
            route = scope.get("route")  # set by the router
            self.metrics.requests[route.path if isinstance(route, Route) else "other", status] += 1


_NOTED = 1_000  # answers whose notes are remembered


class _NotAnsweredError(Exception):
    """A worker's reply that is no answer, on its way to the client."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply


class _WorkerStore:
    """The workers as a store for saved questions, to be used in a thread beside the event loop."""

    def __init__(self, ask: Callable[[Job], Coroutine[Any, Any, Reply]], kept: Kept | None) -> None:
        self._ask = ask
        self.kept = kept
        self.truncated = False

    def query(self, text: str) -> Answer:
        """Run a query in a worker; see `Store.query`."""
        reply = anyio.from_thread.run(self._ask, Job(text, None, next(iter(TABLES)), None))
        if reply.status != 200:
            raise _NotAnsweredError(reply)
        self.truncated = self.truncated or reply.truncated
        return read_json(json.loads(reply.body))


class _Service:
    """The routes' common ground: the build, its workers and the limits."""

    def __init__(self, made: Build, limits: Limits) -> None:
        self.nquads = made.dataset()
        self.build = str(made.manifest["files"][self.nquads.name])
        self.limits = limits
        self.kept = made.store().kept
        self.graphs = sorted(made.manifest["triples"])
        self.quads = sum(made.manifest["triples"].values())
        self.saved = queries.load_all()
        self.metrics = _Metrics()
        self.workers: list[Worker] = []
        self.free: list[Worker] = []
        self.slots = asyncio.Semaphore(limits.workers)
        self.known: dict[str, list[str]] | None = None
        self.noted: dict[
            tuple[str, str], str
        ] = {}  # what notes do to answers, which stays as it is while the build does

    @asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        """Start the workers with the server, and end them with it."""
        self.threads = anyio.CapacityLimiter(self.limits.workers)  # own ones, so that no other work can take them
        self.workers = [Worker(self.nquads, self.limits) for _ in range(self.limits.workers)]
        try:
            for worker in self.workers:
                await run_in_threadpool(worker.wait)
            self.free = list(self.workers)
            yield
        finally:
            for worker in self.workers:
                worker.close()

    async def _ask(self, job: Job) -> Reply:
        try:
            async with asyncio.timeout(self.limits.wait_seconds):
                await self.slots.acquire()
        except TimeoutError:
            self.metrics.busy += 1
            return in_words(503, f"busy: all {self.limits.workers} places are taken by other queries; try again")
        worker = next((w for w in self.free if w.ready), self.free[0])  # a replaced one is still loading
        self.free.remove(worker)
        start = time.monotonic()
        try:
            reply = await anyio.to_thread.run_sync(worker.query, job, limiter=self.threads)
        finally:
            self.free.append(worker)
            self.slots.release()
            self.metrics.took(time.monotonic() - start)
        self.metrics.stopped += reply.status == 503
        return reply

    async def _request(self, request: Request) -> tuple[list[str], list[tuple[str, str]]]:
        """Return the queries of a protocol request, and its parameters that name graphs."""
        pairs = _pairs(request.scope["query_string"])
        direct: list[str] = []
        if request.method == "POST":
            kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
            body = await _body(request, self.limits)
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
        # Clients send parameters of other servers too, SPARQLWrapper three of them: these mean nothing here.
        dataset = [(n, v) for n, v in pairs if n in ("default-graph-uri", "named-graph-uri")]
        return direct + [v for n, v in pairs if n == "query"], dataset

    def _fresh(self, request: Request, *parts: str) -> tuple[dict[str, str], Response | None]:
        """Return the headers that let a client keep an answer, and the short answer to one that has it already.

        The tag is weak: rows without ORDER BY may come in another order.
        """
        mark = hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()[:16]
        headers = {"ETag": f'W/"{self.build[:16]}-{mark}"', "Cache-Control": "no-cache", "Vary": "Accept"}
        held = [t.strip() for t in request.headers.get("if-none-match", "").split(",")]
        if request.method in ("GET", "HEAD") and (headers["ETag"] in held or headers["ETag"][2:] in held):
            return headers, Response(status_code=304, headers=headers)
        return headers, None

    def _sent(self, reply: Reply, headers: dict[str, str]) -> Response:
        if reply.status != 200:
            headers = {"Vary": "Accept"} | ({"Retry-After": "1"} if reply.status == 503 else {})
        elif reply.truncated:
            headers = {**headers, "X-Truncated": "true"}
        return Response(reply.body, reply.status, headers, reply.media)

    async def sparql(self, request: Request) -> Response:
        """Answer at /sparql."""
        asked, pairs = await self._request(request)
        accept = ",".join(request.headers.getlist("accept"))
        table, graph = _preferred(accept, TABLES), _preferred(accept, GRAPHS)
        if not asked and request.method in ("GET", "HEAD"):
            if not graph:
                raise HTTPException(406, not_acceptable(GRAPHS).body.decode().strip())
            headers, short = self._fresh(request, _address(request), graph)
            return short or Response(
                graph_body(describe.service(_address(request), self.graphs), graph), headers=headers, media_type=graph
            )
        if len(asked) != 1:
            raise HTTPException(400, f"give one query; the request holds {len(asked)}")
        if len(asked[0].encode("utf-8", "replace")) > self.limits.query_bytes:
            raise HTTPException(413, f"the query is longer than {self.limits.query_bytes:,} bytes")
        if not table and not graph:
            raise HTTPException(406, not_acceptable([*TABLES, *GRAPHS]).body.decode().strip())
        default = tuple(v for n, v in pairs if n == "default-graph-uri")
        named = tuple(v for n, v in pairs if n == "named-graph-uri")
        job = Job(asked[0], (default, named) if pairs else None, table, graph)
        headers, short = self._fresh(request, repr(job))
        if _VOLATILE.search(asked[0]):
            headers, short = {"Vary": "Accept", "Cache-Control": "no-store"}, None
        return short or self._sent(await self._ask(job), headers)

    async def void(self, request: Request) -> Response:
        """Describe the dataset."""
        graph = _preferred(",".join(request.headers.getlist("accept")), GRAPHS)
        if not graph:
            raise HTTPException(406, not_acceptable(GRAPHS).body.decode().strip())
        query = describe.void(_address(request))
        headers, short = self._fresh(request, query, graph)
        return short or self._sent(await self._ask(Job(query, None, None, graph)), headers)

    async def health(self, _: Request) -> Response:
        """Say that the service runs and what it holds."""
        held = {"quads": self.quads, "graphs": len(self.graphs), "build": self.build, "version": __version__}
        return JSONResponse({"status": "ok", **held}, headers={"Cache-Control": "no-store"})

    async def counters(self, _: Request) -> Response:
        """Give the metrics."""
        text = self.metrics.text(sum(worker.restarts for worker in self.workers))
        return PlainTextResponse(text, media_type="text/plain; version=0.0.4")

    async def front(self, _: Request) -> Response:
        """Give the page that names what there is."""
        page = describe.front_page(self.saved.values(), self.quads, len(self.graphs), self.limits)
        policy = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'"
        return HTMLResponse(page, headers={"Content-Security-Policy": policy})

    async def openapi(self, request: Request) -> Response:
        """Describe the interface."""
        if self.known is None:
            names = sorted({p.name for saved in self.saved.values() for p in saved.parameters})
            store = _WorkerStore(self._ask, self.kept)
            self.known = await run_in_threadpool(lambda: {n: queries.known_values(store, n) for n in names})
        where = _address(request).removesuffix("/sparql")
        return JSONResponse(describe.openapi(self.saved, self.known, self.limits, where))

    async def questions(self, _: Request) -> Response:
        """List the saved questions with their parameters."""
        listed = [
            {
                "name": saved.name,
                "summary": saved.summary,
                "parameters": [
                    {"name": p.name, "type": p.type, "meaning": p.meaning, "default": p.default or None}
                    for p in saved.parameters
                ],
                "columns": list(saved.columns),
                "empty": saved.empty,
                **{form: f"/queries/{saved.name}.{form}" for form in describe.QUESTION_FORMATS},
            }
            for saved in self.saved.values()
        ]
        return JSONResponse(listed)

    async def question(self, request: Request) -> Response:
        """Ask a saved question; X-Noted says what quality notes do to the answer."""
        from regen_kg.analysis.noted import noted
        from regen_kg.validation import csv_text

        form = request.path_params["form"]
        if form not in describe.QUESTION_FORMATS:
            raise HTTPException(404, f'no answers in "{form}"; there are {", ".join(describe.QUESTION_FORMATS)}')
        try:
            saved = queries.get(request.path_params["name"])
        except QueryError as err:
            raise HTTPException(404, str(err).replace("regen-kg query --list", "/queries")) from err
        values: dict[str, str] = {}
        for name, value in _pairs(request.scope["query_string"]):
            if name in values:
                raise HTTPException(400, f"parameter {name} is given twice")
            values[name] = value
        given = repr(sorted(values.items()))
        headers, short = self._fresh(request, saved.text, form, given)
        if short:
            return short
        store = _WorkerStore(self._ask, self.kept)
        try:
            rows = await run_in_threadpool(queries.run, store, saved, values)
        except QueryError as err:
            raise HTTPException(400, str(err)) from err
        if store.truncated:
            headers["X-Truncated"] = "true"
        if (said := self.noted.get((saved.name, given))) is None:
            try:
                lines = await run_in_threadpool(lambda: noted(store, saved, rows, values).lines())
            except (QueryError, _NotAnsweredError):
                said = "which rows rest on noted cells was not found out"
            else:
                said = "; ".join(" ".join(line.split()) for line in lines)
                if len(self.noted) < _NOTED:
                    self.noted[saved.name, given] = said
        if said:
            headers["X-Noted"] = said
        if form == "json":
            return JSONResponse(rows, headers=headers)
        text = csv_text(saved.columns, rows) if form == "csv" else queries.result_set(saved.columns, rows)
        return Response(text, headers=headers, media_type=describe.QUESTION_FORMATS[form])

    async def not_answered(self, _: Request, err: Exception) -> Response:
        """Pass on what a worker said instead of an answer."""
        assert isinstance(err, _NotAnsweredError)
        return self._sent(err.reply, {})


def _address(request: Request) -> str:
    """Return the address of /sparql as the client knows it."""
    address = str(request.url.replace(path="/sparql", query="", fragment=""))
    try:
        return ox.NamedNode(address).value
    except ValueError as err:
        raise HTTPException(400, f"the Host header is no address: {err}") from err


async def _in_words(_: Request, err: Exception) -> Response:
    assert isinstance(err, HTTPException)
    return PlainTextResponse(f"{err.detail}\n", err.status_code, err.headers)


def app(made: Build, limits: Limits | None = None) -> Starlette:
    """Return the service over a build, for any ASGI server.

    Raises
    ------
    BuildError
        If its dataset is not the one that was built.
    """
    limits = limits or Limits()
    service = _Service(made, limits)
    return Starlette(
        routes=[
            Route("/", service.front),
            Route("/sparql", service.sparql, methods=["GET", "POST"]),
            Route("/void", service.void),
            Route("/.well-known/void", service.void),
            Route("/health", service.health),
            Route("/metrics", service.counters),
            Route("/openapi.json", service.openapi),
            Route("/queries", service.questions),
            Route("/queries/{name}.{form}", service.question),
        ],
        middleware=[
            Middleware(
                CORSMiddleware,
                allow_origins=["*"],
                allow_methods=["GET", "HEAD", "POST"],
                allow_headers=["*"],
                expose_headers=["X-Truncated", "X-Noted", "ETag", "Retry-After"],
            ),
            Middleware(_Gate, metrics=service.metrics, most=limits.in_flight),
        ],
        exception_handlers={HTTPException: _in_words, _NotAnsweredError: service.not_answered},
        lifespan=service.lifespan,
    )


LOOPBACK = "127.0.0.1"


def listen(port: int, host: str = LOOPBACK) -> socket.socket:
    """Take a port, of this machine's own address unless another is given.

    Raises
    ------
    InputError
        If it is taken or cannot be.
    """
    if not 0 <= port <= 65_535:
        raise InputError(f"port {port} cannot be used (ports are 0 to 65535); give another with --port")
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=128)
    except (OSError, UnicodeError) as err:
        if isinstance(err, OSError) and err.errno == errno.EADDRINUSE:
            raise InputError(f"port {port} is taken by another program; give a free one with --port") from err
        where = f"port {port}" if host == LOOPBACK else f"port {port} of {host}"
        raise InputError(f"{where} cannot be used ({err}); give another with --port") from err


def run(made: Build, taken: socket.socket, say: Callable[[str], None], limits: Limits | None = None) -> None:
    """Serve on a socket from `listen` until the process is told to stop."""
    import uvicorn

    limits = limits or Limits()
    config = uvicorn.Config(
        app(made, limits),
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        limit_concurrency=10 * limits.in_flight,  # connections, idle ones included
        timeout_graceful_shutdown=2,
        http="h11",
        ws="none",
        h11_max_incomplete_event_size=limits.body_bytes + 20_000,
    )
    host, port = taken.getsockname()[:2]
    if not ipaddress.ip_address(host).is_loopback:
        say(f"warning: {host} is open to other machines; whoever reaches it can ask, there is no password")
    shown = f"[{host}]" if ":" in host else host
    say(f"SPARQL is at http://{shown}:{port}/sparql (Ctrl+C stops it)")
    try:
        uvicorn.Server(config).run(sockets=[taken])
    except KeyboardInterrupt:
        return
