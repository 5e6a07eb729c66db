"""Own the effect directions: which signs stand where on the plot, and what could not be placed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from regen_kg.explorer import data
from regen_kg.explorer.data import Row
from regen_kg.store import Store

# In the order in which they stand in a cell; sign, shape (Vega), what it says.
MARKS = {
    "favours-technology": ("+", "triangle-up", "favours the technology"),
    "within-arm-improvement": ("↑", "circle", "improvement within an arm, without a comparator"),
    "mixed": ("~", "diamond", "mixed: outcomes or times differ"),
    "no-difference": ("=", "square", "no difference"),
    "favours-comparator": ("−", "triangle-down", "favours the comparator"),
    "not-charted": ("?", "cross", "direction not charted"),
}
OVERALL = ("overall", "over all outcomes")
NOT_NAMED = ("not-named", "measure not named")


@dataclass(frozen=True)
class Mark:
    """One sign of the plot: a report on a technology, in a domain, with how many results point there."""

    report: str
    technology: str
    domain: str
    direction: str
    results: int
    noted: str  # the gravest note that touches the report


def fitting(rows: Sequence[Row], technology: str = "", disease: str = "", domain: str = "") -> list[Row]:
    """Return the rows of the question directions-by-outcome that fit a choice; an empty choice takes all."""
    return [
        r
        for r in rows
        if (not technology or r["technology"] == technology)
        and (not disease or disease in data.items(r["disease"]))
        and (not domain or _domain(r) == domain)
    ]


def _domain(row: Row) -> str:
    if row["outcome_domain"]:
        return row["outcome_domain"]
    return NOT_NAMED[0] if row["outcome_measure"] else OVERALL[0]


def marks(found: Sequence[Row], gravest: Row) -> list[Mark]:
    """Return the signs of the plot: one for each direction that a report has in a domain."""
    count: dict[tuple[str, str, str, str], int] = defaultdict(int)
    for r in found:
        count[r["report"], r["technology"], _domain(r), r["direction"] or "not-charted"] += 1
    order = list(MARKS)
    return [
        Mark(report, technology, domain, direction, n, gravest.get(report, ""))
        for (report, technology, domain, direction), n in sorted(
            count.items(), key=lambda i: (i[0][1], i[0][0], i[0][2], order.index(i[0][3]))
        )
    ]


def chosen(
    rows: Sequence[Row], gravest: Row, technology: str, disease: str, domain: str
) -> tuple[list[Row], list[Mark], list[tuple[str, str]]]:
    """Return the rows that fit a choice, their signs, and the lines of the plot: a technology and a report each."""
    fit = fitting(rows, technology, disease, domain)
    found = marks(fit, gravest)
    return fit, found, list(dict.fromkeys((m.technology, m.report) for m in found))


def severities(notes: Iterable[Row]) -> Row:
    """Return the gravest note of each report that has any, of notes with the gravest first."""
    out: Row = {}
    for n in notes:
        for report in data.items(n["reports"]):
            out.setdefault(report, n["severity"])
    return out


def columns(store: Store) -> Row:
    """Return the columns of the plot: all outcome domains of the vocabulary, then what has no domain where there is any."""
    domains = {
        r["slug"]: r["label"]
        for r in data.select(
            store, "SELECT DISTINCT ?slug ?label { ?d a rkg:OutcomeDomain ; skos:notation ?slug ; rdfs:label ?l BIND(STR(?l) AS ?label) } ORDER BY ?slug"
        )
    }  # fmt: skip
    used = {_domain(r) for r in data.ask(store, "directions-by-outcome")}
    return domains | {slug: label for slug, label in (NOT_NAMED, OVERALL) if slug in used}


def sentence(found: Sequence[Mark]) -> str:
    """Say what is drawn, without adding directions up."""
    pairs = {(m.report, m.technology) for m in found}
    placed = {(m.report, m.technology) for m in found if m.domain not in (NOT_NAMED[0], OVERALL[0])}
    several = len({m.report for m in found})
    grave = len({m.report for m in found if m.noted == "grave"})
    many = len({m.technology for m in found})
    return (
        f"{several} {'report' if several == 1 else 'reports'} on {many} {'technology' if many == 1 else 'technologies'}, {len(pairs)} rows; "
        f"{len(placed)} have a direction in an outcome domain, "
        f"the others only for a measure that is not named or over all their outcomes. {grave} {'report has' if grave == 1 else 'reports have'} a grave note on the source (▲)."
    )
