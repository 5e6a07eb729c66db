"""Own the drawing that the pages of a technology, a disease and an outcome measure share."""

from __future__ import annotations

import html
import re

import streamlit as st

from regen_kg.explorer import data, downloads, entities, pictures, widgets
from regen_kg.explorer.data import Row, items
from regen_kg.explorer.entities import Entity
from regen_kg.explorer.vocabulary import Vocabulary, outside_address

_TITLE = {"technology": "Technology", "disease": "Disease", "outcome": "Outcome measure"}
_PLACE = {"place in the review": widgets.list_text, "source": widgets.list_text}


def draw(kind: str) -> None:
    """Draw the page of one entity, or a way to choose one."""
    made, _ = widgets.opened()
    vocabulary = widgets.vocabulary()
    known = vocabulary.slugs(kind)
    slug = (widgets.asked("id") or [""])[-1]
    term = vocabulary.find(kind, slug)
    if term is None:
        _choose(kind, slug, vocabulary)
        widgets.footer(made)
        st.stop()
    widgets.heading(
        widgets.escaped(term.label[:1].upper() + term.label[1:]), widgets.escaped(term.definition or _TITLE[kind])
    )
    left, right = st.columns([2, 1])
    with left:
        _pick(kind, known, slug)
    below = vocabulary.below(term.key) - {term.key}
    sub = True
    if below:
        with right:
            options = {"1": f"yes ({len(below)} {'term' if len(below) == 1 else 'terms'})", "0": "no, this term alone"}
            sub = widgets.switch("Count reports on narrower terms", "sub", options) == "1"
    e = widgets.kept_entity(kind, slug, sub)
    assert e is not None  # the vocabulary has the term
    _about(e, vocabulary)
    _known(e)
    _unknown(e, known)
    _disputed(e)
    _safety(e)
    if kind != "outcome":
        _claims(e)
    if kind == "disease":
        sheet = downloads.disease_sheet(e, widgets.term, made.manifest.get("inputs", "")[:12])
        st.header("One page to print", anchor=False)
        st.write("Clinical, preclinical and safety apart, in one file that opens without a server. Or print this page.")
        st.download_button("Download the page (HTML)", sheet, file_name=f"{slug}.html", mime="text/html", on_click="ignore", key="sheet")  # fmt: skip
    _mappings(e, vocabulary)
    widgets.footer(made)


def _choose(kind: str, slug: str, vocabulary: Vocabulary) -> None:
    widgets.heading(_TITLE[kind], "What is known, unknown and disputed about one of them.")
    known = vocabulary.slugs(kind)
    if slug:
        near = data.nearest(slug, known)
        elsewhere = [p for p in entities.PAGES if p != kind and vocabulary.find(p, slug)]
        st.warning(
            f"No {_TITLE[kind].lower()} is called “{widgets.escaped(slug)}”."
            + (" Nearest:" if near or elsewhere else "")
        )
        links = [widgets.link(p, f"{data.words(slug)} ({_TITLE[p].lower()})", id=slug) for p in elsewhere]
        links += [widgets.link(kind, known[n], id=n) for n in near]
        if links:
            st.html(f"<p>{', '.join(links)}</p>")
    else:
        st.info(f"No {_TITLE[kind].lower()} is chosen. Choose one of the {len(known)}.")
    _pick(kind, known, "")
    roots = [s for s in known if entities.top(vocabulary, vocabulary.find(kind, s)) == s]  # type: ignore[arg-type]
    st.html("<ul>" + "".join(f"<li>{widgets.link(kind, known[s], id=s)}</li>" for s in roots) + "</ul>")


def _pick(kind: str, known: Row, slug: str) -> None:
    key = f"pick-{kind}"
    st.session_state[key] = slug
    st.selectbox(
        f"{_TITLE[kind]}: type to search", ["", *sorted(known, key=lambda s: known[s].lower())],
        format_func=lambda v: known.get(v, "choose one"), key=key,
        on_change=lambda: widgets.to_url(id=st.session_state[key], sub=None),
    )  # fmt: skip


