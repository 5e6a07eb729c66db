"""Whole folders with several faults at once: every fault is named with its place, and the last good build stays."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conftest import CHARTED, ROOT, bytes_of, change, read, write
from regen_kg import build, cli, reasoning
from regen_kg.errors import ReasoningError
from regen_kg.terms import compile_ontology

EXAMPLES = int(os.environ.get("REGEN_KG_EXAMPLES", "20"))  # CONTRIBUTING.md: how to break more folders
SETTINGS = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
FIELDS = {
    r["name"]: {f["name"]: f for f in r["schema"]["fields"]}
    for r in json.loads((CHARTED / "datapackage.json").read_text("utf-8"))["resources"]
}
TABLES = sorted(FIELDS)
Planted = tuple[str, str]  # what the line of a fault begins with, and what it says

# ---- faults of one cell: what to write, and what is said of it


def misspelt(word: str) -> str:
    """A word with one letter too many, which its list does not hold."""
    return word[:-1] + "q" + word[-1:]


CELLS: dict[str, Callable[[str], tuple[str, str]]] = {
    "blank": lambda old: ("", "blank"),
    "padded": lambda old: (old + " ", "blanks at its ends"),
    "formula": lambda old: ("=cmd|' /C calc'!A0", "looks like a spreadsheet formula"),
    "another formula": lambda old: ("@SUM(1+1)*cmd|' /C calc'!A0", "looks like a spreadsheet formula"),
    "ten megabytes": lambda old: ("x" * 10_000_000, "10,000,000 characters"),
    "NUL": lambda old: ("a\0b", "holds the character U+0000"),
    "escape sequence": lambda old: ("\x1b[2J", "holds the character U+001B"),
    "wrong encoding": lambda old: ("Pr\udce4", "byte 0xe4 is not UTF-8"),
}


def cell_fault(rng: random.Random, rows: list[list[str]], table: str, row: int, broken: set[str]) -> Planted:
    """Plant a fault in a cell of a row."""
    columns = sorted(FIELDS[table])
    pointing = [c for c in columns if FIELDS[table][c].keys() & {"rkg:refers", "rkg:terms"}]
    column = rng.choice(pointing if pointing and rng.random() < 0.5 else columns)
    fld = FIELDS[table][column]
    old = rows[row - 1][rows[0].index(column)]
    choices = dict(CELLS)
    status = [m["value"] for m in fld.get("missingValues", [])]
    item = old.split(fld.get("rkg:separator") or "\n")[0]
    if old not in status and item != "not-named":
        if fld.get("rkg:terms") or fld["constraints"].get("enum"):
            choices["unknown term"] = lambda old: (misspelt(item), f'nearest: "{item}"')
        target = fld.get("rkg:refers", "").partition(".")[0]
        if target == "place" or column == "source":
            choices["no place"] = lambda old: ("page 4", "is no place")
        elif target and target not in broken:
            choices["reference"] = lambda old: (misspelt(item), f"is not in {target}.csv")
    if fld["type"] == "integer":
        choices["no number"] = lambda old: ("fifteen", "is not a whole number")
    if fld["type"] == "number":
        choices["no number"] = lambda old: ("1,5", "is not a number")
    own = sorted(choices.keys() - CELLS.keys())
    kind = rng.choice(own if own and rng.random() < 0.5 else sorted(choices))
    value, said = choices[kind](old)
    rows[row - 1][rows[0].index(column)] = value
    return f"{table}.csv, row {row}, column {column}: ", said


# ---- faults of a row, of the header, of a file


def ragged(rng: random.Random, folder: Path, table: str, row: int) -> list[Planted]:
    """A row with a cell too many or too few."""
    rows = read(folder, table)
    rows[row - 1] = [*rows[row - 1], "more"] if rng.random() < 0.5 else rows[row - 1][:-1]
    said = "the last has no column" if len(rows[row - 1]) > len(rows[0]) else f"no cell for column {rows[0][-1]}"
    write(folder, table, rows)
    return [(f"{table}.csv, row {row}: {len(rows[row - 1])} cells, the header has {len(rows[0])}", said)]


def doubled(rng: random.Random, folder: Path, table: str, row: int) -> list[Planted]:
    """A row that stands twice."""
    rows = read(folder, table)
    write(folder, table, [*rows, rows[row - 1]])
    return [(f"{table}.csv, row {len(rows) + 1}, column ", f"stands already in row {row}")]


def misspelt_column(rng: random.Random, folder: Path, table: str, row: int) -> list[Planted]:
    """A column under another name."""
    rows = read(folder, table)
    at = rng.randrange(len(rows[0]))
    name = rows[0][at]
    rows[0][at] = misspelt(name)
    write(folder, table, rows)
    return [
        (f'{table}.csv, row 1: unknown column "{misspelt(name)}"', f'nearest: "{name}"'),
        (f'{table}.csv, row 1: column "{name}" is missing', ""),
    ]


def lost_column(rng: random.Random, folder: Path, table: str, row: int) -> list[Planted]:
    """A column that is not there."""
    rows = read(folder, table)
    at = rng.randrange(len(rows[0]))
    name = rows[0][at]
    write(folder, table, [r[:at] + r[at + 1 :] for r in rows])
    return [(f'{table}.csv, row 1: column "{name}" is missing', "")]


def more_columns(rng: random.Random, folder: Path, table: str, row: int) -> list[Planted]:
    """A column that the layout does not know."""
    rows = read(folder, table)
    write(folder, table, [[*r, "remark" if i == 0 else "x"] for i, r in enumerate(rows)])
    return [(f'{table}.csv, row 1: unknown column "remark"', "")]


def truncated(rng: random.Random, folder: Path, table: str, row: int) -> list[Planted]:
    """A file that breaks off."""
    rows = read(folder, table)
    write(folder, table, rows[:row])
    path = folder / f"{table}.csv"
    path.write_bytes(path.read_bytes()[:-1])
    return [(f"{table}.csv, row {row}: the last line does not end", "truncated")]


def unclosed(rng: random.Random, folder: Path, table: str, row: int) -> list[Planted]:
    """A quotation mark that is not closed."""
    path = folder / f"{table}.csv"
    rows = read(folder, table)
    write(folder, table, [[c.replace('"', "'").replace(",", ";").replace("\n", " ") for c in r] for r in rows])
    lines = path.read_text("utf-8").splitlines(keepends=True)
    lines[row - 1] = '"' + lines[row - 1]
    path.write_text("".join(lines), "utf-8")
    return [(f"{table}.csv, row {row} (line {row}): not readable as CSV", "quotation mark")]


def missing(rng: random.Random, folder: Path, table: str, row: int) -> list[Planted]:
    """A file that is not there."""
    (folder / f"{table}.csv").unlink()
    return [(f"{table}.csv: missing", "")]


def empty(rng: random.Random, folder: Path, table: str, row: int) -> list[Planted]:
    """A file without a byte."""
    (folder / f"{table}.csv").write_bytes(b"")
    return [(f"{table}.csv: empty", "its header should be")]


def another_encoding(rng: random.Random, folder: Path, table: str, row: int) -> list[Planted]:
    """A file in UTF-16, with or without its mark."""
    path = folder / f"{table}.csv"
    path.write_bytes(path.read_text("utf-8").encode(rng.choice(["utf-16", "utf-16-le", "utf-16-be"])))
    return [(f"{table}.csv, row 1: ", "CSV UTF-8")]


def stray(rng: random.Random, folder: Path, table: str, row: int) -> list[Planted]:
    """A file that no one knows."""
    name = misspelt(table)
    shutil.copy(folder / f"{table}.csv", folder / f"{name}.csv")
    return [(f"{name}.csv: no such table", f'nearest: "{table}.csv"')]


def description(rng: random.Random, folder: Path, table: str, row: int) -> list[Planted]:
    """A description that breaks off, is no description, or lets in what the packaged one does not."""
    path = folder / "datapackage.json"
    text = path.read_text("utf-8")
    if text != (CHARTED / "datapackage.json").read_text("utf-8"):
        return empty(rng, folder, table, row)  # one broken description hides another
    described = json.loads(text)
    fld = described["resources"][TABLES.index(table)]["schema"]["fields"][0]
    fld["constraints"] = {}
    other = f"datapackage.json: table {described['resources'][TABLES.index(table)]['path']}, column {fld['name']} is"
    wrong, said = rng.choice(
        [
            (text[:1000], "datapackage.json: cannot be read"),
            ("[]", "datapackage.json: describes no tables"),
            (json.dumps(described), other),
        ]
    )
    path.write_text(wrong, "utf-8")
    return [(said, "copy it from the packaged charted data")]


ROWS = [ragged, doubled]
HEADERS = [misspelt_column, lost_column, more_columns]
FILES = [truncated, unclosed, missing, empty, another_encoding, stray, description]


def plant(rng: random.Random, folder: Path) -> tuple[list[Planted], set[str]]:
    """Plant 1 to 6 faults in tables of a folder; return what must be said, and the tables that were touched."""
    tables = rng.sample(TABLES, rng.randint(1, 6))
    broken = set(tables)
    planted: list[Planted] = []
    for table in tables:
        rows = read(folder, table)
        row = rng.randint(2, len(rows))
        kind = rng.choice(["cells", "rows", "headers", "files"])
        if kind == "cells":
            numbers = sorted({row, rng.randint(2, len(rows))})
            planted += [cell_fault(rng, rows, table, number, broken) for number in numbers]
            quoted = "".join(",".join('"' + c.replace('"', '""') + '"' for c in r) + "\n" for r in rows)
            (folder / f"{table}.csv").write_bytes(quoted.encode("utf-8", "surrogateescape"))
        else:
            planted += rng.choice({"rows": ROWS, "headers": HEADERS, "files": FILES}[kind])(rng, folder, table, row)
        if rng.random() < 0.2 and (path := folder / f"{table}.csv").is_file() and kind != "files":
            path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())  # a byte order mark is no fault
    return planted, broken


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A good build, which must stay as it is."""
    folder = tmp_path / "out"
    shutil.copytree(ROOT / "graph" / "built", folder)
    return folder


