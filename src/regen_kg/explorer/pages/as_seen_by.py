"""The evidence as Mondo, NCIT, MeSH or another ontology sees it: its classes with the reports under each, and what it leaves out."""

import streamlit as st

from regen_kg.explorer import as_seen_by, data, widgets

made, store = widgets.opened()
widgets.heading(
    "As seen by", "The evidence as another ontology sees it: its classes, and under each the reports that our matches bring there."
)  # fmt: skip
options = widgets.kept(as_seen_by.choices)
if not options:
    st.info("No term of another ontology is mapped so that a report counts under it.")
    widgets.footer(made)
    st.stop()
prefix = widgets.pick("Ontology", "as", options, "mondo" if "mondo" in options else "")
seen = widgets.kept(as_seen_by.seen, prefix, as_seen_by.stamp(prefix))
terms = seen.rollup.terms
given = (widgets.asked("term") or [""])[-1]
if given and given.partition(":")[0] != prefix:  # another ontology was chosen since
    widgets.to_url(term=None)
    given = ""
chosen = given if given in terms else ""


def here(term: str, label: str = "") -> str:
    """Return the link to a class on this page."""
    return widgets.link("as_seen_by", label or terms[term].label or term, **{"as": prefix, "term": term})


def ours(concept: str) -> str:
    """Return the link to the page on a term of ours."""
    term = next((t for t in widgets.vocabulary().terms.values() if t.slug == concept and t.page), None)
    return widgets.link(term.page, term.label, id=concept) if term else widgets.plain(widgets.term(concept))


def listed(cell: str) -> str:
    """Return the links to our terms of a list cell."""
    return ", ".join(ours(c) for c in data.items(cell)) or widgets.none("none")


def shorter(cell: str) -> str:
    """Return the number of reports of a list cell, with their links folded under it."""
    found = data.items(cell)
    if not found:
        return "0"
    return f"<details><summary>{len(found)}</summary>{widgets.some_report_links(found, as_seen_by.MANY)}</details>"


if given and not chosen:
    known = (
        "only mapped classes are known here"
        if seen.flat
        else "it is no class of the copy, or nothing of ours with a report falls under it"
    )
    st.warning(widgets.escaped(f"No report is evidence under “{given}”: {known}."))
if seen.fault:
    st.warning(widgets.escaped(seen.fault))
if seen.flat:
    st.info(
        widgets.escaped("Only the classes that are mapped are listed, each with its own reports, as no copy of the ontology is here to say what stands above what. ")
        + f"To load the hierarchy: `regen-kg link add FILE --as {prefix}`."
    )  # fmt: skip
else:
    st.caption(
        widgets.escaped(f"Hierarchy: {seen.name}, version {seen.version}." + (f" Its licence ({seen.closed}) restricts altered copies: keep the tables below to yourself." if seen.closed else ""))
    )  # fmt: skip
st.write(
    "Only exact and broad matches count, up the other ontology's *is a*; a broad match says that their class is the broader. Close, narrow and related "
    "matches and near misses bring no report anywhere."
)

if chosen:
    t = terms[chosen]
    st.header(widgets.escaped(t.label or chosen), anchor=False)
    unknown = "not known without the hierarchy" if seen.flat else ""
    people = widgets.none() if t.participants is None else f"{t.participants:,}"
    widgets.definitions([
        ("Class (leads out)", widgets.out_link(chosen)),
        ("Right above it", ", ".join(here(p) for p in t.parents) or widgets.none(unknown or "nothing")),
        ("Right below it, with reports", ", ".join(here(c) for c in t.children) or widgets.none(unknown or "nothing")),
        ("Reports", f"{len(t.reports_here)} here" + (f"; below it: {unknown}" if unknown else f", {len(t.reports_below)} below, {len(t.reports)} together")),
        ("Studies", str(t.studies)),
        ("Participants, where a size is printed", people),
    ])  # fmt: skip
    st.subheader("What of ours is mapped to it", anchor=False)
    mapped = seen.mapped.get(chosen, [])
    if mapped:
        columns = ["concept", "predicate", "counts", "comment", "justification", "confidence", "version"]
        widgets.table(
            columns,
            [{**m, "predicate": f"{'near miss, not ' if m['near'] == 'yes' else ''}{m['predicate']}"} for m in mapped],
            {"concept": ours, "comment": lambda c: widgets.plain(c) or widgets.none("none given"),
             "confidence": lambda c: widgets.plain(c) or widgets.none("none given")},
            {"concept": "Our term", "predicate": "How", "counts": "Counts here", "comment": "Reason"},
        )  # fmt: skip
    else:
        st.write("Nothing. Its reports come from the classes below it.")
    st.subheader("Its evidence", anchor=False)
    rows, file = seen.evidence(chosen), f"as-seen-by-{chosen.replace(':', '-')}"
    widgets.table(
        ["at", "via", "concept", "predicate", "reports"], seen.ways(chosen),
        {"via": lambda v: f"{here(v)} {widgets.out_link(v)}", "concept": ours, "reports": lambda c: f"{len(data.items(c))}: {widgets.some_report_links(data.items(c), as_seen_by.MANY)}"},
        {"at": "Where", "via": "Mapped class", "concept": "Our term", "predicate": "By"},
    )  # fmt: skip
    with widgets.bar():
        widgets.download(rows, ["report", "at", "via", "concept", "predicate"], file, "Download the evidence as CSV")  # fmt: skip
        widgets.references((r["report"] for r in rows), file, "Download its reports as RIS")
        widgets.open_in_sparql("Open this evidence in SPARQL", text=seen.query(chosen))

