"""Own how a SPARQL server is given a build: readers see the one before it or this one, and never a part."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

import pyoxigraph as ox

from regen_kg.errors import QueryError, StoreError
from regen_kg.iris import DCTERMS, OWL, RDFS, SCHEMA, XSD
from regen_kg.remote.asking import (
    BUILDS,
    DATASET,
    STANDS_FOR,
    STATED,
    RemoteStore,
    checked_address,
    graph_of,
    ready_builds,
    session_for,
    unreachable,
)
from regen_kg.remote.probes import Facts, values

# What the address that takes graphs ends with: how it takes them, and what the address that answers ends with instead.
_WAYS = {
    "/store": ("graphs", "/query"),  # Oxigraph
    "/sparql-graph-crud-auth": ("graphs", "/sparql"),  # Virtuoso
    "/data": ("graphs", "/query"),  # Fuseki
    "/rdf-graphs/service": ("graphs", ""),  # GraphDB, RDF4J
    "/gsp": ("graphs", "/sparql"),  # Neptune
    "/update": ("update", "/query"),  # Oxigraph, Fuseki
    "/statements": ("update", ""),  # GraphDB, RDF4J
    "/sparql-auth": ("update", "/sparql"),  # Virtuoso
    "/sparql": ("update", "/sparql"),  # Neptune
}
_BLANK = re.compile(r"^_:|> _:\S+ \.$")
_LONGEST_ANSWER = 4_000_000  # characters; of a longer answer the server is asked
_LINES = {"graphs": 50_000, "update": 1_000}  # of N-Triples in one request; Virtuoso takes no long INSERT DATA


def _parts(lines: Iterable[str], size: int) -> Iterator[list[str]]:
    """Split lines of N-Triples into requests; blank nodes all go in one, as they have no name beyond it."""
    blank: list[str] = []

    def named() -> Iterator[str]:
        for line in lines:
            if _BLANK.search(line):
                blank.append(line)
            else:
                yield line

    rest = named()
    while part := list(itertools.islice(rest, size)):
        yield part
    if blank:
        yield blank


class Target:
    """Where a server takes graphs: the Graph Store Protocol or SPARQL Update, told from the address."""

    def __init__(self, address: str, endpoint: str | None = None) -> None:
        self.address = checked_address(address).rstrip("/")
        ending = next((e for e in _WAYS if self.address.endswith(e)), None)
        if ending is None and endpoint is None:
            raise QueryError(
                f"{address}: no known end of an address that takes graphs ({', '.join(_WAYS)}); "
                "if it takes the Graph Store Protocol, give the address that answers queries with --endpoint"
            )
        self.way, answering = _WAYS[ending] if ending else ("graphs", "")
        self.endpoint = checked_address(endpoint or self.address.removesuffix(ending or "") + answering)
        self._session = session_for(self.address)

    def put(self, graph: str, lines: Iterable[str], say: Callable[[str], None] | None = None) -> None:
        """Replace a graph by lines of N-Triples, in requests of bounded size."""
        if self.way == "update":
            self.drop(graph)
        done = 0
        for part in _parts(lines, _LINES[self.way]):
            body = "".join(part)
            if self.way == "update":
                self._update(f"INSERT DATA {{ GRAPH <{graph}> {{ {body} }} }}")
            else:
                self._send("POST" if done else "PUT", body, "text/turtle", graph)
            done += len(part)
            if say and done % 250_000 < len(part):
                say(f"{done:,} statements are there")

    def drop(self, graph: str) -> None:
        """Remove a graph, if it is there."""
        if self.way == "update":
            self._update(f"DROP SILENT GRAPH <{graph}>")
        else:
            self._send("DELETE", None, None, graph)

    def _update(self, text: str) -> None:
        self._send("POST", text, "application/sparql-update", None)

    def _send(self, method: str, body: str | None, media: str | None, graph: str | None) -> None:
        import requests

        try:
            reply = self._session.request(
                method,
                self.address,
                params={"graph": graph} if graph else None,
                data=body.encode() if body is not None else None,
                headers={"Content-Type": media} if media else None,
                timeout=600,
                allow_redirects=False,
            )
        except requests.RequestException as err:
            raise unreachable(self.address, err) from err
        if reply.status_code in (401, 403):
            raise StoreError(
                f"{self.address} lets nobody write without leave; set REGEN_KG_USER and REGEN_KG_PASSWORD, or REGEN_KG_TOKEN"
            )
        if not reply.ok and not (method == "DELETE" and reply.status_code == 404):
            words = (reply.text.strip().splitlines() or ["no reason given"])[0][:200]
            raise StoreError(f"{self.address} answered {reply.status_code} to {method}: {words}")


def closure_lines(nquads: Path) -> Iterator[str]:
    """Give the closure of a build's class hierarchy as N-Triples: what is below a class, and what is it or below it."""
    pairs, classes = set(), set()
    fact = re.compile(r"<([^<>]*)> <([^<>]*)> <([^<>]*)> <[^<>]*> \.\n")
    with nquads.open(encoding="utf-8", newline="\n") as file:
        for line in file:
            if ("subClassOf> <" in line or "owl#Class> <" in line) and (found := fact.fullmatch(line)):
                sub, predicate, top = found.groups()
                if predicate == RDFS + "subClassOf":
                    pairs.add((sub, top))
                elif top == OWL + "Class":
                    classes.add(sub)
    facts = Facts(tuple(sorted(pairs)))
    for top in sorted(classes.union(*pairs)):
        below = facts.below(top)
        for sign, reached in (("+", below), ("*", below | {top})):
            for sub in sorted(reached):
                yield f"<{sub}> {STANDS_FOR[sign]} <{top}> .\n"


