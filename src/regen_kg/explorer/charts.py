"""Own the Vega-Lite specifications of the explorer, as plain dictionaries."""

from __future__ import annotations

from typing import Any

from regen_kg.explorer.data import Row, cell_text

_LIGHT = {"ink": "#111111", "paper": "#ffffff", "low": "#d9e8f6", "high": "#1a4480", "rule": "#6b6b6b", "hatch": "#6b6b6b", "on_high": "#ffffff"}
_DARK = {"ink": "#f0f0f0", "paper": "#0e1117", "low": "#1f3a57", "high": "#9ecbf2", "rule": "#a0a0a0", "hatch": "#a0a0a0", "on_high": "#111111"}


def gap_map(cells: list[Row], measure: str, technologies: Row, diseases: Row, chosen: tuple[str, str], dark: bool) -> dict[str, Any]:
    """Return the gap map: one rectangle per cell, dashed and crossed out where no report is named.

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
    numbers = [int(c[measure]) for c in cells]
    top = max([1, *numbers])
    values = []
    for c in cells:
        number, said = int(c[measure]), cell_text(c, measure)
        values.append({
            "technology": technologies.get(c["technology"], c["technology"]), "disease": diseases.get(c["disease"], c["disease"]),
            "t": c["technology"], "d": c["disease"], "amount": number, "said": said.replace(" ", "\n"), "empty": c["reports"] == "0",
            "strong": number > top * 0.55, "chosen": (c["technology"], c["disease"]) == chosen,
            "what": f"{technologies.get(c['technology'], '')}, {diseases.get(c['disease'], '')}: {said}" + ("" if said[0].isalpha() else f" {measure}"),
        })  # fmt: skip
    x = {"field": "disease", "type": "nominal", "sort": None, "scale": {"domain": list(diseases.values())}, "title": None,
         "axis": {"orient": "top", "labelAngle": -40, "labelOverlap": False, "labelLimit": 170, "labelFontSize": 12, "labelColor": colours["ink"],
                  "ticks": False, "domain": False}}  # fmt: skip
    y = {"field": "technology", "type": "nominal", "sort": None, "scale": {"domain": list(technologies.values())}, "title": None,
         "axis": {"labelOverlap": False, "labelLimit": 150, "labelFontSize": 12, "labelColor": colours["ink"], "ticks": False, "domain": False}}  # fmt: skip
    at = {"x": x, "y": y}
    rect = {
        "params": [{"name": "cell", "select": {"type": "point", "fields": ["t", "d"], "on": "click", "clear": "dblclick"}}],
        "mark": {"type": "rect", "cursor": "pointer", "cornerRadius": 3},
        "encoding": {
            **at,
            "fill": {"condition": {"test": "datum.empty", "value": colours["paper"]}, "field": "amount", "type": "quantitative", "legend": None,
                     "scale": {"domain": [0, top], "range": [colours["low"], colours["high"]], "type": "sqrt"}},  # fmt: skip
            "stroke": {"condition": [{"test": "datum.chosen", "value": "#d54309"}, {"test": "datum.empty", "value": colours["rule"]}], "value": colours["paper"]},
            "strokeWidth": {"condition": {"test": "datum.chosen", "value": 4}, "value": 1.5},
            "strokeDash": {"condition": {"test": "datum.empty && !datum.chosen", "value": [4, 3]}, "value": [1, 0]},
            "tooltip": {"field": "what", "type": "nominal"},
            "description": {"field": "what", "type": "nominal"},
        },
    }
    hatch = {
        "transform": [{"filter": "datum.empty"}],
        "mark": {"type": "point", "shape": "M-1,1L1,-1M-1,0.2L0.2,-1M-0.2,1L1,-0.2", "size": 700, "stroke": colours["hatch"], "strokeWidth": 0.7,
                 "opacity": 0.4, "filled": False, "aria": False, "tooltip": None, "clip": True},
        "encoding": at,
    }  # fmt: skip
    text = {
        "mark": {"type": "text", "lineBreak": "\n", "lineHeight": 11, "aria": False, "tooltip": None},
        "encoding": {
            **at,
            "text": {"field": "said", "type": "nominal"},
            "size": {"condition": {"test": "datum.empty || isNaN(+datum.said)", "value": 10}, "value": 14},
            "color": {"condition": {"test": "datum.strong && !datum.empty", "value": colours["on_high"]}, "value": colours["ink"]},
        },
    }
    for layer in (hatch, text):
        layer["mark"]["cursor"] = "pointer"  # type: ignore[index]
    return {
        "data": {"values": values},
        "height": {"step": 38},
        "layer": [rect, hatch, text],
        "config": {"view": {"stroke": None}, "background": "transparent", "scale": {"bandPaddingInner": 0.06}},
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
            "x": {"field": "year", "type": "ordinal", "title": None, "axis": {"labelColor": colours["ink"], "labelAngle": -60}},
            "y": {"field": "reports", "type": "quantitative", "title": "reports", "axis": {"tickMinStep": 1, "labelColor": colours["ink"], "titleColor": colours["ink"]}},
            "tooltip": [{"field": "year"}, {"field": "reports"}],
        },
    }
