"""Own the measurements: each step on the review and on synthetic folders, as ratios against a named peer in the same run.

A ratio is the peer's time divided by ours: above 1 we are faster. Seconds mean little on a shared machine, ratios more.
"""

from __future__ import annotations

import argparse
import csv
import gc
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
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.metadata import version
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pyoxigraph as ox
import rdflib

from regen_kg import analysis, build, charting, queries, reasoning, triples, validation
from regen_kg.iris import ID, RKG
from regen_kg.layout import ontology_dir, packaged_charted_dir
from regen_kg.model import Chart
from regen_kg.store import DISK, EmbeddedStore
from regen_kg.terms import Terms, compile_ontology

HERE = Path(__file__).resolve().parent
REVIEW = "review"
PEERS_UP_TO = 2_000  # reports; beyond, pyshacl and HermiT in one piece don't end
_FORK = multiprocessing.get_context("fork")  # the child sees the loaded graph; nothing is copied or read again


def processor_seconds() -> float:
    """Return the processor time of this process with its threads and its ended children."""
    return sum(os.times()[:4])


def timed(work: Callable[[], Any], most: int = 1_000) -> tuple[float, Any]:
    """Return the processor time of one run, the mean of as many as take a third of a second, and what came out."""
    start, runs = processor_seconds(), 0
    while True:
        got = work()
        runs += 1
        took = processor_seconds() - start
        if took > 0.3 or runs >= most:
            return took / runs, got


def _in_child(pipe: Connection, work: Callable[[], Any], count: Callable[[Any], int], limit: int) -> None:
    os.setsid()  # so that HermiT's Java goes with us when we are stopped
    resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        took, got = timed(work)
        pipe.send((took, count(got), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))
    except Exception as err:
        said = str(err).splitlines() or [""]
        pipe.send((f"failed: {type(err).__name__}: {said[0][:120]}", 0, 0))


def limited(
    work: Callable[[], Any], limit: int, count: Callable[[Any], int] = lambda _: 0
) -> tuple[float | str, int, int]:
    """Measure work in a child process with a limit of processor seconds; return them, or the words that say how it ended, size and peak memory."""
    mine, its = _FORK.Pipe(duplex=False)
    child = _FORK.Process(target=_in_child, args=(its, work, count, limit))
    child.start()
    its.close()
    try:
        got: tuple[float | str, int, int] = mine.recv()
        return got
    except EOFError:
        child.join()
        if child.exitcode in (-signal.SIGXCPU, -signal.SIGKILL):
            return f"stopped after {limit} s", 0, 0
        return f"failed: the child process died ({child.exitcode})", 0, 0
    finally:
        if child.pid:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)  # its own group, made by setsid above: Java outlives its parent
        child.join()
        mine.close()


