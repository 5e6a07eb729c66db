"""Own the controlled wording: the term tables of the ontology, as lists to look up and as OWL."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from regen_kg.errors import TermError
from regen_kg.iris import DCTERMS, OWL, RDF, RDFS, RKG, SKOS, XSD, class_name, term_class, thing
from regen_kg.tables import UNREAD, match_header, nearest, read_rows

if TYPE_CHECKING:
    import pyoxigraph as ox

ONTOLOGY = RKG.removesuffix("#")

_NONE = ("none", "not-applicable", "not-established")
_COMMON = ("slug", "label", "definition", "definition_source", "example", "alt_labels", "parent")
_TRUTH = ("true", "false", "not-applicable")
_KINDS = {
    "technology": "Technology",
    "procedure": "Procedure",
    "substance": "Substance",
    "comparator": "ComparatorIntervention",
}
_DOMAINS = {
    "pain": "PainMeasure",
    "function": "FunctionMeasure",
    "imaging": "ImagingMeasure",
    "quality-of-life": "QualityOfLifeMeasure",
    "activity": "ActivityMeasure",
    "histology": "HistologyMeasure",
    "event": "EventMeasure",
    "satisfaction": "SatisfactionMeasure",
}


@dataclass(frozen=True, slots=True)
class _Table:
    file: str
    columns: Mapping[str, tuple[str, ...]]  # column -> allowed words; none means free
    refers: Mapping[str, str] = field(default_factory=dict)  # column -> the list its slugs come from


_TABLES = {
    "anatomy": _Table("anatomy.csv", {"part_of": ()}, {"part_of": "anatomy"}),
    "condition": _Table("conditions.csv", {"located_in": ()}, {"located_in": "anatomy"}),
    "intervention": _Table(
        "interventions.csv",
        {
            "kind": tuple(_KINDS),
            "section4": ("true", "false"),
            "route": ("injection", "surgery", "implantation", "energy", "exercise", "not-applicable"),
            "cell_based": _TRUTH,
            "aims_at": (),
            "derived_from": (),
            "disjoint_with": (),
        },
        {"aims_at": "anatomy", "derived_from": "anatomy", "disjoint_with": "intervention"},
    ),
    "outcome-measure": _Table(
        "outcome-measures.csv",
        {
            "domain": (*_DOMAINS, "not-established"),
            "range_min": (),
            "range_max": (),
            "unit": (),
            "polarity": ("higher-is-better", "lower-is-better", "not-established"),
            "range_basis": (),
            "in_table_4": (),
            "patient_reported": ("true", "false"),
            "whole_number": ("true", "false", "not-established"),
        },
    ),
    "study-design": _Table("study-designs.csv", {}),
}


@dataclass(frozen=True, slots=True)
class Term:
    """One row of a term table; `more` holds the columns that only its table has."""

    list: str
    slug: str
    label: str
    definition: str
    definition_source: str
    example: str
    alt_labels: tuple[str, ...]
    parent: str | None
    more: Mapping[str, str]
    row: int = 0  # in its table; the header is row 1

    @property
    def iri(self) -> str:
        """Return the IRI of the term's class, or of its individual for outcome measures and study designs."""
        if self.list in ("outcome-measure", "study-design"):
            return thing(self.list, self.slug)
        return term_class(self.slug)

    def value(self, column: str) -> str | None:
        """Return a cell of a column of its own table, or None where nothing is known or applies."""
        cell = self.more[column]
        return None if cell in _NONE else cell

    def items(self, column: str) -> tuple[str, ...]:
        """Return the items of a list cell of a column of its own table."""
        cell = self.value(column)
        return () if cell is None else tuple(cell.split("|"))


