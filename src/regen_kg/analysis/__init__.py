"""Own the step from charted evidence to what it lacks: the quads of the named graph `computed`."""

from __future__ import annotations

import pyoxigraph as ox

from regen_kg.analysis.conflicts import conflict_quads, find_conflicts
from regen_kg.analysis.evidence import Evidence
from regen_kg.analysis.gaps import find_gaps, gap_quads
from regen_kg.model import Chart
from regen_kg.terms import Terms

__all__ = ["Evidence", "computed_quads", "find_conflicts", "find_gaps"]


def computed_quads(chart: Chart, terms: Terms) -> list[ox.Quad]:
    """Work out gaps and conflicts and write them as nodes.

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
    return sorted({*gap_quads(evidence), *conflict_quads(evidence)}, key=str)
