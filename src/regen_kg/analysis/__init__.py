"""Own the step from charted evidence to what follows from it: the quads of the named graph `computed`."""

from __future__ import annotations

import pyoxigraph as ox

from regen_kg.analysis.conflicts import conflict_quads, find_conflicts
from regen_kg.analysis.effects import effect_quads, find_effects
from regen_kg.analysis.evidence import Evidence
from regen_kg.analysis.gaps import find_gaps, gap_quads
from regen_kg.analysis.numbers import number_findings
from regen_kg.analysis.values import Values, direction_quads
from regen_kg.model import Chart
from regen_kg.terms import Terms

__all__ = ["Evidence", "computed_quads", "find_conflicts", "find_effects", "find_gaps", "number_findings"]


def computed_quads(chart: Chart, terms: Terms) -> list[ox.Quad]:
    """Work out gaps, conflicts, directions of charted numbers and effect sizes, and write them down.

    Parameters
    ----------
    chart : Chart
        The charted tables.
    terms : Terms
        The controlled lists that the charted words come from.

    Returns
    -------
    list of pyoxigraph.Quad
        Sorted, all in the named graph `computed`; none if no report is charted.
    """
    evidence = Evidence(chart, terms)
    if not evidence.reports:
        return []
    values, conflicts = Values(chart, terms), find_conflicts(evidence)
    disputed = {(c.technology, c.disease) for c in conflicts}
    gaps_and_conflicts = {*gap_quads(evidence, disputed), *conflict_quads(evidence, conflicts)}
    return sorted({*gaps_and_conflicts, *direction_quads(values), *effect_quads(values)}, key=str)
