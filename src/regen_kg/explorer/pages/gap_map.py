"""Any two axes: where reports are named, and where none is."""

import streamlit as st

from regen_kg.analysis.certificate import Certificate, certify, gap_certificate
from regen_kg.errors import RegenKGError
from regen_kg.explorer import charts, data, evidence_map, widgets
from regen_kg.explorer.evidence_map import AXES, COLOURS

made, store = widgets.opened()
widgets.heading(
    "Gap map",
    "How much evidence the review names for each technology in each disease, or on any other two axes. Choose a cell to see its reports, or why it is empty.",
)


first, second, third, fourth = st.columns(4)
with first:
    rows = widgets.pick("Rows", "rows", AXES)
with second:
    others = {a: label for a, label in AXES.items() if a != rows}
    columns = widgets.pick("Columns", "columns", others, "disease" if rows != "disease" else "technology")
with third:
    measure = widgets.pick("Count", "measure", {m: m for m in data.MEASURES})
with fourth:
    colour = widgets.pick("Show in the cells", "colour", COLOURS)
left, right = st.columns(2)
with left:
    placement = widgets.switch("Place a report", "placement", data.PLACEMENTS)
with right:
    gaps_only = widgets.switch("Cells", "cells", {"all": "all", "gaps": "only gaps"}) == "gaps"
found: evidence_map.EvidenceMap = widgets.kept(evidence_map.read, placement)
names = {axis: found.values(axis) for axis in AXES}
free = [a for a in AXES if a not in (rows, columns)]
widgets.asked("gap")
widgets.asked("from")
widgets.asked("certificate")
for axis in AXES:  # what the address says of an axis that is not in use waits there until it is
    for part in (axis, f"in_{axis}"):
        widgets.asked(part)
narrowed = {a: v for a in free if (v := widgets.from_url(f"in_{a}", names[a]))}
with st.expander(f"Narrow to one value of another axis ({len(narrowed)} chosen)", expanded=bool(narrowed)):
    for column, axis in zip(st.columns(len(free)), free, strict=True):
        with column:
            widgets.choice(AXES[axis], f"in_{axis}", names[axis], "any")

cells = found.cells(rows, columns, narrowed)
chosen = (widgets.from_url(rows, names[rows]), widgets.from_url(columns, names[columns]))
across, down = names[columns], names[rows]
if gaps_only:
    down, across = evidence_map.only_gaps(cells, down, across)


# A certificate probes each pattern of a query by itself: on a large graph for seconds, so there it is asked for.
large = sum(made.manifest.get("triples", {}).values()) > 300_000


def clicked() -> None:
    """Put the clicked cell in the address, which is the page's state."""
    points = st.session_state["gap-chart"]["selection"]["cell"]
    if points:
        widgets.to_url(**{rows: points[0].get("r"), columns: points[0].get("c")})


def certificate(made_of: Certificate) -> None:
    """Draw a certificate: its verdict, what was probed, what is nearest, and all of it as text."""
    st.write(widgets.escaped(f"Certificate: {made_of.words}."))
    st.caption(widgets.escaped(f"Searched: {made_of.scope}."))
    if made_of.patterns:
        probed = [{"pattern": text, "matches": f"{n:,}"} for text, n in made_of.patterns]
        widgets.table(["pattern", "matches"], probed, titles={"pattern": "Pattern of the query, by itself"})
    near = [
        {"changed": axis, "found": "|".join(f"{widgets.term(slug)}: {n}" for slug, n in others)}
        for axis, others in made_of.neighbours
    ]
    if near:
        widgets.table(["changed", "found"], near, {"changed": widgets.list_words, "found": widgets.list_text},
                      {"changed": "In place of", "found": "Nearest answers"})  # fmt: skip
    with st.expander("The whole certificate: names searched, statuses, query"):
        st.code("\n".join(made_of.lines()), language=None, wrap_lines=True)


said = evidence_map.sentence(cells, rows, columns, measure)
if down:
    dark = st.context.theme.type == "dark"
    spec = charts.gap_map(cells, measure, colour, down, across, chosen, dark, faint=gaps_only)
    st.vega_lite_chart(
        spec=spec, theme=None, width="stretch", key="gap-chart", on_select=clicked, selection_mode="cell",
        alt=f"{said} The table below holds the same.",
    )  # fmt: skip
    widgets.save_picture(f"gap-map-{rows}-{columns}")
else:
    st.info("No cell is empty here, so there is no gap to show.")
legend = {
    "direction": "Signs: + favours the technology, ↑ improvement without a comparator, ~ mixed, = no difference, − favours the comparator, ? not charted; each with its number of reports, over all outcomes of the report. They are counted, never added up to a verdict.",
    "severity": "The gravest note that touches a report of the cell. Notes take no report out of a count.",
    "count": "",
}[colour]
st.caption(
    f"{said} Dashed and hatched: no report. Dotted: not applicable (n/a). A report stands in every row and column that it has a value for; a trial in two reports is "
    f"one study, and its participants count once. {legend}"
)

