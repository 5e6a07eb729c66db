"""Technology by disease: where reports are named, and where none is."""

import streamlit as st

from regen_kg.explorer import charts, data, widgets

made, store = widgets.opened()
widgets.heading(
    "Gap map",
    "How much evidence the review names for each technology in each disease. Choose a cell to see its reports.",
)
technologies, diseases = data.labels(store, "technology"), data.labels(store, "disease")
left, right = st.columns(2)
with left:
    placement = widgets.switch("Place a report", "placement", data.PLACEMENTS)
with right:
    measure = widgets.switch("Count", "measure", {m: m for m in data.MEASURES})
cells = data.gap_matrix(store, placement)
chosen = (widgets.from_url("technology", technologies), widgets.from_url("disease", diseases))


def clicked() -> None:
    """Put the clicked cell in the address, which is the page's state."""
    points = st.session_state["gap-chart"]["selection"]["cell"]
    if points:
        widgets.to_url(technology=points[0].get("t"), disease=points[0].get("d"))


spec = charts.gap_map(cells, measure, technologies, diseases, chosen, st.context.theme.type == "dark")
empty = sum(c["reports"] == "0" for c in cells)
st.vega_lite_chart(
    spec=spec, theme=None, width="stretch", key="gap-chart", on_select=clicked, selection_mode="cell",
    alt=f"{len(technologies)} technologies by {len(diseases)} diseases; {empty} of {len(cells)} cells have no report. The table below holds the same.",
)  # fmt: skip
st.caption(
    f"{empty} of {len(cells)} cells have no report: dashed and hatched. A report that tests two technologies counts in both rows."
)

left, right = st.columns(2)
with left:
    technology = widgets.choice("Technology", "technology", technologies, "any: choose one")
with right:
    disease = widgets.choice("Disease", "disease", diseases, "any: choose one")

if technology and disease:
    rows = data.cell_reports(data.reports(store), technology, disease, placement)
    name = f"{technologies[technology]} in {diseases[disease]}"
    cell = next(c for c in cells if (c["technology"], c["disease"]) == (technology, disease))
    st.header(widgets.escaped(f"{name}: {len(rows)} {'report' if len(rows) == 1 else 'reports'}"), anchor=False)
    if rows:
        st.write(
            f"Studies: {cell['studies']} · participants, where a sample size is charted: {data.cell_text(cell, 'participants')} · "
            f"comparisons between arms: {cell['comparisons']}"
        )
        widgets.report_list(rows)
        widgets.download(rows, list(rows[0]), f"reports-{technology}-{disease}")
    else:
        named = len(data.reports(store))
        st.info(widgets.escaped(data.empty_cell_sentence(technologies[technology], diseases[disease], named)))
    gaps = data.cell_gaps(store, technology, disease)
    st.header("What is missing here", anchor=False)
    st.caption(
        "By the population that was studied; each gap is a node with the query that found it (question evidence-gaps)."
    )
    if gaps:
        widgets.table(["type", "reason", "nearest"], gaps, {"type": widgets.list_words, "reason": widgets.list_text, "nearest": widgets.list_text}, {"nearest": "Nearest evidence"})  # fmt: skip
    else:
        st.info("No gap of a defined type was found in this cell.")
else:
    st.info("No cell is chosen. Click one, or choose a technology and a disease.")

with st.expander("The same map as a table"):
    wide = []
    for slug, label in technologies.items():
        mine = {c["disease"]: data.cell_text(c, measure) for c in cells if c["technology"] == slug}
        wide.append({"technology": label, **mine})
    widgets.table(["technology", *diseases], wide, titles={"technology": f"Technology ({measure})", **diseases})
    widgets.download(cells, ["technology", "disease", *data.MEASURES], f"gap-matrix-{placement}")
widgets.footer(made)
