"""Own what the endpoint says about itself: service description, VoID, OpenAPI and the front page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

import pyoxigraph as ox

from regen_kg import __version__
from regen_kg.iris import BASE, RDF, SD, VOID, named_graph
from regen_kg.queries import SavedQuery
from regen_kg.worker import GRAPHS, TABLES, Limits

QUESTION_FORMATS = {"csv": "text/csv", "json": "application/json", "ttl": "text/turtle"}
_FORMATS_BASE = "http://www.w3.org/ns/formats/"


def service(address: str, graphs: Iterable[str]) -> list[ox.Triple]:
    """Describe the service at an address in the terms of the SPARQL 1.1 Service Description.

    Raises
    ------
    ValueError
        If the address is no IRI.
    """

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


def void(address: str) -> str:
    """Return the query whose answer describes the dataset: what its build says of it, and the address of its endpoint.

    Raises
    ------
    ValueError
        If the address is no IRI.
    """
    endpoint = f"<{BASE}dataset> <{VOID}sparqlEndpoint> {ox.NamedNode(address)}"
    return f"CONSTRUCT {{ ?s ?p ?o . {endpoint} }} WHERE {{ GRAPH <{named_graph('provenance')}> {{ ?s ?p ?o }} }}"


def _said(words: str, *media: str, schema: Mapping[str, Any] | None = None) -> dict[str, Any]:
    content = {
        m: {"schema": schema or ({"type": "object"} if m.endswith("json") else {"type": "string"})} for m in media
    }
    return {"description": words, "content": content} if media else {"description": words}


def openapi(
    questions: Mapping[str, SavedQuery], known: Mapping[str, Sequence[str]], limits: Limits, where: str
) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of the service.

    Parameters
    ----------
    questions : mapping of str to SavedQuery
        The saved questions; each has a path of its own.
    known : mapping of str to sequence of str
        The values that a parameter can take; an empty one is left open.
    limits : Limits
        What a query may take.
    where : str
        Address of the service.
    """
    refused = {
        "400": _said("The query or a parameter is refused; the text says why", "text/plain"),
        "503": _said("Stopped at a limit, or all places taken; see Retry-After", "text/plain"),
    }
    query = {
        "200": _said("The answer; X-Truncated: true if it was cut at the row limit", *TABLES, *GRAPHS),
        "304": _said("The build is the one of If-None-Match"),
        "406": _said("None of the accepted formats fits this kind of query", "text/plain"),
        "413": _said("The request or its query is too large", "text/plain"),
        **refused,
    }
    graphs = [
        {"name": name, "in": "query", "description": words, "schema": {"type": "array", "items": {"type": "string"}}}
        for name, words in (
            ("default-graph-uri", "Graphs that are merged as the default graph"),
            ("named-graph-uri", "Graphs that GRAPH sees"),
        )
    ]
    form = {
        "type": "object",
        "required": ["query"],
        "properties": {"query": {"type": "string"}, **{g["name"]: g["schema"] for g in graphs}},
    }
    asked = {"name": "query", "in": "query", "description": "One SPARQL 1.1 query; without it, the service description"}
    paths: dict[str, Any] = {
        "/sparql": {
            "get": {
                "operationId": "query",
                "summary": f"Run a query: at most {limits.seconds:g} seconds and {limits.rows:,} rows",
                "parameters": [{**asked, "schema": {"type": "string", "maxLength": limits.query_bytes}}, *graphs],
                "responses": query,
            },
            "post": {
                "operationId": "queryByPost",
                "summary": "Run a query that is too long for an address",
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/x-www-form-urlencoded": {"schema": form},
                        "application/sparql-query": {"schema": {"type": "string", "maxLength": limits.query_bytes}},
                    },
                },
                "parameters": graphs,
                "responses": {**query, "415": _said("Neither a form nor a query", "text/plain")},
            },
        },
    }
    simple = {
        "/queries": ("questions", "The saved questions with their parameters", ("application/json",)),
        "/void": ("void", "The dataset in VoID and DCAT", tuple(GRAPHS)),
        "/.well-known/void": ("wellKnownVoid", "The dataset in VoID and DCAT", tuple(GRAPHS)),
        "/health": ("health", "Whether the service runs, and what it holds", ("application/json",)),
        "/metrics": ("metrics", "Counters, as Prometheus reads them", ("text/plain",)),
        "/openapi.json": ("openapi", "This document", ("application/json",)),
        "/": ("front", "A page that names all this", ("text/html",)),
    }
    for path, (name, words, media) in simple.items():
        schema = {"type": "array", "items": {"type": "object"}} if path == "/queries" else None
        paths[path] = {
            "get": {"operationId": name, "summary": words, "responses": {"200": _said(words, *media, schema=schema)}}
        }
    for saved in questions.values():
        parameters = []
        for p in saved.parameters:
            kind: dict[str, Any] = {"type": "string"}
            if 0 < len(known.get(p.name, ())) <= 100:
                kind["enum"] = list(known[p.name])
            if p.default:
                kind["default"] = p.default
            parameters.append({"name": p.name, "in": "query", "description": p.meaning, "schema": kind})
        row = {"type": "object", "properties": {c: {"type": "string"} for c in saved.columns}}
        for ending, media_type in QUESTION_FORMATS.items():
            rows = {"type": "array", "items": {**row, "required": list(saved.columns)}} if ending == "json" else None
            paths[f"/queries/{saved.name}.{ending}"] = {
                "get": {
                    "operationId": f"{saved.name}-{ending}",
                    "summary": saved.summary,
                    "description": f"No row means that {saved.empty}.",
                    "tags": list(saved.tags),
                    "parameters": parameters,
                    "responses": {
                        "200": _said(
                            f"One row per answer: {', '.join(saved.columns)}; X-Noted says which rest on noted cells",
                            media_type,
                            schema=rows,
                        ),
                        "304": _said("The build is the one of If-None-Match"),
                        **refused,
                    },
                }
            }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "regen-kg",
            "version": __version__,
            "summary": "Evidence on regenerative medicine for the foot and ankle, read-only",
            "description": "In a row an empty string means not charted. Not medical advice.",
        },
        "servers": [{"url": where}],
        "paths": paths,
    }


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>regen-kg: SPARQL endpoint</title>
<style>body{{font:16px/1.5 sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color-scheme:light dark}}
textarea{{width:100%;box-sizing:border-box;font:14px monospace}}td,th{{text-align:left;vertical-align:top;padding:.2rem .8rem .2rem 0}}</style>
</head><body>
<h1>regen-kg</h1>
<p>Evidence on regenerative medicine for the foot and ankle: {quads:,} statements in {graphs:,} named graphs, read-only.
The charted facts of one review, not appraised for risk of bias; not medical advice. <code>regen-kg explore</code> opens the same build as pages to read.</p>
<h2>Ask in SPARQL</h2>
<form action="/sparql" method="get">
<p><label for="query">A SPARQL 1.1 query, over all named graphs unless it says FROM:</label></p>
<textarea id="query" name="query" rows="6">PREFIX rkg: &lt;https://w3id.org/regen-kg/ontology#&gt;
SELECT ?report {{ ?report a rkg:Report }} ORDER BY ?report</textarea>
<p><button>Ask</button> at most {seconds:g} seconds and {rows:,} rows</p></form>
<ul><li><a href="/sparql">/sparql</a>: the SPARQL 1.1 protocol; without a query, the service description</li>
<li><a href="/void">/void</a>: the dataset in VoID and DCAT</li>
<li><a href="/openapi.json">/openapi.json</a>: this interface in OpenAPI 3.1</li>
<li><a href="/health">/health</a>, <a href="/metrics">/metrics</a>: is it well, and what has it done</li></ul>
<h2>Saved questions</h2>
<p>As a list with their parameters: <a href="/queries">/queries</a>. A parameter stands in the address, as in
<a href="/queries/gap-matrix.csv?placement=charted">/queries/gap-matrix.csv?placement=charted</a>. An empty cell means not charted.</p>
<table><tr><th scope="col">Question</th><th scope="col">Parameters</th><th scope="col">Answer</th></tr>
{questions}
</table></body></html>
"""


def front_page(questions: Iterable[SavedQuery], quads: int, graphs: int, limits: Limits) -> str:
    """Return the page that names what there is; it works without scripts and fetches nothing."""
    lines = []
    for saved in questions:
        links = " ".join(f'<a href="/queries/{saved.name}.{e}">{e}</a>' for e in QUESTION_FORMATS)
        parameters = ", ".join(f"{p.name}: {p.meaning}" for p in saved.parameters)
        lines.append(
            f"<tr><td><strong>{escape(saved.name)}</strong><br>{escape(saved.summary)}</td>"
            f"<td>{escape(parameters)}</td><td>{links}</td></tr>"
        )
    return _PAGE.format(
        quads=quads, graphs=graphs, seconds=limits.seconds, rows=limits.rows, questions="\n".join(lines)
    )
