"""Which reports point in different directions, and what differs between them."""

import streamlit as st

from regen_kg.explorer import data, widgets

made, store = widgets.opened()
widgets.heading(
    "Conflicts", "Pairs of reports on one technology and disease that point in different directions, and what differs."
)
st.info(
    "One report of each pair points to benefit, the other to no difference or to the comparator. What differs is listed as a "
    "hypothesis, never as a cause. Nothing was appraised for risk of bias, and nothing is counted by significance."
)
technologies, diseases = widgets.kept(data.labels, "technology"), widgets.kept(data.labels, "disease")
left, right = st.columns(2)
with left:
    technology = widgets.choice("Technology", "technology", technologies, "any")
with right:
    disease = widgets.choice("Disease", "disease", diseases, "any")


def mine(row: dict[str, str]) -> bool:
    """Tell whether a row is of the chosen technology and disease."""
    return (not technology or row["technology"] == technology) and (
        not disease or disease in data.items(row["disease"])
    )


conflicts = [r for r in widgets.rows("conflicts") if mine(r)]
st.header(f"{len(conflicts):,} {'pair' if len(conflicts) == 1 else 'pairs'}", anchor=False)
if conflicts:
    part = widgets.part(len(conflicts), 25)
    widgets.conflict_table(part.of(conflicts), part)
    widgets.noted("conflicts", conflicts)
    with widgets.bar():
        widgets.download(conflicts, list(conflicts[0]), "conflicts")
        widgets.references((r[side] for r in conflicts for side in ("report_a", "report_b")), "conflicts")
        widgets.open_in_sparql(question="conflicts")
else:
    st.info("No two reports of this choice point in different directions.")

directions = [r for r in widgets.rows("directions") if mine(r)]
st.header(f"Directions of all reports ({len(directions):,})", anchor=False)
if directions:
    part = widgets.part(len(directions), 50, "from-directions")
    widgets.table(
        ["report", "technology", "disease", "comparator", "direction", "basis", "source"],
        part.of(directions),
        {"report": widgets.report_link, "technology": widgets.list_words, "disease": widgets.list_words,
         "comparator": widgets.list_words, "direction": widgets.list_words, "basis": widgets.list_words, "source": widgets.list_text},
        {"source": "Place in the review"}, paged=part,
    )  # fmt: skip
    widgets.noted("directions", directions)
    with widgets.bar():
        widgets.download(directions, list(directions[0]), "directions")
        widgets.references((r["report"] for r in directions), "directions")
        widgets.open_in_sparql(question="directions")
else:
    st.info("No report of this choice is named.")
widgets.footer(made)