@pytest.fixture
def ontology(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the ontology that the command line takes for its own; HermiT is left out."""
    folder = tmp_path / "ontology"
    shutil.copytree(ROOT / "ontology", folder)
    monkeypatch.setattr(build, "ontology_dir", lambda: folder)
    monkeypatch.setattr(reasoning, "check_consistency", lambda triples: None)
    return folder


@SETTINGS
@given(seed=st.integers(0, 2**32 - 1))
def test_every_planted_fault_is_named(
    tmp_path_factory: pytest.TempPathFactory, out: Path, capsys: pytest.CaptureFixture[str], seed: int
) -> None:
    """Whatever 1 to 6 tables suffer: exit 2, each fault named with file, row, column and what to do, the last build as it was."""
    folder = tmp_path_factory.mktemp("folder") / "charted"
    shutil.copytree(CHARTED, folder)
    planted, broken = plant(random.Random(seed), folder)
    before = bytes_of(out)
    code = cli.main(["build", "--charted", str(folder), "--out", str(out)])
    said = capsys.readouterr()
    shutil.rmtree(folder)
    lines = [line for line in said.err.splitlines() if not line.startswith("reading the ")]
    assert planted and (code, said.out) == (2, "")
    for start, words in planted:
        assert any(line.startswith(start) and words in line for line in lines), (start, words, lines)
    about = (*(f"{table}.csv" for table in broken), *(f"{misspelt(table)}.csv" for table in broken), "datapackage.json")
    assert [line for line in lines if not line.startswith(about) and "is not in " not in line] == []
    assert bytes_of(out) == before and [p.name for p in out.parent.iterdir()] == ["out"]


def test_faults_between_cells_are_named_at_once(
    charted: Path, out: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A value outside its scale, one outside its interval, arms above their study, a report without safety, a contradiction: exit 1, all five."""

    def contradicted(triples: object) -> None:
        raise ReasoningError("ontology and charted data contradict each other: the axioms")

    monkeypatch.setattr(reasoning, "check_consistency", contradicted)
    rows = read(charted, "results")
    at = rows[0].index
    scale = next(i for i, r in enumerate(rows, 1) if r[:2] == ["guney-2015", "r2"])
    change(charted, "results", scale, "value", "171.0")
    interval = next(
        i
        for i, r in enumerate(rows, 1)
        if i > 1 and r[at("ci_upper")][-1].isdigit() and r[at("value")][-1].isdigit() and r[0] != "paget-2023"
    )
    change(charted, "results", interval, "value", str(Decimal(rows[interval - 1][at("ci_upper")]) + 1))
    arms, report = read(charted, "arms"), "gormeli-2015"
    arm = next(i for i, r in enumerate(arms, 1) if r[0] == report)
    change(charted, "arms", arm, "n", "5000")
    reports = read(charted, "reports")
    of_report = next(i for i, r in enumerate(reports, 1) if r[0] == report)
    safety = read(charted, "safety")
    silent = next(r[0] for r in safety[1:] if sum(s[0] == r[0] for s in safety) == 1)
    write(charted, "safety", [r for r in safety if r[0] != silent])
    of_silent = next(i for i, r in enumerate(reports, 1) if r[0] == silent)
    before = bytes_of(out)
    assert cli.main(["build", "--charted", str(charted), "--out", str(out)]) == 1
    said = capsys.readouterr().err
    for place in (
        f'results.csv, row {scale}, column value: "171.0"',
        f"results.csv, row {interval}, column value: ",
        f"reports.csv, row {of_report}, column sample_size: ",
        f'reports.csv, row {of_silent}, column report: "{silent}"',
        "ontology and charted tables: ontology and charted data contradict each other: the axioms",
    ):
        assert f"violation: {place}" in said, (place, said)
    assert "Traceback" not in said and bytes_of(out) == before


def test_faults_of_the_term_tables_are_named_at_once(ontology: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A circle of parents, one of parts, an unknown part, a wrong word, a NUL, a lost column: exit 2, each with row and column."""
    conditions = read(ontology, "conditions")
    parent, located = conditions[0].index("parent"), conditions[0].index("located_in")
    slugs = [r[0] for r in conditions]
    conditions[1][parent], conditions[2][parent] = slugs[2], slugs[1]
    conditions[3][located] = misspelt(conditions[3][located])
    write(ontology, "conditions", conditions)
    anatomy = read(ontology, "anatomy")
    part = anatomy[0].index("part_of")
    anatomy[1][part], anatomy[2][part] = anatomy[2][0], anatomy[1][0]
    write(ontology, "anatomy", anatomy)
    change(ontology, "interventions", 4, "kind", "tecnology")
    change(ontology, "interventions", 5, "label", "a\0b")
    designs = read(ontology, "study-designs")
    write(ontology, "study-designs", [r[:-1] for r in designs])
    assert cli.main(["validate", str(CHARTED)]) == 2
    said = capsys.readouterr().err
    for start, words in [
        ("conditions.csv, row 2, column parent: ", f"stands above itself ({slugs[1]} > {slugs[2]} > {slugs[1]})"),
        ("conditions.csv, row 3, column parent: ", "stands above itself"),
        ("conditions.csv, row 4, column located_in: ", "is no known anatomy; nearest:"),
        ("anatomy.csv, row 2, column part_of: ", "stands above itself"),
        ("interventions.csv, row 4, column kind: ", 'nearest: "technology"'),
        ("interventions.csv, row 5, column label: ", "U+0000"),
        (f'study-designs.csv, row 1: column "{designs[0][-1]}" is missing', ""),
    ]:
        assert any(line.startswith(start) and words in line for line in said.splitlines()), (start, said)


@pytest.mark.parametrize(
    ("names", "content_"),
    [
        (["core.ttl"], b"rkg:Broken a [ .\n"),
        (["core.ttl"], b'rkg:x rdfs:label "\xe4" .\n'),
        (["shapes/numbers.ttl", "shapes/terms.ttl"], b"rkg:Broken a [ .\n"),
    ],
)
def test_broken_turtle_is_named_with_its_line(
    ontology: Path, out: Path, capsys: pytest.CaptureFixture[str], names: list[str], content_: bytes
) -> None:
    """Broken Turtle in the ontology, or in two files of shapes: exit 2, each file and the line, the last build as it was."""
    for name in names:
        (ontology / name).write_bytes((ontology / name).read_bytes() + b"\n" + content_)
    before = bytes_of(out)
    assert cli.main(["build", "--charted", str(CHARTED), "--out", str(out)]) == 2
    lines = capsys.readouterr().err.splitlines()
    for name in names:
        found = [line for line in lines if Path(name).name in line and "cannot be read as Turtle" in line]
        assert len(found) == 1 and "line " in found[0], lines
    assert bytes_of(out) == before


@pytest.mark.parametrize("text", ["# ontology {}\n<broken", "# ontology of another day\n", "\0"])
def test_a_damaged_hierarchy_is_inferred_again(ontology: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """A hierarchy that does not parse is not half read: HermiT is asked."""
    compiled = compile_ontology(ontology)
    (ontology / "inferred.nt").write_text(text.format(reasoning.ontology_digest(compiled)))
    monkeypatch.setattr(build, "user_data_dir", lambda: ontology / "home")
    monkeypatch.setattr(reasoning, "infer_hierarchy", lambda triples: triples[:1])
    assert build.hierarchy(compiled) == compiled[:1]
