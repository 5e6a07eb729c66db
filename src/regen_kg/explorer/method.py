"""Own the rows on how the review was made, and on how much of its chart has content."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from regen_kg.explorer import data
from regen_kg.explorer.data import Row, Thing, first, things
from regen_kg.iris import RKG, SKOS
from regen_kg.store import Store


@dataclass(frozen=True)
class Method:
    """The review's method as charted, one tuple of rows per table; every row has its place in the review."""

    search: tuple[Row, ...]
    eligibility: tuple[Row, ...]
    form: tuple[Row, ...]
    instruments: tuple[Row, ...]
    source: tuple[Row, ...]
    flow: tuple[Row, ...]


def read_method(store: Store) -> Method:
    """Read the method of the review."""

    def rows(kind: str, columns: dict[str, str]) -> tuple[Row, ...]:
        found = things(store, f"?x a rkg:{kind} .")
        return tuple({name: _said(one, prop) for name, prop in columns.items()} for one in found)

    place = {"place in the review": "sourceText"}
    return Method(
        rows("SearchLine", {"line": "skos:notation", "operator": "searchOperator", "combines": "combinesLine", "terms": "searchTerm", **place}),
        rows("EligibilityCriterion", {"element": "eligibilityElement", "rule": "criterionText", "named in the review": "exampleValue", **place}),
        rows("ChartingItem", {"category": "category", "item": "itemLabel", "charted": "itemCharted", "where": "whereCharted", **place}),
        rows("Instrument", {"printed as": "skos:notation", "name": "longName", "outcome measure": "ofOutcomeMeasure", "range": "rangeText",
                            "description": "instrumentDescription", "cites": "cites", **place}),
        rows("SourceField", {"field": "skos:notation", "value": "fieldValue", "status": "fieldStatus", "basis": "fieldBasis"}),
        tuple(data.flow(store)),
    )  # fmt: skip


_APPLIES = {"searchOperator": "operator", "combinesLine": "combines", "searchTerm": "terms", "exampleValue": "values", "whereCharted": "where"}  # fmt: skip


def query_of(kind: str) -> str:
    """Return the query that gives all rows of one of the method's tables, with every property as charted."""
    return (
        f"PREFIX rkg: <{RKG}>\nSELECT ?row ?property ?value WHERE {{\n"
        f"  ?item a rkg:{kind} ; rkg:chartedRow ?row ; ?property ?value .\n}} ORDER BY ?row ?property ?value\n"
    )


CLAIMS = (
    f"PREFIX rkg: <{RKG}>\nPREFIX skos: <{SKOS}>\n"
    "SELECT ?claim ?topic ?paraphrase ?about ?source WHERE {\n"
    "  ?c a rkg:Claim ; skos:notation ?claim ; rkg:topic ?topic ; rkg:paraphrase ?paraphrase .\n"
    "  OPTIONAL { ?c rkg:aboutTechnology|rkg:aboutDisease ?a . ?a skos:notation ?about }\n"
    "  OPTIONAL { ?c rkg:sourceText ?source }\n} ORDER BY ?topic ?claim ?about\n"
)


def _said(one: Thing, prop: str) -> str:
    """Return content, or "not applicable" where the charted cell says so."""
    return first(one, prop) or ("not applicable" if _APPLIES.get(prop) in one.get("notApplicable", []) else "")


# In a sub-select, so that the engine goes through the rows once instead of looking up one for each status.
_TABLES = 'SELECT ?x ?table { ?x rkg:chartedRow ?row BIND(STRBEFORE(?row, ".csv") AS ?table) }'
STATUSES = ("notCharted", "notReported", "unclear", "notApplicable")
TABLES = ("reports", "populations", "arms", "components", "time-points", "results", "scale-uses", "directions", "safety", "claims")  # fmt: skip


def completeness(store: Store) -> list[Row]:
    """Return, per table and column that is not full, how many rows have content and how many have which status."""
    sizes = {
        r["table"]: int(r["n"])
        for r in data.select(
            store,
            f"SELECT ?table (COUNT(DISTINCT ?x) AS ?n) {{ {{ {_TABLES} }} }} GROUP BY ?table",
        )
    }
    found: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    cells = " UNION ".join(f'{{ ?x rkg:{status} ?column BIND("{status}" AS ?status) }}' for status in STATUSES)
    for r in data.select(
        store,
        f"SELECT ?table ?column ?status (COUNT(DISTINCT ?x) AS ?n) {{ {{ {_TABLES} }} {cells} }} GROUP BY ?table ?column ?status",
    ):
        found[r["table"], r["column"]][r["status"]] = int(r["n"])
    rows = []
    for (table, column), by in sorted(found.items(), key=lambda f: (TABLES.index(f[0][0]) if f[0][0] in TABLES else 99, f[0][1])):  # fmt: skip
        if table not in TABLES:
            continue
        total = sizes[table]
        content = total - sum(by.values())
        rows.append({
            "table": table, "column": column, "rows": str(total), "with content": str(content), "not charted": str(by.get("notCharted", 0)),
            "not reported": str(by.get("notReported", 0)), "unclear": str(by.get("unclear", 0)), "not applicable": str(by.get("notApplicable", 0)),
            "share": f"{content / (total - by.get('notApplicable', 0)):.0%}" if total > by.get("notApplicable", 0) else "not applicable",
        })  # fmt: skip
    return rows
