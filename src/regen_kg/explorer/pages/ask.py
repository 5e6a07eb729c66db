"""The SPARQL workbench: saved questions as forms, an editor for one's own, and four views of an answer."""

import time

import pandas as pd
import streamlit as st

from regen_kg import queries
from regen_kg.analysis.explain import explain
from regen_kg.errors import RegenKGError
from regen_kg.explorer import charts, components, data, widgets, workbench

made, store = widgets.opened()
widgets.heading(
    "Ask",
    "The same questions as on the command line, with the same answers, or your own in SPARQL. In a download, an empty cell means not charted.",
)
key = data.build_key(made)
VIEWS = {"table": "table", "chart": "chart", "graph": "graph", "raw": "raw"}


@st.cache_resource(show_spinner=False, on_release=lambda desk: desk.close())
def desk_of(build: str) -> workbench.Desk:
    """Start the process that answers, once per build."""
    return workbench.Desk(made)


desk = desk_of(key)


def table(columns: tuple[str, ...], rows: list[data.Row]) -> None:
    """Draw an answer as a table."""
    frame = pd.DataFrame([{c: r[c] or widgets.NOT_CHARTED for c in columns} for r in rows], columns=list(columns))
    grey = "#b8b8b8" if st.context.theme.type == "dark" else "#595959"
    many = len(rows) * len(columns) > 100_000
    st.dataframe(
        frame if many else frame.style.map(lambda v: f"color: {grey}" if v == widgets.NOT_CHARTED else ""),
        hide_index=True,
        alt=f"The answer as a table of {len(rows)} rows; its columns are {', '.join(columns)}",
    )


def chart(columns: tuple[str, ...], rows: list[data.Row]) -> None:
    """Draw an answer's numbers, or say why there is nothing to draw."""
    names, numbers = workbench.chart_columns(columns, rows)
    if not numbers:
        st.info("There is no chart: no column holds numbers and nothing else.")
        return
    left, right = st.columns(2)
    with left:
        value = widgets.pick("Numbers", "numbers", {c: c for c in numbers})
    with right:
        along = widgets.pick("Along", "along", {c: c for c in [*names, *(n for n in numbers if n != value)] or numbers})
    drawn = [r for r in rows if r[value]][: charts.MOST_BARS]
    spec = charts.answer(drawn, along, value, along in numbers, st.context.theme.type == "dark")
    st.vega_lite_chart(spec=spec, theme=None, width="stretch", alt=f"{value} by {along}; the table view holds the same")
    without = sum(not r[value] for r in rows)
    left_off = len(rows) - without - len(drawn)
    st.caption(
        f"{value} by {along}: {len(drawn)} rows. {without} rows have no {value} and are not drawn."
        + (f" {left_off} further rows are left off." if left_off else "")
    )
    widgets.save_picture("answer")


def show(
    outcome: workbench.Outcome, columns: tuple[str, ...], rows: list[data.Row], name: str, empty: str, text: str
) -> None:
    """Draw an answer in the chosen view, with its downloads."""
    st.write(outcome.summary())
    if outcome.truncated:
        st.warning(
            f"The answer was cut off at {desk.limits.rows:,} rows or {desk.limits.result_bytes // 1_000_000} MB. Narrow the query."
        )
    if outcome.answer.boolean is not None:
        st.code(workbench.results_json(outcome.answer), language="json")
        return
    triples = outcome.answer.triples
    if not (rows or triples):
        st.info(widgets.escaped(f"0 {'rows' if triples is None else 'triples'}: {empty}."))
        if triples is None and widgets.switch(
            "Why is it empty?", "why", {"": "not asked", "yes": "look for the reason"}
        ):
            with st.spinner("Probing its patterns …"):
                try:
                    st.code("\n".join(explain(desk, text, desk.limits.seconds).lines()), language=None, wrap_lines=True)
                except RegenKGError as err:
                    st.error(widgets.escaped(str(err)))
        return
    view = widgets.switch("View", "view", VIEWS)
    if triples is None:
        left_off = len(outcome.answer.rows) - len(rows)
        if left_off > 0:
            st.warning(f"Shown are the first {len(rows):,} rows; {left_off:,} were left off.")
        if view == "table":
            table(columns, rows)
        elif view == "chart":
            chart(columns, rows)
        elif view == "graph":
            st.info("There is no graph: the answer is a table. A CONSTRUCT query answers in triples, which are drawn.")
        else:
            st.code(workbench.results_json(outcome.answer)[:50_000], language="json")
        widgets.download(rows, columns, name)
        st.download_button("Download as JSON", workbench.results_json(outcome.answer), file_name=f"{name}.json",
                           mime="application/sparql-results+json", on_click="ignore", key="json")  # fmt: skip
        return
    found = workbench.triple_rows(triples)
    if view == "table":
        table(("subject", "relation", "object"), found[: data.SHOWN_ROWS])
    elif view == "chart":
        st.info("There is no chart: the answer is triples. A SELECT query answers in a table, whose numbers are drawn.")
    elif view == "graph":
        nodes, edges, left_off = workbench.drawn_triples(triples)
        if edges:
            components.graph("answer-graph", nodes, edges)
            st.caption(
                f"{len(nodes)} things and {len(edges)} links between them; literals stand in the table view."
                + (f" {left_off} further links are left off." if left_off else "")
            )
        else:
            st.info("There is nothing to draw: no triple links two things. The table view has all triples.")
    else:
        st.code(outcome.turtle[:50_000], language=None)
    widgets.download(found, ["subject", "relation", "object"], name)
    st.download_button("Download as Turtle", outcome.turtle, file_name=f"{name}.ttl", mime="text/turtle",
                       on_click="ignore", key="turtle")  # fmt: skip


