"""What is inferred is what HermiT infers, and it says why."""

from __future__ import annotations

import pyoxigraph as ox
import pytest

from conftest import ROOT
from regen_kg import build, reasoning
from regen_kg.errors import ReasoningError
from regen_kg.iris import OWL, RDF, RDFS, RKG, named_graph
from regen_kg.store import EmbeddedStore
from regen_kg.terms import compile_ontology

TYPE = ox.NamedNode(RDF + "type")
SUBCLASS = ox.NamedNode(RDFS + "subClassOf")


@pytest.fixture(scope="module")
def ontology() -> list[ox.Triple]:
    """The compiled ontology."""
    return compile_ontology(ROOT / "ontology")


@pytest.fixture(scope="module")
def classified(ontology: list[ox.Triple]) -> list[ox.Triple]:
    """A fresh classification."""
    return reasoning.infer_hierarchy(ontology)


def of_report(review: EmbeddedStore, *reports: str) -> list[ox.Quad]:
    """The charted quads of some reports."""
    quads = [
        q
        for r in reports
        for q in review.native.quads_for_pattern(None, None, None, ox.NamedNode(named_graph("report", r)))
    ]
    assert len(quads) > 100 * len(reports)
    return quads


@pytest.mark.parametrize(
    ("below", "above"),
    [
        ("PlateletRichPlasma", "BloodDerivedTherapy"),
        ("PlateletRichPlasma", "InjectionTherapy"),
        ("AdiposeDerivedStromalCells", "AdiposeDerivedTherapy"),
        ("AdiposeDerivedStromalCells", "CellBasedTherapy"),
        ("TalusCartilageInjury", "CartilageDisorder"),
        ("AchillesTendonInjury", "TendonDisorder"),
    ],
)
def test_the_hierarchy_is_inferred(
    ontology: list[ox.Triple], classified: list[ox.Triple], below: str, above: str
) -> None:
    """What no one wrote down follows from what a therapy is made of and where a disorder sits."""
    fact = ox.Triple(ox.NamedNode(RKG + below), SUBCLASS, ox.NamedNode(RKG + above))
    assert fact not in ontology
    pairs = (
        (t.subject.value, t.object.value)
        for t in [*ontology, *classified]
        if t.predicate == SUBCLASS and isinstance(t.object, ox.NamedNode)
    )
    assert RKG + above in reasoning.closure(pairs)[RKG + below]


def test_platelet_rich_plasma_is_not_cell_based(ontology: list[ox.Triple], classified: list[ox.Triple]) -> None:
    """The hierarchy doesn't put everything under everything."""
    pairs = (
        (t.subject.value, t.object.value)
        for t in [*ontology, *classified]
        if t.predicate == SUBCLASS and isinstance(t.object, ox.NamedNode)
    )
    assert RKG + "CellBasedTherapy" not in reasoning.closure(pairs)[RKG + "PlateletRichPlasma"]


def test_the_committed_hierarchy_is_fresh(ontology: list[ox.Triple], classified: list[ox.Triple]) -> None:
    """`ontology/inferred.nt` is what HermiT says of this ontology, byte for byte."""
    head = f"# ontology {reasoning.ontology_digest(ontology)}\n".encode()
    assert (ROOT / "ontology" / "inferred.nt").read_bytes() == head + reasoning.ntriples(classified)


def test_an_empty_class_is_named(ontology: list[ox.Triple]) -> None:
    """A class below two disjoint ones is a fault of the ontology."""
    both = ox.NamedNode(RKG + "Both")
    small = [
        t
        for t in ontology
        if t.predicate == TYPE and t.object == ox.NamedNode(OWL + "Class") and isinstance(t.subject, ox.NamedNode)
    ]
    small += [t for t in ontology if t.predicate.value == OWL + "disjointWith"]
    small.append(ox.Triple(both, TYPE, ox.NamedNode(OWL + "Class")))
    small += [ox.Triple(both, SUBCLASS, ox.NamedNode(RKG + name)) for name in ("Study", "Arm")]
    with pytest.raises(ReasoningError, match=r"nothing can be a .*#Both"):
        reasoning.infer_hierarchy(small)


def test_a_contradiction_is_named(ontology: list[ox.Triple], review: EmbeddedStore) -> None:
    """A component of two disjoint technologies stops the build, and the message names it and both."""
    data = [q.triple for q in of_report(review, "gormeli-2015")]
    component = next(
        t.subject for t in data if t.predicate == TYPE and t.object == ox.NamedNode(RKG + "PlateletRichPlasma")
    )
    wrong = ox.Triple(component, TYPE, ox.NamedNode(RKG + "HyaluronicAcid"))
    with pytest.raises(ReasoningError) as caught:
        reasoning.check_consistency([*ontology, *data, wrong])
    said = str(caught.value)
    for name in (component.value.rsplit("/", 1)[-1], "PlateletRichPlasma", "HyaluronicAcid", "disjointWith"):
        assert name.lower().replace("-", "") in said.lower().replace("-", ""), said


def test_consistent_data_pass(ontology: list[ox.Triple], review: EmbeddedStore) -> None:
    """The gate lets the same report through without the contradiction."""
    reasoning.check_consistency([*ontology, *(q.triple for q in of_report(review, "gormeli-2015"))])


def test_a_membership_is_explained(ontology: list[ox.Triple], review: EmbeddedStore) -> None:
    """A placebo arm is one because of its components and the definition; a thing that isn't one has no explanation."""
    data = [q.triple for q in of_report(review, "gormeli-2015")]
    placebo = ox.NamedNode(RKG + "PlaceboArm")
    arms = [t.subject for t in data if t.predicate == TYPE and t.object == ox.NamedNode(RKG + "Arm")]
    is_placebo = [a for a in arms if next(review.native.quads_for_pattern(a, TYPE, placebo, None), None)]
    assert len(is_placebo) == 1 and len(arms) > 1
    said = reasoning.explain_membership([*ontology, *data], is_placebo[0].value, placebo.value)
    for word in ("PlaceboArm", "hasComponent", "componentRole"):
        assert word in said, said
    other = next(a for a in arms if a not in is_placebo)
    with pytest.raises(ReasoningError, match="is not inferred to be"):
        reasoning.explain_membership([*ontology, *data], other.value, placebo.value)


def test_materialised_types_are_those_of_hermit(ontology: list[ox.Triple], review: EmbeddedStore) -> None:
    """All types of all individuals of a four-armed report are HermiT's (18 s; six reports at once take over 10 minutes)."""
    data = of_report(review, "gormeli-2015")
    classes = {
        t.subject.value
        for t in ontology
        if t.predicate == TYPE and t.object == ox.NamedNode(OWL + "Class") and isinstance(t.subject, ox.NamedNode)
    }
    inferred = reasoning.inferred_quads(ontology, build.hierarchy(ontology), data)

    def ours(pairs: set[tuple[str, str]]) -> set[tuple[str, str]]:
        return {(who, what) for who, what in pairs if what in classes and who not in classes}

    asserted = [t for t in [*ontology, *(q.triple for q in data)] if isinstance(t.subject, ox.NamedNode)]
    mine = ours(
        {(t.subject.value, t.object.value) for t in [*asserted, *(q.triple for q in inferred)] if t.predicate == TYPE}
    )
    told = ours({(t.subject.value, t.object.value) for t in asserted if t.predicate == TYPE})
    assert len(mine) > len(told) > 100
    assert mine == ours(reasoning.realise([*ontology, *(q.triple for q in data)]))
