"""Two to ten reports side by side."""

import streamlit as st

from regen_kg.explorer import data, widgets
from regen_kg.explorer import index as indexes

made, store = widgets.opened()
widgets.heading("Compare", "Two to ten reports side by side. “≠ differs” marks what is not the same in all of them.")
index = widgets.index()
known = {r["report"]: f"{r['report']} ({widgets.term(data.items(r['technologies'])[0]) if r['technologies'] else 'no technology'})" for r in index.reports}  # fmt: skip
chosen = widgets.several("Reports (type to search)", "id", known, most=indexes.MOST_COMPARED)
only = widgets.switch("Show", "show", {"all": "everything", "differs": "only what differs"})
if len(chosen) < 2:
    st.info(f"Choose {'two reports or more' if not chosen else 'one report more'}, at most {indexes.MOST_COMPARED}. The Reports page can hand over what its filters leave.")  # fmt: skip
    pair = next(((c["report_a"], c["report_b"]) for c in index.conflicts if c["kind"] == "direct"), None)
    if pair:
        st.html(f"<p>For instance: {widgets.link('compare', ' and '.join(pair), id=list(pair))}, which point in different directions.</p>")  # fmt: skip
    widgets.footer(made)
    st.stop()
rows = indexes.compare(index, chosen, widgets.term)
shown = [r for r in rows if only == "all" or r["differs"] == "differs"]
st.header(f"{len(chosen)} reports: {sum(r['differs'] == 'differs' for r in rows)} of {len(rows)} properties differ", anchor=False)  # fmt: skip


def cell(text: str) -> str:
    """Draw the parts of a cell one below the other."""
    statuses = {data.words(s) for s in widgets.STATUSES} - {"charted"}
    return (
        "<br>".join(widgets.none(p) if p in statuses else widgets.plain(p) for p in data.items(text)) or widgets.none()
    )


widgets.table(
    ["property", "differs", *chosen], shown,
    {"differs": lambda c: "<strong>≠ differs</strong>" if c == "differs" else "= same", **{s: cell for s in chosen}},
    {"differs": "In all?"}, head_links={s: widgets.report_link(s) for s in chosen}, row_head="property", matrix=True,
)  # fmt: skip
st.caption(
    "A cell “not charted” means that the review is silent there. Two cells that are both not charted count as the same."
)
widgets.noted("reports", index.of(chosen))
with widgets.bar():
    widgets.download(rows, ["property", "differs", *chosen], "compare", "Download the comparison as CSV")
    widgets.report_downloads(index.of(chosen), "compared-reports")
    widgets.open_in_sparql(question="reports")
widgets.footer(made)
