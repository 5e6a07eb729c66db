"""Own the terms of the ontology as pages show them: what each means, where it stands, what it is mapped to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from regen_kg.explorer import data
from regen_kg.explorer.data import Row
from regen_kg.iris import BASE, DCTERMS, ID, OWL, RDF, RDFS, RKG, SKOS, named_graph
from regen_kg.store import Store

# which page tells about a term; the root is the class (or the type) it descends from
_PAGES = {
    "Condition": "disease",
    "Technology": "technology",
    "Procedure": "technology",
    "Substance": "technology",
    "ComparatorIntervention": "technology",
    "OutcomeMeasure": "outcome",
}


@dataclass
class Term:
    """One class or named individual of the ontology; parents and children are keys."""

    key: str
    iri: str
    slug: str = ""
    label: str = ""
    definition: str = ""
    source: str = ""
    example: str = ""
    synonyms: list[str] = field(default_factory=list)
    individual: bool = False
    defined: bool = False  # by an equivalence: its members are inferred
    page: str = ""
    asserted: list[str] = field(default_factory=list)
    inferred: list[str] = field(default_factory=list)
    children: list[str] = field(default_factory=list)
    inferred_children: list[str] = field(default_factory=list)
    members: int = 0
    facts: list[tuple[str, str]] = field(default_factory=list)  # name, and a key or plain text


@dataclass(frozen=True)
class Vocabulary:
    """All terms by key, and the mappings by the key of the term they start from."""

    terms: dict[str, Term]
    mappings: dict[str, list[Row]]
    near_misses: dict[str, list[Row]]
    tells_inferred: bool = True  # whether the store keeps what is inferred apart from what is asserted

    def find(self, page: str, slug: str) -> Term | None:
        """Return the term of a page (technology, disease, outcome) by its slug."""
        return next((t for t in self.terms.values() if t.page == page and t.slug == slug), None)

    def slugs(self, page: str) -> dict[str, str]:
        """Return slug to label of all terms that a page can show."""
        return {t.slug: t.label for t in self.terms.values() if t.page == page and t.slug}

    def below(self, key: str) -> set[str]:
        """Return the keys of a term and of all asserted below it."""
        out, todo = set(), [key]
        while todo:
            one = todo.pop()
            if one not in out and one in self.terms:
                out.add(one)
                todo += self.terms[one].children
        return out

    def above(self, key: str) -> list[str]:
        """Return one path from the uppermost term down to the parent of a term, asserted where it can be."""
        path: list[str] = []
        while (up := self.parents(key)) and up[0] not in path:
            key = up[0]
            path.append(key)
        return path[::-1]

    def parents(self, key: str) -> list[str]:
        """Return the nearest terms above one: asserted ones that no other asserted one implies, else inferred ones."""
        term = self.terms[key]
        implied = {p for a in term.asserted for p in (*self.terms[a].asserted, *self.terms[a].inferred)}
        return [a for a in term.asserted if a not in implied] or term.inferred

    def roots(self) -> list[str]:
        """Return the terms that stand below no other, by label."""
        return self.sorted(k for k in self.terms if not self.parents(k))

    def sorted(self, keys: Iterable[str]) -> list[str]:
        """Return keys by the label of their terms."""
        return sorted(keys, key=lambda k: (self.terms[k].label.lower(), k))

    def search(self, text: str) -> list[Term]:
        """Return the terms whose label, synonym, slug, definition or mapped identifier has all words of a text; labels first."""
        wanted = text.lower().split()
        if not wanted:
            return []
        found = []
        for term in self.terms.values():
            name = " ".join([term.label, *term.synonyms, term.slug, term.key]).lower()
            mapped = " ".join(m["object"] + " " + m["object_label"] for m in self.mappings.get(term.key, [])).lower()
            if all(w in f"{name} {term.definition.lower()} {mapped}" for w in wanted):
                found.append((not all(w in name for w in wanted), term.label.lower(), term))
        return [t for *_, t in sorted(found, key=lambda f: f[:2])]


def _key(iri: str) -> str:
    for base in (RKG, ID):
        if iri.startswith(base):
            return iri.removeprefix(base)
    return iri


_TEXTS = {RDFS + "label": "label", SKOS + "definition": "definition", DCTERMS + "source": "source", SKOS + "example": "example", SKOS + "notation": "slug"}  # fmt: skip
_FACTS = {
    RKG + "aimsAt": "aims at", RKG + "hasDomain": "outcome domain", RKG + "rangeMin": "lowest score", RKG + "rangeMax": "highest score",
    RKG + "unit": "unit", RKG + "polarity": "polarity", RKG + "patientReported": "given by the patient", RKG + "wholeNumber": "whole numbers only",
    RKG + "rangeBasis": "where the range comes from", RKG + "inTableFour": "in Table 4 as", OWL + "disjointWith": "shares no member with",
}  # fmt: skip
_AXIOMS = {"locatedIn": "located in", "partOf": "part of", "hasRoute": "route", "contains": "contains", "derivedFrom": "derived from"}  # fmt: skip


def build_vocabulary(store: Store) -> Vocabulary:
    """Read all classes and named individuals of the ontology, the inferred superclasses and the mappings."""
    drawn = data.select(
        store,
        f"SELECT DISTINCT ?s ?p ?o {{ ?s rdfs:isDefinedBy <{BASE}ontology> . GRAPH <{named_graph('inferred')}> {{ ?s ?p ?o }} FILTER(?p IN (rdf:type, rdfs:subClassOf) && isIRI(?o)) }} ORDER BY ?s ?p ?o",
    )
    # An endpoint may hold the merged file, without named graphs: then all counts as asserted, and the page says so.
    implied = {(r["s"], r["p"], r["o"]) for r in drawn}
    said = [
        r
        for r in data.select(
            store,
            f"SELECT DISTINCT ?s ?p ?o {{ ?s rdfs:isDefinedBy <{BASE}ontology> ; ?p ?o FILTER(isIRI(?s) && !isBlank(?o)) }} ORDER BY ?s ?p ?o",
        )
        if (r["s"], r["p"], r["o"]) not in implied
    ]
    kinds: dict[str, set[str]] = defaultdict(set)
    for r in said:
        if r["p"] == RDF + "type":
            kinds[r["s"]].add(r["o"])
    shown = {s for s, types in kinds.items() if types & {OWL + "Class", OWL + "NamedIndividual"}}
    terms = {
        _key(s): Term(_key(s), s, individual=OWL + "NamedIndividual" in kinds[s]) for s in shown if s.startswith((RKG, ID))
    }  # fmt: skip
    for r in said:
        term = terms.get(_key(r["s"]))
        if term is None:
            continue
        if r["p"] in _TEXTS:
            setattr(term, _TEXTS[r["p"]], getattr(term, _TEXTS[r["p"]]) or r["o"])
        elif r["p"] == SKOS + "altLabel":
            term.synonyms.append(r["o"])
        elif r["p"] in (RDFS + "subClassOf", SKOS + "broader") and _key(r["o"]) in terms:
            term.asserted.append(_key(r["o"]))
        elif r["p"] in _FACTS:
            term.facts.append((_FACTS[r["p"]], _key(r["o"])))
    for key, term in terms.items():
        term.label = term.label or data.words(key)
        if term.individual and not term.asserted:
            term.asserted = sorted(_key(o) for o in kinds[term.iri] if _key(o) in terms)
    for r in data.select(
        store,
        "SELECT DISTINCT ?s ?name ?v { ?s rdfs:subClassOf ?b . ?b owl:onProperty ?p ; owl:someValuesFrom|owl:hasValue ?v "
        "FILTER(isIRI(?v)) BIND(STRAFTER(STR(?p), '#') AS ?name) } ORDER BY ?s ?name ?v",
    ):
        if _key(r["s"]) in terms and r["name"] in _AXIOMS:
            terms[_key(r["s"])].facts.append((_AXIOMS[r["name"]], _key(r["v"])))
    for r in data.select(store, "SELECT DISTINCT ?s { ?s owl:equivalentClass ?b }"):
        if _key(r["s"]) in terms:
            terms[_key(r["s"])].defined = True
    for r in drawn:
        if r["p"] != RDFS + "subClassOf":
            continue
        s, o = _key(r["s"]), _key(r["o"])
        if s in terms and o in terms and s != o and o not in terms[s].asserted:
            terms[s].inferred.append(o)
    for r in data.select(
        store, f"SELECT ?c (COUNT(DISTINCT ?x) AS ?n) {{ ?x a ?c . FILTER(STRSTARTS(STR(?x), '{ID}')) }} GROUP BY ?c"
    ):
        if _key(r["c"]) in terms:
            terms[_key(r["c"])].members = int(r["n"])
    vocabulary = Vocabulary(terms, _mapped(store, "Mapping"), _mapped(store, "NearMiss"), bool(drawn))
    for key, term in terms.items():
        near = vocabulary.parents(key)
        for parent in near:
            (terms[parent].children if parent in term.asserted else terms[parent].inferred_children).append(key)
        for parent in term.inferred:
            if parent not in near:
                terms[parent].inferred_children.append(key)
        above = {*vocabulary.above(key), *term.asserted}
        page = next((page for root, page in _PAGES.items() if root in above), "") if term.slug else ""
        term.page = page if term.individual == (page == "outcome") else ""
    for term in terms.values():
        term.children = vocabulary.sorted(term.children)
        term.inferred_children = vocabulary.sorted(term.inferred_children)
    return vocabulary


def _mapped(store: Store, kind: str) -> dict[str, list[Row]]:
    rows = data.select(
        store,
        "SELECT ?term ?predicate ?object ?object_label ?version ?justification ?confidence ?author ?comment { "
        f"?m a rkg:{kind} ; rkg:mappedTerm ?term ; rkg:mappedBy ?by ; rkg:externalId ?object ; rkg:externalLabel ?object_label ; rkg:externalVersion ?version ; "
        "rkg:mappingJustification ?justification ; rkg:mappingAuthor ?author . OPTIONAL { ?m rkg:mappingConfidence ?confidence } "
        "OPTIONAL { ?m rkg:mappingComment ?comment } BIND(STRAFTER(STR(?by), '#') AS ?predicate) } ORDER BY ?term ?predicate ?object",
    )
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[_key(row["term"])].append(row)
    return dict(found)


def outside_address(curie: str) -> str:
    """Return the address at which the Bioregistry resolves an identifier of another ontology.

    Examples
    --------
    >>> outside_address("ncit:C106557")
    'https://bioregistry.io/ncit:C106557'
    """
    from urllib.parse import quote

    return "https://bioregistry.io/" + quote(curie, safe=":")
