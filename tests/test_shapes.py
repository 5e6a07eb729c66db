"""Every shape has one fixture that breaks exactly it and one that keeps it."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from pathlib import Path

import pyoxigraph as ox
import pyshacl
import pytest
import rdflib

from conftest import ROOT
from regen_kg import reasoning, setwise, validation
from regen_kg.iris import RDF, RDFS, RKG, SH, XSD
from regen_kg.store import EmbeddedStore
from regen_kg.terms import compile_ontology

SHAPES = ROOT / "ontology" / "shapes"
RKGS = "https://w3id.org/regen-kg/shapes#"
PREFIXES = """@prefix rkg: <https://w3id.org/regen-kg/ontology#> . @prefix prov: <http://www.w3.org/ns/prov#> .
@prefix skos: <http://www.w3.org/2004/02/skos/core#> . @prefix : <urn:fixture:NAME#> .
"""
FROM = '; prov:wasDerivedFrom :place ; rkg:chartedRow "x.csv#row=2" .'
# One line per kind of thing, all of them valid; a case breaks one place of one line.
VALID = {
    "Report": ':report a rkg:PrimaryReport ; skos:notation "a-2020" ; rkg:citation "A (2020)" ; rkg:year 2020 ; '
    "rkg:placedUnder :disease ; rkg:studiesDisease :disease ; rkg:testsTechnology :technology ; rkg:reports :study ; "
    f"rkg:sampleSize 30 {FROM} :place a rkg:SourceLocation . :study a rkg:Study .",
    "Arm": f":arm a rkg:Arm ; rkg:ofReport :report ; rkg:armRole :role ; rkg:hasComponent :c ; rkg:nStatus :s ; rkg:n 15 {FROM}",
    "Component": f":c a rkg:InterventionComponent ; rkg:isIntervention :prp ; rkg:componentRole :tested {FROM}",
    "Result": ":result a rkg:BetweenArmComparison ; rkg:ofReport :report ; rkg:resultKind :kind ; rkg:scope :scope ; "
    "rkg:ofArm :arm ; rkg:comparatorArm :other ; rkg:pValue 0.5 ; rkg:dispersion 1.5 ; rkg:nAnalysed 15 ; "
    f'rkg:valueText "7" ; rkg:unit "cm" {FROM}',
    "Time": f":time a rkg:TimePoint ; rkg:months 6 ; rkg:timePointRole :role {FROM}",
    "MeasureUse": ':use a rkg:ScaleUse ; rkg:ofOutcomeMeasure :vas ; rkg:printedAs "VAS" . :vas a rkg:OutcomeMeasure .',
    "Direction": ":direction a rkg:ReportDirection ; rkg:hasDirection :favours ; rkg:aboutTechnology :technology ; "
    f'rkg:reasoning "ten letters" {FROM}',
    "Safety": f":safety a rkg:SafetyStatement ; rkg:status :charted {FROM}",
    "Claim": f":claim a rkg:Claim {FROM}",
    "Note": ':note a rkg:QualityNote ; rkg:severity :grave ; rkg:summary "a summary of it all" ; '
    f'rkg:reasoning "both the readings" {FROM}',
}
# shape -> (line of VALID, what stands there, what breaks it)
BREAKS = {
    "Report-slug": ("Report", '"a-2020"', '"A 2020"'),
    "Report-citation": ("Report", 'rkg:citation "A (2020)" ; ', ""),
    "Report-year": ("Report", "rkg:year 2020", "rkg:year 2200"),
    "Report-placed": ("Report", "rkg:placedUnder :disease", "rkg:placedUnder :disease , :second"),
    "Eligible-population": ("Report", "rkg:studiesDisease :disease ; ", ""),
    "Eligible-intervention": ("Report", "rkg:testsTechnology :technology ; ", ""),
    "PrimaryReport-study": ("Report", "rkg:reports :study", "rkg:reports :arm"),
    "SampleSize-positive": ("Report", "rkg:sampleSize 30", "rkg:sampleSize 0"),
    "Arm-report": ("Arm", "rkg:ofReport :report", "rkg:ofReport :study"),
    "Arm-role": ("Arm", "rkg:armRole :role ; ", ""),
    "Arm-component": ("Arm", "rkg:hasComponent :c ; ", ""),
    "ArmSize-positive": ("Arm", "rkg:n 15", "rkg:n 0"),
    "ArmSizeKnown-status": ("Arm", "rkg:nStatus :s ; ", ""),
    "Component-intervention": ("Component", "rkg:isIntervention :prp ; ", ""),
    "Component-role": ("Component", ":tested", ":tested , :control"),
    "Result-report": ("Result", "rkg:ofReport :report ; ", ""),
    "Result-kind": ("Result", "rkg:resultKind :kind ; ", ""),
    "Result-scope": ("Result", "rkg:scope :scope", "rkg:scope :scope , :second"),
    "Result-arm-of-report": ("Result", "rkg:ofArm :arm", "rkg:ofArm :nobody"),
    "Comparison-comparator-other": ("Result", "rkg:comparatorArm :other", "rkg:comparatorArm :arm"),
    "Number-p": ("Result", "rkg:pValue 0.5", "rkg:pValue 1.5"),
    "Number-dispersion": ("Result", "rkg:dispersion 1.5", "rkg:dispersion -1.5"),
    "Number-n": ("Result", "rkg:nAnalysed 15", "rkg:nAnalysed 0"),
    "Number-value-text": ("Result", 'rkg:valueText "7"', 'rkg:valueText "7" , "8"'),
    "Number-unit": ("Result", 'rkg:unit "cm"', 'rkg:unit "cm" , "mm"'),
    "Times-months": ("Time", "rkg:months 6", "rkg:months 601"),
    "Times-role": ("Time", "rkg:timePointRole :role", "rkg:timePointRole :role , :second"),
    "MeasureUse-measure": ("MeasureUse", "rkg:ofOutcomeMeasure :vas", "rkg:ofOutcomeMeasure :report"),
    "MeasureUse-name": ("MeasureUse", ' ; rkg:printedAs "VAS"', ""),
    "Direction-direction": ("Direction", "rkg:hasDirection :favours ; ", ""),
    "Direction-technology": ("Direction", "rkg:aboutTechnology :technology ; ", ""),
    "Direction-reason": ("Direction", '"ten letters"', '"short"'),
    "Safety-status": ("Safety", "rkg:status :charted", "rkg:status :charted , :unclear"),
    "Note-severity": ("Note", "rkg:severity :grave ; ", ""),
    "Note-summary": ("Note", '"a summary of it all"', '"short"'),
    "Note-reasoning": ("Note", '"both the readings"', '"short"'),
}
for _kind in ("Report", "Arm", "Component", "Result", "Time", "Direction", "Safety", "Claim", "Note"):
    BREAKS[f"Provenance-{_kind}-place"] = (_kind, "prov:wasDerivedFrom :place", "prov:wasDerivedFrom :study")
    BREAKS[f"Provenance-{_kind}-row"] = (_kind, '"x.csv#row=2"', '"row 2 of x"')


def turtle(name: str, line: str = "", old: str = "", new: str = "") -> str:
    """Write the fixture of one shape; without a break it is valid."""
    if line:
        assert VALID[line].count(old) == 1, (name, old)
    lines = [text.replace(old, new) if key == line else text for key, text in VALID.items()]
    return PREFIXES.replace("NAME", name) + "\n".join(lines)


FIXTURES = {f"invalid-{n}": turtle(f"invalid-{n}", *b) for n, b in BREAKS.items()} | {"valid": turtle("valid")}


def ontology_graph() -> rdflib.Graph:
    """The compiled ontology and the fixtures, in rdflib."""
    graph = rdflib.Graph().parse(data=reasoning.ntriples(compile_ontology(ROOT / "ontology")), format="nt")
    for text in FIXTURES.values():
        graph.parse(data=text, format="turtle")
    return graph


@pytest.fixture(scope="module")
def fixtures() -> ox.Store:
    """The ontology and all fixtures in one store, each under names of its own."""
    store = ox.Store()
    graph = ox.NamedNode("urn:g")
    store.bulk_extend(ox.Quad(t.subject, t.predicate, t.object, graph) for t in compile_ontology(ROOT / "ontology"))
    for text in FIXTURES.values():
        store.load(text.encode(), format=ox.RdfFormat.TURTLE, to_graph=graph)
    return store


@pytest.fixture(scope="module")
def found(fixtures: ox.Store) -> list[tuple[str, str]]:
    """What fires, as (fixture, shape)."""
    return [
        (f.focus.removeprefix("urn:fixture:").split("#")[0], f.rule)
        for f in validation.shacl_findings(fixtures, SHAPES)
        if f.focus.startswith("urn:fixture:")
    ]


def shapes() -> rdflib.Graph:
    """All shapes."""
    graph = rdflib.Graph()
    for path in SHAPES.glob("*.ttl"):
        graph.parse(path)
    return graph


def named(kind: str) -> set[str]:
    """The local names of the shapes of a kind."""
    subjects: Iterable[object] = shapes().subjects(rdflib.RDF.type, rdflib.URIRef(SH + kind))
    return {str(s).removeprefix(RKGS) for s in subjects}


def test_every_property_shape_has_its_fixture() -> None:
    """A shape without a fixture that breaks it fails here."""
    assert len(BREAKS) > 50
    assert named("PropertyShape") == set(BREAKS)


@pytest.mark.parametrize("shape", sorted(BREAKS))
def test_exactly_this_shape_fires(shape: str, found: list[tuple[str, str]]) -> None:
    """One break of a valid fixture, one finding."""
    fired = sorted(rule for fixture, rule in found if fixture == f"invalid-{shape}")
    assert fired == [shape]


def test_no_shape_fires_on_the_valid_fixture(found: list[tuple[str, str]]) -> None:
    """What is whole and right is let through, and there is something for each node shape to look at."""
    assert [rule for fixture, rule in found if fixture == "valid"] == []
    store = ox.Store()
    store.bulk_load(FIXTURES["valid"].encode(), format=ox.RdfFormat.TURTLE)
    store.bulk_extend(ox.Quad(t.subject, t.predicate, t.object) for t in compile_ontology(ROOT / "ontology"))
    assert validation.idle_shapes(store, SHAPES) == []


def test_pyshacl_says_the_same_of_an_rdflib_graph(found: list[tuple[str, str]]) -> None:
    """The store behind pyshacl changes no finding."""
    _, report, _ = pyshacl.validate(ontology_graph(), shacl_graph=shapes(), inference="none", advanced=False)
    pairs = []
    for result in report.subjects(rdflib.RDF.type, rdflib.URIRef(SH + "ValidationResult")):
        focus = str(report.value(result, rdflib.URIRef(SH + "focusNode")))
        shape = str(report.value(result, rdflib.URIRef(SH + "sourceShape")))
        if focus.startswith("urn:fixture:"):
            pairs.append((focus.removeprefix("urn:fixture:").split("#")[0], shape.removeprefix(RKGS)))
    assert len(pairs) > 50
    assert sorted(pairs) == sorted(found)


def test_each_shape_says_what_to_do_and_how_grave_it_is() -> None:
    """Each property shape has one message in English, a severity and a node shape; each node shape one sentence."""
    graph = shapes()
    sh = rdflib.Namespace(SH)
    for shape in graph.subjects(rdflib.RDF.type, sh.PropertyShape):
        (message,) = graph.objects(shape, sh.message)
        assert isinstance(message, rdflib.Literal) and message.language == "en" and re.match(r"[A-Z].+\.$", message), (
            shape
        )
        assert len(list(graph.objects(shape, sh.severity))) == 1, shape
        assert len(list(graph.subjects(sh.property, shape))) == 1, shape
    nodes = list(graph.subjects(rdflib.RDF.type, sh.NodeShape))
    assert len(nodes) > 20
    for node in nodes:
        (comment,) = graph.objects(node, rdflib.RDFS.comment)
        assert re.match(r"[A-Z].+\.$", comment), node


def test_no_shape_is_idle_on_the_review(review: EmbeddedStore) -> None:
    """SHACL calls a shape without focus nodes conforming; here it is a fault, and it is seen on an empty store."""
    assert validation.idle_shapes(review.native, SHAPES) == []
    assert set(validation.idle_shapes(ox.Store(), SHAPES)) == named("NodeShape")


def test_every_property_of_a_shape_is_declared() -> None:
    """A misspelt path would never fire."""
    declared = {t.subject.value for t in compile_ontology(ROOT / "ontology") if isinstance(t.subject, ox.NamedNode)}
    paths = {str(o) for o in shapes().objects(None, rdflib.URIRef(SH + "path")) if str(o).startswith(RKG)}
    assert paths
    assert paths - declared == set()


def set_wise(store: ox.Store) -> list[validation.Finding]:
    """What the set-wise run finds, with no shape left to pyshacl."""
    findings, left = validation.set_wise_findings(store, shapes())
    assert left == []
    return findings


def test_set_wise_finds_the_same_in_review_and_fixtures(review: EmbeddedStore, fixtures: ox.Store) -> None:
    """Same rule, severity, file, row, column, value, message and focus as pyshacl, in the same order."""
    assert set_wise(review.native) == validation.reference_findings(review.native, shapes())
    findings = set_wise(fixtures)
    assert findings == validation.reference_findings(fixtures, shapes())
    assert {f.rule for f in findings} == set(BREAKS)


def literal(text: str, kind: str) -> ox.Literal:
    """A literal of an XSD datatype, whether or not its text fits."""
    return ox.Literal(text, datatype=ox.NamedNode(XSD + kind))


ODD = [
    *(literal(n, "integer") for n in ("0", "-1", "01", "+7", "1949", "601", "99999999999999999999", "seven", "")),
    *(literal(n, "decimal") for n in ("0.0", "-0.5", "1.50", "1.000000000000000000001", "x")),
    *(literal(n, "double") for n in ("1e0", "NaN", "-INF", "INF")),
    *(literal("true", kind) for kind in ("boolean", "string")),
    *(ox.Literal(text) for text in ("", "7", "short", "a-2020", "arms.csv#row=2", "arms.csv#row=2\n", "x y", "\u00e9" * 15)),
    ox.Literal("arms.csv#row=2", language="en"), literal("2020-01-01", "date"), literal("2020", "gYear"), literal("7", "int"),
    ox.NamedNode("urn:x-nobody"), ox.BlankNode("odd"), ox.NamedNode(RKG + "Arm"),
]  # fmt: skip


def mutate(store: ox.Store, seed: int, mutations: int) -> None:
    """Take away, add and swap statements that a shape looks at."""
    lot = random.Random(seed)
    paths = sorted({str(o) for o in shapes().objects(None, rdflib.URIRef(SH + "path"))})
    quads = {p: sorted(store.quads_for_pattern(None, ox.NamedNode(p), None, None), key=str) for p in paths}
    typed = store.quads_for_pattern(None, ox.NamedNode(RDF + "type"), None, None)
    types = sorted(
        (q for q in typed if isinstance(q.subject, ox.NamedNode) and q.subject.value.startswith("urn:fixture:")),
        key=str,
    )
    targets = sorted({str(o) for o in shapes().objects(None, rdflib.URIRef(SH + "targetClass"))})
    for _ in range(mutations):
        quad = lot.choice(quads[lot.choice(paths)])
        match lot.randrange(6):
            case 0:
                store.remove(quad)
            case 1:
                store.add(ox.Quad(quad.subject, quad.predicate, lot.choice(ODD), quad.graph_name))
            case 2 | 3:
                store.remove(quad)
                store.add(ox.Quad(quad.subject, quad.predicate, lot.choice(ODD), quad.graph_name))
            case 4:  # the same statement in a second graph, or a value of a neighbour
                other = lot.choice(quads[quad.predicate.value])
                store.add(ox.Quad(quad.subject, quad.predicate, other.object, ox.NamedNode("urn:g2")))
            case 5:
                kind, target = lot.choice(types), ox.NamedNode(lot.choice(targets))
                store.remove(kind)
                store.add(ox.Quad(kind.subject, kind.predicate, target, kind.graph_name))
    narrower = ox.NamedNode("urn:x-narrower")
    store.add(ox.Quad(narrower, ox.NamedNode(RDFS + "subClassOf"), ox.NamedNode(RKG + "Arm")))
    store.add(ox.Quad(ox.NamedNode("urn:x-arm"), ox.NamedNode(RDF + "type"), narrower))


@pytest.mark.no_cover  # many runs of what other tests reach
def test_set_wise_finds_the_same_after_mutations() -> None:
    """Three hundred statements taken away, added or swapped for odd values in forty fixtures: the findings stay pyshacl's."""
    store = ox.Store()
    for copy in range(
        40
    ):  # without most of the ontology, since pyshacl's words on each finding take longer in a large graph
        store.load(turtle(f"copy{copy}").encode(), format=ox.RdfFormat.TURTLE, to_graph=ox.NamedNode("urn:g"))
    narrower = [t for t in compile_ontology(ROOT / "ontology") if t.predicate.value == RDFS + "subClassOf"]
    store.bulk_extend(ox.Quad(t.subject, t.predicate, t.object) for t in narrower)
    mutate(store, 1, 300)
    findings = set_wise(store)
    assert findings == validation.reference_findings(store, shapes())
    assert len(findings) > 150 and len({f.rule for f in findings}) > 45
    assert {f.focus for f in findings} >= {"urn:x-arm"}


