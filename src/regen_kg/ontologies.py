"""Own the local copies of other ontologies: prefixes and licences, files of the usual forms in, named graphs out.

A copy is one N-Quads file in the user's data folder, `ontologies/<prefix>.nq`, whose quads are all in the named graph
`ontology/<prefix>`: the terms that were needed, their ancestors, and where they came from. It is written whole or not at all.
"""

from __future__ import annotations

import csv
import functools
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyoxigraph as ox

from regen_kg.errors import OntologyError
from regen_kg.iris import DCTERMS, OWL, RDF, RDFS, RKG, SKOS, named_graph
from regen_kg.layout import mappings_dir, user_data_dir

OBO = "http://purl.obolibrary.org/obo/"
OIO = "http://www.geneontology.org/formats/oboInOwl#"

SCOPES = {
    "EXACT": "hasExactSynonym",
    "BROAD": "hasBroadSynonym",
    "NARROW": "hasNarrowSynonym",
    "RELATED": "hasRelatedSynonym",
}
PART_OF = OBO + "BFO_0000050"
REPLACED_BY = OBO + "IAO_0100001"
_LABELS = (RDFS + "label", SKOS + "prefLabel")
_SYNONYMS = {OIO + name: scope for scope, name in SCOPES.items()} | {SKOS + "altLabel": "EXACT"}
_STEPS = (RDFS + "subClassOf", SKOS + "broader", PART_OF)
_DEFINITIONS = (OBO + "IAO_0000115", SKOS + "definition")


@dataclass(frozen=True, slots=True)
class Source:
    """What is known of a prefix: one row of `graph/mappings/prefixes.csv`."""

    prefix: str
    name: str
    holds: tuple[str, ...]  # those of our lists whose terms it has; empty where that can't be said
    pattern: str
    iri: str
    licence: str
    may_share: bool
    pattern_source: str


@functools.cache
def sources() -> Mapping[str, Source]:
    """Return the known ontologies by prefix; prefixes are the Bioregistry's, in lower case."""
    with (mappings_dir() / "prefixes.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {
        r["prefix"]: Source(
            r["prefix"], r["name"], () if r["holds"] == "any" else tuple(r["holds"].split("|")), r["pattern"], r["iri"], r["licence"], r["copies_may_be_shared"] == "true", r["source"]
        )
        for r in rows
    }  # fmt: skip


def curie(name: str) -> str | None:
    """Return the CURIE of an IRI or of an OBO identifier, with our prefix; None where the prefix is not known.

    Examples
    --------
    >>> curie("http://purl.obolibrary.org/obo/MONDO_0005178"), curie("NCBITaxon:9606"), curie("NCIT:C12345")
    ('mondo:0005178', 'ncbitaxon:9606', 'ncit:C12345')
    """
    if name.startswith(("http://", "https://")):
        for prefix, iri in _expansions():
            if name.startswith(iri):
                return f"{prefix}:{name[len(iri) :]}"
        return None
    prefix, colon, local = name.partition(":")
    return f"{prefix.lower()}:{local}" if colon and prefix.lower() in sources() else None


@functools.cache
def _expansions() -> list[tuple[str, str]]:
    return sorted(((s.prefix, s.iri) for s in sources().values()), key=lambda pair: -len(pair[1]))


def iri(name: str) -> str:
    """Return the IRI of a CURIE."""
    prefix, _, local = name.partition(":")
    return sources()[prefix].iri + local


@dataclass(slots=True)
class Class:
    """One term of another ontology; identifiers are CURIEs."""

    id: str
    label: str = ""
    synonyms: list[tuple[str, str]] = field(default_factory=list)  # (scope, wording)
    parents: list[str] = field(default_factory=list)
    part_of: list[str] = field(default_factory=list)
    definition: str = ""
    obsolete: bool = False
    replaced_by: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Copy:
    """The part of an ontology that is kept here, and where it came from."""

    prefix: str
    version: str  # as its file states it
    licence: str
    origin: str  # the file's name or address
    sha256: str
    added: str  # date
    wording: str  # digest of our own wording, which decided what was needed
    of: int  # classes in the file
    ids: str = ""  # every identifier of this prefix in the file, without the prefix, apart by blanks
    classes: Mapping[str, Class] = field(default_factory=dict)

    def ancestors(self, name: str) -> set[str]:
        """Return all classes above one, by subclass steps."""
        seen: set[str] = set()
        queue = [name]
        while queue:
            for parent in self.classes[queue.pop()].parents:
                if parent in self.classes and parent not in seen:
                    seen.add(parent)
                    queue.append(parent)
        return seen


def folder() -> Path:
    """Return the folder of the copies."""
    return user_data_dir() / "ontologies"


def held() -> list[str]:
    """Return the prefixes of the copies that are here."""
    return sorted(path.stem for path in folder().glob("*.nq"))


