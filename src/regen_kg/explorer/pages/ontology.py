"""Every class and named individual of the ontology: the tree, and what one of them means."""

import streamlit as st

from regen_kg.explorer import data, entity_page, widgets

made, store = widgets.opened()
vocabulary = widgets.vocabulary()
terms = vocabulary.terms
widgets.heading("Ontology", "What may be said: every class and named individual, what it means and where it stands.")
given = (widgets.asked("term") or [""])[-1]
key = given if given in terms else next((t.key for t in terms.values() if given and t.slug == given), "")
st.session_state["ontology-text"] = (widgets.asked("text") or [""])[-1]
text = st.text_input(
    "Search (label, synonym, definition, or an identifier such as ncit:C106557)", key="ontology-text",
    on_change=lambda: widgets.to_url(text=st.session_state["ontology-text"].strip()),
)  # fmt: skip
if given and not key:
    near = data.nearest(given, [*terms, *(t.slug for t in terms.values() if t.slug)])
    links = ", ".join(widgets.link("ontology", n, term=n) for n in near)
    st.warning(f"No term is called “{widgets.escaped(given)}”." + (" Nearest:" if near else ""))
    if near:
        st.html(f"<p>{links}</p>")


def entry(one: str, inferred: bool = False) -> str:
    """Return a term's link with what tells it from its neighbours."""
    t = terms[one]
    here = ' aria-current="true" class="rkg-here"' if one == key else ""
    more = "" if t.individual else f" ({t.members:,})" if t.members else ""
    kind = " · individual" if t.individual else ""
    kind += " · inferred" if inferred else ""
    return f"<span{here}>{widgets.link('ontology', t.label, term=one, **({'text': text} if text else {}))}</span><span class='rkg-small'>{more}{kind}</span>"


def branch(one: str, way: set[str], inferred: bool, seen: tuple[str, ...]) -> str:
    """Return a term with all below it, closed except on the way to the chosen one."""
    t = terms[one]
    below = [(c, False) for c in t.children] + [(c, True) for c in t.inferred_children if c not in t.children]
    below = [(c, i) for c, i in below if c not in seen]
    if not below:
        return f"<li class='rkg-leaf'>{entry(one, inferred)}</li>"
    inner = "".join(branch(c, way, i, (*seen, one)) for c, i in below)
    fold = f"<summary><span class='rkg-unseen'>below {widgets.plain(t.label)}</span></summary>"  # a link in it would be out of reach
    return f"<li>{entry(one, inferred)}<details{' open' if one in way else ''}>{fold}<ul>{inner}</ul></details></li>"


left, right = st.columns([2, 3], gap="large")
with left:
    if text:
        found = vocabulary.search(text)
        st.header(f"{len(found)} {'term' if len(found) == 1 else 'terms'} found", anchor=False)
        if found:
            st.html(
                f"<ul class='rkg-tree'>{''.join(f'<li class=rkg-leaf>{entry(t.key)}</li>' for t in found[:60])}</ul>"
            )
            if len(found) > 60:
                st.caption(f"The first 60 are shown; {len(found) - 60} more fit. Add a word.")
        else:
            near = data.nearest(text, [t.label for t in terms.values()], 3)
            st.info(
                widgets.escaped("No term has all of these words." + (f" Nearest: {', '.join(near)}." if near else ""))
            )
    st.header("Tree", anchor=False)
    st.caption("A number is that of the members, inferred ones included.")
    if not vocabulary.tells_inferred:
        st.caption("This endpoint holds one graph, so what is inferred can't be told from what is asserted.")
    way = {key, *vocabulary.above(key)} if key else {"InterventionComponent", "Condition", "OutcomeMeasure"}
    st.html(f"<ul class='rkg-tree'>{''.join(branch(r, way, False, ()) for r in vocabulary.roots())}</ul>")
with right:
    if not key:
        classes = [t for t in terms.values() if not t.individual]
        st.header("No term is chosen", anchor=False)
        st.write(
            f"{len(classes)} classes, {len(terms) - len(classes)} named individuals, {sum(map(len, vocabulary.mappings.values()))} mappings to other ontologies. Choose a term in the tree, or search."
        )
    else:
        t = terms[key]
        st.header(widgets.escaped(t.label), anchor=False)
        st.write(widgets.escaped(t.definition))
        shown: dict[str, list[str]] = {}
        for name, value in t.facts:
            shown.setdefault(name, []).append(
                widgets.term_link(vocabulary, value) if value in terms else widgets.plain(value)
            )

        def each(keys: list[str], empty: str) -> str:
            """Return links to terms of the ontology."""
            return ", ".join(widgets.link("ontology", terms[k].label, term=k) for k in keys) or widgets.none(empty)

        asserted_children, inferred_children = t.children, [c for c in t.inferred_children if c not in t.children]
        widgets.definitions([
            ("Kind", "named individual" if t.individual else "class" + (", defined: who belongs to it is inferred" if t.defined else "")),
            ("Types" if t.individual else "Superclasses, asserted", each(t.asserted, "none")),
            *([] if t.individual else [("Superclasses, inferred in addition", each(t.inferred, "none"))]),
            *([("Below it, asserted", each(asserted_children, "none"))] if asserted_children else []),
            *([("Below it, inferred", each(inferred_children, "none"))] if inferred_children else []),
            *([] if t.individual else [("Members", f"{t.members:,}, inferred ones included")]),
            ("Source of the definition", widgets.plain(t.source) or widgets.none("none given")),
            ("Example", widgets.plain(t.example) or widgets.none("none given")),
            ("Also called", widgets.plain(", ".join(t.synonyms)) or widgets.none("none given")),
            *((name[:1].upper() + name[1:], ", ".join(values)) for name, values in shown.items()),
            *([("Evidence", widgets.link(t.page, f"what is charted on {t.label}", id=t.slug))] if t.page else []),
            ("IRI", f"<code>{widgets.plain(t.iri)}</code>"),
        ])  # fmt: skip
        rows, misses = vocabulary.mappings.get(key, []), vocabulary.near_misses.get(key, [])
        st.subheader(f"Mappings to other ontologies ({len(rows)})", anchor=False)
        entity_page.mapping_tables(rows, misses)
        widgets.download(
            rows, list(rows[0]) if rows else [], f"mappings-{data.words(key).replace(' ', '-').replace('/', '-')}"
        )
listed = [
    {"term": t.key, "label": t.label, "definition": t.definition, "source": t.source, "example": t.example, "synonyms": "|".join(t.synonyms),
     "asserted_above": "|".join(t.asserted), "inferred_above": "|".join(t.inferred), "members": str(t.members), "iri": t.iri}
    for t in terms.values()
]  # fmt: skip
widgets.download(listed, list(listed[0]) if listed else [], "terms")
widgets.footer(made)