class Terms:
    """The controlled lists: condition, technology, intervention, outcome-measure, study-design, anatomy.

    The list `technology` holds those interventions that section 4 of the design names; every other list is one table.
    """

    def __init__(self, lists: Mapping[str, Mapping[str, Term]]) -> None:
        self._lists = dict(lists)
        interventions = self._lists["intervention"]
        self._lists["technology"] = {s: t for s, t in interventions.items() if t.more["section4"] == "true"}

    @classmethod
    def load(cls, folder: str | Path) -> Terms:
        """Read the term tables of a folder.

        Raises
        ------
        TermError
            Naming every faulty row of every table, not only the first.
        """
        folder = Path(folder)
        faults: list[str] = []
        lists = {name: _read(folder, name, table, faults) for name, table in _TABLES.items()}
        for name, table in _TABLES.items():
            _check_links(name, table, lists, faults)
        _check_names(lists, faults)
        if faults:
            raise TermError(faults)
        return cls(lists)

    @property
    def lists(self) -> tuple[str, ...]:
        """Return the names of the lists."""
        return tuple(sorted(self._lists))

    def _list(self, name: str) -> Mapping[str, Term]:
        if name not in self._lists:
            raise TermError([f'"{name}" is no list of terms; lists: {", ".join(self.lists)}'])
        return self._lists[name]

    def all(self, name: str) -> tuple[Term, ...]:
        """Return a list's terms in the order of their table."""
        return tuple(self._list(name).values())

    def has(self, name: str, slug: str) -> bool:
        """Say whether a list holds a slug."""
        return slug in self._list(name)

    def get(self, name: str, slug: str) -> Term:
        """Return the term of a slug.

        Raises
        ------
        TermError
            If the list doesn't hold it; the message names the nearest slug.
        """
        if not self.has(name, slug):
            near = self.nearest(name, slug)
            raise TermError([f'"{slug}" is no known {name}' + (f'; nearest: "{near}"' if near else "")])
        return self._list(name)[slug]

    def nearest(self, name: str, word: str) -> str | None:
        """Return the slug whose slug, label or alternative label is most like a word, or None if none is."""
        names: dict[str, str] = {}
        for term in self.all(name):
            for form in (term.slug, term.label, *term.alt_labels):
                names.setdefault(form.casefold(), term.slug)
        close = difflib.get_close_matches(word.casefold(), list(names), n=1)
        return names[close[0]] if close else None

    def ancestors(self, name: str, slug: str) -> tuple[str, ...]:
        """Return the slugs above a term, the nearest first."""
        self.get(name, slug)
        table = self._list("intervention" if name == "technology" else name)
        out: list[str] = []
        parent = table[slug].parent
        while parent is not None:
            out.append(parent)
            parent = table[parent].parent
        return tuple(out)


def _read(folder: Path, name: str, table: _Table, faults: list[str]) -> dict[str, Term]:
    header = [*_COMMON, *table.columns]
    read = read_rows(folder / table.file, faults)
    if read is None:
        return {}
    if not read:
        faults.append(f"{table.file}: empty; its header should be {','.join(header)}")
        return {}
    match_header(table.file, read[0][1], header, faults)
    if read[0][1] != header:
        return {}
    terms: dict[str, Term] = {}
    for number, row in read[1:]:
        where = f"{table.file}, row {number}"
        if len(row) != len(header):
            faults.append(f"{where}: {len(row)} cells, the header has {len(header)}")
            continue
        cells = dict(zip(header, row, strict=True))
        for column, cell in cells.items():
            if UNREAD in cell:
                continue  # said by read_rows
            if not cell.strip() or cell != cell.strip():
                faults.append(f'{where}, column {column}: blank or padded; write a value, or "none"')
            elif (words := table.columns.get(column)) and cell not in words:
                faults.append(
                    f'{where}, column {column}: "{cell}" is not one of {", ".join(words)}{nearest(cell, words)}'
                )
        for column in ("range_min", "range_max"):
            if column in cells and cells[column] not in _NONE and not _is_number(cells[column]):
                faults.append(f'{where}, column {column}: "{cells[column]}" is no number')
        slug = cells["slug"]
        if slug != "-".join(w for w in slug.split("-") if w.isascii() and w.isalnum()) or slug != slug.lower():
            faults.append(f'{where}, column slug: "{slug}" should be lower-case ASCII words joined by "-"')
        if slug in terms:
            faults.append(f'{where}, column slug: "{slug}" stands in the table twice')
            continue
        terms[slug] = Term(
            list=name,
            slug=slug,
            label=cells["label"],
            definition=cells["definition"],
            definition_source=cells["definition_source"],
            example=cells["example"],
            alt_labels=() if cells["alt_labels"] == "none" else tuple(cells["alt_labels"].split("|")),
            parent=None if cells["parent"] == "none" else cells["parent"],
            more={column: cells[column] for column in table.columns},
            row=number,
        )
    return terms


