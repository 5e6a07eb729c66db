"""Own the reading of charted tables, as their machine-readable description (`datapackage.json`) defines them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from regen_kg.errors import ChartingError
from regen_kg.layout import packaged_charted_dir
from regen_kg.model import STATUSES, Cells, Chart, Row
from regen_kg.tables import UNREAD, match_header, nearest, read_rows

MAX_CELL = 5_000
PLACE = re.compile(
    r"T[1-9]\d*(\.r\d+(\.[a-z][a-z-]*)?)?|S\d+(\.\d+)*(\.p\d+)?|F\d+",
)

Field = dict[str, Any]
Known = Callable[[str, str], tuple[bool, str]]


def read_description(folder: Path) -> dict[str, Any]:
    """Read the description of the charted tables; a user's folder may hold a copy of it, or none.

    Raises
    ------
    ChartingError
        If the copy cannot be read, or describes other tables or columns.

    References
    ----------
    Data Package v2 (datapackage.org), Table Schema.
    """
    packaged: dict[str, Any] = json.loads((packaged_charted_dir() / "datapackage.json").read_text("utf-8"))
    path = folder / "datapackage.json"
    if not path.is_file():
        return packaged
    try:
        described = json.loads(path.read_text("utf-8-sig"))
    except (OSError, ValueError, RecursionError) as err:
        raise ChartingError([f"datapackage.json: cannot be read ({err}); {_COPY}"]) from err
    if faults := _differences(described, packaged):
        raise ChartingError(faults)
    return packaged


_COPY = "copy it from the packaged charted data, or remove it"


def _differences(described: Any, packaged: dict[str, Any]) -> list[str]:
    """Name the tables and columns that a folder's own description describes otherwise than the packaged one."""

    def columns(description: Any) -> dict[tuple[str, str], Any]:
        found = {}
        for resource in description["resources"]:
            schema = resource["schema"]
            found[resource["path"], ""] = schema["primaryKey"]
            found.update({(resource["path"], f["name"]): f for f in schema["fields"]})
        return found

    wanted = columns(packaged)
    try:
        given = columns(described)
    except (KeyError, TypeError) as err:
        return [f"datapackage.json: describes no tables ({type(err).__name__}: {err}); {_COPY}"]
    odd = sorted({key for key in wanted.keys() | given.keys() if wanted.get(key) != given.get(key)})
    return [
        f"datapackage.json: table {file}{f', column {column}' if column else ''} is described otherwise than in "
        f"layout {packaged['version']}; {_COPY}"
        for file, column in odd
    ]


def _cell(
    name: str, number: int, fld: Field, text: str, known: Known, faults: list[str]
) -> tuple[str | None, tuple[str, ...]]:
    """Check one cell; return its status word, if it is one, and its items, if it is a list."""
    column = fld["name"]
    where = f"{name}, row {number}, column {column}"
    enum = fld["constraints"].get("enum")
    allowed = [m["value"] for m in fld.get("missingValues", [])]
    shown = text if len(text) <= 60 else text[:57] + "..."
    if UNREAD in text:
        return None, ()  # said by read_rows
    if len(text) > MAX_CELL:
        faults.append(f"{where}: {len(text):,} characters; at most {MAX_CELL:,} are allowed")
        return None, ()
    if not text.strip():
        faults.append(
            f"{where}: blank; write the value or a status word ({', '.join(allowed) or 'none is allowed here, so the value'})"
        )
        return None, ()
    if text != text.strip():
        faults.append(f'{where}: "{shown}" has blanks at its ends; remove them')
        return None, ()
    if text in allowed:
        return text, ()
    if text in STATUSES and not (enum and text in enum):
        hint = f"allowed here: {', '.join(allowed)}" if allowed else "a value is needed here"
        faults.append(f'{where}: the status word "{text}" is not allowed; {hint}')
        return None, ()
    pattern = fld["constraints"].get("pattern")
    formula = text[0] in "=+@" or (text[0] == "-" and fld["type"] == "string")
    if formula and not (pattern and re.fullmatch(pattern, text)):
        faults.append(f'{where}: "{shown}" looks like a spreadsheet formula; write the value itself')
        return None, ()
    separator = fld.get("rkg:separator")
    items = tuple(text.split(separator)) if separator else (text,)
    if separator and len(set(items)) != len(items):
        faults.append(f'{where}: "{shown}" names an item twice')
    for item in items:
        if separator and not item.strip():
            faults.append(f'{where}: "{shown}" has an empty item beside "{separator}"')
        elif enum and item not in enum:
            faults.append(f'{where}: "{item}" is not one of {", ".join(enum)}{nearest(item, enum)}')
        elif pattern and not re.fullmatch(pattern, item):
            faults.append(f'{where}: "{item}" has not the form {pattern}')
        elif fld["type"] == "integer" and not re.fullmatch(r"-?\d{1,9}", item):
            faults.append(f'{where}: "{item}" is not a whole number')
        elif fld["type"] == "number" and not re.fullmatch(r"-?\d{1,9}(\.\d{1,9})?", item):
            faults.append(f'{where}: "{item}" is not a number (use a point for decimals, no thousands sign)')
        elif (listed := fld.get("rkg:terms")) and item != "not-named":
            good, near = known(listed, item)
            if not good:
                hint = f'; nearest: "{near}"' if near else ""
                faults.append(f'{where}: "{item}" is no known {listed}{hint}')
        elif (fld.get("rkg:refers") == "place" or column == "source") and not PLACE.fullmatch(item):
            faults.append(f'{where}: "{item}" is no place; write it like T5.r3.results or S3.1.3.p2')
    return None, items if separator else ()


