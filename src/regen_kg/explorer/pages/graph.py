"""Walk from one thing to its neighbours, and find the way between two."""

import streamlit as st

from regen_kg.errors import QueryError
from regen_kg.explorer import components, data, neighbours, widgets
from regen_kg.explorer.neighbours import START, STEP, full, short

made, store = widgets.opened()
widgets.heading(
    "Graph",
    f"Start from a report, technology, disease or outcome measure, and open its neighbours {STEP} at a time; or find the way between two things.",
)
things = widgets.kept(neighbours.things)
known = {short(iri): f"{r['name']} ({r['kind']})" for iri, r in things.items()}


def unpacked(entries: list[str]) -> dict[str, int]:
    """Read the opened things of the address: a name, and behind * how many neighbours are shown where these are more than a step."""
    out = {}
    for entry in entries:
        name, _, count = entry.partition("*")
        try:
            out[full(name)] = min(max(int(count or STEP), STEP), 500)
        except (QueryError, ValueError):
            st.warning(widgets.escaped(f"“{entry}” in the address is no opened thing and was left out."))
    return out


def packed(opened: dict[str, int]) -> list[str]:
    """Write opened things for the address."""
    return [short(iri) + (f"*{n}" if n > STEP else "") for iri, n in opened.items()]


focus_key = (widgets.asked("focus") or [START if START in known else next(iter(known))])[-1]
try:
    focus = full(focus_key)
    name = neighbours.named(store, focus)
except QueryError:
    name = ""
if not name:
    st.error(widgets.escaped(f"Nothing in the graph is called “{focus_key}”. Nearest:"))
    for near in data.nearest(focus_key.removeprefix("rkg:"), known):
        st.html(widgets.link("graph", known[near], focus=near))
    widgets.footer(made)
    st.stop()
options = known if focus_key in known else {focus_key: f"{name} ({neighbours.said_kind(focus)})", **known}

opened = unpacked(widgets.asked("open"))
only = [r for r in widgets.asked("relation")]
left, right = st.columns(2)


def moved() -> None:
    """Start anew from another thing."""
    st.query_params.from_dict({"focus": st.session_state["graph-focus"]})


with left:
    st.session_state["graph-focus"] = focus_key
    st.selectbox("Start from", list(options), format_func=lambda k: options[k], key="graph-focus", on_change=moved)
with right:
    to = widgets.choice(
        "Find the way to", "to", {k: v for k, v in options.items() if k != focus_key}, "nothing: show neighbours"
    )

if to:
    with st.spinner("Looking for a way …"):
        found = widgets.kept(neighbours.way, focus, full(to))
    st.header(widgets.escaped(f"From {options[focus_key]} to {options[to]}"), anchor=False)
    if found.edges:
        st.write(widgets.escaped(f"{len(found.edges)} {'link' if len(found.edges) == 1 else 'links'}: {found.said()}"))
        components.graph("way", found.nodes, found.edges, focus, height=320)
        names = {n["id"]: n["name"] for n in found.nodes}
        rows = [{"from": names[e["source"]], "relation": e["relation"], "to": names[e["target"]]} for e in found.edges]
        widgets.table(["from", "relation", "to"], rows)
        st.caption(
            "The first of the shortest ways. Values of controlled lists, places in the review and gaps are passed by: the first two link everything with everything, the last says that something is absent."
        )
    else:
        st.info(
            "No way of at most four links was found that leads through things rather than values of lists."
            + (" The search was cut off where it met very many things." if found.cut else "")
        )
    widgets.footer(made)
    st.stop()

all_links = widgets.kept(neighbours.links, focus)
counts = neighbours.relations(all_links)
only = [r for r in only if r in counts]
st.session_state["graph-relations"] = only
st.multiselect(
    "Only these relations", list(counts), format_func=lambda r: f"{r} ({counts[r]})", key="graph-relations", placeholder="all relations",
    on_change=lambda: st.query_params.update({"relation": st.session_state["graph-relations"]}),
)  # fmt: skip
drawn = neighbours.drawing(store, focus, opened, only, lambda iri: widgets.kept(neighbours.links, iri))
labels = {n["id"]: n["name"] for n in drawn.nodes}