def _about(e: Entity, vocabulary: Vocabulary) -> None:
    t = e.term
    chain = [k for k in vocabulary.above(t.key) if vocabulary.terms[k].label]
    rows = [
        ("Above it", " › ".join(widgets.term_link(vocabulary, k) for k in chain)),
        ("Below it", ", ".join(widgets.term_link(vocabulary, k) for k in t.children) or widgets.none("none")),
        ("Also called", widgets.plain(", ".join(t.synonyms)) or widgets.none("none given")),
        ("Where the definition comes from", widgets.plain(t.source)),
        ("Example", widgets.plain(t.example)),
    ]
    grouped: dict[str, list[str]] = {}
    for name, value in t.facts:
        shown = widgets.term_link(vocabulary, value) if value in vocabulary.terms else widgets.plain(value)
        grouped.setdefault(name, []).append(shown)
    rows += [(name[:1].upper() + name[1:], ", ".join(values)) for name, values in grouped.items()]
    rows.append(("In the ontology", widgets.link("ontology", t.key, term=t.key)))
    widgets.definitions([r for r in rows if r[1]])


def _known(e: Entity) -> None:
    c = e.counts
    st.header("What is charted", anchor=False)
    if not e.reports:
        st.info(
            "No report is named on it: in the vocabulary, not in the named evidence (PubMed, English, to 31 December 2024). "
            "That is absence from the named evidence, not evidence of absence."
        )
        return
    for column, label, number in zip(
        st.columns(4),
        ("Reports", "Studies", "Participants", "Results"),
        (str(c.reports), str(c.studies), str(c.participants) if c.sized else "not charted", str(c.results)),
        strict=True,
    ):
        column.metric(label, number)
    size = "for every study" if c.sized == c.studies else f"for {c.sized} of {c.studies} studies"
    st.caption(
        f"A sample size is charted {size}; it may count ankles, see each report. Of the reports, {c.secondary} {'is a review' if c.secondary == 1 else 'are reviews'} of other studies. "
        f"A note on the source touches {c.noted_results} of {c.results} results. Nothing was appraised for risk of bias."
    )
    if c.grave_reports:
        st.html(
            f'<p class="rkg-note grave">▲ A grave note touches {widgets.report_links("|".join(c.grave_reports))}.</p>'
        )
    other = {"technology": "Disease", "disease": "Technology", "outcome": "Technology"}[e.kind]
    target = "disease" if e.kind == "technology" else "technology"
    shade = st.context.theme.type == "dark"
    spec, said = pictures.directions(e.groups, widgets.term, shade)
    if spec:
        st.write(widgets.escaped(said))
        st.vega_lite_chart(spec=spec, theme=None, width="stretch", alt=said + " The table below holds the same.")
        widgets.save_picture(f"{e.term.slug}-directions")
    widgets.table(
        ["other", "reports", "studies", "participants", "directions", "comparators", "longest", "grave"], e.groups,
        {"other": lambda s: widgets.link(target, widgets.term(s), id=s), "directions": _directed, "comparators": widgets.list_words,
         "grave": lambda s: widgets.report_links(s) if s else widgets.none("none")},
        {"other": other, "directions": "Points to, as charted", "comparators": "Against", "longest": "Longest follow-up, months", "grave": "Grave note on"},
    )  # fmt: skip
    widgets.download(e.groups, list(e.groups[0]) if e.groups else [], f"{e.term.slug}-{target}")
    with st.expander(f"All {c.reports} reports"):
        widgets.report_list(e.reports)
        widgets.report_downloads(e.reports, f"{e.term.slug}-reports")
    if e.elsewhere:
        st.subheader("Filed in the review under another disease", anchor=False)
        st.write("This page goes by the population that was studied.")
        widgets.table(["report", "placed_under", "diseases"], e.elsewhere,
                      {"report": widgets.report_link, "placed_under": widgets.list_words, "diseases": widgets.list_words},
                      {"placed_under": "Filed under", "diseases": "Population studied"})  # fmt: skip
    if e.outcomes:
        with st.expander(f"Outcome measures ({len(e.outcomes)})"):
            widgets.table(["outcome measure", "reports", "with a result", "named"], e.outcomes,
                          {"outcome measure": lambda s: widgets.link("outcome", widgets.term(s), id=s) if s != "not-named" else widgets.none("not named"),
                           "named": widgets.report_links}, {"named": "In"})  # fmt: skip
            widgets.download(e.outcomes, list(e.outcomes[0]), f"{e.term.slug}-outcomes")
    if e.kind == "outcome":
        _values(e)
    if e.along:
        st.subheader("Given without being under test", anchor=False)
        widgets.table(["report", "role", "component", "arm", "source"], e.along, {**_PLACE, "report": widgets.report_link, "role": widgets.list_words}, {"source": "Place in the review"})  # fmt: skip