def _is_number(text: str) -> bool:
    return text.removeprefix("-").replace(".", "", 1).isdigit() and text.isascii()


def _check_links(name: str, table: _Table, lists: Mapping[str, Mapping[str, Term]], faults: list[str]) -> None:
    terms = lists[name]
    for term in terms.values():
        where = f"{table.file}, row {term.row}"
        links = [("parent", name, term.parent)] if term.parent else []
        links += [(column, target, item) for column, target in table.refers.items() for item in term.items(column)]
        for column, target, slug in links:
            if lists[target] and slug not in lists[target] and UNREAD not in slug:
                near = nearest(slug, lists[target])
                faults.append(f'{where}, column {column}: "{slug}" is no known {target}{near}')
        for column in ("parent", "part_of"):
            if circle := _circle(term.slug, column, terms):
                faults.append(
                    f"{where}, column {column}: the term stands above itself ({' > '.join(circle)}); break the circle"
                )


def _circle(slug: str, column: str, terms: Mapping[str, Term]) -> list[str]:
    """Return the way from a term up to itself, or nothing."""

    def above(name: str) -> tuple[str, ...]:
        term = terms.get(name)
        if term is None or (column != "parent" and column not in term.more):
            return ()
        return ((term.parent,) if term.parent else ()) if column == "parent" else term.items(column)

    ways, seen = [[slug]], {slug}
    while ways:
        way = ways.pop()
        for name in above(way[-1]):
            if name == slug:
                return [*way, name]
            if name not in seen:
                seen.add(name)
                ways.append([*way, name])
    return []


def _check_names(lists: Mapping[str, Mapping[str, Term]], faults: list[str]) -> None:
    """Find two terms of different slugs or tables that would share one IRI."""
    taken: dict[str, Term] = {}
    for terms in lists.values():
        for term in terms.values():
            if term.slug == "" or not term.slug[0].isalnum() or "--" in term.slug:
                continue  # said already
            other = taken.setdefault(term.iri, term)
            if other is not term:
                faults.append(
                    f'{_TABLES[term.list].file}, row {term.row}, column slug: "{term.slug}" shares its IRI with "{other.slug}" of '
                    f"{_TABLES[other.list].file}; rename one"
                )


def compile_ontology(folder: str | Path) -> list[ox.Triple]:
    """Compile `core.ttl` and the term tables of a folder into one OWL 2 DL ontology.

    Parameters
    ----------
    folder : str or Path
        The folder that holds `core.ttl` and the tables.

    Returns
    -------
    list of pyoxigraph.Triple
        Sorted, without duplicates; the labels of blank nodes (class expressions) come from their content, so that the
        same files always give the same triples.

    Raises
    ------
    TermError
        If a table has faults, `core.ttl` can't be read, or a term of a table shares its IRI with a term of `core.ttl`.

    References
    ----------
    OWL 2 Mapping to RDF Graphs, section 2 (a class expression belongs to one axiom).
    """
    import pyoxigraph as ox

    folder = Path(folder)
    terms = Terms.load(folder)
    try:
        core = [q.triple for q in ox.parse(path=str(folder / "core.ttl"), format=ox.RdfFormat.TURTLE)]
    except (OSError, SyntaxError) as error:
        raise TermError([f"core.ttl: cannot be read as Turtle ({error})"]) from error
    declared = {t.subject.value for t in core if isinstance(t.subject, ox.NamedNode)}
    if clash := [t for name in _TABLES for t in terms.all(name) if t.iri in declared]:
        raise TermError(
            [
                f'{_TABLES[t.list].file}, row {t.row}, column slug: core.ttl declares the IRI of "{t.slug}" too; rename one'
                for t in clash
            ]
        )
    out: list[ox.Triple] = [*core]
    for name in _TABLES:
        for term in terms.all(name):
            out.extend(_annotations(term))
            out.extend(_AXIOMS[name](term))
    return sorted(_named_by_content(out), key=str)


