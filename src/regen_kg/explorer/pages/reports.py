"""All reports that the review names as evidence, with filters."""

import streamlit as st

from regen_kg.explorer import data, widgets

made, store = widgets.opened()
widgets.heading("Reports", "The reports that the review names as evidence for a technology in a disease.")
technologies, diseases = data.labels(store, "technology"), data.labels(store, "disease")
left, middle, right = st.columns(3)
with left:
    technology = widgets.choice("Technology", "technology", technologies, "any")
with middle:
    disease = widgets.choice("Disease", "disease", diseases, "any")
with right:
    st.session_state["reports-text"] = (widgets.asked("text") or [""])[-1]
    text = st.text_input(
        "Words (name, year, technology, disease)",
        key="reports-text",
        on_change=lambda: widgets.to_url(text=st.session_state["reports-text"].strip()),
    )
everything = data.reports(store)
rows = data.filter_reports(everything, technology, disease, text)
st.header(f"{len(rows)} of {len(everything)} reports", anchor=False)
if rows:
    widgets.report_list(rows)
    widgets.download(rows, list(rows[0]), "reports")
elif technology and disease and not text:
    st.info(widgets.escaped(data.empty_cell_sentence(technologies[technology], diseases[disease], len(everything))))
else:
    st.info("No report fits these filters. Take one away.")
widgets.footer(made)