def plain_reading(folder: Path) -> int:
    """Read all tables with the csv module and check nothing: the peer of reading and of the chart checks."""
    cells = 0
    for path in sorted(folder.glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            cells += sum(len(row) for row in csv.reader(file))
    return cells


def cells_of(chart: Chart) -> Iterator[tuple[str, int, str, str]]:
    """Yield (table, row, column, text) of every charted cell: what the peers of the triples stage write, one triple each."""
    for name, rows in chart.tables.items():
        for row in rows:
            for column, text in row.cells.items():
                if column not in row.missing:
                    yield name, row.number, column, text


def formatted(chart: Chart, out: Path) -> int:
    """Write one N-Quads line per charted cell with nothing but string formatting."""
    count = 0
    with out.open("w", encoding="utf-8", newline="\n") as file:
        for name, number, column, text in cells_of(chart):
            text = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
            file.write(f'<{ID}row/{name}/{number}> <{RKG}{column}> "{text}" <{ID}graph/{name}> .\n')
            count += 1
    return count


def rdflib_loop(chart: Chart, out: Path) -> int:
    """Add one triple per charted cell to an rdflib graph and write it: a plain loop."""
    graph = rdflib.Graph()
    for name, number, column, text in cells_of(chart):
        graph.add((rdflib.URIRef(f"{ID}row/{name}/{number}"), rdflib.URIRef(RKG + column), rdflib.Literal(text)))
    graph.serialize(out, format="nt", encoding="utf-8")
    return len(graph)


def ours(chart: Chart, terms: Terms, out: Path) -> int:
    """Write the quads of a chart: the triples stage."""
    lines = 0
    with out.open("w", encoding="utf-8", newline="\n") as file:
        for text in triples.review_nquads(chart, terms):
            lines += text.count("\n")
            file.write(text)
    return lines


def _resident() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _peer(python: str, *words: str, limit: int) -> Any:
    """Run a job of peers.py with the interpreter that has its packages; its answer, or the words that say how it ended."""
    try:
        done = subprocess.run(
            [python, str(HERE / "peers.py"), *words], capture_output=True, text=True, timeout=limit, check=False
        )
    except subprocess.TimeoutExpired:
        return f"stopped after {limit} s"
    if done.returncode:
        return "failed: " + (done.stderr.strip().splitlines() or ["no message"])[-1][:120]
    return json.loads(done.stdout)


def triples_stage(
    folder: Path, chart: Chart, terms: Terms, temporary: Path, given: argparse.Namespace
) -> dict[str, Any]:
    """Measure charted rows to N-Quads and its peers: processor microseconds per line, lines, and resident memory before and after."""
    before = _resident()
    seconds, lines = timed(lambda: ours(chart, terms, temporary / "ours.nq"))
    found: dict[str, Any] = {"ours": seconds / lines * 1e6, "lines": lines, "before": before, "after": _resident()}
    seconds, lines = timed(lambda: formatted(chart, temporary / "plain.nq"))
    found["string formatting"] = seconds / lines * 1e6
    if not given.only_triples:
        took, count, _ = limited(lambda: rdflib_loop(chart, temporary / "loop.nt"), given.limit * 3, int)
        found["rdflib loop"] = took / count * 1e6 if isinstance(took, float) else took
    if given.peers and not given.only_triples:
        got = _peer(given.peers, "morph", str(folder), limit=3600)
        found["morph-kgc"] = got["cpu"] / got["triples"] * 1e6 if isinstance(got, dict) else got
    return found


def _raw(native: ox.Store, text: str) -> int:
    rows = 0
    for solution in native.query(text, use_default_graph_as_union=True):  # type: ignore[union-attr]
        rows += 1
        for cell in solution:
            _ = None if cell is None else cell.value
    return rows


def _loaded(nquads: Path) -> ox.Store:
    store = ox.Store()
    store.bulk_load(path=str(nquads), format=ox.RdfFormat.N_QUADS)
    return store


def _build(folder: Path, out: Path | None, figures: Path, limit: int) -> dict[str, Any]:
    """Build in a process of its own, so that its peak memory is its own (see building.py); one whose figures are kept is not made again."""
    if figures.is_file():
        made: dict[str, Any] = json.loads(figures.read_text("utf-8"))
        return made
    command = [sys.executable, str(HERE / "building.py"), str(folder), *([str(out)] if out else [])]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=limit, check=True)
    figures.write_text(done.stdout, "utf-8")
    got: dict[str, Any] = json.loads(done.stdout)
    return got


