"""Own the Vega-Lite specifications of the explorer, as plain dictionaries."""

from __future__ import annotations

import textwrap
from typing import Any

from regen_kg.explorer.data import Row, cell_text

_LIGHT = {
    "ink": "#111111",
    "paper": "#ffffff",
    "low": "#d4e5f7",
    "high": "#1a4480",
    "rule": "#6b6b6b",
    "stripe": "#dcdcdc",
    "chosen": "#d54309",
}
_DARK = {
    "ink": "#f0f0f0",
    "paper": "#0e1117",
    "low": "#1c3550",
    "high": "#a5d0f5",
    "rule": "#a0a0a0",
    "stripe": "#2b2f38",
    "chosen": "#ff8d5c",
}


def palette(dark: bool) -> dict[str, str]:
    """Return the colours of a light or a dark page."""
    return _DARK if dark else _LIGHT


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def between(low: str, high: str, share: float) -> str:
    """Return the colour that lies a share of the way from one to another."""
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in zip(_rgb(low), _rgb(high), strict=True))


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours.

    References
    ----------
    WCAG 2.2, "contrast ratio" and "relative luminance".
    """

    def luminance(colour: str) -> float:
        parts = [c / 255 / 12.92 if c / 255 <= 0.04045 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in _rgb(colour)]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    bright, dim = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


def readable_on(fill: str) -> str:
    """Return black or white, whichever reads better on a fill."""
    return max(("#000000", "#ffffff"), key=lambda ink: contrast(ink, fill))


def _stripes(paper: str, stripe: str, count: int = 9) -> dict[str, Any]:
    """Return a hatching as a gradient with hard edges, since Vega has no patterns."""
    stops: list[dict[str, Any]] = []
    for i in range(count):
        start, middle, end = i / count, (i + 0.6) / count, (i + 1) / count
        stops += [
            {"offset": o, "color": c} for o, c in ((start, paper), (middle, paper), (middle, stripe), (end, stripe))
        ]
    return {"gradient": "linear", "x1": 0, "y1": 0, "x2": 1, "y2": 1, "stops": stops}


def gap_map(
    cells: list[Row], measure: str, technologies: Row, diseases: Row, chosen: tuple[str, str], dark: bool
) -> dict[str, Any]:
    """Return the gap map: one rectangle per cell, dashed and hatched where no report is named.

    Parameters
    ----------
    cells : list of Row
        All cells of the matrix, empty ones included.
    measure : str
        reports, studies, participants or comparisons.
    technologies, diseases : Row
        Slug to label; they span the map, not the data.
    chosen : tuple
        Technology and disease of the outlined cell, or empty strings.
    dark : bool
        Whether the page is dark.
    """
    colours = _DARK if dark else _LIGHT
    top = max(1, *(int(c[measure]) for c in cells))
    rows = {slug: "\n".join(textwrap.wrap(label, 24)) for slug, label in technologies.items()}
    values = []
    for c in cells:
        share, said = (int(c[measure]) / top) ** 0.5, cell_text(c, measure)
        fill = between(colours["low"], colours["high"], share)
        values.append({
            "technology": rows[c["technology"]], "disease": diseases[c["disease"]], "t": c["technology"], "d": c["disease"],
            "said": said.replace(" ", "\n"), "empty": c["reports"] == "0", "fill": fill, "words": said[0].isalpha(),
            "ink": colours["ink"] if c["reports"] == "0" else readable_on(fill),
            "what": f"{technologies[c['technology']]}, {diseases[c['disease']]}: {said}" + ("" if said[0].isalpha() else f" {measure}"),
        })  # fmt: skip
    axis = {"labelOverlap": False, "labelColor": colours["ink"], "labelFontSize": 12, "ticks": False, "domain": False}
    at = {
        "x": {"field": "disease", "type": "nominal", "title": None, "scale": {"domain": list(diseases.values())},
              "axis": {**axis, "orient": "top", "labelAngle": -55, "labelLimit": 200, "labelPadding": 8, "labelAlign": "left", "labelBaseline": "middle"}},
        "y": {"field": "technology", "type": "nominal", "title": None, "scale": {"domain": list(rows.values())},
              "axis": {**axis, "labelLimit": 170, "labelExpr": "split(datum.label, '\\n')", "labelLineHeight": 12}},
    }  # fmt: skip
    told = {"tooltip": {"field": "what", "type": "nominal"}, "description": {"field": "what", "type": "nominal"}}
    text = {"text": {"field": "said", "type": "nominal"}, "color": {"field": "ink", "type": "nominal", "scale": None}}
    spot = {"type": "rect", "cursor": "pointer", "cornerRadius": 3}
    # One layer takes the clicks: it lies on top, and its marks carry the labels for screen readers.
    layers: list[dict[str, Any]] = [
        {
            "transform": [{"filter": "!datum.empty"}],
            "mark": {**spot, "aria": False},
            "encoding": {**at, "fill": {"field": "fill", "type": "nominal", "scale": None}},
        },
        {
            "transform": [{"filter": "datum.empty"}],
            "mark": {
                **spot,
                "aria": False,
                "fill": _stripes(colours["paper"], colours["stripe"]),
                "stroke": colours["rule"],
                "strokeDash": [4, 3],
            },
            "encoding": at,
        },
        {
            "transform": [{"filter": "!datum.words"}],
            "mark": {"type": "text", "size": 14, "aria": False, "baseline": "middle"},
            "encoding": {**at, **text},
        },
        {
            "transform": [{"filter": "datum.words"}],
            "mark": {
                "type": "text",
                "size": 10,
                "lineBreak": "\n",
                "lineHeight": 11,
                "dy": -5,
                "aria": False,
                "baseline": "middle",
            },
            "encoding": {**at, **text},
        },
        {
            "transform": [{"filter": {"and": [f"datum.t == '{chosen[0]}'", f"datum.d == '{chosen[1]}'"]}}],
            "mark": {**spot, "aria": False, "fill": None, "stroke": colours["chosen"], "strokeWidth": 4},
            "encoding": at,
        },
        {
            "params": [{"name": "cell", "select": {"type": "point", "fields": ["t", "d"], "on": "click"}}],
            "mark": {**spot, "fill": "#ffffff", "fillOpacity": 0},
            "encoding": {**at, **told},
        },
    ]
    return {
        "data": {"values": values},
        "height": {"step": 38},
        "layer": layers,
        "config": {"view": {"stroke": None}, "background": "transparent", "scale": {"bandPaddingInner": 0.08}},
        "autosize": {"type": "fit-x", "contains": "padding"},
    }


def per_year(years: tuple[tuple[int, int], ...], dark: bool) -> dict[str, Any]:
    """Return a bar per year of publication, years without a report included."""
    colours = _DARK if dark else _LIGHT
    return {
        "data": {"values": [{"year": str(y), "reports": n} for y, n in years]},
        "mark": {"type": "bar", "color": "#005ea2" if not dark else "#73b3e7"},
        "height": 180,
        "encoding": {
            "x": {
                "field": "year",
                "type": "ordinal",
                "title": None,
                "axis": {"labelColor": colours["ink"], "labelAngle": -60},
            },
            "y": {
                "field": "reports",
                "type": "quantitative",
                "title": "reports",
                "axis": {"tickMinStep": 1, "labelColor": colours["ink"], "titleColor": colours["ink"]},
            },
            "tooltip": [{"field": "year"}, {"field": "reports"}],
        },
    }
