"""Own the measurements: each step on the review and on synthetic folders, as ratios against a named peer in the same run.

A ratio is our time divided by the peer's: below 1 we are faster. Seconds mean little on a shared machine, ratios more.
"""

from __future__ import annotations

import argparse
import csv
import json
import multiprocessing
import os
import platform
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pyoxigraph as ox
import rdflib

from regen_kg import analysis, build, charting, queries, reasoning, triples, validation
from regen_kg.iris import ID, RKG, named_graph
from regen_kg.layout import ontology_dir, packaged_charted_dir
from regen_kg.model import Chart
from regen_kg.store import EmbeddedStore
from regen_kg.terms import Terms, compile_ontology

HERE = Path(__file__).resolve().parent
REVIEW = "review"
_FORK = multiprocessing.get_context("fork")  # the child sees the loaded graph; nothing is copied or read again


def timed(work: Callable[[], Any], runs: int = 3) -> tuple[float, Any]:
    """Return the shortest time of up to three runs, one if it takes more than a second, and what came out."""
    best = None
    for _ in range(runs):
        start = time.perf_counter()
        got = work()
        took = time.perf_counter() - start
        best = took if best is None else min(best, took)
        if took > 1:
            break
    assert best is not None
    return best, got


def _in_child(pipe: Connection, work: Callable[[], Any], count: Callable[[Any], int]) -> None:
    os.setsid()  # so that HermiT's Java goes with us when we are stopped
    try:
        took, got = timed(work)
        pipe.send((took, count(got), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))
    except Exception as err:
        said = str(err).splitlines() or [""]
        pipe.send((f"failed: {type(err).__name__}: {said[0][:120]}", 0, 0))


def limited(
    work: Callable[[], Any], limit: int, count: Callable[[Any], int] = lambda _: 0
) -> tuple[float | str, int, int]:
    """Time work in a child process of its own; return seconds, or the words that say how it ended, size and peak memory."""
    mine, its = _FORK.Pipe(duplex=False)
    child = _FORK.Process(target=_in_child, args=(its, work, count))
    child.start()
    its.close()
    try:
        if mine.poll(limit):
            got: tuple[float | str, int, int] = mine.recv()
            return got
        os.killpg(child.pid or 0, signal.SIGKILL)  # its own group, made by setsid above
        return f"stopped after {limit} s", 0, 0
    except EOFError:
        return "failed: the child process died", 0, 0
    finally:
        child.join()
        mine.close()


