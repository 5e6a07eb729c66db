"""Own the gap map as one HTML file: its evidence and its gaps, readable without a server, a script or a network."""

from __future__ import annotations

import html
from collections import defaultdict
from collections.abc import Iterable, Sequence

from regen_kg.explorer import data, evidence_map
from regen_kg.explorer.data import AnyBuild, Row
from regen_kg.store import Store

_STYLE = """
:root{color-scheme:light dark;--ink:light-dark(#111,#f0f0f0);--paper:light-dark(#fff,#16181c);--line:light-dark(#b5b5b5,#555a63);--link:light-dark(#005ea2,#8cc4f0);--quiet:light-dark(#595959,#b8b8b8)}
body{font:1rem/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:76rem;margin:0 auto;padding:1rem}
a{color:var(--link)}a:focus-visible{outline:3px solid var(--link);outline-offset:2px}
h1{font-size:1.9rem;line-height:1.2}h2{font-size:1.35rem;margin:2.5rem 0 .5rem}h3{font-size:1.1rem;margin:1.8rem 0 .3rem}
.wrap{overflow-x:auto}table{border-collapse:collapse;font-size:.9rem;width:100%}
th,td{border:1px solid var(--line);padding:.35rem .5rem;text-align:left;vertical-align:top;unicode-bidi:isolate;overflow-wrap:anywhere}
td,.wrap th{min-width:4.5rem}thead th{background:light-dark(#f1f1f1,#23262c)}
.map th[scope=row]{min-width:8.5rem}.map th{overflow-wrap:break-word}.map td{text-align:center;padding:0}.map td a{display:block;padding:.45rem .3rem;text-decoration:none;color:inherit}
.map td a:hover,.map td a:focus-visible{text-decoration:underline}
.map strong{font-size:1.15rem}.map small{display:block;color:inherit}
.filled{background:light-dark(#d4e5f7,#1c3550)}
.empty{background:repeating-linear-gradient(45deg,var(--paper) 0 6px,light-dark(#e9e9e9,#24282f) 6px 12px);border-style:dashed}
.never{border-style:dotted}
.quiet{color:var(--quiet)}section:target h3{outline:3px solid var(--link);outline-offset:4px}
.box{border-left:4px solid var(--link);padding:.1rem 0 .1rem .8rem}
pre{white-space:pre-wrap;overflow-wrap:anywhere;font-size:.8rem;border:1px solid var(--line);padding:.6rem}
ul{padding-left:1.2rem}@media print{a{color:inherit}.wrap{overflow:visible}section{break-inside:avoid}}
"""
_RESULT = (
    "outcome_measure",
    "kind",
    "arm",
    "comparator",
    "time_point",
    "value",
    "unit",
    "p",
    "direction",
    "charted_text",
    "source",
)

_SLUGS = {"direction", "comparator", "type", "kind", "outcome_measure"}


def _text(value: str) -> str:
    return html.escape(value) if value else '<span class="quiet">not charted</span>'


def _list(cell: str) -> str:
    return _text("; ".join(data.items(cell)))


def _table(columns: Sequence[tuple[str, str]], rows: Iterable[Row], links: frozenset[str] = frozenset()) -> str:
    """Return rows as a table; columns are (name, heading), those of `links` lead to a report's section."""
    head = "".join(f'<th scope="col">{html.escape(title)}</th>' for _, title in columns)
    body = []
    for r in rows:
        cells = []
        for name, _ in columns:
            shown = _list(data.words(r[name]) if name in _SLUGS else r[name])
            cells.append(
                f'<td><a href="#report-{html.escape(r[name], quote=True)}">{shown}</a></td>'
                if name in links
                else f"<td>{shown}</td>"
            )
        body.append(f"<tr>{''.join(cells)}</tr>")
    return f'<div class="wrap" tabindex="0"><table><thead><tr>{head}</tr></thead><tbody>{"".join(body)}</tbody></table></div>'


def _anchor(technology: str, disease: str) -> str:
    return html.escape(f"cell-{technology}-{disease}", quote=True)


def _map(cells: Sequence[evidence_map.Cell], technologies: Row, diseases: Row) -> str:
    head = "".join(f'<th scope="col">{html.escape(label)}</th>' for label in diseases.values())
    at = {(c.row, c.column): c for c in cells}
    rows = []
    for technology, label in technologies.items():
        shown = []
        for disease in diseases:
            c = at[technology, disease]
            kind = {"filled": "filled", "empty": "empty", "not-applicable": "never"}[c.status]
            if c.status == "filled":
                n = len(c.reports)
                inside = (
                    (
                        f"<strong>{n}</strong> {'report' if n == 1 else 'reports'}<small>{c.studies} studies · "
                        f"{c.said('participants')} participants · {c.comparisons} comparisons</small>"
                    )
                    .replace("1 studies", "1 study")
                    .replace("not charted participants", "participants not charted")
                    .replace(" 1 comparisons", " 1 comparison")
                )
            else:
                inside = c.said("reports")
            shown.append(f'<td class="{kind}"><a href="#{_anchor(technology, disease)}">{inside}</a></td>')
        rows.append(f'<tr><th scope="row">{html.escape(label)}</th>{"".join(shown)}</tr>')
    return (
        f'<div class="wrap" tabindex="0"><table class="map"><caption>Reports by technology and disease, by the population that was studied</caption>'
        f'<thead><tr><th scope="col">Technology</th>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
    )


