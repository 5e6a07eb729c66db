"""Own the small drawings that pages share: tables, notes, links and empty states; all text from data is escaped."""

from __future__ import annotations

import base64
import gc
import html
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

import streamlit as st

from regen_kg.build import Build
from regen_kg.errors import RegenKGError
from regen_kg.explorer import data, directions, downloads, entities
from regen_kg.explorer import index as indexes
from regen_kg.explorer import vocabulary as vocabularies
from regen_kg.explorer.charts import palette
from regen_kg.explorer.navigation import address, page
from regen_kg.store import Store
from regen_kg.validation import csv_text

Worked = TypeVar("Worked")
NOT_CHARTED = "not charted"
STATUSES = frozenset(("charted", "not-charted", "not-reported", "unclear", "not-applicable"))
SEVERITY_SIGN = {"grave": "▲", "notable": "◆", "minor": "●"}
_STYLE = """<style>
[data-testid=stMainBlockContainer]{padding:2.75rem 3rem 3rem;max-width:96rem}
.rkg-wrap{overflow-x:auto;position:relative;margin:0 0 .5rem 0}
.rkg{border-collapse:collapse;width:100%;font-size:.875rem;line-height:1.4}
.rkg th,.rkg td{text-align:left;vertical-align:top;padding:.35rem .6rem .35rem 0;border-bottom:1px solid rgba(128,128,128,.45);overflow-wrap:break-word}
.rkg thead th{font-weight:600;vertical-align:bottom;hyphens:manual}
.rkg td{min-width:4rem;max-width:26rem}
.rkg td.rkg-long{min-width:13rem}
.rkg td.rkg-num{white-space:nowrap;font-variant-numeric:tabular-nums}
.rkg-facts th{width:13rem;font-weight:600}
.rkg-facts td:first-of-type{min-width:9rem}
[data-testid=stHeading] h2{font-size:1.45rem;padding:.6rem 0 .3rem 0}[data-testid=stHeading] h1{font-size:2.1rem}[data-testid=stHeading] h3{font-size:1.12rem;padding:.4rem 0 .2rem 0}
[data-testid=stMarkdownContainer] h2{font-size:1.45rem}
[data-testid=stPageLink] a,[data-testid=stPageLink] p{white-space:normal;overflow:visible;height:auto}
[data-testid=stPageLink] span{white-space:normal;overflow:visible}[data-testid=stPageLink] p{text-decoration:underline}
.rkg-none{color:light-dark(#595959,#b8b8b8);font-style:italic}
.rkg-report{white-space:nowrap}[data-testid=stMultiSelectTagsContainer] [data-tag] *{color:light-dark(#ffffff,#111111)!important}[data-testid=stPageLink] a{padding-left:0}
.rkg a,.rkg-note a,a.rkg-go,a.rkg-out{text-decoration:underline;color:light-dark(#005ea2,#73b3e7)}
.rkg-tree,.rkg-tree ul{list-style:none;margin:0;padding:0;font-size:.925rem;line-height:1.55}ul.rkg-tree.rkg-tree{padding-left:0;margin:0}.rkg-tree li{margin:0}.rkg-tree li{position:relative;padding-left:1.2rem}
.rkg-tree summary{cursor:pointer;position:absolute;left:0;top:0;width:1.2rem;height:1.5rem;white-space:nowrap;overflow:hidden}.rkg-unseen{position:absolute;clip-path:inset(50%)}
.rkg-here{font-weight:700;border-left:3px solid currentColor;padding-left:.35rem}
.rkg tbody th{font-weight:600;padding:.35rem .6rem .35rem 0;text-align:left;vertical-align:top;min-width:8rem}
.rkg-drawing{max-width:100%;height:auto}
.st-key-rkg-broad{overflow-x:auto}.st-key-rkg-broad>div{min-width:56rem}
dl.rkg-counts.rkg-counts{padding:0;display:grid;grid-template-columns:repeat(auto-fit,minmax(8rem,1fr));gap:.5rem 1rem;margin:0}
.rkg-counts.rkg-counts dt{padding:0;font-size:.875rem;margin:0}.rkg-counts.rkg-counts dd{padding:0;font-size:2rem;line-height:1.2;margin:0;font-variant-numeric:tabular-nums}
.rkg-parts{font-size:.875rem;margin:.4rem 0 .2rem 0}.rkg-parts a,.rkg-parts b,.rkg-parts i{padding:.1rem .35rem}.rkg-parts i{font-style:normal}
ul.rkg-go-list.rkg-go-list{list-style:none;margin:0;padding:0}.rkg-go-list.rkg-go-list li{margin:0 0 .45rem 0;padding:0}
.rkg-save{font-size:.875rem;margin:.1rem 0 .6rem 0}
.rkg-save button{font:inherit;color:inherit;background:none;border:1px solid rgba(128,128,128,.7);border-radius:.3rem;padding:.1rem .6rem;margin:0 .3rem;cursor:pointer}
.rkg-note{border-left:4px solid #8a8a8a;padding:.1rem 0 .1rem .8rem;margin:0 0 1rem 0;font-size:.925rem;line-height:1.5}
.rkg-note.grave{border-left-color:#b50909}.rkg-note.notable{border-left-color:#c05600}
.rkg-note p{margin:.15rem 0}.rkg-small{font-size:.875rem}
@media (max-width:640px){[data-testid=stMainBlockContainer]{padding:3.5rem 1rem 3rem}dl.rkg-counts.rkg-counts{grid-template-columns:repeat(2,1fr)}
[data-testid=stHorizontalBlock]:has(>[data-testid=stColumn] .stSelectbox,>[data-testid=stColumn] .stMultiSelect){gap:.5rem .75rem}
[data-testid=stColumn]:has(.stSelectbox,.stMultiSelect):not(:has(.rkg-wrap,[data-testid=stVegaLiteChart])){min-width:calc(50% - .5rem);flex:1 1 calc(50% - .5rem)}}
@media (max-width:600px){.rkg-broad tr>:first-child{position:sticky;left:0;background:var(--rkg-paper);padding-right:.6rem;max-width:9rem;min-width:0}
.rkg-cards thead{position:absolute;clip-path:inset(50%);display:block;width:1px;height:1px;overflow:hidden}.rkg-cards,.rkg-cards tbody,.rkg-cards tr{display:block}.rkg-cards tr{border-bottom:2px solid rgba(128,128,128,.6);padding:.4rem 0}
.rkg-cards tbody td,.rkg-cards tbody th{display:grid;grid-template-columns:6.5rem 1fr;gap:0 .6rem;border:0;padding:.12rem 0;max-width:none;white-space:normal!important}
.rkg-cards [data-head]::before{content:attr(data-head);font-weight:600;grid-row:1/span 99}.rkg-cards tbody th{font-weight:600}.rkg-cards [data-head]>*{grid-column:2;justify-self:start}
.rkg-facts td:empty{display:none!important}.rkg-facts,.rkg-facts tbody,.rkg-facts tr,.rkg-facts th,.rkg-facts td{display:block;width:auto;max-width:none}
.rkg-facts th{border-bottom:0;padding-bottom:0}.rkg-facts thead{display:none}}
@media print{[data-testid=stSidebar],[data-testid=stHeader],[data-testid=stToolbar],.rkg-save,[data-testid=stDownloadButton],[data-testid=stButton],[data-testid=stPageLink],.stSelectbox,.stMultiSelect,.stRadio,.stCheckbox,.stTextInput{display:none!important}
.stApp,.stMain,[data-testid=stAppViewContainer],[data-testid=stMainBlockContainer]{position:static!important;overflow:visible!important;height:auto!important;padding:0!important}.rkg-wrap{overflow:visible}.rkg tr{break-inside:avoid}}
</style>"""