def _annotations(term: Term) -> Iterator[ox.Triple]:
    import pyoxigraph as ox

    me = ox.NamedNode(term.iri)
    yield ox.Triple(me, ox.NamedNode(RDFS + "label"), ox.Literal(term.label, language="en"))
    yield ox.Triple(me, ox.NamedNode(SKOS + "definition"), ox.Literal(term.definition, language="en"))
    yield ox.Triple(me, ox.NamedNode(SKOS + "example"), ox.Literal(term.example, language="en"))
    yield ox.Triple(me, ox.NamedNode(SKOS + "notation"), ox.Literal(term.slug))
    yield ox.Triple(me, ox.NamedNode(DCTERMS + "source"), ox.Literal(term.definition_source))
    yield ox.Triple(me, ox.NamedNode(RDFS + "isDefinedBy"), ox.NamedNode(ONTOLOGY))
    for name in term.alt_labels:
        yield ox.Triple(me, ox.NamedNode(SKOS + "altLabel"), ox.Literal(name, language="en"))


def _class(term: Term, top: str) -> Iterator[ox.Triple]:
    import pyoxigraph as ox

    me = ox.NamedNode(term.iri)
    yield ox.Triple(me, ox.NamedNode(RDF + "type"), ox.NamedNode(OWL + "Class"))
    above = term_class(term.parent) if term.parent else RKG + top
    yield ox.Triple(me, ox.NamedNode(RDFS + "subClassOf"), ox.NamedNode(above))


def _restricted(term: Term, on: str, quantifier: str, filler: str) -> Iterator[ox.Triple]:
    """Yield `term subClassOf (on quantifier filler)`."""
    import pyoxigraph as ox

    node = ox.BlankNode(f"{class_name(term.slug)}{on}{hashlib.sha256(filler.encode()).hexdigest()[:8]}")
    yield ox.Triple(ox.NamedNode(term.iri), ox.NamedNode(RDFS + "subClassOf"), node)
    yield ox.Triple(node, ox.NamedNode(RDF + "type"), ox.NamedNode(OWL + "Restriction"))
    yield ox.Triple(node, ox.NamedNode(OWL + "onProperty"), ox.NamedNode(RKG + on))
    yield ox.Triple(node, ox.NamedNode(OWL + quantifier), ox.NamedNode(filler))


def _anatomy(term: Term) -> Iterator[ox.Triple]:
    yield from _class(term, "Anatomy")
    for whole in term.items("part_of"):
        yield from _restricted(term, "partOf", "someValuesFrom", term_class(whole))


def _condition(term: Term) -> Iterator[ox.Triple]:
    import pyoxigraph as ox

    yield from _class(term, "Condition")
    for place in term.items("located_in"):
        yield from _restricted(term, "locatedIn", "someValuesFrom", term_class(place))
    if term.parent is None:
        yield ox.Triple(ox.NamedNode(term.iri), ox.NamedNode(RKG + "listedAs"), ox.Literal("disease"))


def _intervention(term: Term) -> Iterator[ox.Triple]:
    import pyoxigraph as ox

    me = ox.NamedNode(term.iri)
    yield from _class(term, _KINDS[term.more["kind"]])
    if route := term.value("route"):
        yield from _restricted(term, "hasRoute", "hasValue", thing("route", route))
    if term.more["cell_based"] == "true":
        yield from _restricted(term, "contains", "someValuesFrom", RKG + "LivingCell")
    for origin in term.items("derived_from"):
        yield from _restricted(term, "derivedFrom", "someValuesFrom", term_class(origin))
    for tissue in term.items("aims_at"):
        yield ox.Triple(me, ox.NamedNode(RKG + "aimsAt"), ox.NamedNode(term_class(tissue)))
    for other in term.items("disjoint_with"):
        yield ox.Triple(me, ox.NamedNode(OWL + "disjointWith"), ox.NamedNode(term_class(other)))
    if term.more["section4"] == "true":
        yield ox.Triple(me, ox.NamedNode(RKG + "listedAs"), ox.Literal("technology"))