def expand(iri: str) -> None:
    """Show a thing's neighbours, or the next of them where some are shown."""
    seen = {focus: STEP, **opened}
    seen[iri] = seen[iri] + STEP if iri in seen else STEP
    if seen.get(focus) == STEP:
        seen.pop(focus)
    st.query_params["open"] = packed(seen)


picture = f"neighbours {len(drawn.nodes)} {len(drawn.edges)} {focus}"  # a new one is laid out anew


def expanded() -> None:
    """Open the thing that was double-clicked in the picture."""
    sent = st.session_state.get(picture) or {}
    ids = sent.get("data", {}).get("node_ids") or []
    if ids and sent.get("timestamp") != st.session_state.get("graph-sent") and ids[0] in labels:
        st.session_state["graph-sent"] = sent.get("timestamp")
        expand(ids[0])


shown = min(len(all_links), {focus: STEP, **opened}[focus])
most = max(counts, key=lambda r: counts[r], default="")
st.write(
    widgets.escaped(
        f"{name} has {len(all_links)} links to other things by {len(counts)} relations"
        + (f", most by “{most}” ({counts[most]})" if most else "")
        + f". Drawn are {len(drawn.nodes)} things and {len(drawn.edges)} links."
    )
)
if drawn.full:
    st.warning(f"The picture is full at {neighbours.MOST_DRAWN} things. Choose relations, or start from another thing.")
components.graph(picture, drawn.nodes, drawn.edges, focus, on_event=expanded)
plain_lines = components.common_relation(drawn.edges)
st.caption(
    (f"A line without a name is “{widgets.escaped(plain_lines)}”. " if plain_lines else "")
    + "Double-click a thing to open its neighbours. Shapes: ellipse report, diamond technology, triangle disease, rounded box study, hexagon outcome measure, "
    "square anything else. The table does all that the picture does."
)
st.header("The neighbours as a table", anchor=False)
st.session_state.setdefault("graph-of", focus)
if st.session_state["graph-of"] not in labels:
    st.session_state["graph-of"] = focus
of = st.selectbox("Neighbours of", list(labels), format_func=lambda i: labels[i], key="graph-of")
links = [x for x in widgets.kept(neighbours.links, of) if not only or x.relation in only]
visible = {focus: STEP, **opened}.get(of, 0)
remaining = max(0, len(links) - visible)
if remaining:
    st.button(
        f"Open {'the next' if visible else 'the first'} {min(STEP, remaining)} of {remaining} in the picture", on_click=expand, args=(of,), key="graph-more"
    )  # fmt: skip
elif links:
    st.write("All of these are in the picture.")


def open_links(key: str) -> str:
    """Return the links that start from a thing, or lead to its page."""
    iri = full(key)
    page, slug = neighbours.page_of(iri)
    start = widgets.link("graph", "start here", focus=key)
    return f"{start} · {widgets.link(page, 'page', id=slug)}" if page else start


rows = [
    {"relation": x.relation, "way": "to" if x.outward else "from", "thing": x.name, "kind": neighbours.said_kind(x.node),
     "in the picture": "yes" if x.node in labels else "no", "go": short(x.node)}
    for x in links
]  # fmt: skip
if rows:
    listed = rows[: max(visible, STEP)]
    widgets.table(["relation", "way", "thing", "kind", "in the picture", "go"], listed, {"go": open_links})
    if len(rows) > len(listed):
        st.caption(f"{len(listed)} of {len(rows)} neighbours. The button above opens the next.")
    with widgets.bar():
        widgets.download(rows, ["relation", "way", "thing", "kind", "go"], "neighbours")
        widgets.open_in_sparql(
            text=f"SELECT ?relation ?outward ?thing WHERE {{\n  {{ <{of}> ?relation ?thing BIND(true AS ?outward) }}\n"
            f"  UNION {{ ?thing ?relation <{of}> BIND(false AS ?outward) }}\n  FILTER(ISIRI(?thing))\n}} ORDER BY ?relation ?thing\n"
        )
else:
    st.info("No neighbours by these relations.")
widgets.footer(made)
