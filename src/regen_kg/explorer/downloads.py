"""Own the files that people take away, tables aside: references as RIS, and one printable page per disease."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable, Sequence

from regen_kg.explorer import data, entities
from regen_kg.explorer.data import Row, items

_NAMES = re.compile(r"^(.*?)(?:\s+(?:et al\.?|and colleagues))?,?\s*\(?\d{4}[a-z]?\)?\.?$")


def ris(rows: Iterable[Row]) -> str:
    """Return reports as RIS; title, journal and identifiers only where they were verified outside the review.

    Parameters
    ----------
    rows : iterable of Row
        Rows of the index.

    References
    ----------
    The RIS format of Research Information Systems: a tag, two spaces, a hyphen, a space, the value; one per line.
    """
    lines: list[str] = []
    for r in rows:
        verified = bool(r["title"])
        found = _NAMES.match(r["citation"])
        authors = [a.strip() for a in re.split(r"\s+(?:and|&)\s+|,", found.group(1) if found else r["citation"])]
        fields = [("TY", "JOUR" if verified else "GEN"), ("ID", r["report"]), ("TI", r["title"] or r["citation"])]
        fields += [("AU", a) for a in authors if a]
        fields += [("PY", r["year"]), ("T2", r["journal"]), ("DO", r["doi"]), ("AN", r["pmid"] and f"PMID:{r['pmid']}")]
        fields += [("KW", data.words(k)) for k in (*items(r["technologies"]), *items(r["diseases"]))]
        said = (
            "Title verified outside the review."
            if verified
            else "Title not verified: the review prints a short citation only."
        )
        fields += [("N1", f"{said} Cited as: {r['citation']}. Place in the review: {'; '.join(items(r['source']))}.")]
        lines += [f"{tag}  - {_one_line(value)}" for tag, value in fields if value]
        lines += ["ER  - ", ""]
    return "\n".join(lines)  # fmt: skip


def _plain(text: str) -> str:
    return html.escape(data.visible(text))


def _one_line(text: str) -> str:
    """Return text that cannot begin a field of its own."""
    return " ".join(re.sub(r"[\x00-\x1f\x7f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]", " ", text).split())


# ---- one page per disease ---------------------------------------------------------------------------------------

_SHEET_STYLE = """body{font:10.5pt/1.4 Georgia,'DejaVu Serif',serif;color:#111;background:#fff;max-width:50rem;margin:1.2rem auto;padding:0 1rem}
h1{font-size:17pt;margin:0 0 .2rem}h2{font-size:12.5pt;margin:1rem 0 .3rem;border-bottom:1px solid #777}p,ul{margin:.25rem 0}li{margin:.1rem 0}
.said{border:1.5px solid #111;padding:.35rem .6rem}table{border-collapse:collapse;width:100%;font-size:9.5pt}th,td{text-align:left;vertical-align:top;border-bottom:1px solid #aaa;padding:.15rem .5rem .15rem 0;overflow-wrap:anywhere}
.none{color:#555;font-style:italic}footer{margin-top:.8rem;border-top:1px solid #777;font-size:9pt;color:#333}
@media print{body{margin:0;max-width:none}tr,li{break-inside:avoid}@page{size:A4;margin:14mm}}"""


def disease_sheet(e: entities.Entity, say: Callable[[str], str], build: str) -> str:
    """Return one self-contained, printable page on a disease: clinical, preclinical and safety apart.

    Parameters
    ----------
    e : Entity
        A disease.
    say : callable
        Turns the slug of a term into its label.
    build : str
        Which build the page was made from.
    """
    name = e.term.label
    c = e.counts

    def cell(text: str) -> str:
        return _plain(text) if text else '<span class="none">not charted</span>'

    def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
        head = "".join(f'<th scope="col">{_plain(h)}</th>' for h in columns)
        body = "".join("<tr>" + "".join(f"<td>{cell(v)}</td>" for v in row) + "</tr>" for row in rows)
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def listed(rows: Iterable[str], empty: str) -> str:
        found = [f"<li>{_plain(r)}</li>" for r in rows]
        return f"<ul>{''.join(found)}</ul>" if found else f'<p class="none">{_plain(empty)}</p>'

    clinical = (
        table(
            ("Technology", "Reports", "Studies", "Participants", "Which way the reports point, as charted", "Against"),
            [
                (say(g["other"]), g["reports"], g["studies"], g["participants"],
                 "; ".join(f"{data.words(d.split(': ')[0])}: {d.split(': ', 1)[1]}" for d in items(g["directions"])),
                 ", ".join(say(x) for x in items(g["comparators"])))
                for g in e.groups
            ],
        )
        if e.groups
        else '<p class="none">No report is named for this disease. That is absence from the named evidence.</p>'
    )  # fmt: skip
    silent = sum(s["status"] == "not-charted" for s in e.safety)
    safety = [
        f"{s['report']}: {'; '.join(items(s['statement'])) or data.words(s['status'])} ({'; '.join(items(s['source']))})"
        for s in e.safety
        if s["status"] != "not-charted"
    ]
    disputed = [
        f"{say(x['technology'])}: {x['report_a']} ({data.words(x['direction_a'])}) and {x['report_b']} ({data.words(x['direction_b'])}); kind: {data.words(x['kind'])}"
        for x in e.conflicts
    ]
    gaps = [
        f"{data.words(g['type'])}: {say(g['technology']) if g['technology'] else ''} {g['reason']}".strip()
        for g in e.gaps
    ]
    noted = ", ".join(c.grave_reports)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{_plain(name)}: what the review names</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"><style>{_SHEET_STYLE}</style></head><body>
<h1>{_plain(name[:1].upper() + name[1:])}</h1><p>{_plain(e.term.definition)}</p>
<p class="said"><strong>Nothing here was appraised for risk of bias.</strong> This page says what one scoping review (PubMed, English, to 31 December 2024) was charted as saying.
It counts a report by the population that was studied. It is not medical advice.</p>
<h2>Clinical</h2><p>{c.reports} reports ({c.secondary} secondary), {c.studies} studies, participants: {_plain(entities.participants_text(c))}.
{f"A grave note on the source touches {_plain(noted)}." if noted else "No grave note on the source touches them."}</p>{clinical}
<h2>Who contradicts whom</h2>{listed(disputed, "No two of these reports point in different directions.")}
<h2>Preclinical: the review's claims on animal or laboratory work</h2>{listed([p["paraphrase"] + " (" + "; ".join(items(p["source"])) + ")" for p in e.preclinical], "No such claim is charted.")}
<h2>Safety</h2><p>Not charted for {silent} of {len(e.safety)} reports: the review is silent, which is not absence of harm.</p>{listed(safety, "Nothing on safety is charted for any of them.")}
<h2>What is missing</h2>{listed(gaps, "No gap of a defined type was found.")}
<footer>regen-kg, build {_plain(build)}. Chart of facts under CC BY 4.0.</footer></body></html>
"""
