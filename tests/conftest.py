"""Fixtures: the shipped review, its build, and a copy of its charted tables to break."""

from __future__ import annotations

import csv
import importlib.util
import os
import shutil
from pathlib import Path

import pytest

from regen_kg import build
from regen_kg.store import EmbeddedStore

ROOT = Path(__file__).resolve().parent.parent
CHARTED = ROOT / "graph" / "charted"


@pytest.fixture(scope="session", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keep builds out of the user's own data folder."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REGEN_KG_HOME", str(folder))
        yield folder


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


def needs(*packages: str) -> None:
    """Skip with the reason where a checking tool isn't installed; in CI, which installs it, that is a failure."""
    absent = [p for p in packages if importlib.util.find_spec(p) is None]
    if absent:
        words = f"{', '.join(absent)} not installed; .ci/run shows how"
        if os.environ.get("CI"):
            pytest.fail(words)
        pytest.skip(words)
