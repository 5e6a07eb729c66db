"""Own the step from charted evidence to what follows from it: the quads of the named graph `computed`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby

import pyoxigraph as ox

from regen_kg.analysis.conflicts import FIRST, conflict_quads, find_conflicts
from regen_kg.analysis.effects import effect_quads, find_effects
from regen_kg.analysis.evidence import Evidence
from regen_kg.analysis.gaps import find_gaps, gap_quads
from regen_kg.analysis.numbers import number_findings
from regen_kg.analysis.values import Values, direction_quads
from regen_kg.model import Chart
from regen_kg.terms import Terms

__all__ = ["Evidence", "computed_quads", "find_conflicts", "find_effects", "find_gaps", "number_findings"]


def computed_quads(
    chart: Chart, terms: Terms, not_listed: Callable[[int, str], None] = lambda _, __: None
) -> Iterator[ox.Quad]:
    """Work out gaps, conflicts, directions of charted numbers and effect sizes.

    Parameters
    ----------
    chart : Chart
        The charted tables.
    terms : Terms
        The controlled lists that the charted words come from.
    not_listed : callable, optional
        Told how many conflicts are too many to list, and in which words to say so.

    Yields
    ------
    pyoxigraph.Quad
        Each once, all in the named graph `computed`; none if no report is charted.
    """
    evidence = Evidence(chart, terms)
    if not evidence.reports:
        return
    conflicts = find_conflicts(evidence)
    if left := {(c.technology, c.disease): c.left_out for c in conflicts if c.left_out}:
        total = sum(left.values())
        words = f"{total:,} conflicts in {len(left)} cells are not listed beside the {len(conflicts):,} that are"
        not_listed(total, f"{words}; {FIRST}")
    yield from _each_once(gap_quads(evidence, {(c.technology, c.disease) for c in conflicts}))
    yield from _each_once(conflict_quads(evidence, conflicts))
    values = Values(chart, terms)
    yield from _each_once(direction_quads(values))
    yield from _each_once(effect_quads(values))


def _each_once(quads: Iterable[ox.Quad]) -> Iterator[ox.Quad]:
    """Leave out what is said of a thing a second time; all that is said of it comes in one piece."""
    for _, said in groupby(quads, key=lambda q: q.subject):
        yield from dict.fromkeys(said)
