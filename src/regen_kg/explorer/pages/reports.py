"""All reports that the review names as evidence, with facets."""

import streamlit as st

from regen_kg.explorer import data, widgets
from regen_kg.explorer import index as indexes

made, store = widgets.opened()
widgets.heading("Reports", "The reports that the review names as evidence for a technology in a disease.")
index = widgets.index()
everywhere = widgets.facets()
chosen = {facet: [v for v in widgets.asked(facet) if v in everywhere[facet]] for facet in indexes.FACETS}
st.session_state["reports-text"] = (widgets.asked("text") or [""])[-1]
text = st.text_input(
    "Words (name, year, technology, disease)",
    key="reports-text",
    on_change=lambda: widgets.to_url(text=st.session_state["reports-text"].strip()),
)
worded = data.filter_reports(index.reports, text=text)
counts = indexes.facet_counts(worded, chosen)
with st.expander("Filters: values of one filter add up, filters narrow each other down", expanded=True):
    for start in range(0, len(indexes.FACETS), 3):
        for facet, column in zip(list(indexes.FACETS)[start : start + 3], st.columns(3), strict=False):
            values = {**counts[facet], **{v: counts[facet].get(v, 0) for v in everywhere[facet]}}
            labels = {v: f"{widgets.term(v)} ({n})" for v, n in values.items()}
            with column:
                chosen[facet] = widgets.several(indexes.FACETS[facet][0], facet, labels)
rows = [r for r in worded if indexes.fits(r, chosen)]
used = {f: v for f, v in chosen.items() if v}
st.header(f"{len(rows)} of {len(index.reports)} reports", anchor=False)
if used or text:
    said = "; ".join(f"{indexes.FACETS[f][0].lower()}: {' or '.join(widgets.term(v) for v in values)}" for f, values in used.items())  # fmt: skip
    st.caption(widgets.escaped("; ".join(p for p in (said, f"words: {text}" if text else "") if p)))
    st.button("Take all filters away", on_click=lambda: widgets.to_url(text=None, **dict.fromkeys(indexes.FACETS)))
if rows:
    part = widgets.part(len(rows), 100)
    widgets.report_list(part.of(rows), part)
    widgets.noted("reports", rows)
    with widgets.bar():
        widgets.report_downloads(rows, "reports")
        if 2 <= len(rows) <= indexes.MOST_COMPARED:
            widgets.go("compare", f"Compare these {len(rows)} reports side by side", id=[r["report"] for r in rows])
        widgets.open_in_sparql(question="reports")
elif len(used.get("technology", [])) == 1 and len(used.get("disease", [])) == 1 and len(used) == 2 and not text:
    t, d = used["technology"][0], used["disease"][0]
    st.info(widgets.escaped(data.empty_cell_sentence(widgets.term(t), widgets.term(d), len(index.reports))))
else:
    st.info("No report fits these filters together. Take one away.")
widgets.footer(made)
