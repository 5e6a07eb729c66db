"""What is here, how much of it, and where to go next."""

import streamlit as st

from regen_kg.explorer import charts, data, entities, widgets

made, store = widgets.opened()
widgets.heading(
    "Regenerative medicine for the foot and ankle: the evidence as a graph",
    "What one scoping review names, says and leaves out, each number with its place in the review.",
)
t = widgets.kept(data.totals)
widgets.counts(
    (label, f"{number:,}")
    for label, number in (
        ("Reports", t.reports),
        ("Studies", t.studies),
        ("Results", t.results),
        ("Notes on the source", t.notes),
    )
)
st.info(
    f"**Nothing here was appraised.** The review appraised no study for risk of bias, and neither did we. A direction says what a report "
    f"was charted as finding; it doesn't say how far to trust it. {t.secondary} of the {t.reports} reports are secondary (reviews of other studies)."
)
if t.claimed and t.claimed != str(t.reports):
    st.warning(
        f"**The review claims {t.claimed} studies and names {t.reports} reports.** The others can't be found in it, so they can't be charted. "
        "An empty cell of the gap map is empty among the named reports."
    )
diseases, index = widgets.kept(data.labels, "disease"), widgets.index()
st.header("Diseases", anchor=False)
st.write(
    "By the population that was studied. Each page says what is charted, what is missing and who contradicts whom."
)
rows = []
for slug in diseases:
    e = widgets.kept_entity("disease", slug, True)
    if e is not None:
        rows.append({
            "disease": slug, "reports": str(e.counts.reports), "participants": entities.participants_text(e.counts), "technologies": "|".join(g["other"] for g in e.groups),
            "gaps": str(len(e.gaps)), "pairs": str(len(e.conflicts)), "safety": f"{sum(s['status'] != 'not-charted' for s in e.safety)} of {len(e.safety)}",
        })  # fmt: skip
widgets.table(
    ["disease", "reports", "participants", "technologies", "gaps", "pairs", "safety"], rows,
    {"disease": lambda s: widgets.link("disease", diseases[s], id=s),
     "technologies": lambda c: ", ".join(widgets.link("technology", widgets.term(i), id=i) for i in data.items(c)) or widgets.none("no report")},
    {"pairs": "Pairs that point apart", "safety": "Safety charted"}, row_head="disease",
)  # fmt: skip
with widgets.bar():
    widgets.download(rows, list(rows[0]) if rows else [], "diseases")
    widgets.open_in_sparql(question="gap-matrix")
st.header("Where to go", anchor=False)
places = {
    "gap_map": ("Gap map", "which technology has reports in which disease, and where there is none"),
    "directions": ("Directions", "which way each report points, by outcome domain"),
    "conflicts": (
        "Conflicts",
        f"{len(index.conflicts):,} pairs of reports that point in different directions, and what differs",
    ),
    "safety": ("Safety", "for which reports anything on harm or tolerability is charted"),
    "reports": ("Reports", "find a report by technology, disease, design, comparator, outcome or word"),
    "ask": ("Ask", "saved questions, or your own in SPARQL"),
    "ontology": ("Ontology", "what the terms mean, and what they are mapped to"),
    "method": ("Method", "how the review found its studies, in two accounts that differ"),
    "quality": ("Quality", f"{t.notes:,} notes on errors and contradictions in the review, {t.grave:,} of them grave"),
    "about": ("About", "how to read this, what the words mean, licence, limits"),
}
widgets.places(places)
if t.per_year:
    st.header("Reports by year of publication", anchor=False)
    most = max(n for _, n in t.per_year)
    peak = ", ".join(str(y) for y, n in t.per_year if n == most)
    said = f"{t.reports} reports from {t.per_year[0][0]} to {t.per_year[-1][0]}; most of a year: {most} ({peak})."
    st.write(said)
    spec = charts.per_year(t.per_year, st.context.theme.type == "dark")
    st.vega_lite_chart(spec=spec, theme=None, width="stretch", alt=f"{said} The table below holds the same.")
    widgets.save_picture("reports-by-year")
    years = [{"year": str(y), "reports": str(n)} for y, n in t.per_year]
    with st.expander("The years as a table"):
        widgets.table(["year", "reports"], years, matrix=True)
    with widgets.bar():
        widgets.download(years, ["year", "reports"], "reports-by-year")
        widgets.open_in_sparql(question="reports")
widgets.footer(made)