def plain_reading(folder: Path) -> int:
    """Read all tables with the csv module and check nothing: the peer of reading and of the chart checks."""
    cells = 0
    for path in sorted(folder.glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            cells += sum(len(row) for row in csv.reader(file))
    return cells


def plain_triples(chart: Chart) -> int:
    """Add one triple per charted cell to an rdflib graph in a plain loop: the peer of the triples stage."""
    graph = rdflib.Graph()
    for name, rows in chart.tables.items():
        for row in rows:
            me = rdflib.URIRef(f"{ID}row/{name}/{row.number}")
            for column, text in row.cells.items():
                if column not in row.missing:
                    graph.add((me, rdflib.URIRef(RKG + column), rdflib.Literal(text)))
    return len(graph)


def _resident() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def measure(folder: Path, peers: bool, limit: int, query_limit: int) -> dict[str, Any]:
    """Measure every step on one charted folder.

    Returns
    -------
    dict
        `sizes` (counts), `memory` (KiB at peak) and `times`: step to {own, peer, note}; a time is seconds or words.
    """
    times: dict[str, dict[str, Any]] = {}
    terms = Terms.load(ontology_dir())
    known = build.known_words(terms)
    ontology = compile_ontology(ontology_dir())
    hierarchy = build.hierarchy(ontology)
    shapes_dir = ontology_dir() / "shapes"

    plain, cells = timed(lambda: plain_reading(folder))
    own, chart = timed(lambda: charting.read_chart(folder, known))
    times["reading"] = {"own": own, "peer": plain, "note": "csv.reader over the same files, no checks"}
    own, data = timed(lambda: triples.review_quads(chart, terms))
    triples_own = own
    own, inferred = timed(lambda: reasoning.inferred_quads(ontology, hierarchy, data))
    inference_own = own
    graph = ox.NamedNode(named_graph("ontology"))
    quads = [*data, *(ox.Quad(t.subject, t.predicate, t.object, graph) for t in ontology), *inferred]
    own, store = timed(lambda: EmbeddedStore.of(quads))
    loading_own = own
    with tempfile.TemporaryDirectory() as temporary:
        ready = Path(temporary) / "ready.nq"
        ready.write_text("".join(sorted(f"{q} .\n" for q in quads)), "utf-8")

        def bulk() -> None:
            ox.Store().bulk_load(path=str(ready), format=ox.RdfFormat.N_QUADS)

        peer, _ = timed(bulk)
    times["loading"] = {"own": loading_own, "peer": peer, "note": "Store.bulk_load of the ready N-Quads file"}
    own, findings = timed(lambda: [*validation.chart_findings(chart), *analysis.number_findings(chart, terms)])
    times["chart checks"] = {"own": own, "peer": plain, "note": "csv.reader over the same files, no checks"}
    mine = _resident()

    peer, added = timed(lambda: plain_triples(chart))
    times["triples"] = {
        "own": triples_own / len(data), "peer": peer / added, "per": "triple", "note": "plain rdflib loop, Graph.add per charted cell; time per triple",
    }  # fmt: skip
    facts = [*ontology, *(q.triple for q in data)]
    hermit, _, _ = limited(lambda: reasoning.check_consistency(facts), limit)
    times["inference"] = {
        "own": inference_own,
        "peer": hermit,
        "note": "HermiT's consistency check of the same triples (its own process)",
    }

    shacl, violations, shacl_memory = limited(
        lambda: validation.shacl_findings(store.native, shapes_dir),
        limit,
        lambda found: sum(f.severity == "violation" for f in found),
    )
    times["SHACL"] = {"own": shacl, "peer": None, "note": "pyshacl on an rdflib graph of the same triples"}
    asked: dict[str, tuple[float | str, int]] = {}
    for name, query in queries.load_all().items():
        took, rows, _ = limited(lambda q=query: queries.run(store, q), query_limit, len)
        asked[name] = (took, rows)
        times[f"query {name}"] = {
            "own": took,
            "peer": None,
            "note": "rdflib's query engine on the same triples",
            "rows": rows,
        }
    if peers:
        import pyshacl

        merged = rdflib.Graph()
        merged.parse(data="".join(sorted({f"{q.triple} .\n" for q in quads})), format="nt")
        shapes = rdflib.Graph()
        for path in sorted(shapes_dir.glob("*.ttl")):
            shapes.parse(path, format="turtle")
        took, _, _ = limited(
            lambda: pyshacl.validate(merged, shacl_graph=shapes, inference="none", advanced=False, allow_warnings=True),
            limit,
        )
        times["SHACL"]["peer"] = took
        for name, query in queries.load_all().items():
            took, rows, _ = limited(lambda q=query: list(merged.query(q.text)), query_limit, len)
            times[f"query {name}"]["peer"] = took
            if not isinstance(took, str) and rows != asked[name][1]:
                times[f"query {name}"]["differs"] = f"{rows} rows there, {asked[name][1]} here"
    sizes = {
        "reports": len(chart.rows("reports")), "results": len(chart.rows("results")), "cells": cells,
        "quads": len(quads), "violations": violations + sum(f.severity == "violation" for f in findings),
    }  # fmt: skip
    order = ("reading", "triples", "loading", "inference", "SHACL", "chart checks")
    times = {step: times[step] for step in (*order, *(t for t in times if t not in order))}
    return {"times": times, "sizes": sizes, "memory": {"build": mine, "SHACL": shacl_memory}}


def machine() -> str:
    """Describe the machine in one line."""
    packages = ", ".join(f"{p} {version(p)}" for p in ("regen-kg", "pyoxigraph", "rdflib", "pyshacl", "owlready2"))
    load = ", ".join(f"{x:.1f}" for x in os.getloadavg())
    return f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}; {packages}; load average at the start {load}"


def _seconds(value: Any, per: str = "") -> str:
    if value is None:
        return "not run"
    if isinstance(value, str):
        return value
    return f"{value * 1e6:.1f} µs" if per else f"{value:.3g} s"


def _ratio(own: Any, peer: Any) -> str:
    if isinstance(own, float) and isinstance(peer, float) and peer > 0:
        return f"{own / peer:.2g}" if own / peer < 100 else f"{own / peer:.0f}"
    if isinstance(own, float) and isinstance(peer, str) and peer.startswith("stopped after"):
        return f"below {own / float(peer.split()[2]):.1g}"
    return "none"


