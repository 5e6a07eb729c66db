"""Everything charted of one report, each number with its place in the review."""

import streamlit as st

from regen_kg.explorer import data, pictures, widgets

made, store = widgets.opened()
slug = (widgets.asked("id") or [""])[-1]
page = widgets.kept(data.report_page, slug) if slug else None

if page is None:
    known = [r["report"] for r in widgets.index().reports]
    widgets.heading("Report", "One report, with everything charted of it.")
    if slug:
        near = data.nearest(slug, known)
        st.warning(f"No report is called “{widgets.escaped(slug)}”." + (" Nearest:" if near else ""))
        for other in near:
            widgets.go("report", other, id=other)
    else:
        st.info("No report is chosen. Choose one here, or on the Reports page.")
    picked = st.selectbox("Report", ["", *known], format_func=lambda v: v or "choose one", key="pick-report")
    if picked:
        widgets.go("report", f"Open {picked}", id=picked)
    widgets.footer(made)
    st.stop()

ORDER = ["result", "outcome measure", "arms", "time point", "value", "charted text", "place in the review", "noted", "statistic", "dispersion",
         "n analysed", "p", "interval", "direction", "kind", "charted row"]  # fmt: skip
WHERE = {"place in the review": widgets.list_text}
widgets.heading(
    widgets.escaped(page.row["citation"]),
    f"Report {widgets.escaped(slug)}. An empty field reads “not charted”: the review is silent on it.",
)
if page.notes:
    worst = page.notes[0]["severity"]
    count = f"{len(page.notes)} {'note touches' if len(page.notes) == 1 else 'notes touch'} this report"
    st.warning(
        f"{widgets.SEVERITY_SIGN.get(worst, '')} {count}, the gravest is {worst}. See “Notes on the source” below."
    )
widgets.facts(page.facts)
index = widgets.index()
about = [widgets.link("technology", widgets.term(t), id=t) for t in data.items(page.row["technologies"])]
about += [widgets.link("disease", widgets.term(d), id=d) for d in data.items(page.row["diseases"])]
if about:
    st.html(f"<p>What else is charted on: {', '.join(about)}</p>")
against = [c for c in index.conflicts if slug in (c["report_a"], c["report_b"])]
if against:
    others = "|".join(dict.fromkeys(c["report_b"] if c["report_a"] == slug else c["report_a"] for c in against))
    st.html(
        f"<p>Points elsewhere than: {widgets.report_links(others)}. {widgets.link('compare', 'Side by side', id=[slug, *data.items(others)][:10])}</p>"
    )

st.header("Population", anchor=False)
if page.populations:
    widgets.table(list(page.populations[0]), page.populations, {**WHERE, "condition": widgets.list_words}, fold=True)
else:
    st.html(widgets.none())

st.header(f"Arms ({len(page.arms)})", anchor=False)
if page.arms:
    draw = {
        **WHERE,
        "technologies": lambda c: widgets.list_words(c) if c else "none under test",
        "n status": widgets.list_words,
    }
    widgets.table(list(page.arms[0]), page.arms, draw, fold=True)
    if any(a["n status"] == "inherited" for a in page.arms):
        st.caption("“inherited”: a single arm takes the sample size of the report.")
else:
    st.info("No arm is charted: only prose names this report, or its row describes none.")

if page.components:
    st.header("What each arm received", anchor=False)
    widgets.table(list(page.components[0]), page.components, {**WHERE, "intervention": widgets.list_words}, fold=True)

st.header(f"Time points ({len(page.time_points)})", anchor=False)
if page.time_points:
    widgets.table(list(page.time_points[0]), page.time_points, WHERE, fold=True)
else:
    st.html(widgets.none())