class _Same:
    """What the rows of a table have in common is held once: columns, words that come back, what is missing."""

    def __init__(self) -> None:
        self._columns: dict[tuple[str, ...], dict[str, int]] = {}
        self._words: dict[str, str] = {}
        self._missing: dict[tuple[tuple[str, str], ...], dict[str, str]] = {}
        self._lists: dict[tuple[tuple[str, tuple[str, ...]], ...], dict[str, tuple[str, ...]]] = {}

    def row(self, row: Row, missing: dict[str, str], lists: dict[str, tuple[str, ...]]) -> Row:
        """Return a row with its status words and lists, made of what is held already as far as it can be."""
        columns = self._columns.setdefault(tuple(row.cells), {c: i for i, c in enumerate(row.cells)})
        cells = Cells(columns, tuple(self._words.setdefault(text, text) for text in row.cells.values()))
        missing = self._missing.setdefault(tuple(missing.items()), missing)
        return Row(row.table, row.number, cells, missing, self._lists.setdefault(tuple(lists.items()), lists))


class _Table:
    """One charted file as far as it can be read; `rows` is None where it gives no rows."""

    def __init__(self, folder: Path, resource: dict[str, Any], known: Known, faults: list[str]) -> None:
        self.file: str = resource["path"]
        self.fields: list[Field] = resource["schema"]["fields"]
        self.faulty: set[tuple[int, str]] = set()
        self.rows: list[Row] | None = None
        names = [f["name"] for f in self.fields]
        read = read_rows(folder / self.file, faults)
        if read is None:
            return
        if not read:
            faults.append(f"{self.file}: empty; its header should be {','.join(names)}")
            return
        header = read[0][1]
        where = match_header(self.file, header, names, faults)
        self.rows = []
        seen: dict[tuple[str, ...], int] = {}
        same = _Same()
        read.reverse()
        read.pop()
        while read:  # what is a row is no longer needed as a list
            number, cells = read.pop()
            row = Row(resource["name"], number, {c: cells[i] for c, i in where.items() if i < len(cells)}, {}, {})
            self.rows.append(row)
            if len(cells) != len(header):
                odd = (
                    f"no cell for column {header[len(cells)]}" if len(cells) < len(header) else "the last has no column"
                )
                faults.append(
                    f"{self.file}, row {number}: {len(cells)} cells, the header has {len(header)} ({odd}); "
                    "check commas and quotation marks"
                )
                self.faulty.update((number, column) for column in names)
                continue
            self._check(row, known, faults, same)
            key = tuple(row.cells.get(c, "") for c in resource["schema"]["primaryKey"])
            if key in seen and "" not in key:
                faults.append(
                    f"{self.file}, row {number}, column {resource['schema']['primaryKey'][-1]}: "
                    f'"{" / ".join(key)}" stands already in row {seen[key]}; give it another id or remove one'
                )
            seen.setdefault(key, number)

    def _check(self, row: Row, known: Known, faults: list[str], same: _Same) -> None:
        missing: dict[str, str] = {}
        lists: dict[str, tuple[str, ...]] = {}
        for fld in self.fields:
            column = fld["name"]
            if column not in row.cells:
                continue
            before = len(faults)
            status, items = _cell(self.file, row.number, fld, row.cells[column], known, faults)
            if len(faults) > before or UNREAD in row.cells[column]:
                self.faulty.add((row.number, column))
            if status:
                missing[column] = status
            if items:
                lists[column] = items
        assert self.rows
        self.rows[-1] = same.row(row, missing, lists)


