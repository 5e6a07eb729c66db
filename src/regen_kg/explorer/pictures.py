"""Own the pictures of reports, entities and the method: Vega-Lite specifications, and one drawing as SVG."""

from __future__ import annotations

import html
import re
import textwrap
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from regen_kg.explorer import data
from regen_kg.explorer.charts import between, palette, readable_on, top_axis, wrapped
from regen_kg.explorer.data import Row, items

DIRECTIONS = (
    "favours-technology",
    "within-arm-improvement",
    "mixed",
    "no-difference",
    "favours-comparator",
    "not-charted",
)


def _axis(colours: dict[str, str], **more: Any) -> dict[str, Any]:
    return {
        "labelColor": colours["ink"],
        "titleColor": colours["ink"],
        "labelFontSize": 12,
        "labelOverlap": False,
        **more,
    }


def directions(groups: Sequence[Row], say: Callable[[str], str], dark: bool) -> tuple[dict[str, Any], str]:
    """Return a grid of groups by direction with the number of reports in each, and one sentence that says the same.

    Parameters
    ----------
    groups : sequence of Row
        Of an entity.
    say : callable
        Turns the slug of a term into its label.
    dark : bool
        Whether the page is dark.

    Returns
    -------
    tuple
        The specification (empty where there is nothing to draw) and the sentence.
    """
    colours = palette(dark)
    values, parts = [], []
    counted = []
    for g in groups:
        said = []
        for one in items(g["directions"]):
            direction, _, reports = one.partition(": ")
            n = len(reports.split(", "))
            counted.append((g["other"], direction, n))
            said.append(f"{data.words(direction)} {n}")
        parts.append(f"{say(g['other'])}: {', '.join(said) or 'no direction is charted'}")
    if not counted:
        return {}, ""
    top = max(n for *_, n in counted)
    tops = wrapped({d: data.words(d) for d in DIRECTIONS}, 12)
    rows = {g["other"]: "\n".join(textwrap.wrap(say(g["other"]), 26)) for g in groups}
    for other, direction, n in counted:
        fill = between(colours["low"], colours["high"], (n / top) ** 0.5)
        what = f"{say(other)}, {data.words(direction)}: {n} {'report' if n == 1 else 'reports'}"
        values.append({"row": rows[other], "direction": tops[direction], "n": str(n), "fill": fill, "ink": readable_on(fill), "what": what})  # fmt: skip
    at = {
        "x": {"field": "direction", "type": "nominal", "title": None, "scale": {"domain": list(tops.values())},
              "axis": top_axis(list(tops.values()), labelColor=colours["ink"])},
        "y": {"field": "row", "type": "nominal", "title": None, "sort": None, "scale": {"domain": list(rows.values())},
              "axis": _axis(colours, labelLimit=190, labelExpr="split(datum.label, '\\n')", labelLineHeight=13, domain=False, ticks=False)},
    }  # fmt: skip
    told = {"tooltip": {"field": "what"}, "description": {"field": "what"}}
    here = {(v["row"], v["direction"]) for v in values}
    bare = [{"row": r, "direction": t} for r in rows.values() for t in tops.values() if (r, t) not in here]
    spec = {
        "data": {"values": values},
        "height": {"step": 40},
        "layer": [
            {"data": {"values": bare}, "encoding": at,
             "mark": {"type": "rect", "aria": False, "fill": None, "stroke": colours["stripe"], "strokeDash": [2, 3], "cornerRadius": 3}},
            {"mark": {"type": "rect", "cornerRadius": 3},
             "encoding": {**at, **told, "fill": {"field": "fill", "type": "nominal", "scale": None}}},
            {"mark": {"type": "text", "size": 14, "baseline": "middle", "aria": False},
             "encoding": {**at, "text": {"field": "n"}, "color": {"field": "ink", "type": "nominal", "scale": None}}},
        ],
        "config": {"view": {"stroke": None}, "background": "transparent", "scale": {"bandPaddingInner": 0.08}},
        "autosize": {"type": "fit-x", "contains": "padding"},
    }  # fmt: skip
    return spec, "Reports by the direction they are charted to point in. " + "; ".join(parts) + "."


UNDATED = "time not charted"


