"""Own the nouns: cells, rows, tables and findings, frozen, on the standard library only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

STATUSES = ("not-charted", "not-reported", "unclear", "not-applicable")


class Cells(Mapping[str, str]):
    """The cells of one row as a mapping that shares its columns with the other rows: a fifth of the memory of a dict."""

    __slots__ = ("_places", "_texts")

    def __init__(self, places: Mapping[str, int], texts: tuple[str, ...]) -> None:
        self._places, self._texts = places, texts

    def __getitem__(self, column: str) -> str:
        """Return a cell's text."""
        return self._texts[self._places[column]]

    def __iter__(self) -> Iterator[str]:
        """Yield the columns in their order."""
        return iter(self._places)

    def __len__(self) -> int:
        """Return the number of columns."""
        return len(self._places)


@dataclass(frozen=True, slots=True)
class Row:
    """One charted row: its table, its number in the file (the header is row 1) and its cells as text."""

    table: str
    number: int
    cells: Mapping[str, str]
    missing: Mapping[str, str] = field(default_factory=dict)
    lists: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __getitem__(self, column: str) -> str:
        """Return the cell's text, the status word included."""
        return self.cells[column]

    def value(self, column: str) -> str | None:
        """Return the cell's value, or None where a status word stands."""
        return None if column in self.missing else self.cells[column]

    def items(self, column: str) -> tuple[str, ...]:
        """Return the items of a list cell; none where a status word stands."""
        return self.lists.get(column, ())

    @property
    def address(self) -> str:
        """Return the row's address, after RFC 7111, e.g. `arms.csv#row=12`."""
        return f"{self.table}.csv#row={self.number}"


@dataclass(frozen=True, slots=True)
class Chart:
    """All charted tables of one review."""

    tables: Mapping[str, tuple[Row, ...]]
    digest: str

    def rows(self, table: str) -> tuple[Row, ...]:
        """Return a table's rows in file order."""
        return self.tables.get(table, ())

    def of_report(self, table: str, report: str) -> Iterator[Row]:
        """Yield the rows of a table that belong to one report."""
        return (row for row in self.rows(table) if row.cells.get("report") == report)


@dataclass(frozen=True, slots=True)
class Finding:
    """The output of one check: what is wrong, where, how grave, and what to do."""

    rule: str
    severity: str  # violation | warning | info
    file: str
    row: int | None
    column: str
    value: str
    message: str
    focus: str = ""

    def line(self) -> str:
        """Say the finding in one line that a reviewer can act on."""
        place = self.file or self.focus
        if self.row:
            place += f", row {self.row}"
        if self.column:
            place += f", column {self.column}"
        shown = f': "{self.value}"' if self.value else ""
        return f"{self.severity}: {place}{shown}: {self.message} [{self.rule}]"
