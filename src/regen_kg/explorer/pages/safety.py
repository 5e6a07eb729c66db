"""For which reports anything on safety is charted, and what."""

import streamlit as st

from regen_kg.explorer import data, widgets

made, store = widgets.opened()
widgets.heading("Safety", "What the review says on harm, tolerability or safety, report by report.")
rows = widgets.rows("safety-reporting")
technologies, diseases = widgets.kept(data.labels, "technology"), widgets.kept(data.labels, "disease")
options = {s: data.words(s) for s in sorted({r["status"] for r in rows})}
one, two, three = st.columns(3)
with one:
    technology = widgets.choice("Technology", "technology", technologies, "any")
with two:
    disease = widgets.choice("Disease", "disease", diseases, "any")
with three:
    status = widgets.choice("Status", "status", options, "any")
mine = [
    r
    for r in rows
    if (not technology or technology in data.items(r["technologies"]))
    and (not disease or disease in data.items(r["disease"]))
]
silent = sum(r["status"] == "not-charted" for r in mine)
about = " ".join(
    p
    for p in (f"on {technologies[technology]}" if technology else "", f"in {diseases[disease]}" if disease else "")
    if p
)
st.info(
    widgets.escaped(
        f"Anything on safety is charted for {len(mine) - silent} of {len(mine)} reports {about}".rstrip()
        + f", for {silent} it is not. “Not charted” means that the review is silent; it doesn't mean that no harm occurred, nor that the study "
        "was silent. Recurrence, revision and retreatment count as outcomes, not as safety."
    )
)
shown = [r for r in mine if not status or r["status"] == status]
if shown:
    shown = sorted(shown, key=lambda r: (r["status"] == "not-charted", r["report"]))
    part = widgets.part(len(shown), 100)
    widgets.table(["report", "status", "statement", "technologies", "disease", "source"], part.of(shown),
                  {"report": widgets.report_link, "status": lambda c: widgets.none("not charted") if c == "not-charted" else f"<strong>{widgets.list_plain(c)}</strong>",
                   "statement": widgets.list_text, "technologies": widgets.list_words, "disease": widgets.list_words, "source": widgets.list_text},
                  {"source": "Place in the review"}, paged=part)  # fmt: skip
    widgets.noted("safety-reporting", shown)
    with widgets.bar():
        widgets.download(shown, list(shown[0]), "safety-reporting")
        widgets.references((r["report"] for r in shown), "safety-reporting")
        widgets.open_in_sparql(question="safety-reporting")
else:
    st.info("No report has this status.")
widgets.footer(made)
