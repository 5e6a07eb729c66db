"""What reading charted tables accepts, and what it says of what it doesn't."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conftest import CHARTED, change, read, write
from regen_kg import charting
from regen_kg.build import known_words
from regen_kg.errors import ChartingError
from regen_kg.layout import ontology_dir
from regen_kg.terms import Terms

KNOWN = known_words(Terms.load(ontology_dir()))


def faults(folder: Path) -> list[str]:
    with pytest.raises(ChartingError) as caught:
        charting.read_chart(folder, KNOWN)
    assert caught.value.faults
    return caught.value.faults


def test_the_review_reads_whole() -> None:
    """The shipped tables have no fault, and none of the reports is lost."""
    chart = charting.read_chart(CHARTED, KNOWN)
    assert len(chart.rows("reports")) == 61
    assert all(chart.rows(name) for name in chart.tables)


BAD_CELLS = [
    ("arms", "n", "fifteen", "is not a whole number"),
    ("arms", "n", "1e9", "is not a whole number"),
    ("arms", "role", "tested", "is not one of intervention, comparator"),
    ("arms", "n", "", "blank"),
    ("arms", "label", " PRP", "blanks at its ends"),
    ("arms", "label", "=1+1", "looks like a spreadsheet formula"),
    ("arms", "label", "x" * 10_000, "10,000 characters"),
    ("arms", "label", "not-charted", "a value is needed here"),
    ("arms", "source", "page 4", "is no place"),
    ("components", "intervention", "platelet-rich-plasm", 'nearest: "platelet-rich-plasma"'),
    ("results", "value", "1,5", "is not a number"),
    ("results", "p", "0.05", "has not the form"),
    ("results", "arms", "nobody", "is not in arms.csv for"),
    ("results", "outcome_measures", "aofas|aofas", "names an item twice"),
    ("results", "outcome_measures", "aofas|", "empty item"),
    ("populations", "condition", "flatfoot", "is no known condition"),
]


@pytest.mark.parametrize(("table", "column", "value", "said"), BAD_CELLS)
def test_a_bad_cell_is_named(charted: Path, table: str, column: str, value: str, said: str) -> None:
    """A fault names file, row, column and what to do."""
    change(charted, table, 2, column, value)
    found = [f for f in faults(charted) if said in f]
    assert found, faults(charted)
    assert found[0].startswith(f"{table}.csv, row 2, column {column}")


def test_all_faults_are_named_at_once(charted: Path) -> None:
    """Two bad cells in two files give two lines."""
    change(charted, "arms", 2, "n", "many")
    change(charted, "reports", 3, "year", "MMXV")
    assert len(faults(charted)) == 2


def test_a_missing_and_an_unknown_column_are_named(charted: Path) -> None:
    """A misspelt column is both unknown and missing."""
    rows = read(charted, "arms")
    rows[0][rows[0].index("label")] = "lable"
    write(charted, "arms", rows)
    said = "\n".join(faults(charted))
    assert 'unknown column "lable"; nearest: "label"' in said
    assert 'column "label" is missing' in said


def test_a_doubled_id_is_named(charted: Path) -> None:
    """A second report with the same id is refused, with the row of the first."""
    rows = read(charted, "reports")
    rows.append(rows[1])
    write(charted, "reports", rows)
    assert f"row {len(rows)}" in faults(charted)[0]
    assert "stands already in row 2" in faults(charted)[0]


def test_a_truncated_file_is_named(charted: Path) -> None:
    """A file that breaks off in a row is refused."""
    path = charted / "results.csv"
    path.write_bytes(path.read_bytes()[:-40])
    assert any("truncated" in f for f in faults(charted))


def test_a_wrong_encoding_is_named(charted: Path) -> None:
    """UTF-16 and Latin-1 files are refused with the way to save them."""
    path = charted / "arms.csv"
    text = path.read_text("utf-8")
    path.write_bytes(text.encode("utf-16"))
    assert any("UTF-8" in f for f in faults(charted))
    path.write_bytes(text.replace("PRP", "Prä", 1).encode("latin-1"))
    assert any("UTF-8" in f for f in faults(charted))


def test_a_missing_table_and_a_stray_one_are_named(charted: Path) -> None:
    """A table under another name is missing and stray."""
    (charted / "arms.csv").rename(charted / "arm.csv")
    said = "\n".join(faults(charted))
    assert "arms.csv: missing" in said
    assert 'arm.csv: no such table in datapackage.json; nearest: "arms.csv"' in said


@pytest.fixture
def one_report(charted: Path) -> Path:
    """The charted tables with the rows of one report only, which read whole and forty times as fast."""
    for path in charted.glob("*.csv"):
        head, *rows = read(charted, path.stem)
        if "report" in head:
            write(charted, path.stem, [head, *(r for r in rows if r[head.index("report")] == "gormeli-2015")])
        elif path.stem in ("claims", "citations", "claim-citations", "notes", "study-flow"):
            write(charted, path.stem, [head])
    assert len(charting.read_chart(charted, KNOWN).rows("arms")) == 3
    return charted


@pytest.mark.no_cover  # many runs of what other tests reach
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(row=st.integers(0, 3), column=st.integers(0, 6), text=st.text(max_size=30))
def test_any_cell_is_read_or_refused_in_words(one_report: Path, row: int, column: int, text: str) -> None:
    """Whatever a cell holds, reading ends in a chart or in a ChartingError, never in another exception."""
    before = (one_report / "arms.csv").read_bytes()
    rows = read(one_report, "arms")
    rows[row][column % len(rows[0])] = text.replace("\0", "").encode("utf-8", "ignore").decode()
    write(one_report, "arms", rows)
    try:
        charting.read_chart(one_report, KNOWN)
    except ChartingError as err:
        assert err.faults
    finally:
        (one_report / "arms.csv").write_bytes(before)