def over_time(results: Sequence[Row], times: Sequence[Row], arms: Sequence[Row]) -> list[Row]:
    """Return the arm measurements of a report that can be drawn, one row per arm, outcome measure and time.

    Parameters
    ----------
    results : sequence of Row
        The answer of the saved question `results` for one report.
    times, arms : sequence of Row
        Its time points and arms, as the index has them.

    Returns
    -------
    list of Row
        outcome, arm, at, months, value, unit, spread, spread_kind, noted; times in order, undated ones last.
    """
    role = {t["time_point"]: t["role"] for t in times}
    label = {a["arm"]: a["label"] or a["arm"] for a in arms}
    rows = []
    for r in results:
        if r["kind"] != "arm-measurement" or not re.fullmatch(r"-?\d+(\.\d+)?", r["value"]):
            continue
        at = "baseline" if role.get(r["time_point"]) == "baseline" else data.words(r["time_point"]) or UNDATED
        rows.append({
            "outcome": r["outcome_measure"], "arm": " and ".join(label.get(a, a) for a in items(r["arm"])) or "arm not charted",
            "at": at, "months": "0" if at == "baseline" else r["months"], "value": r["value"], "unit": r["unit"],
            "spread": r["dispersion"], "spread_kind": r["dispersion_kind"], "noted": r["noted"], "place in the review": r["source"],
        })  # fmt: skip
    return sorted(rows, key=lambda r: (r["outcome"], r["at"] != "baseline", not r["months"], Decimal(r["months"] or 0), r["at"], r["arm"]))  # fmt: skip


_SHAPES = ("circle", "square", "triangle-up", "diamond", "cross")
_LINES = (
    ("#005ea2", "#b45309", "#4d7c0f", "#7e22ce", "#0f766e"),
    ("#73b3e7", "#f5a35c", "#b6d96c", "#d3a4f5", "#6fd3c7"),
)


def time_picture(rows: Sequence[Row], outcome: str, title: str, dark: bool) -> tuple[dict[str, Any], str]:
    """Return one outcome measure over time, a line and a shape per arm, and the sentence that says the same.

    Times stand in their order, not to scale; a value that a note touches is hollow; the bar is the spread as charted.
    """
    colours = palette(dark)
    mine = [r for r in rows if r["outcome"] == outcome]
    order = list(dict.fromkeys(r["at"] for r in mine))
    arms = list(dict.fromkeys(r["arm"] for r in mine))
    values = []
    for r in mine:
        number = float(r["value"])
        spread = float(r["spread"]) if re.fullmatch(r"\d+(\.\d+)?", r["spread"]) else None
        what = (
            f"{r['arm']}, {r['at']}: {r['value']} {r['unit']}".strip()
            + (f" ± {r['spread']} ({r['spread_kind'] or 'kind not charted'})" if r["spread"] else "")
            + (", noted" if r["noted"] == "true" else "")
        )
        values.append({"arm": r["arm"], "at": r["at"], "value": number, "noted": r["noted"] == "true", "what": what, "text": r["value"],
                       "low": None if spread is None else number - spread, "high": None if spread is None else number + spread})  # fmt: skip
    unit = next((r["unit"] for r in mine if r["unit"]), "")
    x = {
        "field": "at",
        "type": "ordinal",
        "title": None,
        "sort": None,
        "scale": {"domain": order},
        "axis": _axis(colours, labelAngle=0, labelLimit=110),
    }
    heading = textwrap.wrap(f"{title}{f', {unit}' if unit else ''}", 34)
    y = {"field": "value", "type": "quantitative", "scale": {"zero": False, "padding": 14}, "axis": _axis(colours, title=heading, titleFontSize=12, tickCount=5)}  # fmt: skip
    side = (
        {
            "xOffset": {
                "field": "arm",
                "type": "nominal",
                "scale": {"domain": arms, "range": [-4 * len(arms), 4 * len(arms)]},
            }
        }
        if len(arms) > 1
        else {}
    )
    paint = {"color": {"field": "arm", "type": "nominal", "scale": {"domain": arms, "range": list(_LINES[dark])[: len(arms)] or None},
                       "legend": {"title": None, "orient": "top", "direction": "vertical", "labelColor": colours["ink"], "labelLimit": 320, "labelFontSize": 12, "symbolType": "circle"}}}  # fmt: skip
    shape = {
        "shape": {
            "field": "arm",
            "type": "nominal",
            "scale": {"domain": arms, "range": list(_SHAPES)[: len(arms)]},
            "legend": None,
        }
    }
    spec = {
        "data": {"values": values},
        "height": 230,
        "layer": [
            {"transform": [{"filter": "isValid(datum.low)"}], "mark": {"type": "rule", "aria": False, "opacity": 0.6},
             "encoding": {"x": x, **side, **paint, "y": {**y, "field": "low"}, "y2": {"field": "high"}}},
            {"mark": {"type": "line", "aria": False, "opacity": 0.7}, "encoding": {"x": x, **side, **paint, "y": y}},
            {"mark": {"type": "point", "size": 90, "filled": False, "strokeWidth": 2, "opacity": 1},
             "encoding": {"x": x, **side, **paint, **shape, "y": y, "tooltip": {"field": "what"}, "description": {"field": "what"},
                          "fill": {"condition": {"test": "datum.noted", "value": colours["paper"]}, "field": "arm", "type": "nominal", "legend": None,
                                   "scale": {"domain": arms, "range": list(_LINES[dark])[: len(arms)]}}}},
        ],
        "config": {"view": {"stroke": None}, "background": "transparent", "axis": {"gridColor": colours["stripe"], "domainColor": colours["rule"], "tickColor": colours["rule"]}},
        "autosize": {"type": "fit-x", "contains": "padding"},
    }  # fmt: skip
    said = "; ".join(
        f"{arm}: " + ", ".join(f"{v['text']} at {v['at']}{' (noted)' if v['noted'] else ''}" for v in values if v["arm"] == arm)
        for arm in arms
    )  # fmt: skip
    return spec, f"{title}{f' ({unit})' if unit else ''}. {said}."