def html_map(store: Store, made: AnyBuild) -> str:
    """Return the gap map of a build as one HTML file.

    It needs no script, no server and no network, and its own policy forbids any: every cell is a link to its reports, each with what was
    charted of it and the place in the review, or to its gaps, each with the reason, the nearest evidence and the query that finds nothing.
    """
    found = evidence_map.read(store)
    technologies, diseases = found.values("technology"), found.values("disease")
    cells = found.cells("technology", "disease")
    reports = {r["report"]: r for r in data.reports(store)}
    directions: dict[str, list[Row]] = defaultdict(list)
    for r in data.ask(store, "directions"):
        directions[r["report"]].append(r)
    gaps: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for g in data.gaps(store):
        gaps[g["technology"], g["disease"]].append(g)
    safety = {r["report"]: r for r in data.ask(store, "safety-reporting")}
    results: dict[str, list[Row]] = defaultdict(list)
    for r in data.ask(store, "results"):
        results[r["report"]].append(r)
    notes = data.notes(store)

    parts = []
    for c in cells:
        here = {"technology": c.row, "disease": c.column}
        name = f"{technologies[c.row]} in {diseases[c.column]}"
        n = len(c.reports)
        parts.append(
            f'<section id="{_anchor(c.row, c.column)}"><h3>{html.escape(name)}: {n} {"report" if n == 1 else "reports"}</h3>'
        )
        if c.reports:
            listed = [
                {
                    **r,
                    "comparator": next(
                        (d["comparator"] for d in directions[r["report"]] if d["technology"] == c.row), ""
                    ),
                }
                for r in evidence_map.evidence(found, here, reports)
            ]
            parts.append(_table(
                [("report", "Report"), ("year", "Year"), ("kind", "Kind"), ("comparator", "Comparator"), ("direction", "Direction"),
                 ("sample_size", "Sample size"), ("source", "Place in the review")], listed, frozenset({"report"})))  # fmt: skip
        elif c.status == "empty":
            parts.append(
                f'<p class="box">{html.escape(data.empty_cell_sentence(technologies[c.row], diseases[c.column], len(reports)))}</p>'
            )
        if mine := gaps[c.row, c.column]:
            parts.append("<p>What is missing here:</p>")
            parts.append(_table([("type", "Gap"), ("reason", "Reason"), ("nearest", "Nearest evidence")], mine))
            if not c.reports:
                parts += [
                    f"<p>The query that finds nothing:</p><pre>{html.escape(g['query'])}</pre>"
                    for g in mine
                    if g["query"]
                ]
        parts.append('<p><a href="#map">Back to the map</a></p></section>')
    for slug, r in reports.items():
        parts.append(
            f'<section id="report-{html.escape(slug, quote=True)}"><h3>{html.escape(slug)}</h3><p>{_text(r["citation"])}. Place in the review: {_list(r["source"])}.</p>'
        )
        parts.append("<ul>")
        for d in directions[slug]:
            parts.append(
                f"<li>{_text(technologies.get(d['technology'], d['technology']))}: {_text(data.words(d['direction']))}; against {_list(d['comparator'])}; basis {_text(d['basis'])}</li>"
            )
        said = safety.get(slug, {})
        parts.append(
            f"<li>Safety: {_text(data.words(said.get('status', '')))}{': ' + html.escape(said['statement']) if said.get('statement') else ''}</li>"
        )
        for note in notes:
            if slug in data.items(note["reports"]) and note["severity"] == "grave":
                parts.append(f"<li>Grave note on the source: {_text(note['summary'])}</li>")
        parts.append("</ul>")
        if results[slug]:
            parts.append(_table([(c, data.words(c.replace("_", " ")).capitalize()) for c in _RESULT], results[slug]))
        else:
            parts.append('<p class="quiet">No result is charted for this report.</p>')
        parts.append('<p><a href="#map">Back to the map</a></p></section>')
    inputs, version = str(made.manifest.get("inputs", ""))[:12], made.manifest.get("package", "")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>Gap map: regenerative medicine for the foot and ankle</title><style>{_STYLE}</style></head><body><main>"
        "<h1>Gap map: regenerative medicine for the foot and ankle</h1>"
        f"<p>What one scoping review (PubMed, English, to 31 December 2024) names as evidence: {len(reports)} reports. Each cell leads to its reports or to what is "
        "missing. A dashed cell is empty among the named reports: that is absence from the named evidence, not evidence of absence. A report that tests two "
        "technologies or studies two diseases stands in each cell; a trial in two reports is one study, and its participants count once.</p>"
        '<p class="box"><strong>Nothing here was appraised.</strong> No study was appraised for risk of bias, by the review or by us. A direction says what a report was '
        "charted as finding, not how far to trust it. Not medical advice.</p>"
        f'<h2 id="map">The map</h2><p>{html.escape(evidence_map.sentence(cells, "technology", "disease", "reports"))}</p>{_map(cells, technologies, diseases)}'
        f"<h2>Cells and reports</h2>{''.join(parts)}"
        f'<p class="quiet">Build {html.escape(inputs)} · version {html.escape(version)} · licence of this chart: CC BY 4.0; it covers the chart, not the review.</p></main></body></html>\n'
    )  # fmt: skip