st.header(f"Results ({len(page.results)})", anchor=False)
if page.results:
    st.write("Values as printed. A result that a note touches names the note under “noted”.")
    drawn = pictures.over_time(page.saved_results, index.times.get(slug, []), index.arms.get(slug, []))
    dark = st.context.theme.type == "dark"
    outcomes = [
        o for o in dict.fromkeys(r["outcome"] for r in drawn) if len({r["at"] for r in drawn if r["outcome"] == o}) > 1
    ]
    for start in range(0, len(outcomes), 2):
        for outcome, column in zip(outcomes[start : start + 2], st.columns(2), strict=False):
            name = " and ".join(widgets.term(o) for o in data.items(outcome))
            spec, said = pictures.time_picture(drawn, outcome, name, dark)
            with column:
                st.subheader(widgets.escaped(name), anchor=False)
                st.vega_lite_chart(spec=spec, theme=None, width="stretch", key=f"over-time-{outcome}", alt=said)
                widgets.save_picture(f"{slug}-{outcome.replace('|', '-')}")
                st.caption(widgets.escaped(said))
    if outcomes:
        st.caption(
            "Times stand in their order, not to scale. A bar is the spread as charted; a hollow mark has a note. The values again as a table:"
        )
        columns = [
            "outcome",
            "arm",
            "at",
            "months",
            "value",
            "unit",
            "spread",
            "spread_kind",
            "noted",
            "place in the review",
        ]
        with st.expander("The pictures as a table"):
            widgets.table(columns, [r for r in drawn if r["outcome"] in outcomes], {**WHERE, "outcome": widgets.list_words, "noted": lambda c: "▲ noted" if c == "true" else "no"},
                          {"at": "Time", "spread_kind": "Kind of spread"})  # fmt: skip
            widgets.download(drawn, columns, f"over-time-{slug}")
    elif not any(r["value"] for r in page.saved_results):
        st.caption("No value is charted, so no picture can be drawn.")
    else:
        st.caption("No outcome measure has values at two times, so no picture over time is drawn.")
    draw = {**WHERE, "outcome measure": lambda c: ", ".join(widgets.link("outcome", widgets.term(i), id=i) if i != "not-named" else widgets.none("not named") for i in data.items(c)) or widgets.none(), "kind": widgets.list_words, "direction": widgets.list_words, "statistic": widgets.list_words,
            "noted": lambda c: "no" if c == "no" else f"<strong>▲ noted</strong>: {widgets.list_text(c)}"}  # fmt: skip
    widgets.table(ORDER, page.results, draw, fold=True)
    with widgets.bar():
        widgets.download(page.saved_results, list(page.saved_results[0]), f"results-{slug}")
        widgets.open_in_sparql(question="results", report=slug)
else:
    st.info("No result is charted for this report.")

if page.scale_uses:
    st.header("How this report used its outcome measures", anchor=False)
    widgets.table(
        list(page.scale_uses[0]),
        page.scale_uses,
        {**WHERE, "outcome measure": widgets.list_words, "printed as": widgets.list_text},
        fold=True,
    )

st.header("Direction", anchor=False)
if page.directions:
    st.write("Over all outcomes, from the technology's point of view, as charted; not a judgement of the study.")
    widgets.table(
        list(page.directions[0]), page.directions,
        {**WHERE, "technology": widgets.list_words, "direction": widgets.list_words,
         "comparator": widgets.list_words}, fold=True,
    )  # fmt: skip
else:
    st.html(widgets.none())

st.header("Safety", anchor=False)
if page.safety:
    widgets.table(
        list(page.safety[0]),
        page.safety,
        {**WHERE, "status": widgets.list_words, "content": widgets.list_words, "technology": widgets.list_words},
        fold=True,
    )
else:
    st.html(f"<p>{widgets.none()}: the review says nothing on harm, tolerability or safety in this report.</p>")

st.header(f"Notes on the source ({len(page.notes)})", anchor=False)
if page.notes:
    st.write("Contradictions or likely errors of the review. The charted value stays as printed.")
    widgets.notes(page.notes)
else:
    st.write("No note touches this report.")

st.header("Bibliography", anchor=False)
if page.bibliography:
    st.write("Verified outside the review; not part of what the review says.")
    widgets.facts([(name, content, "") for name, content in page.bibliography])
else:
    st.write("Not verified: no title and no identifier is shown." if page.bibliography_status else "not charted")

with st.expander("Get all of this by one query"):
    st.write("On the command line, the results alone:")
    st.code(f"regen-kg query results --param report={slug} --format csv", language=None, wrap_lines=True)
    st.write("Everything, with the row of the charted tables it comes from; paste it on the Ask page:")
    st.code(data.one_query(slug), language="sparql", wrap_lines=True)
with widgets.bar():
    widgets.report_downloads(index.of([slug]), slug)
    widgets.go("compare", "Compare with another report", id=slug)
    widgets.go("reports", "All reports")
widgets.footer(made)
