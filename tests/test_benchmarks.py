"""The benchmark's synthetic studies are reproducible, valid, and counted right; nothing here is timed."""

from __future__ import annotations

import csv
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

import pyoxigraph as ox
import pytest

from conftest import load_benchmark
from regen_kg import analysis, build, charting, queries, validation
from regen_kg.layout import ontology_dir
from regen_kg.store import EmbeddedStore
from regen_kg.terms import Terms

synthesise = load_benchmark("synthesise").synthesise


def _bytes(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def twenty_studies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A synthetic folder of 20 studies; under seed 5, one of them has two reports."""
    folder = tmp_path_factory.mktemp("synthetic")
    synthesise(folder, 20, 5)
    return folder


def _number(text: str | None) -> Decimal | None:
    """Return a number of a term table, None where there is none."""
    return Decimal(text) if text is not None else None


def _table(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _tops(file: str) -> dict[str, str]:
    """Return each slug's uppermost term, climbed by hand."""
    with (ontology_dir() / file).open(newline="", encoding="utf-8") as lines:
        parent = {r["slug"]: r["parent"] for r in csv.DictReader(lines)}
    tops = {}
    for slug in parent:
        top = slug
        while parent[top] != "none":
            top = parent[top]
        tops[slug] = top
    return tops


def _technologies() -> dict[str, str]:
    """Return each intervention's technology of section 4, climbed by hand; one that falls under none is absent."""
    with (ontology_dir() / "interventions.csv").open(newline="", encoding="utf-8") as lines:
        rows = {r["slug"]: r for r in csv.DictReader(lines)}
    found = {}
    for slug in rows:
        at = slug
        while at != "none" and rows[at]["section4"] != "true":
            at = rows[at]["parent"]
        if at != "none":
            found[slug] = at
    return found


def _brute_force(folder: Path) -> dict[tuple[str, str], tuple[int, int, int, int]]:
    """Count reports, studies, participants and comparisons of each cell from the CSV files alone."""
    disease_of, technology_of = _tops("conditions.csv"), _technologies()
    reports = {r["report"]: r for r in _table(folder, "reports")}
    technologies, diseases, arms = defaultdict(set), defaultdict(set), defaultdict(set)
    for row in _table(folder, "directions"):
        technologies[row["report"]].add(row["technology"])
    for row in _table(folder, "populations"):
        diseases[row["report"]].add(disease_of[row["condition"]])
    for row in _table(folder, "components"):
        if row["role"] == "tested" and row["intervention"] in technology_of:
            arms[row["report"], row["arm"]].add(technology_of[row["intervention"]])
    cells = {(t, d) for r in reports for t in technologies[r] for d in diseases[r]}
    counts = {}
    for technology, disease in cells:
        inside = [r for r in reports if technology in technologies[r] and disease in diseases[r]]
        largest: dict[str, int] = {}
        for slug in inside:
            row = reports[slug]
            if row["kind"] == "primary" and row["sample_size"].isdigit():
                largest[row["study"]] = max(largest.get(row["study"], 0), int(row["sample_size"]))
        keys = set()
        for row in _table(folder, "results"):
            if row["report"] not in inside or row["kind"] != "between-arm-comparison":
                continue
            for mine, other in ((row["arms"], row["comparator_arms"]), (row["comparator_arms"], row["arms"])):
                if technology in arms[row["report"], mine]:
                    keys.add((row["report"], frozenset((mine, other)), row["outcome_measures"], row["time_point"]))
        studies = {reports[r]["study"] for r in inside if reports[r]["kind"] == "primary"}
        counts[technology, disease] = (len(inside), len(studies), sum(largest.values()), len(keys))
    return counts


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    """Two folders of one seed and number are byte-equal; another seed gives another one."""
    for name, seed in (("one", 5), ("again", 5), ("other", 6)):
        synthesise(tmp_path / name, 12, seed)
    assert len(_bytes(tmp_path / "one")) > 20
    assert _bytes(tmp_path / "one") == _bytes(tmp_path / "again")
    assert _bytes(tmp_path / "one") != _bytes(tmp_path / "other")


def test_the_number_of_studies_is_the_one_asked_for(twenty_studies: Path) -> None:
    """Twenty studies are twenty, all marked as synthetic, with every table of the layout."""
    reports = _table(twenty_studies, "reports")
    assert len({r["study"] for r in reports}) == 20 < len(reports)
    assert all(r["report"].startswith("synthetic-") and r["citation"].startswith("Synthetic ") for r in reports)
    expected = {r["path"] for r in charting.read_description(twenty_studies)["resources"]}
    assert {p.name for p in twenty_studies.glob("*.csv")} == expected


def test_a_few_hundred_studies_read_without_violations(tmp_path: Path) -> None:
    """Whatever the lot draws, the tables read and the chart checks find no violation."""
    synthesise(tmp_path, 300, 3)
    terms = Terms.load(ontology_dir())
    chart = charting.read_chart(tmp_path, build.known_words(terms))
    assert len(chart.rows("results")) > 1_000
    findings = [*validation.chart_findings(chart), *analysis.number_findings(chart, terms)]
    assert [f.line() for f in findings if f.severity == "violation"] == []
    assert {r["kind"] for r in chart.rows("results")} == {
        "arm-measurement",
        "within-arm-change",
        "between-arm-comparison",
        "association",
    }


def test_a_synthetic_folder_builds_and_counts_right(twenty_studies: Path) -> None:
    """Twenty studies build without violations, and the gap matrix is a count by hand of the CSV files."""
    lines, findings, _ = build.assemble(twenty_studies)
    assert [f.line() for f in findings if f.severity == "violation"] == []
    rows = queries.run(
        EmbeddedStore.of(ox.parse("".join(lines).encode(), format=ox.RdfFormat.N_QUADS)), queries.get("gap-matrix")
    )
    assert len(rows) == 55
    got = {
        (r["technology"], r["disease"]): tuple(int(r[c]) for c in ("reports", "studies", "participants", "comparisons"))
        for r in rows
    }
    counted = _brute_force(twenty_studies)
    assert sum(c[3] for c in counted.values()) > 0
    assert got == {cell: counted.get(cell, (0, 0, 0, 0)) for cell in got}
    assert set(counted) <= set(got)