def copies() -> list[Copy]:
    """Return all copies, by prefix."""
    return [copy_of(prefix) for prefix in held()]


def copy_of(prefix: str) -> Copy:
    """Return one copy.

    Raises
    ------
    OntologyError
        If there is none.
    """
    path = folder() / f"{prefix}.nq"
    if not path.is_file():
        raise OntologyError(f'no copy of "{prefix}" is here; get one with regen-kg link add FILE_OR_URL --as {prefix}')
    return read_copy(path)


_ABOUT = {
    "prefix": RKG + "externalSource",
    "version": OWL + "versionInfo",
    "licence": DCTERMS + "license",
    "origin": DCTERMS + "source",
    "sha256": RKG + "sourceDigest",
    "added": DCTERMS + "created",
    "wording": RKG + "wordingDigest",
    "of": RKG + "sourceClasses",
    "ids": RKG + "sourceIds",
}


def quads(copy: Copy) -> Iterator[ox.Quad]:
    """Return the quads of a copy, in its named graph; the direct statements between terms are `rdfs:subClassOf` and part of."""
    graph = ox.NamedNode(named_graph("ontology", copy.prefix))
    for name, predicate in _ABOUT.items():
        yield ox.Quad(graph, ox.NamedNode(predicate), ox.Literal(str(getattr(copy, name))), graph)
    for c in copy.classes.values():
        me = ox.NamedNode(iri(c.id))

        def say(predicate: str, value: ox.NamedNode | ox.Literal, me: ox.NamedNode = me) -> ox.Quad:
            return ox.Quad(me, ox.NamedNode(predicate), value, graph)

        yield say(RDF + "type", ox.NamedNode(OWL + "Class"))
        yield say(SKOS + "notation", ox.Literal(c.id))
        if c.label:
            yield say(RDFS + "label", ox.Literal(c.label))
        if c.definition:
            yield say(_DEFINITIONS[0], ox.Literal(c.definition))
        for scope, wording in c.synonyms:
            yield say(OIO + SCOPES[scope], ox.Literal(wording))
        for parent in c.parents:
            yield say(RDFS + "subClassOf", ox.NamedNode(iri(parent)))
        for whole in c.part_of:
            yield say(PART_OF, ox.NamedNode(iri(whole)))
        if c.obsolete:
            yield say(OWL + "deprecated", ox.Literal(True))
        for new in c.replaced_by:
            yield say(REPLACED_BY, ox.NamedNode(iri(new)))


def write_copy(copy: Copy) -> Path:
    """Write a copy in place of the former one of its prefix, whole or not at all."""
    folder().mkdir(parents=True, exist_ok=True)
    path = folder() / f"{copy.prefix}.nq"
    handle, name = tempfile.mkstemp(dir=folder(), suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            ox.serialize(quads(copy), output=file, format=ox.RdfFormat.N_QUADS)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return path


def read_copy(path: Path) -> Copy:
    """Read a copy.

    Raises
    ------
    OntologyError
        If the file is damaged.
    """
    graph = named_graph("ontology", path.stem)
    told = {predicate: name for name, predicate in _ABOUT.items()}
    about: dict[str, str] = {}
    classes: dict[str, Class] = {}
    named: dict[str, str] = {}

    def short(value: str) -> str:
        if value not in named:
            named[value] = curie(value) or value
        return named[value]

    try:
        with path.open("rb") as file:
            for q in ox.parse(input=file, format=ox.RdfFormat.N_QUADS):
                predicate, value = q.predicate.value, q.object.value
                if q.subject.value == graph:
                    about[told[predicate]] = value
                    continue
                name = short(q.subject.value)
                take(classes.setdefault(name, Class(name)), predicate, value, short)
        return Copy(
            **{k: v for k, v in about.items() if k != "of"},
            of=int(about["of"]), classes=classes,
        )  # fmt: skip
    except (OSError, SyntaxError, ValueError, KeyError, TypeError) as err:
        raise OntologyError(f"{path}: the copy is damaged ({err!r}); delete it and add the ontology again") from err


def take(c: Class, predicate: str, value: str, short: Callable[[str], str]) -> None:
    """Add one triple about a class to it; triples that say nothing we keep are passed over."""
    if predicate in _LABELS:
        c.label = c.label or value
    elif predicate in _SYNONYMS:
        if (pair := (_SYNONYMS[predicate], value)) not in c.synonyms:
            c.synonyms.append(pair)
    elif predicate in _STEPS:
        steps = c.part_of if predicate == PART_OF else c.parents
        if (other := short(value)) not in steps:
            steps.append(other)
    elif predicate in _DEFINITIONS:
        c.definition = c.definition or value
    elif predicate == OWL + "deprecated":
        c.obsolete = c.obsolete or value in ("true", "1")
    elif predicate == REPLACED_BY:
        c.replaced_by.append(short(value))