left, right = st.columns(2)
with left:
    row = widgets.choice(AXES[rows], rows, names[rows], "any: choose one")
with right:
    column_ = widgets.choice(AXES[columns], columns, names[columns], "any: choose one")

if row and column_:
    here = {**narrowed, rows: row, columns: column_}
    places = {axis: names[axis][value] for axis, value in here.items()}
    cell = next(c for c in cells if (c.row, c.column) == (row, column_))
    if set(here) == {"technology", "disease"}:
        title = f"{places['technology']} in {places['disease']}"
    else:
        title = " · ".join(places.values())
    everything = {r["report"]: r for r in widgets.kept(data.reports)}
    query = evidence_map.gap_query(here, placement)
    count = len(cell.reports)
    st.header(widgets.escaped(f"{title}: {count} {'report' if count == 1 else 'reports'}"), anchor=False)
    if count:
        st.write(
            f"Studies: {cell.studies} · participants, where a sample size is charted: {cell.said('participants')} · "
            f"comparisons between arms: {cell.comparisons}"
        )
        listed = evidence_map.evidence(found, here, everything)
        here_listed = widgets.part(len(listed), 50)
        widgets.table(
            ["report", "year", "technologies", "diseases", "direction", "sample size", "place in the review"],
            [{**r, "sample size": r["sample_size"], "place in the review": r["source"]} for r in here_listed.of(listed)],
            {"report": widgets.report_link, "technologies": widgets.list_words, "diseases": widgets.list_words,
             "direction": widgets.list_words, "place in the review": widgets.list_text}, paged=here_listed,
        )  # fmt: skip
        widgets.noted("reports", listed)
    elif set(here) == {"technology", "disease"}:
        st.info(widgets.escaped(data.empty_cell_sentence(places["technology"], places["disease"], len(everything))))
    else:
        near = evidence_map.nearest(found, here)
        st.info(
            widgets.escaped(
                f"No report is named at this place ({len(everything)} reports named). That is absence from the named evidence, not evidence of absence. "
                + "Nearest: "
                + "; ".join(
                    f"without “{places[axis]}” {n} {'report' if n == 1 else 'reports'}" for axis, n in near.items()
                )
                + "."
            )
        )
    with widgets.bar():
        if count:
            widgets.download(listed, list(listed[0]), "reports-" + "-".join(here.values()))
            widgets.references((r["report"] for r in listed), "reports-" + "-".join(here.values()))
        widgets.open_in_sparql("Open this cell's query in SPARQL", text=query)
    if {"technology", "disease"} <= set(here):
        gaps = widgets.kept(data.cell_gaps, here["technology"], here["disease"])
        st.header("What is missing here", anchor=False)
        st.caption("By the population that was studied; each gap is a node with the query that found it.")
        if gaps:
            widgets.table(["type", "reason", "nearest"], gaps, {"type": widgets.list_words, "reason": widgets.list_named, "nearest": widgets.list_named}, {"nearest": "Nearest evidence"})  # fmt: skip
            of = gaps[0]["gap"]
            if len(gaps) > 1 or large:
                names_of = {g["gap"]: f"{widgets.term(g['type'])}: {g['reason']}" for g in gaps}
                of = widgets.choice("Show the certificate of", "gap", names_of, "none: choose one")
            if of:
                certificate(widgets.kept(gap_certificate, of))
            widgets.open_in_sparql("Open all gaps in SPARQL", question="evidence-gaps")
        else:
            st.info("No gap of a defined type was found in this cell.")
    elif not count and not {*here.values()} & {slug for slug, _ in evidence_map.SILENT.values()}:
        waits = {"": "not asked", "yes": "work it out (a few seconds)"}
        if not large or widgets.switch("The certificate of this gap", "certificate", waits):
            with st.expander("The certificate of this gap", expanded=True), st.spinner("Probing the graph …"):
                try:
                    certificate(widgets.kept(certify, query, 10.0))
                except RegenKGError as err:
                    st.error(widgets.escaped(str(err)))
else:
    st.info("No cell is chosen. Click one, or choose a value of each axis.")

with st.expander("The same map as a table"):
    wide = []
    for slug, label in down.items():
        wide.append({"row": label, **{c.column: c.said(measure, colour) for c in cells if c.row == slug}})
    shown = measure if colour == "count" else COLOURS[colour]
    widgets.table(
        ["row", *across], wide, titles={"row": f"{AXES[rows]} ({shown})", **across}, matrix=True, row_head="row"
    )
    flat = evidence_map.flat(cells, rows, columns)
    widgets.download(flat, list(flat[0]), f"gap-map-{rows}-{columns}-{placement}")
widgets.footer(made)