def measure(folder: Path, given: argparse.Namespace, temporary: Path) -> dict[str, Any]:
    """Measure every step on one charted folder.

    Returns
    -------
    dict
        `sizes` (counts), `memory` (KiB at peak), `triples` (see `triples_stage`), `build` (see building.py), `steps` (name to
        own, peer, note) and `queries` (name to kept, engine, raw, rdflib, columnar, rows); a time is seconds or words.
    """
    steps: dict[str, dict[str, Any]] = {}
    out = given.built or temporary / "built"
    figures = out.with_name(f"{out.name}.json")
    terms = Terms.load(ontology_dir())
    known = build.known_words(terms)
    shapes_dir = ontology_dir() / "shapes"
    plain, cells = timed(lambda: plain_reading(folder))
    own, chart = timed(lambda: charting.read_chart(folder, known))
    steps["reading"] = {"own": own, "peer": plain, "note": "csv.reader over the same files, no checks"}
    stage = triples_stage(folder, chart, terms, temporary, given)
    sizes: dict[str, Any] = {
        "reports": len(chart.rows("reports")), "results": len(chart.rows("results")), "cells": cells, "quads": stage["lines"],
    }  # fmt: skip
    found = {
        "steps": steps,
        "triples": stage,
        "sizes": sizes,
        "queries": {},
        "memory": {"rows to N-Quads": stage["after"]},
    }
    if given.only_triples:
        chart = stage = None  # type: ignore[assignment]  # the build reads them for itself, and is to be alone
        found["build"] = _build(folder, None, figures, given.build_limit)
        found["memory"]["build"], sizes["quads"] = found["build"]["memory"], found["build"]["quads"]
        return found

    own, findings = timed(lambda: [*validation.chart_findings(chart), *analysis.number_findings(chart, terms)], 1)
    steps["chart checks"] = {"own": own, "peer": plain, "note": "csv.reader over the same files, no checks"}
    built = _build(folder, out, figures, given.build_limit)
    found["build"] = built
    sizes["quads"] = built["quads"]
    found["memory"]["build"] = built["memory"]
    seconds = built["seconds"]
    made = build.open_build(out)
    ready = made.dataset()
    large = (out / DISK).is_dir()

    def bulk() -> None:
        ox.Store().bulk_load(path=str(ready), format=ox.RdfFormat.N_QUADS)

    small = sizes["reports"] <= PEERS_UP_TO
    hermit: float | str = f"not run above {PEERS_UP_TO:,} reports"
    if small:
        facts = [*compile_ontology(ontology_dir()), *(q.triple for q in triples.review_quads(chart, terms))]
        hermit, _, _ = limited(lambda: reasoning.check_consistency(facts), given.limit)
        facts.clear()
    steps["inference"] = {
        "own": seconds["inference"],
        "peer": hermit,
        "note": "HermiT's consistency check of the same triples in one piece (its own process)",
    }
    steps["consistency, in portions"] = {"own": built["hermit"], "peer": hermit, "note": "HermiT, in one piece"}
    steps["gaps and conflicts"] = {"own": seconds["finding gaps and conflicts"], "peer": None, "note": "no peer"}
    steps["SHACL in the build"] = {"own": seconds["SHACL"], "peer": None, "note": "no peer"}
    peer, _ = timed(bulk, 1)
    own, store = timed(lambda: EmbeddedStore(_loaded(ready)), 1)
    steps["loading"] = {"own": own, "peer": peer, "note": "Store.bulk_load of the same file"}
    if large:
        shown = "Store.bulk_load of the same file into memory"
        steps["writing the store on disk"] = {"own": seconds["store on disk"], "peer": peer, "note": shown}
        own, _ = timed(lambda: EmbeddedStore.open(ready).query("ASK { ?s ?p ?o }"), 1)
        steps["opening the store on disk, first query"] = {"own": own, "peer": peer, "note": shown}
    if small:
        shapes = validation.read_shapes(shapes_dir)
        own, _, found["memory"]["SHACL"] = limited(
            lambda: validation.set_wise_findings(store.native, shapes), given.limit
        )
        took, _, _ = limited(lambda: validation.reference_findings(store.native, shapes), given.limit)
        steps["SHACL set-wise"] = {"own": own, "peer": took, "note": "pyshacl on the same store"}
    sizes["violations"] = built["violations"] + sum(f.severity == "violation" for f in findings)

    chart = None  # type: ignore[assignment]  # no process that asks questions holds it
    gc.collect()

    def opened() -> EmbeddedStore:
        """Return the graph as the build is asked: loaded before, or on disk, which each child opens for itself."""
        return EmbeddedStore.open(ready) if large else store

    kept = made.store()
    for name, query in queries.load_all().items():
        engine, rows, _ = limited(lambda q=query: queries.run(opened(), q), given.query_limit, len)
        raw, _, _ = limited(lambda q=query: _raw(opened().native, q.text), given.query_limit)
        own, same = timed(lambda q=query: queries.run(kept, q))
        if not isinstance(engine, str) and len(same) != rows:
            raise SystemExit(f"{name}: {len(same)} rows kept, {rows} from the engine")
        found["queries"][name] = {"kept": own, "engine": engine, "raw": raw, "rows": len(same)}
    if given.peers and isinstance(
        columns := _peer(given.peers, "duck", str(folder), str(ontology_dir()), str(out), limit=3600), dict
    ):
        for name, one in columns.items():
            if name in found["queries"]:  # answers to a question with another default are left out
                found["queries"][name].update(columnar=one.get("seconds"), same=one.get("same rows"))
        if [list(row.values()) for row in queries.run(kept, queries.get("gap-matrix"))] != columns["gap-matrix"][
            "first"
        ]:
            found["queries"]["gap-matrix"]["differs"] = "other counts in DuckDB"
    if given.rdflib:
        merged = rdflib.Graph()
        lines = sorted({f"{q.triple} .\n" for q in store.native})
        merged.parse(data="".join(lines), format="nt")
        import pyshacl

        shapes = validation.read_shapes(shapes_dir)
        took, _, _ = limited(
            lambda: pyshacl.validate(merged, shacl_graph=shapes, inference="none", advanced=False, allow_warnings=True),
            given.limit,
        )
        own = steps["SHACL set-wise"]["peer"]
        steps["SHACL by pyshacl"] = {
            "own": own,
            "peer": took,
            "note": "pyshacl on an rdflib graph of the same triples",
        }
        for name, query in queries.load_all().items():
            took, rows, _ = limited(lambda q=query: list(merged.query(q.text)), given.query_limit, len)
            mine = found["queries"][name]
            mine["rdflib"] = took
            if not isinstance(took, str) and rows != mine["rows"]:
                mine["differs"] = f"{rows} rows there"
    return found


