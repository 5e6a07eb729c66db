"""Own the drawing that the pages of a technology, a disease and an outcome measure share."""

from __future__ import annotations

import re

import streamlit as st

from regen_kg.explorer import data, downloads, entities, method, pictures, widgets
from regen_kg.explorer.data import Row, items
from regen_kg.explorer.entities import Entity
from regen_kg.explorer.index import NO_NOTE
from regen_kg.explorer.vocabulary import Vocabulary

_TITLE = {"technology": "Technology", "disease": "Disease", "outcome": "Outcome measure"}
_TRUTH = {"true": "yes", "false": "no"}
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
    _notes(e)
    if kind != "outcome":
        _claims(e)
    if kind == "disease":
        hash_, say = made.manifest.get("inputs", "")[:12], dict(widgets.kept(data.term_labels))
        st.header("One page to print", anchor=False)
        st.write("Clinical, preclinical and safety apart, in one file that opens without a server. Or print this page.")
        st.download_button("Download the page (HTML)", lambda: downloads.disease_sheet(e, lambda s: say.get(s) or data.words(s), hash_), file_name=f"{slug}.html", mime="text/html", on_click="ignore", key="sheet")  # fmt: skip
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
        shown = (
            widgets.term_link(vocabulary, value)
            if value in vocabulary.terms
            else widgets.plain(_TRUTH.get(value, value))
        )
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
    sized = f"{c.participants:,}" if c.sized else "not charted"
    widgets.counts(
        (
            ("Reports", f"{c.reports:,}"),
            ("Studies", f"{c.studies:,}"),
            ("Participants", sized),
            ("Results", f"{c.results:,}"),
        )
    )
    size = "for every study" if c.sized == c.studies else f"for {c.sized} of {c.studies} studies"
    st.caption(
        f"A sample size is charted {size}; it may count ankles, see each report. Of the reports, {c.secondary} {'is a review' if c.secondary == 1 else 'are reviews'} of other studies. "
        f"A note on the source touches {c.noted_results} of {c.results} results. Nothing was appraised for risk of bias."
    )
    if c.grave_reports:
        st.html(f'<p class="rkg-note grave">▲ A grave note touches {widgets.some_report_links(c.grave_reports)}.</p>')
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
         "grave": lambda s: widgets.some_report_links(items(s)) if s else widgets.none("none")},
        {"other": other, "directions": "Points to, as charted", "comparators": "Against", "longest": "Longest follow-up, months", "grave": "Grave note on"},
    )  # fmt: skip
    with widgets.bar():
        widgets.download(e.groups, list(e.groups[0]) if e.groups else [], f"{e.term.slug}-{target}")
        widgets.open_in_sparql(question="direction-mix")
    part = widgets.part(len(e.reports), 50, "from-reports")
    with st.expander(f"All {c.reports:,} reports", expanded=bool(part.start)):
        widgets.report_list(part.of(e.reports), part)
        widgets.noted("reports", e.reports)
        with widgets.bar():
            widgets.report_downloads(e.reports, f"{e.term.slug}-reports")
            widgets.open_in_sparql(question="reports")
    if e.elsewhere:
        st.subheader("Filed in the review under another disease", anchor=False)
        st.write("This page goes by the population that was studied.")
        part = widgets.part(len(e.elsewhere), 50, "from-elsewhere")
        widgets.table(["report", "placed_under", "diseases"], part.of(e.elsewhere),
                      {"report": widgets.report_link, "placed_under": widgets.list_words, "diseases": widgets.list_words},
                      {"placed_under": "Filed under", "diseases": "Population studied"}, paged=part)  # fmt: skip
        with widgets.bar():
            widgets.download(e.elsewhere, ["report", "placed_under", "diseases"], f"{e.term.slug}-filed-elsewhere")
            widgets.references((r["report"] for r in e.elsewhere), f"{e.term.slug}-filed-elsewhere")
            widgets.open_in_sparql(question="placement-differs")
    if e.outcomes:
        with st.expander(f"Outcome measures ({len(e.outcomes)})"):
            widgets.table(["outcome measure", "reports", "with a result", "named"], e.outcomes,
                          {"outcome measure": lambda s: widgets.link("outcome", widgets.term(s), id=s) if s != "not-named" else widgets.none("not named"),
                           "named": lambda s: widgets.some_report_links(items(s))}, {"named": "In"})  # fmt: skip
            with widgets.bar():
                widgets.download(e.outcomes, list(e.outcomes[0]), f"{e.term.slug}-outcomes")
                widgets.open_in_sparql(question="outcome-use")
    if e.kind == "outcome":
        _values(e)
    if e.along:
        st.subheader("Given without being under test", anchor=False)
        part = widgets.part(len(e.along), 50, "from-along")
        widgets.table(["report", "role", "component", "arm", "source"], part.of(e.along), {**_PLACE, "report": widgets.report_link, "role": widgets.list_words}, {"source": "Place in the review"}, paged=part)  # fmt: skip
        with widgets.bar():
            widgets.download(e.along, ["report", "role", "component", "arm", "source"], f"{e.term.slug}-along")
            widgets.references((r["report"] for r in e.along), f"{e.term.slug}-along")
            widgets.open_in_sparql(question="protocols")