# ---- the study flow ---------------------------------------------------------------------------------------------

_OUT = ("excluded", "duplicates")


def flow_drawing(steps: Sequence[Row], account: str, dark: bool) -> str:
    """Return one account of the study flow as SVG: what goes on runs down, what is left out goes to the side."""
    colours = palette(dark)
    mine = [s for s in steps if s["account"] == account]
    parts: list[str] = []
    y, width, inner = 8, 460, 240
    main_y = None
    for s in mine:
        aside = s["step"].startswith(_OUT)
        lines = textwrap.wrap(s["label"], 23 if aside else 30)
        number = s["charted"] or "not charted"
        differs = s["agrees"] == "false"
        if differs:
            lines.append(f"▲ computed: {s['computed']}")
        height = 34 + 15 * len(lines)
        x, w = (inner + 30, width - inner - 36) if aside else (4, inner)
        dash = ' stroke-dasharray="5 3"' if not s["charted"] else ""
        stroke = colours["chosen"] if differs else colours["rule"]
        if main_y is not None:
            if aside:
                middle = y + height / 2
                parts.append(
                    f'<path d="M{4 + inner / 2},{main_y} V{middle} H{x - 7}" fill="none" stroke="{colours["rule"]}"/><path d="M{x - 7},{middle - 4} l7,4 l-7,4 z" fill="{colours["rule"]}"/>'
                )
            else:
                parts.append(
                    f'<path d="M{4 + inner / 2},{main_y} V{y - 7}" fill="none" stroke="{colours["rule"]}"/><path d="M{inner / 2},{y - 7} l4,7 l4,-7 z" fill="{colours["rule"]}"/>'
                )
        parts.append(
            f'<rect x="{x}" y="{y}" width="{w}" height="{height}" rx="4" fill="none" stroke="{stroke}" stroke-width="{3 if differs else 1.3}"{dash}/>'
        )
        parts.append(
            f'<text x="{x + 10}" y="{y + 20}" font-size="15" font-weight="600" fill="{colours["ink"]}">{html.escape(number)}</text>'
        )
        parts += [
            f'<text x="{x + 10}" y="{y + 38 + 15 * i}" font-size="12" fill="{colours["ink"]}">{html.escape(line)}</text>'
            for i, line in enumerate(lines)
        ]
        if not aside:
            main_y = y + height
        y += height + 14
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {y}" width="{width}" height="{y}" font-family="sans-serif">{"".join(parts)}</svg>'


def flow_sentence(steps: Sequence[Row], account: str) -> str:
    """Say one account of the study flow in one sentence."""
    parts = [
        f"{s['label']}: {s['charted'] or 'not charted'}"
        + (f" (computed: {s['computed']})" if s["agrees"] == "false" else "")
        for s in steps
        if s["account"] == account
    ]
    return f"As told in the {account}: {'; '.join(parts)}."