def _outcome_measure(term: Term) -> Iterator[ox.Triple]:
    import pyoxigraph as ox

    me = ox.NamedNode(term.iri)
    yield from _individual(term, "OutcomeMeasure")
    if domain := term.value("domain"):
        yield ox.Triple(me, ox.NamedNode(RDF + "type"), ox.NamedNode(RKG + _DOMAINS[domain]))
        yield ox.Triple(me, ox.NamedNode(RKG + "hasDomain"), ox.NamedNode(thing("outcome-domain", domain)))
    polarity = thing("polarity", term.more["polarity"])
    yield ox.Triple(me, ox.NamedNode(RKG + "polarity"), ox.NamedNode(polarity))
    decimal, boolean = ox.NamedNode(XSD + "decimal"), ox.NamedNode(XSD + "boolean")
    for column, name in (("range_min", "rangeMin"), ("range_max", "rangeMax")):
        if number := term.value(column):
            yield ox.Triple(me, ox.NamedNode(RKG + name), ox.Literal(number, datatype=decimal))
    for column, name in (("patient_reported", "patientReported"), ("whole_number", "wholeNumber")):
        if truth := term.value(column):
            yield ox.Triple(me, ox.NamedNode(RKG + name), ox.Literal(truth, datatype=boolean))
    for column, name in (("unit", "unit"), ("range_basis", "rangeBasis")):
        if text := term.value(column):
            yield ox.Triple(me, ox.NamedNode(RKG + name), ox.Literal(text))
    for printed in term.items("in_table_4"):
        yield ox.Triple(me, ox.NamedNode(RKG + "inTableFour"), ox.Literal(printed))


def _study_design(term: Term) -> Iterator[ox.Triple]:
    yield from _individual(term, "StudyDesign")


def _individual(term: Term, kind: str) -> Iterator[ox.Triple]:
    import pyoxigraph as ox

    me = ox.NamedNode(term.iri)
    for name in (OWL + "NamedIndividual", RKG + kind):
        yield ox.Triple(me, ox.NamedNode(RDF + "type"), ox.NamedNode(name))
    if term.parent:
        yield ox.Triple(me, ox.NamedNode(SKOS + "broader"), ox.NamedNode(thing(term.list, term.parent)))


_AXIOMS = {
    "anatomy": _anatomy,
    "condition": _condition,
    "intervention": _intervention,
    "outcome-measure": _outcome_measure,
    "study-design": _study_design,
}


def _named_by_content(triples: Iterable[ox.Triple]) -> set[ox.Triple]:
    """Relabel blank nodes after what they say and who refers to them; they must form trees, as in OWL 2."""
    import pyoxigraph as ox

    triples = list(triples)
    said: dict[ox.BlankNode, list[ox.Triple]] = {}
    referrer: dict[ox.BlankNode, ox.Triple] = {}
    for triple in triples:
        if isinstance(triple.subject, ox.BlankNode):
            said.setdefault(triple.subject, []).append(triple)
        if isinstance(triple.object, ox.BlankNode):
            if triple.object in referrer:
                raise TermError([f"core.ttl: a class expression is used twice ({triple}); write it out in both places"])
            referrer[triple.object] = triple

    def digest(text: str) -> str:
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def content(node: ox.BlankNode) -> str:
        return digest("\n".join(sorted(f"{t.predicate} {shown(t.object)}" for t in said.get(node, []))))

    def shown(term: object) -> str:
        return content(term) if isinstance(term, ox.BlankNode) else str(term)

    names: dict[ox.BlankNode, ox.BlankNode] = {}

    def renamed(node: ox.BlankNode) -> ox.BlankNode:
        if node not in names:
            text = content(node)
            if (by := referrer.get(node)) is not None:
                subject = renamed(by.subject) if isinstance(by.subject, ox.BlankNode) else by.subject
                text = f"{subject} {by.predicate} {text}"
            names[node] = ox.BlankNode("e" + digest(text))
        return names[node]

    out: set[ox.Triple] = set()
    for t in triples:
        subject = renamed(t.subject) if isinstance(t.subject, ox.BlankNode) else t.subject
        value = renamed(t.object) if isinstance(t.object, ox.BlankNode) else t.object
        out.add(ox.Triple(subject, t.predicate, value))
    return out
