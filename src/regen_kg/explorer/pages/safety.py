"""For which reports anything on safety is charted, and what."""

import streamlit as st

from regen_kg.explorer import data, widgets

made, store = widgets.opened()
widgets.heading("Safety", "What the review says on harm, tolerability or safety, report by report.")
rows = data.ask(store, "safety-reporting")
charted = sum(r["status"] == "charted" for r in rows)
st.info(
    f"Anything on safety is charted for {charted} of {len(rows)} reports. “Not charted” means that the review is silent; it doesn't mean that no harm occurred, "
    "nor that the study was silent. Recurrence, revision and retreatment count as outcomes, not as safety."
)
options = {s: data.words(s) for s in sorted({r["status"] for r in rows})}
status = widgets.choice("Status", "status", options, "any")
shown = [r for r in rows if not status or r["status"] == status]
if shown:
    widgets.table(["report", "status", "statement", "technologies", "diseases", "source"], shown,
                  {"report": widgets.report_link, "status": widgets.list_words, "statement": widgets.list_text, "technologies": widgets.list_words, "diseases": widgets.list_words, "source": widgets.list_text},
                  {"source": "Place in the review"})  # fmt: skip
    widgets.download(shown, list(shown[0]), "safety-reporting")
else:
    st.info("No report has this status.")
widgets.footer(made)