st.header(f"{len(seen.rows)} {'class' if len(seen.rows) == 1 else 'classes'} with reports", anchor=False)
depths = {r["term"]: int(r["depth"]) for r in seen.rows}
above = seen.drawn_under()


def name(term: str) -> str:
    """Return a class, set in by its depth, with the other classes right above it."""
    more = [p for p in terms[term].parents if p != above[term]]
    also = (
        f'<br><span class="rkg-small" style="font-weight:400">also under {", ".join(here(p) for p in more)}</span>'
        if more
        else ""
    )
    mark = ' aria-current="true" class="rkg-here"' if term == chosen else ""
    level = f'<span class="rkg-unseen">level {depths[term] + 1}: </span>' if not seen.flat else ""
    return f'<div style="padding-left:{0.9 * depths[term]:.1f}rem">{level}<span{mark}>{here(term)}</span>{also}</div>'


part = widgets.part(len(seen.rows), as_seen_by.MANY)
widgets.table(
    ["term", "reports_here", *([] if seen.flat else ["reports_below", "reports"]), "studies", "participants", "concepts", "leads_out"],
    [{**r, "leads_out": r["term"]} for r in part.of(seen.rows)],
    {"term": name, "leads_out": widgets.out_link, "concepts": listed},
    {"term": "Class", "leads_out": "Leads out", "reports_here": "Reports here", "reports_below": "Below", "reports": "Together",
     "concepts": "Our terms mapped to it"},
    row_head="term", paged=part,
)  # fmt: skip
st.caption("A report counts once at each class, however many ways lead there, so rows don't add up" + ("." if seen.flat else ", nor do here and below."))  # fmt: skip
with widgets.bar():
    widgets.download(seen.rows, as_seen_by.COLUMNS, f"as-seen-by-{prefix}", "Download the classes as CSV")
    widgets.references((r["report"] for r in seen.brought), f"as-seen-by-{prefix}")
    widgets.open_in_sparql("Open all of it in SPARQL", text=seen.query())

st.header("What is left out", anchor=False)
reached = seen.total - len(seen.unseen)
st.write(f"{reached} of {seen.total} reports come in under some class" + (f", {len(seen.unseen)} under none:" if seen.unseen else "; none is left out."))  # fmt: skip
if seen.unseen:
    st.html(f"<p>{widgets.some_report_links(seen.unseen, as_seen_by.MANY)}</p>")
    widgets.references(seen.unseen, f"not-seen-by-{prefix}", "Download those left out as RIS")
if seen.unmapped:
    n = len(seen.unmapped)
    st.write(f"{n} of our terms that reports are charted with {'has' if n == 1 else 'have'} no exact or broad match there, and none above them has:")  # fmt: skip
    part = widgets.part(n, as_seen_by.MANY, "from-unmapped")
    widgets.table(
        ["concept", "reports", "seen_otherwise", "nearest", "why", "composition"], part.of(seen.unmapped),
        {"concept": ours, "reports": shorter, "seen_otherwise": lambda c: str(len(data.items(c))),
         "nearest": lambda c: "<br>".join(widgets.plain(i) for i in data.items(c)) or widgets.none("none recorded"),
         "why": lambda c: "<br>".join(widgets.plain(i) for i in data.items(c)) or widgets.none("none given"),
         "composition": lambda c: widgets.plain(c) or widgets.none("none")},
        {"concept": "Our term", "seen_otherwise": "Of these, seen by another term", "nearest": "Recorded, and not counted", "why": "Reason", "composition": "Composed instead"}, paged=part,
    )  # fmt: skip
    widgets.download(seen.unmapped, as_seen_by.UNMAPPED, f"not-seen-by-{prefix}", "Download the unmapped terms as CSV")
else:
    st.write("Every term that reports are charted with has an exact or broad match there, or one above it has.")
widgets.footer(made)