def starts() -> dict[str, tuple[float, float]]:
    """Return processor and wall seconds, best of seven, of whole processes: bare Python, rdflib's import, saved questions."""
    commands = {
        "python -c pass": ["-c", "pass"],
        'python -c "import rdflib"': ["-c", "import rdflib"],
        "regen-kg query reports": ["-m", "regen_kg.cli", "query", "reports"],
        "regen-kg query arms --param report=gormeli-2015": ["-m", "regen_kg.cli", "query", "arms", "--param", "report=gormeli-2015"],
        "regen-kg sparql ASK": ["-m", "regen_kg.cli", "sparql", "ASK { ?s ?p ?o }"],
    }  # fmt: skip
    best: dict[str, tuple[float, float]] = {}
    for _ in range(8):  # the first round makes or finds the build, and is not the best of anything
        for name, words in commands.items():
            before, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
            subprocess.run([sys.executable, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
            took, after = time.perf_counter() - wall, resource.getrusage(resource.RUSAGE_CHILDREN)
            cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            one = best.get(name, (cpu, took))
            best[name] = (min(one[0], cpu), min(one[1], took))
    return best


def machine() -> str:
    """Describe the machine in one line."""
    packages = ", ".join(f"{p} {version(p)}" for p in ("regen-kg", "pyoxigraph", "rdflib", "pyshacl", "owlready2"))
    load = ", ".join(f"{x:.1f}" for x in os.getloadavg())
    return f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}; {packages}; load average at the start {load}"


def _seconds(value: Any) -> str:
    if value is None:
        return "not run"
    if isinstance(value, str):
        return value
    return f"{value * 1e3:.3g} ms" if value < 1 else f"{value:.3g} s"


def _ratio(peer: Any, own: Any) -> str:
    """Say how many times as long the peer takes; where it was stopped, at least how many."""
    if not isinstance(own, float) or peer is None:
        return "–"
    if isinstance(peer, float):
        return f"{peer / own:.3g}"
    return f"> {float(peer.split()[2]) / own:.3g}" if peer.startswith("stopped after") else peer.split(":")[0]


def _mib(kib: int) -> str:
    return f"{kib / 1024:,.0f}" if kib else "–"


def report(
    found: dict[str, dict[str, Any]], begun: dict[str, tuple[float, float]], about: str, command: str, limits: str
) -> str:
    """Write all measurements as markdown."""
    lines = [
        "# Benchmark report", "", "Written by the command below; do not edit by hand. What the figures mean: `docs/reference/benchmarks.md`.", "",
        f"- Command: `{command}`", f"- Machine: {about}", f"- Limits: {limits}", "- Times are processor seconds of a process with its threads and children, which other programs on the machine change little; limits too.", "- Ratio: the peer's time divided by ours, in the same run; above 1 we are faster.", "",
        "## Sizes and peak memory", "",
        "| data | reports | results | cells read | quads | violations | MiB, reading and rows to N-Quads | MiB, whole build | MiB, all loaded and SHACL |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]  # fmt: skip
    whole = {name: one for name, one in found.items() if "failed" not in one}
    lines += [f"| {name} | {one['failed']} |  |  |  |  |  |  |  |" for name, one in found.items() if "failed" in one]
    for name, one in whole.items():
        s, m = one["sizes"], one["memory"]
        lines.append(
            f"| {name} | {s['reports']:,} | {s['results']:,} | {s['cells']:,} | {s['quads']:,} | {s.get('violations', '–')} | "
            f"{_mib(m['rows to N-Quads'])} | {_mib(m.get('build', 0))} | {_mib(m.get('SHACL', 0))} |"
        )
    lines += [
        "",
        "## Rows to N-Quads",
        "",
        "Processor time per line written; the peers write one line per charted cell.",
        "",
    ]
    peers = ("string formatting", "morph-kgc", "rdflib loop")
    lines += [f"| data | lines | ours | {' | '.join(f'{p}, ratio' for p in peers)} |", "|---|---:|---:|---:|---:|---:|"]
    for name, one in whole.items():
        t = one["triples"]
        ratios = " | ".join(_ratio(t.get(p), t["ours"]) for p in peers)
        lines.append(f"| {name} | {t['lines']:,} | {t['ours']:.2f} µs | {ratios} |")
    lines += [
        "", "## Builds", "", "Processor seconds, and MiB at the peak up to the end of each step; inference and SHACL are within *writing quads*.", "",
        "| data | whole, with HermiT | reading the tables | gaps and conflicts | quads, inference, SHACL | of these inference | of these SHACL | HermiT beside them | files and answers |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]  # fmt: skip
    for name, one in whole.items():
        if made := one.get("build"):
            of, at = made["seconds"], made["peaks"]
            cells = [f"{of[k]:.1f} s, {_mib(at[k])}" for k in ("reading the charted tables", "finding gaps and conflicts", "writing quads")]  # fmt: skip
            cells += [f"{of[k]:.1f} s" for k in ("inference", "SHACL")]
            files = "writing files" in of
            cells += (
                [f"{made['hermit']:.1f} s", f"{of['writing files']:.1f} s, {_mib(at['writing files'])}"]
                if files
                else ["not run", "not run"]
            )
            lines.append(f"| {name} | {made['own'] + made['hermit']:.1f} s | {' | '.join(cells)} |")
    lines += ["", "## Steps", "", "| data | step | ours | peer's | ratio | peer |", "|---|---|---:|---:|---:|---|"]
    for name, one in whole.items():
        for step, cell in one["steps"].items():
            lines.append(
                f"| {name} | {step} | {_seconds(cell['own'])} | {_seconds(cell['peer'])} | {_ratio(cell['peer'], cell['own'])} | {cell['note']} |"
            )
    lines += [
        "", "## Saved questions", "",
        "Kept: from the answers that the build kept; engine: without them; raw: the query given to pyoxigraph by hand, each cell read; the last four are ratios to *kept*. Columnar: DuckDB's aggregate of the charted tables; same rows: DuckDB handing over the very rows from a table in memory.", "",
        "| data | question | rows | kept | engine | raw | raw, ratio | columnar, ratio | same rows, ratio | rdflib, ratio |", "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]  # fmt: skip
    for name, one in whole.items():
        for question, q in one["queries"].items():
            note = f" ({q['differs']})" if "differs" in q else ""
            lines.append(
                f"| {name} | {question} | {q['rows']:,} | {_seconds(q['kept'])} | {_seconds(q['engine'])} | {_seconds(q['raw'])} | "
                f"{_ratio(q['raw'], q['kept'])} | {_ratio(q.get('columnar'), q['kept'])} | {_ratio(q.get('same'), q['kept'])} | {_ratio(q.get('rdflib'), q['kept'])}{note} |"
            )
    lines += ["", "## Whole processes", "", "| command | processor | wall |", "|---|---:|---:|"]
    lines += [f"| `{name}` | {cpu:.3f} s | {wall:.3f} s |" for name, (cpu, wall) in begun.items()]
    return "\n".join(lines) + "\n"


def _one_size(folder: Path, words: list[str], whole: int) -> dict[str, Any]:
    """Measure one folder in a process of its own, so that its peak memory is its own."""
    command = [sys.executable, str(Path(__file__).resolve()), "--measure", str(folder), *words]
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
    parser.add_argument("--largest", action="store_true", help="also 100,000, up to the checked lines of the dataset")
    parser.add_argument("--limit", type=int, default=180, help="seconds for SHACL and for HermiT, each")
    parser.add_argument("--build-limit", type=int, default=3600, help="seconds by the clock for a build")
    parser.add_argument("--query-limit", type=int, default=20, help="seconds for a query")
    parser.add_argument("--peers", default="", metavar="PYTHON", help="an interpreter that has morph-kgc and duckdb")
    parser.add_argument(
        "--results", type=Path, metavar="DIR", help="keep each size's figures there, and go on from them"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--built", type=Path, help=argparse.SUPPRESS)
    for hidden in ("rdflib", "only-triples"):
        parser.add_argument(f"--{hidden}", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        if given.measure:
            print(json.dumps(measure(given.measure, given, Path(temporary))))
            return
        from synthesise import synthesise

        about = machine()
        begun = starts()
        found: dict[str, dict[str, Any]] = {}
        sizes = (0, 100, 1_000, *((10_000,) if given.large else ()), *((100_000,) if given.largest else ()))
        for studies in sizes:
            name = f"{studies:,} synthetic" if studies else REVIEW
            folder = Path(temporary) / str(studies) if studies else packaged_charted_dir()
            print(f"measuring {name}", file=sys.stderr, flush=True)
            words = ["--limit", str(given.limit), "--query-limit", str(given.query_limit), "--peers", given.peers]
            words += ["--build-limit", str(given.build_limit)]
            words += ["--rdflib"] if studies in (0, 1_000) else []
            words += ["--only-triples"] if studies > 10_000 else []
            words += ["--built", str(given.results / f"built-{studies}")] if given.results else []
            kept = given.results / f"{studies}.json" if given.results else None
            if kept and kept.is_file():
                found[name] = json.loads(kept.read_text("utf-8"))
                continue
            if studies:
                synthesise(folder, studies, given.seed)
            found[name] = _one_size(folder, words, 3600)
            if kept:
                kept.write_text(json.dumps(found[name]), "utf-8")
    limits = f"{given.limit} s for SHACL and HermiT each, {given.query_limit} s for a query, an hour for a size; rdflib's answers and pyshacl on the review and 1,000 studies; 100,000 up to the checked lines, without HermiT and files"
    about += f", at the end {', '.join(f'{x:.1f}' for x in os.getloadavg())}"
    own = {given.peers: "PYTHON", str(given.results): "DIR"}  # places of this machine are no one's business
    command = " ".join(["python benchmarks/run.py", *(own.get(word, word) for word in sys.argv[1:])])
    text = report(found, begun, about, command, limits)
    print(text)
    if given.write:
        (HERE / "report.md").write_text(text, "utf-8", newline="\n")


if __name__ == "__main__":
    main()
