"""What is built a portion at a time, and sorted in files, is what would have been built in one piece."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import CHARTED, load_benchmark
from regen_kg import assembly, build, charting, reasoning, triples, validation
from regen_kg.errors import BuildError
from regen_kg.layout import ontology_dir
from regen_kg.lines import Lines
from regen_kg.model import Chart, Finding
from regen_kg.terms import Terms, compile_ontology

TERMS = Terms.load(ontology_dir())
ONTOLOGY = compile_ontology(ontology_dir())
HIERARCHY = build.hierarchy(ONTOLOGY)


def assembled(chart: Chart, most: int | None = None, processes: int = 1) -> tuple[list[str], list[Finding], set[str]]:
    """Assemble in portions of so many reports, in so many processes, or in one piece."""
    validation.SET_WISE_FROM = 10**9 if most is None else 0
    made = assembly.Assembly(ONTOLOGY, HIERARCHY, ontology_dir() / "shapes", lambda words: None, processes)
    lines = Lines()
    made.run(chart, TERMS, lines, most or 0)
    found = list(lines)
    assert lines.counts.total() == len(found)  # none was added twice
    return found, validation.sort_findings(made.findings), made.idle


@pytest.fixture
def inputs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of inputs of each start of HermiT, which does not run; shapes run set-wise in one piece too."""
    out: list[int] = []
    monkeypatch.setattr(reasoning, "check_consistency", lambda *given: out.append(len(given)))
    monkeypatch.setattr(validation, "SET_WISE_FROM", 0)  # set by `assembled`, and put back
    shapes = validation.read_shapes(ontology_dir() / "shapes")
    monkeypatch.setattr(validation, "read_shapes", lambda folder: shapes)
    monkeypatch.setattr(validation, "shacl_findings", lambda store, *_: validation.set_wise_findings(store, shapes)[0])
    return out


def test_portions_of_the_review_make_the_review(inputs: list[int]) -> None:
    """Sixteen reports at a time give the lines, inferences included, that all 61 at once give."""
    chart = charting.read_chart(CHARTED, build.known_words(TERMS))
    whole, findings, idle = assembled(chart)
    assert len(inputs) == 1
    assert assembled(chart, 16) == (whole, findings, idle)
    assert assembled(chart, 16, processes=2) == (whole, findings, idle)
    assert sum(inputs[1:]) > 4 and max(inputs) <= assembly.TOGETHER
    assert findings == [] and sum("graph/inferred>" in line for line in whole) > 1_000


def test_portions_find_what_is_wrong_as_the_whole_does(
    inputs: list[int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With every seventh line of every graph gone, the findings are those of one piece: none more at the seams, none less."""
    load_benchmark("synthesise").synthesise(tmp_path, 25, 5)
    chart = charting.read_chart(tmp_path, build.known_words(TERMS))
    reports, shared = list(triples.report_nquads(chart, TERMS)), list(triples.shared_nquads(chart))

    def holed(text: str) -> str:
        return "".join(line for i, line in enumerate(text.splitlines(keepends=True)) if i % 7)

    def of_reports(*_: object) -> Iterator[tuple[str, str]]:
        return ((study, holed(text)) for study, text in reports)

    monkeypatch.setattr(triples, "report_nquads", of_reports)
    monkeypatch.setattr(triples, "shared_nquads", lambda _: map(holed, shared))
    whole, findings, _ = assembled(chart)
    assert len({f.rule for f in findings}) > 20
    assert {f.focus.split("/id/")[1].split("/")[0] for f in findings} >= {"result", "arm", "note", "claim"}
    for processes in (1, 2):
        assert assembled(chart, 4, processes)[:2] == (whole, findings)


def ended(_: list[str]) -> None:
    """End the process that does it."""
    os._exit(3)


def test_a_process_that_ends_early_is_said(inputs: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a process of the pool is killed, words say what to do instead of a traceback."""
    monkeypatch.setattr(assembly, "_done", ended)
    chart = charting.read_chart(CHARTED, build.known_words(TERMS))
    with pytest.raises(BuildError, match="give fewer --processes"):
        assembled(chart, 16, processes=2)


def test_reports_of_one_study_stay_together() -> None:
    """A portion grows past its size rather than part two reports of a study."""
    reports = [("a", "1"), ("b", "2"), ("b", "3"), ("b", "4"), ("c", "5")]
    assert list(assembly._portions(reports, 2)) == [["1", "2", "3", "4"], ["5"]]


@pytest.mark.parametrize("most", [1, 3, 1_000])
def test_lines_come_back_sorted_and_once(most: int) -> None:
    """However many fit in memory, lines come in the order of their characters, beyond the basic plane too, and none twice."""
    given = [f'<urn:{c}> <urn:p> "{c}" <urn:g{len(c)}> .\n' for c in ["b", "é", "\U0001f9b6", "aa", "\ufb01", "b", "a"]]
    lines = Lines(given, most)
    assert list(lines) == list(lines) == sorted(set(given))
    assert lines.counts == {"urn:g1": 6, "urn:g2": 1}
    assert bool(lines._runs) == (most < 1_000)
    lines.clear()
    assert list(lines) == []


def test_a_full_disk_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no temporary file can be made, words say what to do."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    with pytest.raises(BuildError, match=r"No space left on device.*TMPDIR"):
        Lines(["<urn:a> <urn:p> <urn:b> <urn:g> .\n"] * 2, most=2)
