"""In which direction each report points, per technology, disease and outcome domain."""

import streamlit as st

from regen_kg.explorer import charts, data, directions, widgets

LINES = 30  # reports drawn at once

made, store = widgets.opened()
widgets.heading(
    "Directions",
    "In which direction each report points, by outcome domain, as charted: the results first, else the row's conclusion, else prose.",
)
st.info(
    "A sign says which way the charted results of one report point, from the technology's point of view. It does not say how far, how sure, or whether the study was good: "
    "nothing was appraised. Reports are not counted by their p values, and signs are not added up."
)
technologies, diseases = widgets.kept(data.labels, "technology"), widgets.kept(data.labels, "disease")
all_domains = widgets.kept(directions.columns)
first, second, third = st.columns(3)
with first:
    technology = widgets.choice("Technology", "technology", technologies, "any")
with second:
    disease = widgets.choice("Disease", "disease", diseases, "any")
with third:
    domain = widgets.choice("Outcome domain", "domain", all_domains, "any")
rows, found, lines = widgets.worked_out(
    "directions",
    (technology, disease, domain),
    lambda: directions.chosen(widgets.rows("directions-by-outcome"), widgets.gravest(), technology, disease, domain),
)
part = widgets.part(len(lines), LINES)
here = frozenset(part.of(lines))
drawn = [m for m in found if (m.technology, m.report) in here]
used = {m.domain for m in found}
across = {k: v for k, v in all_domains.items() if k in used}
silent = [
    v for k, v in all_domains.items() if k not in used and k not in (directions.NOT_NAMED[0], directions.OVERALL[0])
]
if found:
    dark = st.context.theme.type == "dark"
    spec = charts.effect_directions(drawn, across, technologies, dark)
    nowhere = f" No direction is charted in: {', '.join(silent)}." if silent and not domain else ""
    st.write(directions.sentence(found) + nowhere)
    if links := part.links():
        st.html(links)
    with st.container(key="rkg-broad"):
        st.vega_lite_chart(
            spec=spec,
            theme=None,
            width="stretch",
            alt=f"Effect directions. {directions.sentence(drawn)} The table below holds the same.",
        )
    widgets.save_picture("directions")
    st.caption(
        "Signs: "
        + "; ".join(
            f"{widgets.escaped(sign)} ({shape.replace('-', ' ')}) {meaning}"
            for sign, shape, meaning in directions.MARKS.values()
        )
        + ". A number behind a sign says how many results point there. Several signs in one place: results, measures or times differ."
    )
    listed = [r for r in rows if (r["technology"], r["report"]) in here]
    of = f"{len(listed)} of " if len(listed) < len(rows) else ""
    st.header(f"The same as a table: {of}{len(rows)} rows", anchor=False)
    widgets.table(
        ["report", "technology", "disease", "comparator", "outcome_measure", "outcome_domain", "months", "n", "direction", "basis", "source"],
        listed,
        {"report": widgets.report_link, "technology": widgets.list_words, "disease": widgets.list_words, "comparator": widgets.list_words,
         "outcome_measure": widgets.list_words, "outcome_domain": widgets.list_words, "direction": widgets.list_words, "source": widgets.list_text},
        {"outcome_measure": "Measure", "outcome_domain": "Domain", "source": "Place in the review"}, paged=part,
    )  # fmt: skip
    widgets.noted("directions-by-outcome", rows)
    with widgets.bar():
        widgets.download(rows, list(rows[0]), "directions-by-outcome")
        widgets.references((r["report"] for r in rows), "directions-by-outcome")
        widgets.open_in_sparql(question="directions-by-outcome")
else:
    st.info("No report of this choice gives a direction. The gap map says what is missing there.")
    widgets.go(
        "gap_map",
        "Open the gap map",
        **({"technology": technology} if technology else {}),
        **({"disease": disease} if disease else {}),
    )
sizes = [
    r for r in widgets.rows("effect-sizes")
    if (not technology or technology in data.items(r["technology"])) and (not disease or disease in data.items(r["disease"]))
]  # fmt: skip
known = [r for r in sizes if r["estimate"]]
st.header(f"Sizes: {len(known)} of {len(sizes)} can be worked out", anchor=False)
st.caption(
    "Raw values in the unit of the measure, arm less comparator, with the interval where the charted numbers give one. Nothing is pooled."
)
columns = [
    "report",
    "technology",
    "arm",
    "comparator",
    "outcome_measure",
    "months",
    "kind",
    "estimate",
    "lower",
    "upper",
    "better",
    "source",
]
drawers = {"report": widgets.report_link, "technology": widgets.list_words, "arm": widgets.list_text, "comparator": widgets.list_text,
           "outcome_measure": widgets.list_words, "kind": widgets.list_words, "source": widgets.list_text}  # fmt: skip
titles = {"outcome_measure": "Measure", "better": "Which way is good", "source": "Place in the review"}
if known:
    part = widgets.part(len(known), 50, "from-sizes")
    widgets.table(columns, part.of(known), drawers, titles, paged=part)
elif sizes:
    st.info("For none of them do the charted numbers allow it.")
if sizes:
    widgets.noted("effect-sizes", sizes)
    others = [r for r in sizes if not r["estimate"]]
    with st.expander(f"The other {len(others)}, each with the reason why not"):
        part = widgets.part(len(others), 50, "from-others")
        widgets.table(
            ["report", "technology", "outcome_measure", "months", "kind", "reason", "source"],
            part.of(others),
            drawers,
            titles,
            paged=part,
        )
    with widgets.bar():
        widgets.download(sizes, list(sizes[0]), "effect-sizes")
        widgets.references((r["report"] for r in sizes), "effect-sizes")
        widgets.open_in_sparql(question="effect-sizes")
widgets.footer(made)
