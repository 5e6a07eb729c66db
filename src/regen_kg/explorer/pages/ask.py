"""Saved questions as forms, and a place for one's own."""

import time

import pandas as pd
import streamlit as st

from regen_kg import queries
from regen_kg.errors import RegenKGError
from regen_kg.explorer import data, widgets

FIRST = """PREFIX rkg: <https://w3id.org/regen-kg/ontology#>
PREFIX skos: <http://www.w3.org/2004/02/skos/core#>
SELECT ?report ?citation WHERE {
  ?r a rkg:Report ; skos:notation ?report ; rkg:citation ?citation .
} ORDER BY ?report LIMIT 20
"""
made, store = widgets.opened()
widgets.heading(
    "Ask",
    "The same questions as on the command line, with the same answers. In a download, an empty cell means not charted.",
)


def show(columns: tuple[str, ...], rows: list[data.Row], name: str, empty: str) -> None:
    """Draw an answer as a table with its download, or say what its emptiness means."""
    if not rows:
        st.info(widgets.escaped(f"0 rows: {empty}."))
        return
    frame = pd.DataFrame([{c: r[c] or widgets.NOT_CHARTED for c in columns} for r in rows], columns=list(columns))
    grey = "#b8b8b8" if st.context.theme.type == "dark" else "#595959"
    many = len(rows) * len(columns) > 100_000
    st.dataframe(
        frame if many else frame.style.map(lambda v: f"color: {grey}" if v == widgets.NOT_CHARTED else ""),
        hide_index=True,
    )
    widgets.download(rows, columns, name)


saved = queries.load_all()
own, question = "own", "question"
mode = widgets.switch("How", "mode", {question: "A saved question", own: "Your own, in SPARQL"})
if mode == question:
    names = {n: f"{q.summary} ({n})" for n, q in saved.items()}
    name = widgets.choice("Question", "q", names, "choose a question")
    if name:
        query = saved[name]
        values = {}
        for parameter in query.parameters:
            known = queries.known_values(store, parameter.name)
            label = f"{parameter.name}: {parameter.meaning}"
            if known:
                values[parameter.name] = widgets.choice(
                    label, f"p_{parameter.name}", {k: k for k in known}, "all, or the default"
                )
            else:
                values[parameter.name] = st.text_input(label, key=f"p-{name}-{parameter.name}")
        given = {k: v for k, v in values.items() if v}
        try:
            rows = queries.run(store, query, given)
            st.write(f"{len(rows)} {'row' if len(rows) == 1 else 'rows'}")
            show(query.columns, rows, name, query.empty)
            with st.expander("The query"):
                st.code(query.bind(given), language="sparql", wrap_lines=True)
        except RegenKGError as err:
            st.error(widgets.escaped(str(err)))
    else:
        st.info(f"{len(saved)} questions are saved. Choose one.")
else:
    st.write(
        "Read-only SPARQL 1.1 over all named graphs together. Updates and SERVICE are refused: queries stay on this machine."
    )
    with st.form("own-query"):
        text = st.text_area("Query", FIRST, height=260, key="own-text")
        run = st.form_submit_button("Run")
    if run:
        started = time.perf_counter()
        try:
            got = data.free_query(store, text)
        except RegenKGError as err:
            st.error("The query was not answered.")
            st.code(str(err), language=None, wrap_lines=True)
        else:
            st.write(
                f"{len(got.rows)} rows in {time.perf_counter() - started:.2f} s"
                if not (got.said or got.triples)
                else ""
            )
            if got.left_off:
                st.warning(f"Shown are the first {data.SHOWN_ROWS:,} rows; {got.left_off:,} were left off.")
            if got.said:
                st.write(f"Answer: {got.said}")
            elif got.triples:
                st.code(got.triples[:50_000], language=None)
                st.download_button("Download as N-Triples", got.triples, file_name="answer.nt", on_click="ignore")
            else:
                show(got.columns, got.rows, "answer", "nothing in the graph fits the pattern")
widgets.footer(made)