def report(found: dict[str, dict[str, Any]], about: str, command: str, limits: str) -> str:
    """Write all measurements as markdown: one row per step and size."""
    lines = [
        "# Benchmark report", "", "Written by the command below; do not edit by hand. What the figures mean: `docs/reference/benchmarks.md`.", "",
        f"- Command: `{command}`", f"- Machine: {about}", f"- Limits: {limits}", "",
        "## Sizes and peak memory", "",
        "| data | reports | results | cells read | quads | violations | peak memory, reading to chart checks | peak memory of the SHACL process |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]  # fmt: skip
    for name, one in found.items():
        if "failed" in one:
            lines.append(f"| {name} | {one['failed']} |  |  |  |  |  |  |")
            continue
        sizes, memory = one["sizes"], one["memory"]
        shown = f"{memory['SHACL'] / 1024:,.0f} MiB" if memory["SHACL"] else "not finished"
        lines.append(
            f"| {name} | {sizes['reports']:,} | {sizes['results']:,} | {sizes['cells']:,} | {sizes['quads']:,} | {sizes['violations']} | {memory['build'] / 1024:,.0f} MiB | {shown} |"
        )
    lines += [
        "", "## Ratios", "",
        "Ratio: our time divided by the peer's, in the same run; below 1 we are faster. Growth: our time divided by our time on the review. "
        "A query with 0 rows had nothing to find: mappings and computed gaps and conflicts are not part of the measured graphs.", "",
        "| data | step | ratio | growth | ours | peer's | rows | peer |", "|---|---|---:|---:|---:|---:|---:|---|",
    ]  # fmt: skip
    base = found.get(REVIEW, {}).get("times", {})
    for name, one in found.items():
        for step, cell in one.get("times", {}).items():
            per = cell.get("per", "")
            growth = _ratio(cell["own"], base.get(step, {}).get("own")) if name != REVIEW else "1"
            note = cell["note"] + (f" ({cell['differs']})" if "differs" in cell else "")
            lines.append(
                f"| {name} | {step} | {_ratio(cell['own'], cell['peer'])} | {growth} | {_seconds(cell['own'], per)} | {_seconds(cell['peer'], per)} | {cell.get('rows', '')} | {note} |"
            )
    return "\n".join(lines) + "\n"


def _one_size(folder: Path, peers: bool, limit: int, query_limit: int, whole: int) -> dict[str, Any]:
    """Measure one folder in a process of its own, so that its peak memory is its own."""
    command = [
        sys.executable,
        str(Path(__file__).resolve()),
        "--measure",
        str(folder),
        "--limit",
        str(limit),
        "--query-limit",
        str(query_limit),
    ]
    if peers:
        command.append("--peers")
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=whole, check=False)
    except subprocess.TimeoutExpired:
        return {"failed": f"stopped after {whole} s"}
    if done.returncode != 0:
        return {"failed": "failed: " + (done.stderr.strip().splitlines() or ["no message"])[-1][:200]}
    got: dict[str, Any] = json.loads(done.stdout)
    return got


def main() -> None:
    """Measure, print the report, and write it with `--write`."""
    parser = argparse.ArgumentParser(description="Measure regen-kg against named peers.")
    parser.add_argument("--write", action="store_true", help="write benchmarks/report.md")
    parser.add_argument("--large", action="store_true", help="also 10,000 synthetic studies")
    parser.add_argument("--limit", type=int, default=180, help="seconds for SHACL and for HermiT, each")
    parser.add_argument("--query-limit", type=int, default=20, help="seconds for a query")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--peers", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        print(json.dumps(measure(given.measure, given.peers, given.limit, given.query_limit)))
        return
    from synthesise import synthesise

    about = machine()
    whole = 3600 if given.large else 900
    found: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as temporary:
        for studies in (0, 100, 1_000, *((10_000,) if given.large else ())):
            name = f"{studies:,} synthetic" if studies else REVIEW
            folder = Path(temporary) / str(studies) if studies else packaged_charted_dir()
            print(f"measuring {name}", file=sys.stderr, flush=True)
            if studies:
                synthesise(folder, studies, given.seed)
            found[name] = _one_size(folder, not studies, given.limit, given.query_limit, whole)
    limits = f"{given.limit} s for SHACL and HermiT each, {given.query_limit} s for a query, {whole} s for a size; the peers of SHACL and queries run on the review only"
    about += f", at the end {', '.join(f'{x:.1f}' for x in os.getloadavg())}"
    text = report(found, about, " ".join(["python benchmarks/run.py", *sys.argv[1:]]), limits)
    print(text)
    if given.write:
        (HERE / "report.md").write_text(text, "utf-8", newline="\n")


if __name__ == "__main__":
    main()
