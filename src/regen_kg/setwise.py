"""Own the set-wise run of SHACL shapes: queries over all focus nodes pick out the few that pyshacl's tests then judge."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyoxigraph as ox

from regen_kg.iris import RDF, RDFS, RKG, SH, XSD

if TYPE_CHECKING:
    import rdflib
    from rdflib.term import Node

Violation = tuple["Node", "Node", "Node | None"]  # shape, focus node, value
Subject = ox.NamedNode | ox.BlankNode | ox.Triple

_OF_NODE_SHAPE = {SH + "targetClass", SH + "property", RDF + "type", RDFS + "comment"}
_OF_PROPERTY_SHAPE = {SH + "path", SH + "severity", SH + "message", RDF + "type", RKG + "csvColumn"}
_TYPE = ox.NamedNode(RDF + "type")
_PLAIN = re.compile(r"[\w\s^$.+*()\[\]#=-]*", re.ASCII)  # what a pattern may hold to mean the same to both engines
_IS_TEXT = f"(isIRI(?value) || DATATYPE(?value) IN (<{XSD}string>, <{RDF}langString>))"
_IS_NUMBER = f"DATATYPE(?value) IN (<{XSD}integer>, <{XSD}decimal>)"


@dataclass(slots=True)
class _Property:
    """A property shape: a query per kind of constraint that selects suspects, and pyshacl's tests of one focus node.

    Engines differ in how they compare and write literals, so a query may select too much, never too little. A test takes
    the focus node and its values and returns the values to report, None for the node itself.
    """

    shape: Node
    path: ox.NamedNode
    screens: list[str] = field(default_factory=list)
    tests: list[Callable[[Subject, list[Node]], Iterable[Node | None]]] = field(default_factory=list)
    needed: bool = False


class _Data:
    """The store that is validated, in the words that the tests need."""

    def __init__(self, store: ox.Store) -> None:
        self.store = store
        self._selected: dict[str, list[Subject]] = {}
        self._below: dict[str, set[ox.NamedNode]] = {}

    def select(self, query: str) -> list[Subject]:
        """Return the focus nodes that a query selects; shapes of several classes share queries."""
        if query not in self._selected:
            found = self.store.query(query, use_default_graph_as_union=True)
            assert isinstance(found, ox.QuerySolutions)
            self._selected[query] = [who for (who,) in found if isinstance(who, Subject)]
        return self._selected[query]

    def below(self, klass: str) -> set[ox.NamedNode]:
        """Return a class and its subclasses, all the way down."""
        if klass not in self._below:
            found = self.store.query(
                f"SELECT DISTINCT ?class {{ ?class <{RDFS}subClassOf>* <{klass}> }}", use_default_graph_as_union=True
            )
            assert isinstance(found, ox.QuerySolutions)
            self._below[klass] = {ox.NamedNode(klass)} | {c for (c,) in found if isinstance(c, ox.NamedNode)}
        return self._below[klass]

    def belongs(self, who: Subject, klass: str) -> bool:
        """Tell whether a node is a SHACL instance of a class."""
        return any(q.object in self.below(klass) for q in self.store.quads_for_pattern(who, _TYPE, None, None))

    def values(self, who: Subject, path: ox.NamedNode) -> list[Node]:
        """Return the values of a node as pyshacl hands them to its constraints, each once."""
        quads = self.store.quads_for_pattern(who, path, None, None)
        return list(dict.fromkeys(_as_pyshacl(q.object) for q in quads))


def _as_pyshacl(node: object) -> Node:
    import rdflib

    if isinstance(node, ox.NamedNode):
        return rdflib.URIRef(node.value)
    if isinstance(node, ox.BlankNode):
        return rdflib.BNode(node.value)
    assert isinstance(node, ox.Literal)
    if node.language:
        return rdflib.Literal(node.value, lang=node.language)
    return rdflib.Literal(node.value, datatype=rdflib.URIRef(node.datatype.value))


def _each(test: Callable[[Node], bool]) -> Callable[[Subject, list[Node]], Iterable[Node | None]]:
    return lambda who, values: [value for value in values if not test(value)]


def _within(limit: rdflib.Literal, sign: int) -> Callable[[Node], bool]:
    """Test that a value is at least (sign 1) or at most (sign -1) a number."""
    import rdflib
    from pyshacl.rdfutil.compare import compare_literal

    def test(value: Node) -> bool:
        if not isinstance(value, rdflib.Literal) or isinstance(value.value, str):
            return False
        try:
            return bool(compare_literal(value, limit) * sign >= 0)
        except (TypeError, NotImplementedError):
            return False

    return test


def _fits(pattern: str) -> Callable[[Node], bool]:
    """Test that the text of a value matches a pattern somewhere; a blank node has no text."""
    import rdflib

    search = re.compile(pattern).search
    return lambda value: not isinstance(value, rdflib.BNode) and bool(search(str(value)))


def _is_integer(value: Node) -> bool:
    import rdflib

    return isinstance(value, rdflib.Literal) and value.datatype == rdflib.XSD.integer and isinstance(value.value, int)


def _read(data: _Data, shapes: rdflib.Graph, shape: Node) -> _Property:
    """Read a property shape.

    Raises
    ------
    LookupError
        If it says something that is not read here.
    """
    import rdflib

    said: dict[str, list[Node]] = defaultdict(list)
    for predicate, value in shapes.predicate_objects(shape):
        said[str(predicate)].append(value)
    if any(len(values) > 1 for values in said.values()) or not {SH + "path", SH + "message"} <= said.keys():
        raise LookupError(shape)
    (path,) = said[SH + "path"]
    if not isinstance(shape, rdflib.URIRef) or not isinstance(path, rdflib.URIRef):
        raise LookupError(shape)
    me = _Property(shape, ox.NamedNode(str(path)))
    passes: list[str] = []

    def add(test: Callable[[Subject, list[Node]], Iterable[Node | None]], screen: str) -> None:
        me.tests.append(test)
        me.screens.append(f"SELECT DISTINCT ?focus {{ ?focus <{path}> ?value {screen} }}")

    for name, (given,) in sorted(said.items()):
        number = given.value if isinstance(given, rdflib.Literal) and given.datatype == rdflib.XSD.integer else None
        text = str(given)
        match name.removeprefix(SH):
            case _ if name in _OF_PROPERTY_SHAPE:
                continue
            case "minCount" if number == 1:
                me.needed = True
                me.tests.append(lambda who, values: [] if values else [None])
            case "maxCount" if number == 1:
                me.tests.append(lambda who, values: [None] if len(values) > 1 else [])
                me.screens.append(
                    f"SELECT ?focus {{ ?focus <{path}> ?value }} GROUP BY ?focus HAVING (COUNT(?value) > 1)"
                )
            case "class" if isinstance(given, rdflib.URIRef):

                def member(value: Node, klass: str = text) -> bool:
                    named = isinstance(value, rdflib.URIRef | rdflib.BNode)
                    node = ox.NamedNode if isinstance(value, rdflib.URIRef) else ox.BlankNode
                    return named and data.belongs(node(str(value)), klass)

                add(_each(member), f"FILTER NOT EXISTS {{ ?value <{RDF}type> <{text}> }}")
            case "disjoint" if isinstance(given, rdflib.URIRef):

                def shared(who: Subject, values: list[Node], other: str = text) -> list[Node]:
                    there = set(data.values(who, ox.NamedNode(other)))
                    return [value for value in values if value in there]

                same = "sameTerm(?value, ?other) || (isLiteral(?value) && isLiteral(?other))"
                add(shared, f". ?focus <{text}> ?other FILTER({same})")
            case "datatype" if given == rdflib.XSD.integer:
                me.tests.append(_each(_is_integer))
                passes.append(f"DATATYPE(?value) = <{XSD}integer> && ?value = ?value + 0")
            case "minInclusive" if number is not None and isinstance(given, rdflib.Literal):
                me.tests.append(_each(_within(given, 1)))
                passes.append(f"{_IS_NUMBER} && ?value >= {number}")
            case "maxInclusive" if number is not None and isinstance(given, rdflib.Literal):
                me.tests.append(_each(_within(given, -1)))
                passes.append(f"{_IS_NUMBER} && ?value <= {number}")
            case "minLength" if number is not None and number > 0:
                me.tests.append(_each(_fits(f"(?s).{{{number}}}")))
                passes.append(f"{_IS_TEXT} && STRLEN(STR(?value)) >= {number}")
            case "pattern" if _PLAIN.fullmatch(text):
                me.tests.append(_each(_fits(text)))
                passes.append(f"{_IS_TEXT} && REGEX(STR(?value), {ox.Literal(text)})")
            case _:
                raise LookupError(shape)
    if passes:
        screen = f"FILTER(!COALESCE({' && '.join(passes)}, false))"
        me.screens.append(f"SELECT DISTINCT ?focus {{ ?focus <{path}> ?value {screen} }}")
    return me


def _compile(data: _Data, shapes: rdflib.Graph) -> tuple[dict[str, list[_Property]], list[str]]:
    """Return the property shapes under each target class, and the node shapes that say something not read here."""
    import rdflib

    sh = rdflib.Namespace(SH)
    out: dict[str, list[_Property]] = defaultdict(list)
    left = []
    properties = set(shapes.subjects(rdflib.RDF.type, sh.PropertyShape))
    for node in sorted(shapes.subjects(rdflib.RDF.type, sh.NodeShape), key=str):
        mine = sorted(shapes.objects(node, sh.property), key=str)
        try:
            if not {str(p) for p in shapes.predicates(node)} <= _OF_NODE_SHAPE or not set(mine) <= properties:
                raise LookupError(node)
            (target,) = shapes.objects(node, sh.targetClass)
            found = [_read(data, shapes, one) for one in mine]
        except (LookupError, ValueError):
            left.append(str(node))
        else:
            out[str(target)] += found
    left += [str(shape) for shape in sorted(properties, key=str) if (shape, sh.targetClass, None) in shapes]
    return out, left


def _incomplete(data: _Data, target: str, needed: list[_Property]) -> str:
    """Return the query for the instances of a class that lack a property they need; few are instances by a subclass alone."""
    lacks = " || ".join(f"NOT EXISTS {{ ?focus <{p.path.value}> ?v{i} }}" for i, p in enumerate(needed))
    subclasses = " ".join(sorted(str(c) for c in data.below(target) if c.value != target))
    return f"""SELECT DISTINCT ?focus {{ {{ ?focus <{RDF}type> <{target}> FILTER({lacks}) }} UNION {{
        VALUES ?class {{ {subclasses} }} ?focus <{RDF}type> ?class
        FILTER(NOT EXISTS {{ ?focus <{RDF}type> <{target}> }}) FILTER({lacks}) }} }}"""


def violations(store: ox.Store, shapes: rdflib.Graph) -> tuple[list[Violation], list[str]]:
    """Run shapes over the union of a store's named graphs.

    Parameters
    ----------
    store : pyoxigraph.Store
        Data, ontology and inferences.
    shapes : rdflib.Graph
        Read are node shapes with one target class, of property shapes with a path of one property and a message, and of
        constraints: a count of one, class, disjoint, the datatype integer, whole-number ranges, least length, plain patterns.

    Returns
    -------
    violations, left
        Shape, focus node and value (None for a count), once per constraint broken, as pyshacl reports them; and the
        node shapes that say something else, which did not run.
    """
    data = _Data(store)
    compiled, left = _compile(data, shapes)
    out: list[Violation] = []
    for target, properties in compiled.items():
        needed = [p for p in properties if p.needed]
        lacking = data.select(_incomplete(data, target, needed)) if needed else []
        for one in properties:
            suspects = dict.fromkeys(who for screen in one.screens for who in data.select(screen))
            judged = [who for who in suspects if data.belongs(who, target)]
            if one.needed:
                judged = list(dict.fromkeys([*judged, *lacking]))
            out += _judge(data, one, judged)
    return out, left


def _judge(data: _Data, one: _Property, suspects: list[Subject]) -> Iterator[Violation]:
    for who in suspects:
        values = data.values(who, one.path)
        for test in one.tests:
            for value in test(who, values):
                yield one.shape, _as_pyshacl(who), value
