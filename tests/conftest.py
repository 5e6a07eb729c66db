"""Fixtures: the shipped review, its build, a copy of its charted tables to break, and SPARQL servers on loopback."""

from __future__ import annotations

import csv
import functools
import importlib.util
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

from regen_kg import build
from regen_kg.ontologies import curie
from regen_kg.ontology_files import OntologyFile
from regen_kg.store import EmbeddedStore

ROOT = Path(__file__).resolve().parent.parent
CHARTED = ROOT / "graph" / "charted"
MAIN = sys.modules["__main__"]


@pytest.fixture(scope="session", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keep builds out of the user's own data folder."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REGEN_KG_HOME", str(folder))
        yield folder


@pytest.fixture(autouse=True)
def _main_stays() -> Iterator[None]:
    """A page under test takes the place of __main__, sometimes late; processes that another test starts would run that page."""
    sys.modules["__main__"] = MAIN
    yield
    sys.modules["__main__"] = MAIN


@pytest.fixture(scope="session")
def review() -> EmbeddedStore:
    """The shipped build, opened."""
    return build.current(CHARTED).store()


@pytest.fixture
def charted(tmp_path: Path) -> Path:
    """A copy of the charted tables."""
    folder = tmp_path / "charted"
    shutil.copytree(CHARTED, folder)
    return folder


def read(folder: Path, table: str) -> list[list[str]]:
    """Read a charted table with its header."""
    with (folder / f"{table}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def write(folder: Path, table: str, rows: list[list[str]]) -> None:
    """Write a charted table."""
    with (folder / f"{table}.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def change(folder: Path, table: str, row: int, column: str, value: str) -> None:
    """Change one cell; the header is row 1."""
    rows = read(folder, table)
    rows[row - 1][rows[0].index(column)] = value
    write(folder, table, rows)


def _absent(words: str) -> None:
    """Skip with the reason; in CI, which installs every tool, that is a failure."""
    if os.environ.get("CI"):
        pytest.fail(words)
    pytest.skip(words)


@functools.cache
def whole_release(prefix: str) -> OntologyFile:
    """Mondo (v2026-05-05), Uberon or CL whole, as a package of the test extra ships it."""
    needs("cellxgene_ontology_guide")
    from cellxgene_ontology_guide.supported_versions import load_ontology_file

    version = {"mondo": "2026-05-05", "uberon": "2026-04-01", "cl": "2026-03-26"}[prefix]
    held = load_ontology_file(f"{prefix.upper()}-ontology-v{version}.json.zst")
    found = OntologyFile(f"{prefix}.obo", "OBO", "0" * 64, prefix, version)
    for name, about in held.items():
        c = found.get(name)
        assert c is not None
        c.label, c.obsolete = about["label"], about["deprecated"]
        c.synonyms = [("EXACT", s) for s in about.get("synonyms", ())]
        c.parents = [curie(a) or a for a, steps in about["ancestors"].items() if steps == 1 and a in held]
    found.classes = {name: c for name, c in found.classes.items() if c.label}
    return found


def bytes_of(folder: Path) -> dict[str, bytes]:
    """All bytes of a folder."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def needs(*packages: str) -> None:
    """Skip with the reason where a checking tool isn't installed; in CI that is a failure."""
    absent = [p for p in packages if importlib.util.find_spec(p) is None]
    if absent:
        _absent(f"{', '.join(absent)} not installed; .ci/run shows how")


def program(name: str) -> str:
    """Return the path of a program, the environment's own first; `needs` for one that is absent."""
    own = Path(sys.executable).with_name(name)
    found = str(own) if own.exists() else shutil.which(name)
    if not found:
        _absent(f"the program {name} is not installed; .ci/run shows how")
    assert found
    return found


@dataclass(frozen=True)
class Server:
    """A SPARQL 1.1 server on loopback: where it is asked, where graphs are put, and who may write."""

    name: str
    query: str
    store: str
    update: str
    user: str = ""
    password: str = ""


def load_benchmark(name: str) -> ModuleType:
    """Return a script of benchmarks/ as a module."""
    spec = importlib.util.spec_from_file_location(f"benchmark_{name}", ROOT / "benchmarks" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def free_port() -> int:
    """Return a port of loopback that nobody listens at."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@contextmanager
def running(command: Sequence[str], address: str, folder: Path) -> Iterator[None]:
    """Run a server in a folder, from the moment it answers at an address to the end of the block."""
    with (folder / "server.out").open("wb") as words:
        server = subprocess.Popen(command, cwd=folder, stdout=words, stderr=subprocess.STDOUT)
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(address, timeout=5).close()
                break
            except OSError:
                assert server.poll() is None, (folder / "server.out").read_text("utf-8", "replace")
                time.sleep(0.1)
        else:
            pytest.fail(f"{command[0]} did not answer at {address} within a minute")
        yield
    finally:
        server.terminate()
        server.wait(30)


@contextmanager
def oxigraph(folder: Path, *flags: str, mode: str = "serve") -> Iterator[Server]:
    """Run an Oxigraph server over a folder."""
    address = f"127.0.0.1:{free_port()}"
    command = [program("oxigraph"), mode, "--location", str(folder), "--bind", address, *flags]
    with running(command, f"http://{address}/", folder):
        yield Server("oxigraph", f"http://{address}/query", f"http://{address}/store", f"http://{address}/update")


@pytest.fixture(scope="session")
def oxigraph_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An empty Oxigraph server that takes graphs; its default graph is not the union of the named ones."""
    with oxigraph(tmp_path_factory.mktemp("oxigraph")) as server:
        yield server


VIRTUOSO = """
[Database]
DatabaseFile = virtuoso.db
ErrorLogFile = virtuoso.log
LockFile = virtuoso.lck
TransactionFile = virtuoso.trx
xa_persistent_file = virtuoso.pxa
[TempDatabase]
DatabaseFile = virtuoso-temp.db
TransactionFile = virtuoso-temp.trx
[Parameters]
ServerPort = 127.0.0.1:{sql}
DisableUnixSocket = 1
CheckpointInterval = 0
NumberOfBuffers = 20000
MaxDirtyBuffers = 12000
DirsAllowed = .
[HTTPServer]
ServerPort = 127.0.0.1:{http}
ServerThreads = 10
[SPARQL]
ResultSetMaxRows = 1000000
"""


@contextmanager
def virtuoso(folder: Path) -> Iterator[Server]:
    """Run a Virtuoso 7 over a folder; it writes for dba, by digest authentication."""
    binary = program("virtuoso-t")
    http = free_port()
    (folder / "virtuoso.ini").write_text(VIRTUOSO.format(sql=free_port(), http=http), "utf-8")
    place = f"http://127.0.0.1:{http}/sparql"
    with running([binary, "+foreground", "+configfile", "virtuoso.ini"], place, folder):
        yield Server("virtuoso", place, f"{place}-graph-crud-auth", f"{place}-auth", "dba", "dba")


@pytest.fixture(scope="session")
def virtuoso_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An empty Virtuoso 7 with a database of its own."""
    with virtuoso(tmp_path_factory.mktemp("virtuoso")) as server:
        yield server
