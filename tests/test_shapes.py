"""Every shape has one fixture that breaks exactly it and one that keeps it."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pyoxigraph as ox
import pyshacl
import pytest
import rdflib

from conftest import ROOT
from regen_kg import reasoning, validation
from regen_kg.iris import RKG, SH
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
def found() -> list[tuple[str, str]]:
    """What fires, as (fixture, shape), all fixtures in one store, each under names of its own."""
    store = ox.Store()
    graph = ox.NamedNode("urn:g")
    store.bulk_extend(ox.Quad(t.subject, t.predicate, t.object, graph) for t in compile_ontology(ROOT / "ontology"))
    for text in FIXTURES.values():
        store.load(text.encode(), format=ox.RdfFormat.TURTLE, to_graph=graph)
    return [
        (f.focus.removeprefix("urn:fixture:").split("#")[0], f.rule)
        for f in validation.shacl_findings(store, SHAPES)
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
