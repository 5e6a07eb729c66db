"""Own the Vega-Lite specifications of the explorer, as plain dictionaries."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from typing import Any

from regen_kg.explorer.data import Row
from regen_kg.explorer.directions import MARKS, Mark
from regen_kg.explorer.evidence_map import Cell

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
    "paper": "#171614",
    "low": "#1c3550",
    "high": "#a5d0f5",
    "rule": "#a0a0a0",
    "stripe": "#2b2f38",
    "chosen": "#ff8d5c",
}


def palette(dark: bool) -> dict[str, str]:
    """Return the colours of a light or a dark page."""
    return _DARK if dark else _LIGHT


def top_axis(labels: Sequence[str], **more: Any) -> dict[str, Any]:
    """Return an axis above a matrix: its labels are level and wrapped where the columns are wide enough, else they slant."""
    room = f"width > {92 * len(labels)}" if len(labels) <= 8 else "false"
    below = 8 + 14 * max((label.count("\n") for label in labels), default=0)  # the first line stands on the padding
    return {
        "orient": "top", "labelOverlap": False, "labelFontSize": 12, "ticks": False, "domain": False, "labelLimit": 200,
        "labelPadding": {"expr": f"{room} ? {below} : 8"},
        "labelAngle": {"expr": f"{room} ? 0 : -55"}, "labelAlign": {"expr": f"{room} ? 'center' : 'left'"},
        "labelBaseline": {"expr": f"{room} ? 'bottom' : 'middle'"}, "labelLineHeight": 14,
        "labelExpr": f"{room} ? split(datum.label, '\\n') : replace(datum.label, /\\n/g, ' ')", **more,
    }  # fmt: skip


def wrapped(labels: Row, width: int = 15) -> Row:
    """Return slug to label in lines."""
    return {slug: "\n".join(textwrap.wrap(label, width)) for slug, label in labels.items()}


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


# Directions and severities are words in the cell; the colour only repeats them. Light page, dark page.
_TONES = {
    "benefit": ("#cfe8dc", "#1d4a37"),
    "no-benefit": ("#f3d3c4", "#5c2c1a"),
    "both": ("#f5e6b8", "#544716"),
    "open": ("#e6e6e6", "#3a3d42"),
    "grave": ("#f0c0bb", "#642019"),
    "notable": ("#f5e0b8", "#584214"),
    "minor": ("#dfe3ea", "#363c48"),
    "": ("#eef4ee", "#26332a"),
}


def gap_map(
    cells: Sequence[Cell],
    measure: str,
    colour: str,
    rows: Row,
    columns: Row,
    chosen: tuple[str, str],
    dark: bool,
    faint: bool = False,
) -> dict[str, Any]:
    """Return the gap map: one rectangle per cell, dashed and hatched where no report is named, dotted where none can be.

    Parameters
    ----------
    cells : sequence of Cell
        All cells of the matrix, empty ones included.
    measure : str
        reports, studies, participants or comparisons.
    colour : str
        count, direction or severity: what the words and the colour of a cell say.
    rows, columns : Row
        Slug to label; they span the map, not the data.
    chosen : tuple
        Row and column of the outlined cell, or empty strings.
    dark : bool
        Whether the page is dark.
    faint : bool
        Whether cells with reports step back behind the gaps.
    """
    colours = _DARK if dark else _LIGHT
    top = max(1, *(c.count(measure) for c in cells))
    compact = len(rows) > 14
    lines = {slug: label if compact else "\n".join(textwrap.wrap(label, 26)) for slug, label in rows.items()}
    short = {"empty": "–" if compact or len(columns) > 6 else "no\nreport", "not-applicable": "n/a"}
    tops = wrapped(columns)
    values = []
    for c in cells:
        if c.row not in rows or c.column not in columns:
            continue
        said = c.said(measure, colour)
        if colour == "count":
            fill = between(colours["low"], colours["high"], (c.count(measure) / top) ** 0.5)
        else:
            fill = _TONES[c.tone() if colour == "direction" else c.severity][int(dark)]
        if c.status != "filled" or faint:
            fill = colours["paper"]
        if colour == "direction":
            parts = said.split()
            said = "\n".join(" ".join(parts[i : i + 2]) for i in range(0, len(parts), 2))
        values.append({
            "row": lines[c.row], "column": tops[c.column], "lines": said.count("\n"), "r": c.row, "c": c.column, "status": c.status, "fill": fill,
            "said": short.get(c.status, said if colour == "direction" or compact else said.replace(" ", "\n")),
            "big": said[0].isdigit(), "ink": colours["ink"] if c.status != "filled" or faint else readable_on(fill),
            "what": f"{rows[c.row]}, {columns[c.column]}: {_full(c, measure, colour)}",
        })  # fmt: skip
    axis = {"labelOverlap": False, "labelColor": colours["ink"], "labelFontSize": 12, "ticks": False, "domain": False}
    at = {
        "x": {"field": "column", "type": "nominal", "title": None, "scale": {"domain": list(tops.values())},
              "axis": top_axis(list(tops.values()), labelColor=colours["ink"])},
        "y": {"field": "row", "type": "nominal", "title": None, "scale": {"domain": list(lines.values())},
              "axis": {**axis, "labelLimit": 260 if compact else 180, "labelExpr": "split(datum.label, '\\n')", "labelLineHeight": 12}},
    }  # fmt: skip
    told = {"tooltip": {"field": "what", "type": "nominal"}, "description": {"field": "what", "type": "nominal"}}
    text = {"text": {"field": "said", "type": "nominal"}, "color": {"field": "ink", "type": "nominal", "scale": None}}
    spot = {"type": "rect", "cursor": "pointer", "cornerRadius": 3}
    words = {"type": "text", "aria": False, "baseline": "middle", "lineBreak": "\n", "lineHeight": 11}
    dashed = {**spot, "aria": False, "stroke": colours["rule"]}

    def of(test: str) -> list[Row]:
        return [{"filter": test}]

    # One layer takes the clicks: it lies on top, and its marks carry the labels for screen readers.
    layers: list[dict[str, Any]] = [
        {"transform": of("datum.status == 'filled'"), "mark": {**spot, "aria": False, "stroke": colours["stripe"]},
         "encoding": {**at, "fill": {"field": "fill", "type": "nominal", "scale": None}}},
        {"transform": of("datum.status == 'empty'"), "encoding": at,
         "mark": {**dashed, "fill": _stripes(colours["paper"], colours["stripe"]), "strokeDash": [4, 3]}},
        {"transform": of("datum.status == 'not-applicable'"), "encoding": at,
         "mark": {**dashed, "fill": colours["paper"], "strokeDash": [1, 4]}},
        {"transform": of("datum.big"), "mark": {**words, "size": 14}, "encoding": {**at, **text}},
        {"transform": of("!datum.big && indexof(datum.said, '\\n') >= 0"), "encoding": {**at, **text},
         "mark": {**words, "size": 10, "dy": {"expr": "datum.status == 'filled' ? -5.5 * datum.lines : -5"}}},
        {"transform": of("!datum.big && indexof(datum.said, '\\n') < 0"), "mark": {**words, "size": 11}, "encoding": {**at, **text}},
        {"transform": of(f"datum.r == '{chosen[0]}' && datum.c == '{chosen[1]}'"), "encoding": at,
         "mark": {**spot, "aria": False, "fill": None, "stroke": colours["chosen"], "strokeWidth": 4}},
        {"params": [{"name": "cell", "select": {"type": "point", "fields": ["r", "c"], "on": "click"}}],
         "mark": {**spot, "fill": "#ffffff", "fillOpacity": 0}, "encoding": {**at, **told}},
    ]  # fmt: skip
    return {
        "data": {"values": values},
        "height": {"step": 24 if compact else 46 if any(str(v["said"]).count("\n") > 1 for v in values) else 38},
        "layer": layers,
        "config": {"view": {"stroke": None}, "background": "transparent", "scale": {"bandPaddingInner": 0.08}},
        "autosize": {"type": "fit-x", "contains": "padding"},
    }


def _full(cell: Cell, measure: str, colour: str) -> str:
    """Say a cell in whole words, for a tooltip and a screen reader."""
    if cell.status != "filled":
        return cell.said(measure)
    if colour == "direction":
        return ", ".join(f"{n} {d.replace('-', ' ')}" for d, n in sorted(cell.directions.items(), key=lambda i: -i[1]))
    if colour == "severity":
        return f"{cell.severity} note" if cell.severity else "no note on the source"
    said = cell.said(measure)
    return f"{said} {measure if said != '1' else measure.removesuffix('s')}"


def per_year(years: tuple[tuple[int, int], ...], dark: bool) -> dict[str, Any]:
    """Return a bar per year of publication, years without a report included."""
    colours = _DARK if dark else _LIGHT
    return {
        "data": {"values": [{"year": str(y), "reports": n} for y, n in years]},
        "height": 180,
        "encoding": {
            "x": {
                "field": "year",
                "type": "ordinal",
                "title": None,
                "axis": {"labelColor": colours["ink"], "labelAngle": -60, "ticks": False},
            },
            "y": {
                "field": "reports",
                "type": "quantitative",
                "title": None,
                "scale": {"domain": [0, max(n for _, n in years) * 1.12]},
                "axis": None,
            },
        },
        "layer": [
            {
                "mark": {"type": "bar", "color": "#005ea2" if not dark else "#73b3e7"},
                "encoding": {"tooltip": [{"field": "year"}, {"field": "reports"}]},
            },
            {
                "transform": [{"filter": "datum.reports > 0"}],
                "mark": {"type": "text", "aria": False, "dy": -8, "size": 12, "color": colours["ink"]},
                "encoding": {"text": {"field": "reports"}},
            },
        ],
        "config": {"view": {"stroke": None}, "background": "transparent"},
    }


MOST_BARS = 200


def answer(rows: Sequence[Row], along: str, value: str, numeric: bool, dark: bool) -> dict[str, Any]:
    """Return the numbers of an answer: points where both columns are numbers, else a bar per row in the answer's order.

    Parameters
    ----------
    rows : sequence of Row
        Rows whose `value` is a number.
    along, value : str
        The columns of the two directions.
    numeric : bool
        Whether `along` holds numbers too.
    dark : bool
        Whether the page is dark.
    """
    colours = _DARK if dark else _LIGHT
    ink = {"labelColor": colours["ink"], "titleColor": colours["ink"], "labelLimit": 260}
    values = [
        {"n": i, "along": float(r[along]) if numeric and r[along] else r[along], "value": float(r[value]),
         "what": ", ".join(f"{k}: {v}" for k, v in r.items() if v)[:400]}
        for i, r in enumerate(rows, 1) if not numeric or r[along]
    ]  # fmt: skip
    told = {"tooltip": {"field": "what", "type": "nominal"}, "description": {"field": "what", "type": "nominal"}}
    mark = "#005ea2" if not dark else "#73b3e7"
    measured = {"field": "value", "type": "quantitative", "title": value, "axis": ink}
    if numeric:
        at = {"x": {"field": "along", "type": "quantitative", "title": along, "axis": ink}, "y": measured}
        return {"data": {"values": values}, "mark": {"type": "point", "filled": True, "size": 60, "color": mark}, "height": 360,
                "encoding": {**at, **told}, "config": {"background": "transparent", "view": {"stroke": None}}}  # fmt: skip
    names = {str(v["n"]): str(v["along"]) for v in values}
    labels = "{" + ", ".join(f"{n}: {json.dumps(name)}" for n, name in names.items()) + "}[datum.value]"
    at = {
        "y": {
            "field": "n",
            "type": "ordinal",
            "title": along,
            "axis": {**ink, "labelExpr": labels, "labelOverlap": False},
        },
        "x": measured,
    }
    return {"data": {"values": values}, "mark": {"type": "bar", "color": mark}, "height": {"step": 18},
            "encoding": {**at, **told}, "config": {"background": "transparent", "view": {"stroke": None}}}  # fmt: skip


def effect_directions(marks: Sequence[Mark], domains: Row, technologies: Row, dark: bool) -> dict[str, Any]:
    """Return the effect-direction plot: a row per report and technology, a column per domain, a shape and a sign per direction.

    References
    ----------
    Boon and Thomson, "The effect direction plot revisited", Research Synthesis Methods 2021; without its rule for adding directions up.
    """
    colours = _DARK if dark else _LIGHT
    tints = {
        "favours-technology": ("#1f6b33", "#8fd3a0"), "within-arm-improvement": ("#1f6b33", "#8fd3a0"), "mixed": ("#8a4b00", "#f0b870"),
        "no-difference": ("#5c5c5c", "#c0c0c0"), "favours-comparator": ("#a01c1c", "#f0a090"), "not-charted": ("#5c5c5c", "#c0c0c0"),
    }  # fmt: skip
    several = len({m.technology for m in marks}) > 1
    taken: dict[tuple[str, str, str], int] = {}  # pixels of a place that its signs need so far
    tops = wrapped(domains, 13)
    values = []
    for m in marks:
        sign, shape, meaning = MARKS[m.direction]
        place = (m.report, m.technology, m.domain)
        offset = taken.get(place, 0)
        taken[place] = offset + (32 if m.results == 1 else 32 + 7 * len(str(m.results)))
        name = ("▲ " if m.noted == "grave" else "") + m.report
        values.append({
            "row": f"{name} · {technologies.get(m.technology, m.technology)}" if several else name, "domain": tops[m.domain], "offset": offset - 20,
            "sign": sign + (str(m.results) if m.results > 1 else ""), "shape": shape, "tint": tints[m.direction][int(dark)],
            "what": f"{m.report}, {technologies.get(m.technology, m.technology)}, {domains[m.domain]}: {meaning}, {m.results} {'result' if m.results == 1 else 'results'}",
        })  # fmt: skip
    axis = {"labelOverlap": False, "labelColor": colours["ink"], "labelFontSize": 12, "ticks": False, "domain": False, "grid": True,
            "gridColor": colours["stripe"], "labelLimit": 300}  # fmt: skip
    at = {
        "x": {"field": "domain", "type": "nominal", "title": None, "scale": {"domain": list(tops.values()), "type": "point", "padding": 0.5},
              "axis": top_axis(list(tops.values()), labelColor=colours["ink"], grid=False)},
        "xOffset": {"field": "offset", "type": "quantitative", "scale": None},
        "y": {"field": "row", "type": "nominal", "title": None, "sort": None, "axis": axis},
    }  # fmt: skip
    told = {"tooltip": {"field": "what", "type": "nominal"}, "description": {"field": "what", "type": "nominal"}}
    tint = {"field": "tint", "type": "nominal", "scale": None}
    return {
        "data": {"values": values},
        "height": {"step": 24},
        "layer": [
            {"mark": {"type": "point", "filled": True, "size": 80},
             "encoding": {**at, **told, "shape": {"field": "shape", "type": "nominal", "scale": None}, "color": tint}},
            {"mark": {"type": "text", "aria": False, "size": 12, "dx": 8, "align": "left", "baseline": "middle"},
             "encoding": {**at, "text": {"field": "sign", "type": "nominal"}, "color": {"value": colours["ink"]}}},
        ],
        "config": {"view": {"stroke": None}, "background": "transparent"},
        "autosize": {"type": "fit-x", "contains": "padding"},
    }  # fmt: skip