def _directed(cell: str) -> str:
    parts = []
    for one in items(cell):
        direction, _, reports = one.partition(": ")
        parts.append(
            f"<strong>{widgets.plain(data.words(direction))}</strong>: {widgets.report_links(reports.replace(', ', '|'))}"
        )
    return "<br>".join(parts) or widgets.none()


def _values(e: Entity) -> None:
    used = {t: widgets.term(t) for r in e.results for t in items(r["technologies"])}
    technology = widgets.choice("Values of", "technology", used, "any arm") if len(used) > 1 else ""
    results = [r for r in e.results if not technology or technology in items(r["technologies"])]
    count = f"{len(results)} of {len(e.results)}" if technology else str(len(results))
    st.subheader(f"Values ({count})", anchor=False)
    if results:
        st.write("As printed; a value that a note touches says so. They are not pooled.")
        columns = [
            "report",
            "technologies",
            "arm",
            "comparator",
            "kind",
            "time_point",
            "months",
            "value",
            "unit",
            "dispersion",
            "dispersion_kind",
            "p",
            "p_scope",
            "direction",
            "source",
            "noted",
        ]
        widgets.table(columns, results,
                      {"report": widgets.report_link, "technologies": widgets.list_words, "kind": widgets.list_words, "direction": widgets.list_words, "source": widgets.list_text,
                       "arm": widgets.list_text, "comparator": widgets.list_text, "noted": lambda c: "<strong>▲ noted</strong>" if c == "true" else "no"},
                      {"time_point": "Time point", "dispersion_kind": "Kind of dispersion", "p_scope": "p is of", "source": "Place in the review"}, fold=True)  # fmt: skip
        widgets.download(results, list(results[0]), f"{e.term.slug}-results", "Download the values as CSV")
        widgets.open_in_sparql(question="results", outcome=e.term.slug if e.kind == "outcome" else "")
    else:
        st.info("The measure is named, but no result on it is charted.")
    if e.scale_uses:
        st.subheader("How reports used it", anchor=False)
        st.write("What a report did with a measure overrides the general entry above, for that report only.")
        widgets.table(["report", "measure", "printed", "range", "unit", "polarity", "version", "source"], e.scale_uses,
                      {"report": widgets.report_link, "measure": widgets.list_words, "printed": widgets.list_text, "polarity": widgets.list_words, "source": widgets.list_text},
                      {"printed": "Printed as", "source": "Place in the review"}, fold=True)  # fmt: skip


def _unknown(e: Entity, known: Row) -> None:
    st.header(f"What is missing ({len(e.gaps)})", anchor=False)
    if e.gaps:
        columns = [
            c
            for c in ("type", "technology", "disease", "outcome_measure", "reason", "nearest")
            if any(g[c] for g in e.gaps)
        ]
        columns = [c for c in columns if c != e.kind]
        widgets.table(columns, e.gaps, {"type": widgets.list_plain, "technology": widgets.list_words, "disease": widgets.list_words, "outcome_measure": widgets.list_words,
                                        "reason": widgets.list_named, "nearest": widgets.list_named},
                      {"outcome_measure": "Outcome measure", "nearest": "Nearest evidence"})  # fmt: skip
        widgets.download(e.gaps, list(e.gaps[0]), f"{e.term.slug}-gaps")
        widgets.open_in_sparql(question="evidence-gaps")
        return
    above = entities.top(widgets.vocabulary(), e.term)
    if e.kind != "outcome" and above != e.term.slug:
        if above in known:
            st.html(
                f"<p>Gaps are worked out for {widgets.link(e.kind, known[above], id=above)}, which this falls under.</p>"
            )
    else:
        st.write("No gap of a defined type was found.")


