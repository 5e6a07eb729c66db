"""Own the reading of CSV files: from bytes to rows, every fault of the file in words."""

from __future__ import annotations

import csv
import difflib
import io
import re
from collections.abc import Iterable
from pathlib import Path

MAX_FILE = 500_000_000  # the results of 100,000 studies take 210 MB
UNREAD = "\ufffd"  # stands in a cell for what could not be read and has been said
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_ODD = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffd]")


def nearest(word: str, among: Iterable[str]) -> str:
    """Return a hint at the word most like another, or nothing."""
    found = difflib.get_close_matches(word, list(among), n=1, cutoff=0.4)
    return f'; nearest: "{found[0]}"' if found else ""


def read_rows(path: Path, faults: list[str]) -> list[tuple[int, list[str]]] | None:
    """Read the rows of a CSV file.

    Parameters
    ----------
    path : Path
        The file, UTF-8 with or without a byte order mark.
    faults : list of str
        Gets a line for every fault; what is not faulty is read nevertheless.

    Returns
    -------
    list of (int, list of str), or None
        Row number (the header is row 1) and cells; None where the file gives no rows at all.

    References
    ----------
    RFC 4180 (CSV).
    """
    name = path.name
    if not path.is_file():
        faults.append(f"{name}: missing; every table must be there, with its header at least")
        return None
    try:
        if path.stat().st_size > MAX_FILE:
            faults.append(f"{name}: larger than {MAX_FILE:,} bytes; is this the right file?")
            return None
        raw = path.read_bytes()
    except OSError as err:
        faults.append(f"{name}: cannot be opened ({err.strerror})")
        return None
    if raw.startswith(b"PK\3\4") or raw.startswith(_UTF16) or b"\0" in raw[:2]:
        faults.append(f'{name}, row 1: a spreadsheet or UTF-16, not CSV in UTF-8; save the file as "CSV UTF-8"')
        return None
    text = raw.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    csv.field_size_limit(MAX_FILE)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[tuple[int, list[str]]] = []
    number = 0
    while True:
        number, line = number + 1, reader.line_num + 1
        try:
            rows.append((number, next(reader)))
        except StopIteration:
            break
        except csv.Error as err:
            faults.append(
                f"{name}, row {number} (line {line}): not readable as CSV ({err}); "
                "a quotation mark is probably not closed, or not doubled"
            )
    if text and not text.endswith("\n"):
        faults.append(f"{name}, row {number - 1}: the last line does not end; the file is probably truncated")
    if _ODD.search(text.replace("\n", "").replace("\r", "")):
        rows = _without_odd_characters(name, rows, faults)
    return rows


def _without_odd_characters(
    name: str, rows: list[tuple[int, list[str]]], faults: list[str], shown: int = 20
) -> list[tuple[int, list[str]]]:
    """Say which cells hold bytes that are not UTF-8, or control characters, and put `UNREAD` there."""
    header = rows[0][1] if rows else []
    said: list[str] = []

    def cleaned(number: int, column: int, cell: str) -> str:
        if not (odd := _ODD.search(cell)):
            return cell
        at = _ODD.sub(UNREAD, header[column]) if 1 < number and column < len(header) else column + 1
        code = ord(odd.group())
        if 0xDC80 <= code <= 0xDCFF:
            what = f'byte {code - 0xDC00:#04x} is not UTF-8; save the file as "CSV UTF-8"'
        else:
            what = f"holds the character U+{code:04X}, which no table may hold; remove it"
        said.append(f"{name}, row {number}, column {at}: {what}")
        return _ODD.sub(UNREAD, cell)

    clean = [(number, [cleaned(number, i, cell) for i, cell in enumerate(cells)]) for number, cells in rows]
    faults.extend(said[:shown])
    if len(said) > shown:
        faults.append(f"{name}: and {len(said) - shown} more cells of this kind")
    return clean


def match_header(name: str, header: list[str], names: list[str], faults: list[str]) -> dict[str, int]:
    """Check a header; return where each expected column that stands in it once is."""
    for i, column in enumerate(header):
        if UNREAD in column:
            continue
        if column not in names:
            faults.append(f'{name}, row 1: unknown column "{column}"{nearest(column, names)}')
        elif column in header[:i]:
            faults.append(f'{name}, row 1: column "{column}" stands twice')
    for column in names:
        if column not in header:
            faults.append(f'{name}, row 1: column "{column}" is missing')
    if header != names and sorted(header) == sorted(names):
        faults.append(f"{name}, row 1: columns are in another order; expected {','.join(names)}")
    return {column: header.index(column) for column in names if header.count(column) == 1}
