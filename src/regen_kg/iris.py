"""Own the IRIs: every one comes from a natural key, none is random."""

from __future__ import annotations

import functools
import re
from urllib.parse import quote

BASE = "https://w3id.org/regen-kg/"
RKG = BASE + "ontology#"
ID = BASE + "id/"
GRAPH = BASE + "graph/"
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
RDFS = "http://www.w3.org/2000/01/rdf-schema#"
OWL = "http://www.w3.org/2002/07/owl#"
XSD = "http://www.w3.org/2001/XMLSchema#"
SKOS = "http://www.w3.org/2004/02/skos/core#"
PROV = "http://www.w3.org/ns/prov#"
DCTERMS = "http://purl.org/dc/terms/"
DCAT = "http://www.w3.org/ns/dcat#"
VOID = "http://rdfs.org/ns/void#"
SH = "http://www.w3.org/ns/shacl#"
SCHEMA = "https://schema.org/"
SD = "http://www.w3.org/ns/sparql-service-description#"

PREFIXES = {
    "rkg": RKG,
    "id": ID,
    "rdf": RDF,
    "rdfs": RDFS,
    "owl": OWL,
    "xsd": XSD,
    "skos": SKOS,
    "prov": PROV,
    "dcterms": DCTERMS,
    "dcat": DCAT,
    "void": VOID,
    "sh": SH,
    "schema": SCHEMA,
}

_DIGITS = {"3": "Three"}


@functools.lru_cache(65_536)
def _escaped(part: str) -> str:
    return quote(part, safe="")


def thing(kind: str, *key: str) -> str:
    """Mint the IRI of a thing from its kind and natural key; keys that differ never share an IRI.

    Examples
    --------
    >>> thing("arm", "mei-dan-2012", "prp")
    'https://w3id.org/regen-kg/id/arm/mei-dan-2012/prp'
    """
    return ID + "/".join([kind, *map(_escaped, key)])


@functools.lru_cache(4096)
def class_name(slug: str) -> str:
    """Turn a term's slug into the local name of its OWL class.

    Examples
    --------
    >>> class_name("platelet-rich-plasma"), class_name("3d-printing")
    ('PlateletRichPlasma', 'ThreeDPrinting')
    """
    words = re.split("-", slug)
    head = words[0]
    if head[0].isdigit():
        head = _DIGITS.get(head[0], "N" + head[0]) + head[1:].capitalize()
    else:
        head = head.capitalize()
    return head + "".join(w.capitalize() for w in words[1:])


def term_class(slug: str) -> str:
    """Return the IRI of the OWL class of a technology, procedure, condition or anatomical term."""
    return RKG + class_name(slug)


def named_graph(*key: str) -> str:
    """Return the IRI of a named graph, e.g. `named_graph("report", "guney-2015")`."""
    return GRAPH + "/".join(quote(part, safe="") for part in key)
