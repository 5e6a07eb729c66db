"""Own the parts of a page that run scripts of their own: the SPARQL editor and the drawing of a graph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from regen_kg.explorer.data import Row
from regen_kg.iris import PREFIXES

_HERE = Path(__file__).resolve().parent
_EDITOR = """
<div class="editor">
  <label for="query">SPARQL query</label>
  <div class="box"><pre data-part="back" aria-hidden="true"></pre>
    <textarea id="query" data-part="text" spellcheck="false" autocapitalize="off" autocomplete="off" wrap="off"
      aria-autocomplete="list" aria-controls="terms" aria-describedby="help"></textarea></div>
  <ul id="terms" data-part="terms" role="listbox" aria-label="Terms that fit" hidden></ul>
  <button type="button" data-part="run" disabled>Run</button>
  <small id="help">Ctrl+Enter runs. Two letters or Ctrl+Space offer our terms, by name or label. Tab leaves.</small>
  <span class="unseen" role="status" data-part="say"></span>
</div>
"""


@st.cache_resource(show_spinner=False)
def _editor() -> Any:
    css, js = ((_HERE / f"editor.{kind}").read_text("utf-8") for kind in ("css", "js"))
    return st.components.v2.component("regen_kg_sparql_editor", html=_EDITOR, css=css, js=js)


def sent_query(key: str) -> str | None:
    """Return the query that the editor of this name sent in this run, else None."""
    state = st.session_state.get(key)
    sent = state.get("run") if state else None
    return sent if isinstance(sent, str) else None


def sparql_editor(key: str, text: str, terms: Sequence[Row], error: int = 0) -> None:
    """Draw the editor.

    Parameters
    ----------
    key : str
        The name of this editor on the page; `sent_query` tells what it sent.
    text : str
        What stands in it; a later change of this replaces what was typed.
    terms : sequence of Row
        What it completes: insert, kind, label.
    error : int
        The line to mark as broken, 0 for none.
    """
    _editor()(
        key=key,
        data={"text": text, "terms": list(terms), "prefixes": PREFIXES, "error": error},
        on_run_change=lambda: None,
    )


# Kind of thing -> shape, colour on a light page, colour on a dark page: the shape says it without the colour.
KINDS = {
    "Report": ("ellipse", "#005ea2", "#73b3e7"),
    "Technology": ("diamond", "#8a4b00", "#f0b870"),
    "Condition": ("triangle", "#a01c5b", "#f09cc4"),
    "Study": ("round-rectangle", "#1f6b33", "#8fd3a0"),
    "OutcomeMeasure": ("hexagon", "#6b3fa0", "#cdb0f0"),
    "thing": ("rectangle", "#5c5c5c", "#b0b0b0"),
}


@dataclass(frozen=True)
class _Style:
    """A style in cytoscape's own terms, in the form that the component takes."""

    selector: str
    style: Mapping[str, Any]

    def dump(self) -> dict[str, Any]:
        return {"selector": self.selector, "style": dict(self.style)}


def common_relation(edges: Sequence[Row], few: int = 8) -> str:
    """Return the relation that more than a few of the edges share, whose name would only cover the picture; else nothing."""
    tally = Counter(e["relation"] for e in edges)
    relation, n = tally.most_common(1)[0] if tally else ("", 0)
    return relation if n > few else ""


def graph(
    key: str, nodes: Sequence[Row], edges: Sequence[Row], focus: str = "", height: int = 520, on_event: Callable[[], None] | None = None
) -> Row | None:  # fmt: skip
    """Draw nodes and edges; return what was asked of it: action expand and the node's id.

    Parameters
    ----------
    nodes : sequence of Row
        id, kind, name.
    edges : sequence of Row
        source, target, relation.
    focus : str
        The id of the node that is drawn larger.
    """
    from st_link_analysis import st_link_analysis

    dark = st.context.theme.type == "dark"
    ink, paper = ("#f0f0f0", "#171614") if dark else ("#111111", "#ffffff")
    unsaid = common_relation(edges)
    elements = {
        "nodes": [{"data": {"id": n["id"], "label": n["kind"], "name": n["name"]}} for n in nodes],
        "edges": [
            {"data": {"id": f"{e['source']} {e['relation']} {e['target']}", "label": "link", "source": e["source"],
                      "target": e["target"], "relation": e["relation"], "said": "" if e["relation"] == unsaid else e["relation"]}}
            for e in edges
        ],
    }  # fmt: skip
    text = {"color": ink, "font-size": 11, "text-wrap": "wrap", "text-max-width": "120px", "text-valign": "bottom",
            "text-margin-y": 4, "text-background-color": paper, "text-background-opacity": 0.8, "min-zoomed-font-size": 5}  # fmt: skip
    styles = [
        _Style(f"node[label='{kind}']", {"background-color": dark_one if dark else light, "shape": shape, "label": "data(name)", "width": 26, "height": 26, **text})
        for kind, (shape, light, dark_one) in KINDS.items()
    ]  # fmt: skip
    styles.append(_Style("node[?focus]", {"width": 44, "height": 44, "font-weight": "bold"}))
    for n in elements["nodes"]:
        if n["data"]["id"] == focus:
            n["data"]["focus"] = "yes"
    line = "#8a8f98" if dark else "#8a8a8a"
    links = [_Style("edge", {
        "label": "data(said)", "line-color": line, "target-arrow-color": line, "target-arrow-shape": "triangle", "curve-style": "bezier",
        "width": 1.5, **text, "font-size": 9, "text-rotation": "autorotate", "text-valign": "center", "text-margin-y": 0, "min-zoomed-font-size": 8,
    })]  # fmt: skip
    layout = {"name": "fcose", "animate": False, "fit": True, "padding": 24, "nodeDimensionsIncludeLabels": True, "randomize": True,
              "quality": "default", "idealEdgeLength": 110, "nodeRepulsion": 9000}  # fmt: skip
    sent = st_link_analysis(
        elements, layout=layout, node_styles=styles, edge_styles=links, height=height, key=key, node_actions=["expand"], on_change=on_event
    )  # fmt: skip
    if not isinstance(sent, dict) or sent.get("action") != "expand":
        return None
    ids = sent.get("data", {}).get("node_ids") or []
    return {"action": "expand", "node": ids[0], "at": str(sent.get("timestamp", ""))} if ids else None