def test_a_shape_that_says_more_stays_with_pyshacl(
    review: EmbeddedStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Past the threshold such a shape runs node by node, the user is told, and nothing is lost."""
    text = (SHAPES / "numbers.ttl").read_text("utf-8")
    more = text.replace(
        "sh:path rkg:nAnalysed ; sh:maxCount 1",
        "sh:path rkg:nAnalysed ; sh:maxCount 1 ; sh:maxInclusive 5 ; sh:nodeKind sh:Literal",
    )
    assert more != text
    (tmp_path / "numbers.ttl").write_text(more, "utf-8")
    reference = validation.shacl_findings(review.native, tmp_path)
    monkeypatch.setattr(validation, "SET_WISE_FROM", 0)
    said: list[str] = []
    assert validation.shacl_findings(review.native, tmp_path, said.append) == reference
    assert {f.rule for f in reference} == {"Number-n"}
    assert len(said) == 1 and said[0].endswith(": Numbers")


def test_what_a_user_adds_to_the_node_shape_is_not_dropped(fixtures: ox.Store) -> None:
    """A node shape that is deactivated, or has a second target, is left to pyshacl as well."""
    for text in ("sh:deactivated true", "sh:targetClass rkg:Study", "sh:property [ sh:path rkg:n ; sh:maxCount 1 ]"):
        graph = shapes()
        name = rdflib.URIRef(RKGS + "ArmSize")
        graph.parse(data=f"@prefix sh: <{SH}> . @prefix rkg: <{RKG}> . <{name}> {text} .", format="turtle")
        assert setwise.violations(fixtures, graph)[1] == [str(name)], text
