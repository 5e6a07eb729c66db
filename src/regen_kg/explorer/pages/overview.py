"""What is here, how much of it, and where to go next."""

import streamlit as st

from regen_kg.explorer import charts, data, widgets

made, store = widgets.opened()
widgets.heading(
    "Regenerative medicine for the foot and ankle: the evidence as a graph",
    "What one scoping review names, says and leaves out, each number with its place in the review.",
)
t = data.totals(store)
columns = st.columns(4)
for column, label, number in zip(
    columns,
    ("Reports", "Studies", "Results", "Notes on the source"),
    (t.reports, t.studies, t.results, t.notes),
    strict=True,
):
    column.metric(label, f"{number:,}")
st.info(
    f"**Nothing here was appraised.** The review appraised no study for risk of bias, and neither did we. A direction says what a report "
    f"was charted as finding; it doesn't say how far to trust it. {t.secondary} of the {t.reports} reports are secondary (reviews of other studies)."
)
if t.claimed and t.claimed != str(t.reports):
    st.warning(
        f"**The review claims {t.claimed} studies and names {t.reports} reports.** The others can't be found in it, so they can't be charted. "
        "An empty cell of the gap map is empty among the named reports."
    )
st.header("Where to go", anchor=False)
widgets.go("gap_map", "Gap map: which technology has reports in which disease, and where there is none")
widgets.go("reports", "Reports: find a report by technology, disease or word")
widgets.go("quality", f"Quality: {t.notes} notes on errors and contradictions in the review, {t.grave} of them grave")
widgets.go("safety", "Safety: for which reports anything on harm or tolerability is charted")
widgets.go("ask", "Ask: saved questions, or your own in SPARQL")
widgets.go("about", "About: what the words mean, licence, limits")
if t.per_year:
    st.header("Reports by year of publication", anchor=False)
    spec = charts.per_year(t.per_year, st.context.theme.type == "dark")
    st.vega_lite_chart(spec=spec, theme=None, width="stretch", alt=", ".join(f"{y}: {n}" for y, n in t.per_year))
    widgets.save_picture("reports-by-year")
widgets.footer(made)