def _disputed(e: Entity) -> None:
    st.header(f"What is disputed ({len(e.conflicts)})", anchor=False)
    if not e.conflicts:
        st.write("No two of these reports point in different directions on one technology and disease.")
        return
    st.write(
        "Pairs of reports of distinct studies: one points to benefit, the other does not. What differs is a hypothesis, not a cause."
    )
    widgets.conflict_table(e.conflicts)
    widgets.download(e.conflicts, list(e.conflicts[0]), f"{e.term.slug}-conflicts")
    widgets.open_in_sparql(question="conflicts")


def _safety(e: Entity) -> None:
    if not e.safety:
        return
    charted = [s for s in e.safety if s["status"] != "not-charted"]
    st.header(f"Safety: charted for {len(charted)} of {len(e.safety)} reports", anchor=False)
    st.write("Where it is not charted the review is silent; that is not absence of harm.")
    if charted:
        widgets.table(["report", "status", "statement", "source"], charted, {"report": widgets.report_link, "status": widgets.list_words, "statement": widgets.list_text, "source": widgets.list_text}, {"source": "Place in the review"})  # fmt: skip
    widgets.download(e.safety, list(e.safety[0]), f"{e.term.slug}-safety")
    widgets.open_in_sparql(question="safety-reporting")


def _claims(e: Entity) -> None:
    for title, rows, empty in (
        ("Preclinical: claims on animal or laboratory work", e.preclinical, "The review makes no such claim on it."),
        ("Other claims of the review on it", e.claims, "The review makes no other claim on it."),
    ):
        st.header(f"{title} ({len(rows)})", anchor=False)
        if rows:
            st.write("In our words. In brackets: whether the cited report was seen to support the claim.")
            widgets.table(["paraphrase", "topic", "technologies", "diseases", "level", "cites", "source"], rows,
                          {"paraphrase": widgets.plain, "topic": widgets.list_words, "technologies": widgets.list_words, "diseases": widgets.list_words, "level": widgets.list_words, "cites": widgets.list_text, "source": widgets.list_text},
                          {"paraphrase": "Claim", "level": "Rests on", "source": "Place in the review"})  # fmt: skip
            widgets.download(
                rows, list(rows[0]), f"{e.term.slug}-claims-{'preclinical' if rows is e.preclinical else 'other'}"
            )
        else:
            st.write(empty)


def _mappings(e: Entity, vocabulary: Vocabulary) -> None:
    rows, near = vocabulary.mappings.get(e.term.key, []), vocabulary.near_misses.get(e.term.key, [])
    st.header(f"Mappings to other ontologies ({len(rows)})", anchor=False)
    mapping_tables(rows, near)


def mapping_tables(rows: list[Row], near: list[Row]) -> None:
    """Draw a term's mappings, and apart from them its near misses; the links lead out only when they are followed."""

    def out(curie: str) -> str:
        address = html.escape(outside_address(curie), quote=True)
        return (
            f'<a class="rkg-out" href="{address}" rel="noopener noreferrer" target="_blank">{widgets.plain(curie)}</a>'
        )

    def why(justification: str) -> str:
        return widgets.plain(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", justification.removeprefix("semapv:")).lower())

    columns = ["predicate", "object", "object_label", "comment", "confidence", "justification", "version"]
    titles = {"predicate": "How", "object": "Term (leads out)", "object_label": "Its label", "comment": "Reason"}
    if rows:
        widgets.table(
            columns,
            rows,
            {"object": out, "justification": why, "comment": lambda c: widgets.plain(c) or widgets.none("none given")},
            titles,
        )
    else:
        st.write("No mapping is recorded.")
    if near:
        st.write("Near misses: terms that look alike and are not meant.")
        widgets.table(["predicate", "object", "object_label", "comment"], near, {"object": out}, {**titles, "predicate": "Not"})  # fmt: skip