@st.cache_resource(show_spinner=False)
def _script() -> str:
    return (Path(__file__).resolve().parent / "page.js").read_text("utf-8")


@st.cache_resource(show_spinner="Opening the graph …")
def _store_of(key: str, _build: data.AnyBuild) -> Store:
    if isinstance(_build, Build):
        _build.dataset()  # a damaged build is refused here, not half-way down a page
    return data.Remembering(_build.store())


@st.cache_resource(show_spinner="Looking for the build …", ttl=60)
def _build() -> data.AnyBuild:
    return data.opened_build()


_RUN = (
    threading.local()
)  # words looked up once per cell: there, a look into streamlit's own cache takes most of a page's time


def store() -> tuple[data.AnyBuild, Store]:
    """Return the build and its store, kept by the build's hash; without one, raise why."""
    made = _build()
    key = data.build_key(made)
    if getattr(_RUN, "key", "") != key:
        _RUN.key, _RUN.labels, _RUN.reports = key, None, None
    return made, _store_of(key, made)


def opened() -> tuple[data.AnyBuild, Store]:
    """Return the build and its store; where there is none, say how to mend it and stop."""
    try:
        return store()
    except RegenKGError as err:
        st.error("The graph cannot be opened. Build it with: regen-kg build")
        st.code(str(err), language=None, wrap_lines=True)
        st.stop()


