"""Own the reading of charted tables, as their machine-readable description (`datapackage.json`) defines them."""

from __future__ import annotations

import csv
import difflib
import hashlib
import io
import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from regen_kg.errors import ChartingError
from regen_kg.layout import packaged_charted_dir
from regen_kg.model import STATUSES, Chart, Row

MAX_CELL = 5_000
MAX_FILE = 50_000_000
PLACE = re.compile(
    r"T[1-9]\d*(\.r\d+(\.[a-z][a-z-]*)?)?|S\d+(\.\d+)*(\.p\d+)?|F\d+",
)

Field = dict[str, Any]
Known = Callable[[str, str], tuple[bool, str]]


def read_description(folder: Path) -> dict[str, Any]:
    """Read the description of the charted tables; a user's folder may rely on the packaged one.

    Raises
    ------
    ChartingError
        If there is no readable description.

    References
    ----------
    Data Package v2 (datapackage.org), Table Schema.
    """
    path = folder / "datapackage.json"
    if not path.is_file():
        path = packaged_charted_dir() / "datapackage.json"
    try:
        described: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as err:
        raise ChartingError(
            [f"datapackage.json: cannot be read ({err}); copy it from the packaged charted data"]
        ) from err
    return described


def _nearest(word: str, among: Iterable[str]) -> str:
    found = difflib.get_close_matches(word, list(among), n=1, cutoff=0.4)
    return f'; nearest: "{found[0]}"' if found else ""


def _decode(path: Path, faults: list[str]) -> str | None:
    name = path.name
    try:
        if path.stat().st_size > MAX_FILE:
            faults.append(f"{name}: larger than {MAX_FILE:,} bytes; is this the right file?")
            return None
        raw = path.read_bytes()
    except OSError as err:
        faults.append(f"{name}: cannot be opened ({err.strerror})")
        return None
    if b"\0" in raw:
        faults.append(f"{name}: holds NUL bytes; save it as CSV in UTF-8 (a spreadsheet file was probably renamed)")
        return None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as err:
        line = raw[: err.start].count(b"\n") + 1
        faults.append(f'{name}, line {line}: byte {raw[err.start]:#04x} is not UTF-8; save the file as "CSV UTF-8"')
        return None


def _cell(
    name: str, number: int, fld: Field, text: str, known: Known, faults: list[str]
) -> tuple[str | None, tuple[str, ...]]:
    """Check one cell; return its status word, if it is one, and its items, if it is a list."""
    column = fld["name"]
    where = f"{name}, row {number}, column {column}"
    enum = fld["constraints"].get("enum")
    allowed = [m["value"] for m in fld.get("missingValues", [])]
    shown = text if len(text) <= 60 else text[:57] + "..."
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
    if text[0] in "=+@\t" and not (pattern and re.fullmatch(pattern, text)):
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
            faults.append(f'{where}: "{item}" is not one of {", ".join(enum)}{_nearest(item, enum)}')
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


def _table(folder: Path, resource: dict[str, Any], known: Known, faults: list[str]) -> tuple[Row, ...]:
    name = resource["path"]
    path = folder / name
    if not path.is_file():
        faults.append(f"{name}: missing; every table of datapackage.json must be there, with its header at least")
        return ()
    text = _decode(path, faults)
    if text is None:
        return ()
    fields: list[Field] = resource["schema"]["fields"]
    names = [f["name"] for f in fields]
    if text and not text.endswith("\n"):
        faults.append(f"{name}: the last line does not end; the file is probably truncated")
    csv.field_size_limit(MAX_FILE)
    try:
        lines = list(csv.reader(io.StringIO(text), strict=True))
    except csv.Error as err:
        faults.append(f"{name}: not readable as CSV ({err}); a quotation mark is probably not closed")
        return ()
    if not lines:
        faults.append(f"{name}: empty; its header should be {','.join(names)}")
        return ()
    header = lines[0]
    if header != names:
        for column in header:
            if column not in names:
                faults.append(f'{name}, row 1: unknown column "{column}"{_nearest(column, names)}')
        for column in names:
            if column not in header:
                faults.append(f'{name}, row 1: column "{column}" is missing')
        if sorted(header) == sorted(names):
            faults.append(f"{name}, row 1: columns are in another order; expected {','.join(names)}")
        elif len(set(header)) != len(header):
            faults.append(f"{name}, row 1: a column name stands twice")
        return ()
    rows: list[Row] = []
    seen: dict[tuple[str, ...], int] = {}
    for number, cells in enumerate(lines[1:], start=2):
        if len(cells) != len(names):
            faults.append(
                f"{name}, row {number}: {len(cells)} cells, the header has {len(names)}; check commas and quotation marks"
            )
            continue
        missing: dict[str, str] = {}
        lists: dict[str, tuple[str, ...]] = {}
        for fld, cell in zip(fields, cells, strict=True):
            status, items = _cell(name, number, fld, cell, known, faults)
            if status:
                missing[fld["name"]] = status
            if items:
                lists[fld["name"]] = items
        row = Row(resource["name"], number, dict(zip(names, cells, strict=True)), missing, lists)
        key = tuple(row[c] for c in resource["schema"]["primaryKey"])
        if key in seen:
            faults.append(
                f'{name}, row {number}: "{" / ".join(key)}" stands already in row {seen[key]}; give it another id or remove one'
            )
        seen[key] = number
        rows.append(row)
    return tuple(rows)


def _references(description: dict[str, Any], tables: dict[str, tuple[Row, ...]], faults: list[str]) -> None:
    """Check that what a cell points at is there."""
    for resource in description["resources"]:
        for fld in resource["schema"]["fields"]:
            target = fld.get("rkg:refers", "")
            if not target or target == "place":
                continue
            table, _, columns = target.partition(".")
            keys = columns.split("+")
            there = {tuple(r[c] for c in keys) for r in tables[table]}
            for row in tables[resource["name"]]:
                column = fld["name"]
                if column in row.missing:
                    continue
                for item in row.items(column) or (row[column],):
                    wanted = (row["report"], item) if len(keys) == 2 else (item,)
                    if wanted not in there:
                        near = _nearest(item, (k[-1] for k in there if len(k) == 1 or k[0] == wanted[0]))
                        faults.append(
                            f'{resource["path"]}, row {row.number}, column {column}: "{item}" is not in {table}.csv'
                            f"{' for ' + wanted[0] if len(wanted) == 2 else ''}{near}"
                        )


def digest(folder: Path) -> str:
    """Return the SHA-256 of all charted files, names and bytes, in name order."""
    sha = hashlib.sha256()
    for path in sorted([*folder.glob("*.csv"), *folder.glob("*.json")]):
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
    description = read_description(folder)
    faults: list[str] = []
    tables = {r["name"]: _table(folder, r, known, faults) for r in description["resources"]}
    expected = {r["path"] for r in description["resources"]}
    for stray in sorted(p.name for p in folder.glob("*.csv") if p.name not in expected):
        faults.append(
            f"{stray}: no such table in datapackage.json{_nearest(stray, expected)}; rename or remove the file"
        )
    if not faults:
        _references(description, tables, faults)
    if faults:
        raise ChartingError(faults)
    return Chart(tables, digest(folder))
