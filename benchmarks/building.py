"""Own one measured build: processor seconds of its steps and peak memory of the process that builds; HermiT's processes have a limit of their own (1 GB each).

python benchmarks/building.py FOLDER OUT
python benchmarks/building.py FOLDER        # up to the checked lines of the dataset: no HermiT, no files, no answers
"""

from __future__ import annotations

import functools
import json
import os
import resource
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from regen_kg import assembly, build, reasoning
from regen_kg.store import EmbeddedStore

SECONDS: dict[str, float] = defaultdict(float)


def counted(name: str, work: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that adds its processor time to a step."""

    @functools.wraps(work)
    def run(*given: Any, **named: Any) -> Any:
        start = time.process_time()
        try:
            return work(*given, **named)
        finally:
            SECONDS[name] += time.process_time() - start

    return run


def main() -> None:
    """Build and print what it took as JSON."""
    folder, *out = map(Path, sys.argv[1:])
    reasoning.inferred_quads = counted("inference", reasoning.inferred_quads)
    assembly._Portion.check = counted("SHACL", assembly._Portion.check)  # type: ignore[method-assign]
    assembly.validation.shacl_findings = counted("SHACL", assembly.validation.shacl_findings)
    EmbeddedStore.write_disk = staticmethod(counted("store on disk", EmbeddedStore.write_disk))  # type: ignore[method-assign]
    step, start, peaks = "start", time.process_time(), {}

    def say(words: str) -> None:
        nonlocal step, start
        now = time.process_time()
        SECONDS[step] += now - start
        peaks[step] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(f"{now:.0f} s, {peaks[step] // 1024} MiB: {words}", file=sys.stderr, flush=True)
        step, start = words.split(",")[0], now

    begun = time.perf_counter()
    if out:
        manifest = build.make(folder, out[0], say).manifest
    else:
        reasoning.check_consistency = lambda *_: None  # its cost is that of one portion times their number
        _, _, manifest = build.assemble(folder, say)
    say("end")
    times, hermit = os.times(), resource.getrusage(resource.RUSAGE_CHILDREN)
    found = {
        "seconds": SECONDS, "peaks": peaks, "own": times.user + times.system, "hermit": hermit.ru_utime + hermit.ru_stime,
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        "wall": time.perf_counter() - begun, "quads": sum(manifest["triples"].values()),
        "violations": manifest["findings"].get("violation", 0),
    }  # fmt: skip
    print(json.dumps(found))


if __name__ == "__main__":
    main()