def _references(tables: dict[str, _Table], faults: list[str]) -> None:
    """Check that what a cell points at is there; where the table it points into gives no such column, that is said already."""
    for mine in tables.values():
        for fld in mine.fields:
            column, target = fld["name"], fld.get("rkg:refers", "")
            if not target or target == "place":
                continue
            table, _, columns = target.partition(".")
            keys = columns.split("+")
            there = {tuple(r.cells.get(c) for c in keys) for r in tables[table].rows or ()}
            if not mine.rows or not there or all(None in key for key in there):
                continue
            for row in mine.rows:
                if column in row.missing or column not in row.cells or (row.number, column) in mine.faulty:
                    continue
                report = row.cells.get("report")
                for item in row.items(column) or (row[column],):
                    wanted = (report, item) if len(keys) == 2 else (item,)
                    if wanted not in there:
                        near = [k[-1] for k in there if k[-1] and (len(k) == 1 or k[0] == report)]
                        faults.append(
                            f'{mine.file}, row {row.number}, column {column}: "{item}" is not in {table}.csv'
                            f"{f' for {report}' if len(wanted) == 2 else ''}{nearest(item, near)}"
                        )


def _formulas(table: _Table, faults: list[str]) -> None:
    """Check that the steps of which a step of the study flow is made up stand in its account."""
    rows = table.rows or ()
    steps = {(r.cells.get("account"), r.cells.get("step")) for r in rows}
    for row in rows:
        formula = row.cells.get("computed_from")
        if formula is None or "computed_from" in row.missing or (row.number, "computed_from") in table.faulty:
            continue
        account = row.cells.get("account")
        for token in formula.split():
            if token not in ("+", "-") and (account, token) not in steps:
                near = nearest(token, (s for a, s in steps if a == account and s))
                faults.append(
                    f'{table.file}, row {row.number}, column computed_from: "{token}" is no step of account {account}{near}'
                )


def digest(folder: Path) -> str:
    """Return the SHA-256 of all charted files, names and bytes, in name order."""
    sha = hashlib.sha256()
    for path in sorted(p for p in [*folder.glob("*.csv"), *folder.glob("*.json")] if p.is_file()):
        sha.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return sha.hexdigest()


def read_chart(folder: Path, known: Known) -> Chart:
    """Read all charted tables of a folder.

    Parameters
    ----------
    folder : Path
        Tables laid out as `datapackage.json` says, UTF-8.
    known : callable
        `known(list, slug)` says whether the controlled list holds the slug, and the nearest one that it holds.

    Returns
    -------
    Chart
        Rows in file order, cells as text, status words apart.

    Raises
    ------
    ChartingError
        Naming every fault of every file, not only the first.

    References
    ----------
    RFC 4180 (CSV), RFC 7111 (addresses of cells), Data Package v2.
    """
    if not folder.is_dir():
        raise ChartingError([f"{folder}: no such folder; give the folder that holds reports.csv"])
    faults: list[str] = []
    try:
        description = read_description(folder)
    except ChartingError as err:
        faults += err.faults
        description = read_description(packaged_charted_dir())
    tables = {r["name"]: _Table(folder, r, known, faults) for r in description["resources"]}
    expected = {r["path"] for r in description["resources"]}
    for stray in sorted(p.name for p in folder.glob("*.csv") if p.name not in expected):
        faults.append(
            f"{stray}: no such table in datapackage.json{nearest(stray, expected)}; rename or remove the file"
        )
    _references(tables, faults)
    _formulas(tables["study-flow"], faults)
    if faults:
        raise ChartingError(faults)
    return Chart({name: tuple(table.rows or ()) for name, table in tables.items()}, digest(folder))