def merged_lines(nquads: Path) -> Iterator[str]:
    """Give the statements of a sorted N-Quads file as lines of N-Triples, each once."""
    last = ""
    with nquads.open(encoding="utf-8", newline="\n") as file:
        for line in file:
            triple = line[: line.rindex(" <")] + " .\n"
            if triple != last:
                yield triple
                last = triple


def load(
    nquads: Path,
    name: str,
    answers: Mapping[str, tuple[str, str]],
    target: Target,
    check: Callable[[RemoteStore], Mapping[str, str]],
    say: Callable[[str], None],
) -> str:
    """Load a build into a server, so that a reader sees the build before it or this one, and never a part.

    The build becomes one graph of its own, with the closure of its class hierarchy and its answers in two more. A mark in a
    fourth says that it is whole, and which in the order of builds it is; readers take the last one marked. The mark is written
    when all is there and checked. The build before it stays for those who are reading it; older ones, and what an earlier load
    left unfinished, are removed. There may be many readers, and one writer.

    Parameters
    ----------
    nquads : Path
        The build's sorted N-Quads.
    name : str
        What tells the build from others: the hash of its inputs.
    answers : mapping of str to tuple of str
        The build's answers to the saved questions: of each the hash of its query and its rows as lines of JSON.
    target : Target
        Where to.
    check : callable
        Given a store of the loaded build before anyone else sees it; returns the summary of each saved question that the server
        answers wrongly by itself, and what is wrong; raises if the server is of no use.
    say : callable
        Told of each step.

    Returns
    -------
    str
        The IRI of the build's graph.

    Raises
    ------
    StoreError
        If the server can't be reached, lets us not write, or does not hold or answer what it was given. What readers saw stays.
    """
    build = BUILDS + name
    here = RemoteStore(target.endpoint, timeout=600, build=build)
    ready = ready_builds(here.raw)
    if ready and ready[-1][1] == build:
        say(f"{target.endpoint} holds this build already")
        return build
    stated = f"<{DATASET}> <{DCTERMS}hasVersion> <{build}> .\n"
    target.put(graph_of(build, "state"), [stated])  # on its way
    target.put(graph_of(build, "closure"), closure_lines(nquads))
    target.put(graph_of(build, "answers"), _answer_lines(build, answers))
    target.put(build, merged_lines(nquads), say)
    count = sum(1 for _ in merged_lines(nquads))
    found = values(here.raw("SELECT (COUNT(*) AS ?n) { ?s ?p ?o }", [build]))
    if found != [(str(count),)]:
        raise StoreError(
            f"{target.endpoint} holds {found[0][0]} of {count} statements; readers still see the build before"
        )
    wrong = check(RemoteStore(target.endpoint, build=build))
    place = ready[-1][0] + 1 if ready else 1
    position = f'<{build}> <{SCHEMA}position> "{place}"^^<{XSD}integer> .\n'
    target.put(graph_of(build, "state"), [stated, *_wrong_lines(build, wrong), position])
    keep = {build, *(other for _, other in ready[-1:])}
    for (other,) in values(here.raw(f"SELECT DISTINCT ?build {{ GRAPH ?state {{ {STATED} }} }}")):
        if other not in keep and other.startswith(BUILDS):
            target.put(graph_of(other, "state"), [stated.replace(build, other)])  # not to be chosen while it goes
            for graph in (other, *(graph_of(other, what) for what in ("closure", "answers", "state"))):
                target.drop(graph)
    return build


def _answer_lines(build: str, answers: Mapping[str, tuple[str, str]]) -> Iterator[str]:
    for name, (digest, rows) in sorted(answers.items()):
        if len(rows) <= _LONGEST_ANSWER:
            me = f"<{build}/answer/{name}>"
            yield f"{me} <{SCHEMA}identifier> {ox.Literal(digest)} .\n"
            yield f"{me} <{SCHEMA}text> {ox.Literal(rows)} .\n"


def _wrong_lines(build: str, wrong: Mapping[str, str]) -> Iterator[str]:
    for number, (question, why) in enumerate(sorted(wrong.items()), 1):
        me = f"<{build}/wrong/{number}>"
        yield f"{me} <{SCHEMA}about> {ox.Literal(question)} .\n"
        yield f"{me} <{SCHEMA}description> {ox.Literal(why)} .\n"