def _directed(cell: str) -> str:
    parts = []
    for one in items(cell):
        direction, _, reports = one.partition(": ")
        parts.append(
            f"<strong>{widgets.plain(data.words(direction))}</strong>: {widgets.some_report_links(reports.split(', '), 6)}"
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
        part = widgets.part(len(results), 100, "from-values")
        widgets.table(columns, part.of(results),
                      {"report": widgets.report_link, "technologies": widgets.list_words, "kind": widgets.list_words, "direction": widgets.list_words, "source": widgets.list_text,
                       "arm": widgets.list_text, "comparator": widgets.list_text, "noted": lambda c: "<strong>▲ noted</strong>" if c == "true" else "no"},
                      {"time_point": "Time point", "dispersion_kind": "Kind of dispersion", "p_scope": "p is of", "source": "Place in the review"}, fold=True, paged=part)  # fmt: skip
        widgets.noted("results", results)
        with widgets.bar():
            widgets.download(results, list(results[0]), f"{e.term.slug}-results", "Download the values as CSV")
            widgets.references((r["report"] for r in results), f"{e.term.slug}-values")
            widgets.open_in_sparql(question="results", outcome=e.term.slug if e.kind == "outcome" else "")
    else:
        st.info("The measure is named, but no result on it is charted.")
    if e.scale_uses:
        st.subheader("How reports used it", anchor=False)
        st.write("What a report did with a measure overrides the general entry above, for that report only.")
        part = widgets.part(len(e.scale_uses), 50, "from-uses")
        widgets.table(["report", "measure", "printed", "range", "unit", "polarity", "version", "source"], part.of(e.scale_uses),
                      {"report": widgets.report_link, "measure": widgets.list_words, "printed": widgets.list_text, "polarity": widgets.list_words, "source": widgets.list_text},
                      {"printed": "Printed as", "source": "Place in the review"}, fold=True, paged=part)  # fmt: skip
        with widgets.bar():
            widgets.download(e.scale_uses, list(e.scale_uses[0]), f"{e.term.slug}-uses")
            widgets.references((r["report"] for r in e.scale_uses), f"{e.term.slug}-uses")
            widgets.open_in_sparql(question="outcome-use")


def _unknown(e: Entity, known: Row) -> None:
    st.header(f"What is missing ({len(e.gaps)})", anchor=False)
    if e.gaps:
        columns = [
            c
            for c in ("type", "technology", "disease", "outcome_measure", "reason", "nearest")
            if any(g[c] for g in e.gaps)
        ]
        columns = [c for c in columns if c != e.kind]
        part = widgets.part(len(e.gaps), 50, "from-gaps")
        widgets.table(columns, part.of(e.gaps), {"type": widgets.list_plain, "technology": widgets.list_words, "disease": widgets.list_words, "outcome_measure": widgets.list_words,
                                        "reason": widgets.list_named, "nearest": widgets.list_named},
                      {"outcome_measure": "Outcome measure", "nearest": "Nearest evidence"}, paged=part)  # fmt: skip
        with widgets.bar():
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
    part = widgets.part(len(e.conflicts), 25, "from-conflicts")
    widgets.conflict_table(part.of(e.conflicts), part)
    widgets.noted("conflicts", e.conflicts)
    with widgets.bar():
        widgets.download(e.conflicts, list(e.conflicts[0]), f"{e.term.slug}-conflicts")
        widgets.references(
            (c[side] for c in e.conflicts for side in ("report_a", "report_b")), f"{e.term.slug}-conflicts"
        )
        widgets.open_in_sparql(question="conflicts")


def _safety(e: Entity) -> None:
    if not e.safety:
        return
    charted = [s for s in e.safety if s["status"] != "not-charted"]
    st.header(f"Safety: charted for {len(charted)} of {len(e.safety)} reports", anchor=False)
    st.write("Where it is not charted the review is silent; that is not absence of harm.")
    if charted:
        part = widgets.part(len(charted), 50, "from-safety")
        widgets.table(["report", "status", "statement", "source"], part.of(charted), {"report": widgets.report_link, "status": widgets.list_words, "statement": widgets.list_text, "source": widgets.list_text}, {"source": "Place in the review"}, paged=part)  # fmt: skip
    widgets.noted("safety-reporting", e.safety)
    with widgets.bar():
        widgets.download(e.safety, list(e.safety[0]), f"{e.term.slug}-safety")
        widgets.references((s["report"] for s in e.safety), f"{e.term.slug}-safety")
        widgets.open_in_sparql(question="safety-reporting")


def _notes(e: Entity) -> None:
    if not e.reports:
        return
    st.header(f"Notes on the source ({len(e.notes):,})", anchor=False)
    if not e.notes:
        st.write("No note touches these reports.")
        return
    tally = ((s, sum(n["severity"] == s for n in e.notes)) for s in data.SEVERITIES)
    said = ", ".join(f"{widgets.SEVERITY_SIGN[s]} {n} {s}" for s, n in tally if n)
    st.write(
        f"{said}. Each touches at least one of these reports, in what is charted of it here or elsewhere; the charted value stays as printed."
    )
    part = widgets.part(len(e.notes), 10, "from-notes")
    widgets.notes(part.of(e.notes), part)
    with widgets.bar():
        widgets.download(e.notes, list(e.notes[0]), f"{e.term.slug}-notes")
        widgets.references((r["report"] for r in e.reports if r["severities"] != NO_NOTE), f"{e.term.slug}-noted")
        widgets.open_in_sparql(question="quality-notes")


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
            with widgets.bar():
                kind = "preclinical" if rows is e.preclinical else "other"
                widgets.download(rows, list(rows[0]), f"{e.term.slug}-claims-{kind}")
                widgets.open_in_sparql(text=method.CLAIMS)
        else:
            st.write(empty)


def _mappings(e: Entity, vocabulary: Vocabulary) -> None:
    rows, near = vocabulary.mappings.get(e.term.key, []), vocabulary.near_misses.get(e.term.key, [])
    st.header(f"Mappings to other ontologies ({len(rows)})", anchor=False)
    mapping_tables(rows, near)


def mapping_tables(rows: list[Row], near: list[Row]) -> None:
    """Draw a term's mappings, and apart from them its near misses; the links lead out only when they are followed."""

    def why(justification: str) -> str:
        return widgets.plain(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", justification.removeprefix("semapv:")).lower())

    columns = ["predicate", "object", "object_label", "comment", "confidence", "justification", "version"]
    titles = {"predicate": "How", "object": "Term (leads out)", "object_label": "Its label", "comment": "Reason"}
    if rows:
        widgets.table(
            columns,
            rows,
            {
                "object": widgets.out_link,
                "justification": why,
                "comment": lambda c: widgets.plain(c) or widgets.none("none given"),
            },
            titles,
        )
    else:
        st.write("No mapping is recorded.")
    if near:
        st.write("Near misses: terms that look alike and are not meant.")
        widgets.table(["predicate", "object", "object_label", "comment"], near, {"object": widgets.out_link}, {**titles, "predicate": "Not"})  # fmt: skip