saved = queries.load_all()
own, question = "own", "question"
mode = widgets.switch("How", "mode", {question: "A saved question", own: "Your own, in SPARQL"})
for part in (
    "why",
    "view",
    "numbers",
    "along",
    "q",
    "query",
    *(f"p_{p.name}" for s in saved.values() for p in s.parameters),
):
    widgets.asked(part)
if mode == question:
    names = {n: f"{q.summary} ({n})" for n, q in saved.items()}
    name = widgets.choice("Question", "q", names, "choose a question")
    if name:
        query = saved[name]
        labels = data.term_labels(store)
        values = {}
        for parameter in query.parameters:
            known = queries.known_values(store, parameter.name)
            label = f"{parameter.name}: {parameter.meaning}"
            if known:
                shown = workbench.known_labels(known, labels)
                values[parameter.name] = widgets.choice(label, f"p_{parameter.name}", shown, "all, or the default")
            else:
                values[parameter.name] = widgets.typed(label, f"p_{parameter.name}")
        given = {k: v for k, v in values.items() if v}
        try:
            once, text, started = data.Remembering(desk), query.bind(given), time.perf_counter()
            with st.spinner("Asking …"):
                rows = queries.run(once, query, given)
                outcome = workbench.Outcome(once.query(text), time.perf_counter() - started)
            show(outcome, query.columns, rows[: data.SHOWN_ROWS], name, query.empty, text)
            with st.expander("The query"):
                st.code(text, language="sparql", wrap_lines=True)
                widgets.open_in_sparql("Change it in the editor", text=text)
        except RegenKGError as err:
            st.error(widgets.escaped(str(err)))
    else:
        st.info(f"{len(saved)} questions are saved. Choose one.")
else:
    st.write(workbench.RULES)
    given_text = (widgets.asked("query") or [""])[-1]
    text = st.session_state.get("own-text") or given_text or workbench.FIRST
    if given_text and given_text != st.session_state.get("own-address"):
        text = given_text
        st.session_state["own-text"], st.session_state["own-address"] = text, given_text
        st.session_state.pop("own-answer", None)
    if sent := components.sent_query("own-editor"):
        st.session_state["own-text"] = text = sent
        with st.spinner("Asking …"):
            try:
                st.session_state["own-answer"] = ("answer", desk.ask(sent))
            except RegenKGError as err:
                st.session_state["own-answer"] = ("error", str(err))
        if len(sent) <= 3_000:
            st.session_state["own-address"] = sent
            widgets.to_url(query=sent)
    before = st.session_state.get("own-answer")
    broken = workbench.error_line(before[1]) if before and before[0] == "error" else 0
    components.sparql_editor("own-editor", text, widgets.kept(workbench.completions), broken)
    if before and before[0] == "error":
        st.error("The query was not answered.")
        st.code(before[1], language=None, wrap_lines=True)
    elif before:
        outcome = before[1]
        show(outcome, outcome.answer.columns, outcome.rows, "answer", "nothing in the graph fits the pattern", text)
    else:
        st.info("Not run yet.")
widgets.footer(made)