def for_good(work: Callable[[], Worked]) -> Worked:
    """Return what work gives; what took long to make is large, so that it is left out of the garbage collected after each click."""
    start = time.perf_counter()
    done = work()
    if time.perf_counter() - start > 0.5:
        gc.collect()
        gc.freeze()
    return done


@st.cache_resource(show_spinner="Reading the graph …", max_entries=500)
def _kept(key: str, name: str, args: tuple[Any, ...], _ask: Callable[..., Any], _store: Store) -> Any:
    return for_good(lambda: _ask(_store, *args))


def kept(ask: Callable[..., Any], *args: Any) -> Any:
    """Return what a question put to the store answers, kept per build and shared: look at it, don't change it."""
    made, store = opened()
    return _kept(data.build_key(made), f"{ask.__module__}.{ask.__qualname__}", args, ask, store)


def rows(question: str) -> list[data.Row]:
    """Return the answer of a saved question without parameters; look at it, don't change it."""
    found: list[data.Row] = kept(data.ask, question)
    return found


def index() -> indexes.Index:
    """Return the index of the evidence."""
    return kept(indexes.build_index)


@st.cache_resource(show_spinner=False, max_entries=500)
def _worked_out(key: str, name: str, given: tuple[Any, ...], _work: Callable[[], Any]) -> Any:
    return for_good(_work)


def worked_out(name: str, given: tuple[Any, ...], work: Callable[[], Worked]) -> Worked:
    """Return what some work gives, kept per build under its name and what it was given: look at it, don't change it."""
    done: Worked = _worked_out(data.build_key(opened()[0]), name, given, work)
    return done


def gravest() -> data.Row:
    """Return the gravest note of each report that has any."""
    return worked_out("severities", (), lambda: directions.severities(index().all_notes))


def facets() -> dict[str, dict[str, int]]:
    """Return how many reports each value of each facet has, without any choice."""
    return worked_out("facets", (), lambda: indexes.facet_counts(index().reports, {}))


def vocabulary() -> vocabularies.Vocabulary:
    """Return the terms of the ontology."""
    return kept(vocabularies.build_vocabulary)


def kept_entity(kind: str, slug: str, sub: bool) -> entities.Entity | None:
    """Return one technology, disease or outcome measure with its evidence."""
    return worked_out("entity", (kind, slug, sub), lambda: entities.entity(index(), vocabulary(), kind, slug, sub))


def plain(text: str) -> str:
    """Return text as HTML that shows it as it stands."""
    return html.escape(data.visible(text))


