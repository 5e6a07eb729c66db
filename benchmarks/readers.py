"""Ask a running endpoint with many readers at once, and check every answer against the first one of its kind.

python benchmarks/readers.py --minutes 10 --readers 50      # starts its own server on the review
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import itertools
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from statistics import quantiles
from urllib.parse import urlencode

PREFIX = "PREFIX rkg: <https://w3id.org/regen-kg/ontology#> PREFIX skos: <http://www.w3.org/2004/02/skos/core#> "
REPORTS = "SELECT ?r ?n { ?r a rkg:Report ; skos:notation ?n } ORDER BY ?n"
COUNTS = "SELECT ?c (COUNT(*) AS ?n) { ?s a ?c } GROUP BY ?c ORDER BY ?c"
ARMS = "CONSTRUCT { ?a a rkg:Arm } WHERE { { SELECT ?a { ?a a rkg:Arm } ORDER BY ?a LIMIT 20 } }"


def _form(query: str) -> bytes:
    return urlencode({"query": PREFIX + query}).encode()


# Method, path, Accept, body of the requests; each reader takes them in turn, starting at another one.
REQUESTS = [
    ("GET", "/sparql?" + urlencode({"query": PREFIX + REPORTS}), "application/sparql-results+json", None),
    ("GET", "/queries/gap-matrix.csv?placement=charted", "text/csv", None),
    ("POST", "/sparql", "text/csv", _form(COUNTS)),
    ("GET", "/queries/arms.json?report=gormeli-2015", "application/json", None),
    ("POST", "/sparql", "application/n-triples", _form(ARMS)),
    ("GET", "/sparql?" + urlencode({"query": "ASK { ?s ?p ?o }"}), "application/sparql-results+xml", None),
    ("GET", "/health", "application/json", None),
]


@dataclass
class Tally:
    """What the readers met: seconds of each answer, and what was wrong."""

    seconds: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    not_modified: int = 0


def read(port: int, readers: int, seconds: float) -> Tally:
    """Let readers ask for some time; every fault is kept, and a fault ends nobody's reading."""
    out, first, lock = Tally(), {}, threading.Lock()
    end = time.monotonic() + seconds

    def one(number: int) -> None:
        link = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        tags: dict[int, str] = {}
        for turn in itertools.count(number):
            if time.monotonic() > end:
                link.close()
                return
            which = turn % len(REQUESTS)
            method, path, accept, body = REQUESTS[which]
            headers = {"Accept": accept, "Content-Type": "application/x-www-form-urlencoded"}
            if which in tags and turn % 2:
                headers["If-None-Match"] = tags[which]
            start = time.monotonic()
            try:
                link.request(method, path, body, headers)
                reply = link.getresponse()
                content = reply.read()
            except (OSError, http.client.HTTPException) as err:
                with lock:
                    out.faults.append(f"{method} {path}: {type(err).__name__} {err}")
                link.close()
                continue
            took = time.monotonic() - start
            digest = hashlib.sha256(content).hexdigest()
            with lock:
                out.seconds.append(took)
                if reply.status == 304 and "If-None-Match" in headers:
                    out.not_modified += 1
                elif reply.status != 200:
                    out.faults.append(f"{method} {path}: {reply.status} {content[:200]!r}")
                elif first.setdefault(which, digest) != digest:
                    out.faults.append(f"{method} {path}: another answer than the first one")
                elif method == "GET" and reply.headers["ETag"]:
                    tags[which] = reply.headers["ETag"]

    threads = [threading.Thread(target=one, args=(n,)) for n in range(readers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return out


def main() -> None:
    """Start a server, let the readers ask, and print the figures; exit 1 on any fault."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--readers", type=int, default=50)
    args = parser.parse_args()
    command = [sys.executable, "-m", "regen_kg.cli", "serve", "--port", "0"]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert server.stderr is not None
    try:
        line = next(line for line in server.stderr if "SPARQL is at" in line)
        found = read(int(line.split(":")[2].split("/")[0]), args.readers, args.minutes * 60)
    finally:
        server.terminate()
        server.wait(30)
    cuts = quantiles(found.seconds, n=100)
    print(
        f"{args.readers} readers, {args.minutes:g} minutes: {len(found.seconds):,} answers "
        f"({found.not_modified:,} of them 304), {len(found.faults)} faults; "
        f"median {cuts[49]:.3f} s, 95 % {cuts[94]:.3f} s, longest {max(found.seconds):.3f} s"
    )
    for fault in found.faults[:20]:
        print(fault)
    sys.exit(1 if found.faults else 0)


if __name__ == "__main__":
    main()