def escaped(text: str) -> str:
    """Return text that Markdown draws as it stands.

    Examples
    --------
    >>> escaped("[a](b) *c* $d$ :red[x] <b>")
    '\\\\[a\\\\]\\\\(b\\\\) \\\\*c\\\\* \\\\$d\\\\$ \\\\:red\\\\[x\\\\] &lt;b&gt;'
    """
    safe = data.visible(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_{}\[\]()#+!|~$:^=-])", r"\\\1", safe).replace("\n", " ")


def heading(title: str, purpose: str) -> None:
    """Draw a page's one title and the line that says what the page is for."""
    paper = palette(st.context.theme.type == "dark")["paper"]
    st.html(_STYLE.replace("var(--rkg-paper)", paper))
    st.html(f"<script>{_script()}</script>", unsafe_allow_javascript=True)
    st.title(title, anchor=False)
    st.write(purpose)
    _address_state()["slot"] = st.empty()


_ADDRESS = "address-of-this-page"


def _address_state() -> dict[str, Any]:
    """Return what this run of the page has read of its address: names, faulty values, and where to say so."""
    state: dict[str, Any] = st.session_state.setdefault(_ADDRESS, {"read": set(), "faults": {}})
    return state


def asked(name: str) -> list[str]:
    """Return all values that the address gives under a name, which the page then counts as one it knows."""
    _address_state()["read"].add(name)
    return [v for v in st.query_params.get_all(name) if v]


def _fault(name: str, value: str, allowed: Iterable[str]) -> None:
    near = data.nearest(value, allowed, 1)
    hint = f" Nearest: “{near[0]}”." if near else ""
    said = f"The address has {name}=“{value}”, which is not known here and was left out.{hint}"
    _address_state()["faults"][name, value] = said


def _explain_address() -> None:
    """Say under the title which parts of the address this page did not know, with the nearest right one."""
    state = st.session_state.pop(_ADDRESS, None)
    if state is None or "slot" not in state:
        return
    faults = {k: said for k, said in state["faults"].items() if k[1] in st.query_params.get_all(k[0])}
    for name in st.query_params:
        if name not in state["read"]:
            near = data.nearest(name, state["read"], 1)
            known = f"This page knows {', '.join(sorted(state['read']))}." if state["read"] else "This page knows none."
            hint = f" Nearest: {near[0]}." if near else ""
            faults[name, ""] = f"The address has a part “{name}” that this page does not know.{hint} {known}"
    if faults:
        state["slot"].warning(escaped(" ".join(faults.values())))


def footer(made: data.AnyBuild) -> None:
    """Say which build a page shows, and what nothing here is."""
    _explain_address()
    size = sum(made.manifest.get("triples", {}).values())
    st.divider()
    st.caption(
        f"Build {made.manifest.get('inputs', '')[:12]} · version {made.manifest.get('package', '')} · {size:,} triples · "
        "no study here was appraised for risk of bias · not medical advice"
    )


def link(page_name: str, label: str, **query: str | list[str]) -> str:
    """Return the HTML link to a page; the browser follows it without a reload (page.js)."""
    where = address(page_name) + ("?" + urlencode(query, doseq=True) if query else "")
    return f'<a class="rkg-go" href="{html.escape(where, quote=True)}" target="_self">{plain(label)}</a>'


def report_link(slug: str) -> str:
    """Return the HTML link to a report's page, its name in one line."""
    return f'<span class="rkg-report">{link("report", slug, id=slug)}</span>'


def out_link(curie: str) -> str:
    """Return the link to a term of another ontology at the Bioregistry, which leads on; it leads out only when followed."""
    where = html.escape(vocabularies.outside_address(curie), quote=True)
    return f'<a class="rkg-out" href="{where}" rel="noopener noreferrer" target="_blank">{plain(curie)}</a>'


def report_links(cell: str) -> str:
    """Return the links to all reports of a list cell."""
    return ", ".join(report_link(s) for s in data.items(cell)) or none()


def some_report_links(slugs: Sequence[str], most: int = 8) -> str:
    """Return the links to the first of some reports, and say how many more there are; lists and downloads have them all."""
    more = f" and {len(slugs) - most:,} more" if len(slugs) > most else ""
    return report_links("|".join(slugs[:most])) + more


def none(word: str = NOT_CHARTED) -> str:
    """Return the grey words that stand where nothing was charted."""
    return f'<span class="rkg-none">{plain(word)}</span>'


def _labels() -> data.Row:
    """Return the labels of all terms of the build that this run has opened."""
    if getattr(_RUN, "labels", None) is None:
        _RUN.labels = kept(data.term_labels)
    labels: data.Row = _RUN.labels
    return labels


def term(slug: str) -> str:
    """Return a slug's label in the ontology, else the slug in words; a status is never a term."""
    if slug in STATUSES:
        return data.words(slug)
    return _labels().get(slug) or data.words(slug)


def named(text: str) -> str:
    """Return text in which the slug of a term reads as its label, and that of a report leads to its page."""
    labels = _labels()
    if getattr(_RUN, "reports", None) is None:
        _RUN.reports = index().slugs
    reports = _RUN.reports
    return "".join(
        plain(labels[part]) if part in labels else report_link(part) if part in reports else plain(part)
        for part in re.split(r"([a-z0-9]+(?:-[a-z0-9]+)+)", text)
    )


def list_named(cell: str) -> str:
    """Return a list cell of sentences that name terms and reports."""
    return "<br>".join(named(i) for i in data.items(cell)) or none()


def list_words(cell: str) -> str:
    """Return a list cell of slugs as labels."""
    if cell in data.STATUS_WORDS:
        return none(cell)
    shown = [none(data.words(i)) if i in STATUSES else plain(term(i)) for i in data.items(cell)]
    return ", ".join(shown) or none()


def list_plain(cell: str) -> str:
    """Return a list cell of slugs that are no terms, in words."""
    return plain(", ".join(data.words(i) for i in data.items(cell))) or none()


_NUMBERED = re.compile(r"\b(row|Table|Section|paragraph|Figure) (?=[\dA-Z])")


def list_text(cell: str) -> str:
    """Return a list cell as charted, its parts set apart; a number of a place stays in the line of its word."""
    if cell in data.STATUS_WORDS:
        return none(cell)
    return plain(_NUMBERED.sub("\\1\u00a0", "; ".join(data.items(cell)))) or none()


Drawer = Callable[[str], str]
_NUMBERS = {"value", "n", "n analysed", "p", "months", "sample size", "year"}
_MOST_STACKED = 8  # columns that a phone shows one below the other
_LOWER = frozenset(("n", "p"))  # letters that mean something only as they are
_LONG = {
    "charted text",
    "reasoning",
    "summary",
    "statement",
    "citation",
    "component",
    "label",
    "place in the review",
    "descriptor",
    "noted",
}


def table(
    columns: Sequence[str],
    rows: Sequence[data.Row],
    draw: Mapping[str, Drawer] | None = None,
    titles: dict[str, str] | None = None,
    fold: bool = False,
    head_links: Mapping[str, str] | None = None,
    row_head: str = "",
    matrix: bool = False,
    paged: Part | None = None,
) -> None:
    """Draw a table as HTML: wraps, scrolls sideways within itself, and says "not charted" where a cell is empty.

    With `fold`, columns that have no content in any row are named below the table instead of being drawn. `head_links`
    gives heads that are HTML already; the cells of the column `row_head` are heads of their rows. On a phone a row
    stands as a list of names and contents, but for a `matrix`, whose columns are to be compared, and for many columns:
    these scroll, and the first stays in sight. `paged` is the part of a longer list that the rows are: the way to the
    other parts is drawn below.
    """
    draw, titles = draw or {}, titles or {}
    folded: dict[str, list[str]] = {}
    if fold:
        for c in columns:
            found = {r.get(c, "") for r in rows}
            if found <= {""} or (len(found) == 1 and found <= data.STATUS_WORDS):
                folded.setdefault(found.pop() or NOT_CHARTED, []).append(titles.get(c, c))
        columns = [c for c in columns if not any(titles.get(c, c) in names for names in folded.values())]
    matrix = matrix or len(columns) > _MOST_STACKED
    shown_as = {c: titles.get(c, c if c in _LOWER else c[:1].upper() + c[1:]) for c in columns}
    heads = {c: (head_links or {}).get(c) or plain(shown_as[c]) for c in columns}
    head = "".join(f'<th scope="col">{heads[c]}</th>' for c in columns)
    marked = {
        c: "" if matrix else f' data-head="{html.escape(data.visible(shown_as[c]), quote=True)}"' for c in columns
    }
    body = []
    for row in rows:
        cells = []
        for c in columns:
            value = row.get(c, "")
            if c in draw:
                shown = draw[c](value)
            else:
                shown = none(value or NOT_CHARTED) if value in data.STATUS_WORDS or not value else plain(value)
            if not matrix:
                shown = f"<span>{shown}</span>"
            kind = (
                ' class="rkg-num"'
                if c in _NUMBERS and value
                else ' class="rkg-long"'
                if c in _LONG and len(value) > 25
                else ""
            )
            cells.append(
                f'<th scope="row"{marked[c]}>{shown}</th>' if c == row_head else f"<td{kind}{marked[c]}>{shown}</td>"
            )
        body.append(f"<tr>{''.join(cells)}</tr>")
    said = " ".join(f"{status.capitalize()} in every row: {', '.join(names)}." for status, names in folded.items())
    st.html(
        f'<div class="rkg-wrap" tabindex="0"><table class="rkg{" rkg-broad" if matrix else " rkg-cards"}"><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
        + (f'<p class="rkg-small rkg-none">{plain(said)}</p>' if said else "")
        + (paged.links() if paged else "")
    )


@dataclass(frozen=True)
class Part:
    """The part of a long list that a page shows, which the address holds: a list grows with the studies, a page doesn't."""

    name: str
    start: int
    step: int
    total: int

    def of(self, rows: Sequence[Any]) -> Sequence[Any]:
        """Return the rows of this part."""
        return rows[self.start : self.start + self.step]

    def links(self) -> str:
        """Return the way to the other parts as HTML; nothing where there is only one."""
        if self.total <= self.step:
            return ""
        here, last = self.start // self.step, (self.total - 1) // self.step
        near = sorted({0, last, *range(max(0, here - 2), min(last, here + 2) + 1)})

        def to(part: int, words: str) -> str:
            kept = {n: st.query_params.get_all(n) for n in st.query_params if n != self.name}
            query = {**kept, self.name: [str(part * self.step)]} if part else kept
            where = "?" + urlencode(query, doseq=True)
            return f'<a class="rkg-go" data-rkg-stay href="{html.escape(where, quote=True)}" target="_self">{words}</a>'

        out, before = [], -1
        for part in near:
            out += ["…"] if part > before + 1 else []
            out.append(f"<b>{part + 1}</b>" if part == here else to(part, str(part + 1)))
            before = part
        ways = (
            (to(here - 1, "‹ previous") if here else "")
            + " ".join(out)
            + (to(here + 1, "next ›") if here < last else "")
        )
        rows = f"{self.start + 1:,} to {min(self.start + self.step, self.total):,} of {self.total:,}"
        return f'<nav class="rkg-parts" aria-label="Parts of the list">{rows} · part {ways}</nav>'


def part(total: int, step: int = 50, name: str = "from") -> Part:
    """Return the part of a list that the address asks for; one that the list does not reach is its first."""
    given = (asked(name) or ["0"])[-1]
    start = int(given) // step * step if re.fullmatch(r"\d{1,9}", given) else 0
    if not re.fullmatch(r"\d{1,9}", given):
        _fault(name, given, ())
    return Part(name, start if start < total else 0, step, total)


def counts(named_numbers: Iterable[tuple[str, str]]) -> None:
    """Draw a few numbers side by side, each under its name."""
    st.html(
        f'<dl class="rkg-counts">{"".join(f"<div><dt>{plain(n)}</dt><dd>{plain(v)}</dd></div>" for n, v in named_numbers)}</dl>'
    )


def places(named_pages: Mapping[str, tuple[str, str]]) -> None:
    """Draw the links to pages, each with what is found there."""
    ways = (f"<li>{link(name, title)}: {plain(what)}</li>" for name, (title, what) in named_pages.items())
    st.html(f'<ul class="rkg-go-list">{"".join(ways)}</ul>')


def bar() -> Any:
    """Return a row in which downloads and links stand side by side."""
    return st.container(horizontal=True, vertical_alignment="center")


def facts(rows: Iterable[tuple[str, str, str]]) -> None:
    """Draw names with their content, and under it where it stands or how it is printed."""
    body = "".join(
        f'<tr><th scope="row">{plain(name)}</th><td>{plain(content) if content else none()}</td>'
        f'<td class="rkg-small">{plain("; ".join(data.items(more)))}</td></tr>'
        for name, content, more in rows
    )
    head = '<thead><tr><th scope="col">Field</th><th scope="col">Content</th><th scope="col">As printed, or where</th></tr></thead>'
    st.html(f'<div class="rkg-wrap"><table class="rkg rkg-facts">{head}<tbody>{body}</tbody></table></div>')


def definitions(rows: Iterable[tuple[str, str]]) -> None:
    """Draw names with their content, which is HTML already."""
    body = "".join(f'<tr><th scope="row">{plain(name)}</th><td>{content}</td></tr>' for name, content in rows)
    st.html(f'<div class="rkg-wrap"><table class="rkg rkg-facts"><tbody>{body}</tbody></table></div>')


def term_link(terms: vocabularies.Vocabulary, key: str) -> str:
    """Return the HTML link to a term: to the page on its evidence if it has one, else to the ontology."""
    term = terms.terms.get(key)
    if term is None:
        return plain(data.words(key))
    return link(term.page, term.label, id=term.slug) if term.page else link("ontology", term.label, term=key)


def conflict_table(rows: Sequence[data.Row], paged: Part | None = None) -> None:
    """Draw pairs of reports that point in different directions, each with what it is against, on what and when."""
    shown = [
        {
            **r,
            "pair": "|".join((r["technology"], r["disease"].replace("|", ", "), r["kind"])),
            **{
                f"side_{s}": "|".join((r[f"report_{s}"], r[f"direction_{s}"], f"against: {r[f'comparator_{s}'].replace('|', ', ')}", f"on: {r[f'outcome_domains_{s}'].replace('|', ', ')}", f"months: {r[f'time_{s}']}"))
                for s in ("a", "b")
            },
        }
        for r in rows
    ]  # fmt: skip

    def difference(said: str) -> str:
        name, colon, values = said.partition(": ")
        return f"<strong>{plain(data.words(name))}</strong>{colon}{named(values)}"

    def pair(cell: str) -> str:
        technology, disease, kind = cell.split("|")
        said = ", ".join(term(d) for d in disease.split(", "))
        return f"{plain(term(technology))} in {plain(said)}<br><em>{plain(data.words(kind))}</em>"

    def side(cell: str) -> str:
        report, direction, *more = cell.split("|")
        said = "".join(
            f"<br>{plain(name)}: {plain(', '.join(term(i) for i in value.split(', '))) if value else none()}"
            for name, _, value in (m.partition(": ") for m in more)
        )
        return f"{report_link(report)}<br><strong>{plain(data.words(direction))}</strong>{said}"

    table(
        ["pair", "side_a", "side_b", "candidate_explanations"], shown,
        {"pair": pair, "side_a": side, "side_b": side,
         "candidate_explanations": lambda c: "<br>".join(difference(i) for i in data.items(c)) or none()},
        {"pair": "On", "side_a": "Report", "side_b": "Other report", "candidate_explanations": "What differs (first / other)"}, paged=paged,
    )  # fmt: skip


def references(slugs: Iterable[str], name: str, label: str = "Download the reports as RIS") -> None:
    """Offer the reports of some names as references (RIS)."""
    found = index()
    wanted = found.slugs.intersection(slugs)
    if wanted:
        st.download_button(label, lambda: downloads.ris(found.of(wanted)), file_name=f"{name}.ris",
                           mime="application/x-research-info-systems", on_click="ignore", key=f"ris-{name}")  # fmt: skip


def report_downloads(rows: Sequence[data.Row], name: str) -> None:
    """Offer rows of the index as CSV, and as references (RIS)."""
    if rows:
        download(rows, list(rows[0]), name, "Download the reports as CSV")
        references((r["report"] for r in rows), name)


def notes(rows: Iterable[data.Row], paged: Part | None = None) -> None:
    """Draw notes about the source: severity as word and sign, summary, reasoning, reports and places."""
    st.html("".join(map(_note, rows)) + (paged.links() if paged else ""))


def _note(row: data.Row) -> str:
    severity = row["severity"]
    return (
        f'<div class="rkg-note {html.escape(severity, quote=True)}"><p><strong>{SEVERITY_SIGN.get(severity, "")} {plain(severity)} note</strong> · '
        f"{plain(data.words(row['kind']))} · <code>{plain(row['note'])}</code></p>"
        f'<p>{plain(row["summary"])}</p><p class="rkg-small">Our reasoning: {plain(row["reasoning"]) or none()}</p>'
        f'<p class="rkg-small">Touches: {report_links(row["reports"]) if row["reports"] else "the review as a whole"}. '
        f"Place in the review: {list_text(row['place in the review'])}. Charted row: {plain(row['charted row']) or none()}</p></div>"
    )


def noted_lines(name: str, picked: Sequence[data.Row], **values: str) -> list[str]:
    """Return what notes do to rows picked from the answer of a saved question, in lines; kept per build."""
    store = opened()[1]
    # The hash takes a hundredth of what noting takes, which is too long where an answer is large and nothing was left out.
    whole = not values and len(picked) == len(rows(name))
    what = (len(picked), 0 if whole else hash(tuple(tuple(r.items()) for r in picked)))
    return worked_out(
        f"notes of {name}",
        (what, tuple(sorted(values.items()))),
        lambda: data.noted_lines(store, name, picked, **values),
    )


def noted(name: str, picked: Sequence[data.Row], **values: str) -> None:
    """Say under rows of an answer which of them rest on noted cells; nothing where none does."""
    if lines := noted_lines(name, picked, **values):
        signed = [
            next((f"{sign} {line.strip()}" for s, sign in SEVERITY_SIGN.items() if line.startswith(f"  {s}")), line)
            for line in lines
        ]
        st.caption("  \n".join(escaped(re.sub(r" +", " ", line)) for line in signed))


def report_list(rows: Sequence[data.Row], paged: Part | None = None) -> None:
    """Draw reports as links with what each is about, for any width."""
    table(
        ["report", "year", "technologies", "diseases", "sample size", "kind", "place in the review"],
        [{**r, "sample size": r["sample_size"], "place in the review": r["source"]} for r in rows],
        {"report": report_link, "technologies": list_words, "diseases": list_words, "place in the review": list_text},
        paged=paged,
    )


def download(rows: Sequence[data.Row], columns: Sequence[str], name: str, label: str = "Download as CSV") -> None:
    """Offer rows as CSV, which is written when it is asked for."""
    if not rows:
        return
    st.download_button(
        label,
        lambda: csv_text(columns, rows),
        file_name=f"{name}.csv",
        mime="text/csv",
        on_click="ignore",
        key=f"csv-{name}",
    )


def drawing(svg: str, said: str) -> None:
    """Draw SVG as an image, which can hold no script, with its sentence for those who don't see it."""
    source = base64.b64encode(svg.encode()).decode()
    st.html(f'<img class="rkg-drawing" src="data:image/svg+xml;base64,{source}" alt="{html.escape(said, quote=True)}">')


def save_picture(name: str) -> None:
    """Offer the picture above as SVG and PNG, drawn by the browser (page.js)."""
    buttons = "".join(
        f'<button type="button" data-rkg-save="{kind}" data-rkg-name="{html.escape(name, quote=True)}">{kind.upper()}</button>'
        for kind in ("svg", "png")
    )
    st.html(f'<p class="rkg-save">Save the picture as {buttons}</p>')


def go(name: str, label: str, **query: str | list[str]) -> None:
    """Draw a link to another page of the same session."""
    st.page_link(page(name), label=escaped(label), query_params=query or None)


def from_url(name: str, allowed: Iterable[str]) -> str:
    """Return a value of the address if it is one of those allowed, else an empty string."""
    found, allowed = (asked(name) or [""])[-1], set(allowed)
    if found and found not in allowed:
        _fault(name, found, allowed)
    return found if found in allowed else ""


def to_url(**values: str | list[str] | None) -> None:
    """Write values to the address; what is empty leaves it."""
    st.query_params.update({name: value for name, value in values.items() if value})
    for name, value in values.items():
        if not value and name in st.query_params:
            del st.query_params[name]


def choice(label: str, name: str, options: dict[str, str], anything: str) -> str:
    """Draw a select box that the address holds under a name; an empty string stands for the first, open option."""
    key = f"choice-{name}"
    values = ["", *options]
    st.session_state[key] = from_url(name, values)
    st.selectbox(
        label,
        values,
        format_func=lambda v: options.get(v, anything),
        key=key,
        on_change=lambda: to_url(**{name: st.session_state[key]}),
    )
    return str(st.session_state[key])


def pick(label: str, name: str, options: Mapping[str, str], default: str = "") -> str:
    """Draw a select box without an open option that the address holds under a name; the first, or the default, needs no address."""
    key, default = f"pick-{name}", default or next(iter(options))
    st.session_state[key] = from_url(name, options) or default
    st.selectbox(label, list(options), format_func=lambda v: options[v], key=key,
                 on_change=lambda: to_url(**{name: None if st.session_state[key] == default else st.session_state[key]}))  # fmt: skip
    return str(st.session_state[key])


def typed(label: str, name: str) -> str:
    """Draw a text field that the address holds under a name."""
    key = f"typed-{name}"
    st.session_state[key] = (asked(name) or [""])[-1]
    st.text_input(label, key=key, on_change=lambda: to_url(**{name: st.session_state[key].strip()}))
    return str(st.session_state[key]).strip()


def open_in_sparql(label: str = "Open in SPARQL", question: str = "", text: str = "", **parameters: str) -> None:
    """Draw the link that opens a saved question, or any query, on the Ask page, where it can be changed and run."""
    if question:
        go("ask", label, q=question, **{f"p_{name}": value for name, value in parameters.items() if value})
    else:
        go("ask", label, mode="own", query=text)


def switch(label: str, name: str, options: dict[str, str]) -> str:
    """Draw a few options side by side that the address holds under a name; the first is the default."""
    key = f"switch-{name}"
    default = next(iter(options))
    st.session_state[key] = from_url(name, options) or default
    st.radio(label, list(options), format_func=lambda v: options[v], key=key, horizontal=True,
             on_change=lambda: to_url(**{name: None if st.session_state[key] == default else st.session_state[key]}))  # fmt: skip
    return str(st.session_state[key])


def several(label: str, name: str, options: Mapping[str, str], most: int | None = None) -> list[str]:
    """Draw a box for any number of options that the address holds under a name, repeated."""
    key = f"several-{name}"
    given = asked(name)
    for value in given:
        if value not in options:
            _fault(name, value, options)
    st.session_state[key] = list(dict.fromkeys(v for v in given if v in options))[:most]
    st.multiselect(
        label, list(options), format_func=lambda v: options[v], key=key, max_selections=most, placeholder="any" if most is None else "choose",
        on_change=lambda: to_url(**{name: st.session_state[key]}),
    )  # fmt: skip
    return list(st.session_state[key])
