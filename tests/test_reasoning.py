"""What is inferred is what HermiT infers, and it says why."""

from __future__ import annotations

import errno
import os
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pyoxigraph as ox
import pytest

from conftest import ROOT
from regen_kg import build, reasoning
from regen_kg.errors import BuildError, ReasoningError
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
        reasoning.check_consistency([*ontology, *data, wrong], [*ontology, *data])  # one of two inputs of one process
    said = str(caught.value)
    for name in (component.value.rsplit("/", 1)[-1], "PlateletRichPlasma", "HyaluronicAcid", "disjointWith"):
        assert name.lower().replace("-", "") in said.lower().replace("-", ""), said


def test_a_reasoner_that_is_ended_finds_no_contradiction(
    ontology: list[ox.Triple], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ended from outside or out of memory, HermiT has said nothing of the data, and nothing is made of that."""
    for code, stderr, words in (
        (-24, "", "ended by signal 24"),
        (1, "java.lang.OutOfMemoryError: heap", "out of memory"),
    ):
        done = subprocess.CompletedProcess([], code, "", stderr)
        monkeypatch.setattr(subprocess, "run", lambda *_, done=done, **__: done)
        with pytest.raises(ReasoningError, match=words) as caught:
            reasoning.check_consistency(ontology)
        assert "contradict" not in str(caught.value)


def test_a_full_disk_is_said(ontology: list[ox.Triple], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the reasoner's input cannot be written, the message says where and what to do."""

    def refuse(path: Path, _: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(Path, "write_bytes", refuse)
    with pytest.raises(BuildError, match=r"input cannot be written \(No space left on device\); make room there"):
        reasoning.check_consistency(ontology)


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


Pairs = set[tuple[str, str]]
MADE = {named_graph(name) for name in ("inferred", "queries", "provenance")}


def types_in(triples: Iterable[ox.Triple], ontology: list[ox.Triple]) -> Pairs:
    """The (individual, class) pairs of some triples, for the classes of the ontology."""
    classes = {
        t.subject.value
        for t in ontology
        if t.predicate == TYPE and t.object == ox.NamedNode(OWL + "Class") and isinstance(t.subject, ox.NamedNode)
    }
    return {
        (t.subject.value, t.object.value)
        for t in triples
        if t.predicate == TYPE and isinstance(t.subject, ox.NamedNode) and t.object.value in classes
    }


@pytest.fixture(scope="module")
def told(review: EmbeddedStore) -> list[ox.Quad]:
    """What nobody inferred: reports, notes, claims, method, places, gaps, conflicts, mappings, ontology.

    Every fifth of the 61 reports with all that speaks of it; all of them where REGEN_KG_WHOLE is set, which HermiT needs a minute for.
    """
    quads = [q for q in review.native if q.graph_name.value not in MADE]
    is_report = (TYPE, ox.NamedNode(RKG + "Report"))
    reports = sorted(q.subject.value for q in quads if (q.predicate, q.object) == is_report)
    assert len(reports) == 61
    if os.environ.get("REGEN_KG_WHOLE"):
        return quads
    left = {r.rsplit("/", 1)[1] for r in reports} - {r.rsplit("/", 1)[1] for r in reports[::5]}
    other = re.compile("/(?:" + "|".join(map(re.escape, sorted(left))) + ")(?:[/>]|$)")
    kept = [q for q in quads if not other.search(str(q.subject)) and not other.search(str(q.object))]
    assert sum((q.predicate, q.object) == is_report for q in kept) == 13
    return kept


@pytest.fixture(scope="module")
def realised(told: list[ox.Quad]) -> Pairs:
    """What HermiT infers from all of that at once."""
    return reasoning.realise([q.triple for q in told])


def test_materialised_types_are_those_of_hermit(
    ontology: list[ox.Triple], review: EmbeddedStore, told: list[ox.Quad], realised: Pairs
) -> None:
    """Every type of every individual is HermiT's, and the other way round, by the build's own rules and in what it wrote."""
    asserted = types_in((q.triple for q in told), ontology)
    mine = asserted | types_in(
        (q.triple for q in reasoning.inferred_quads(ontology, build.hierarchy(ontology), told)), ontology
    )
    assert len(mine) > len(asserted) > 1000
    assert mine == realised
    known = {individual for individual, _ in asserted}
    assert {pair for pair in types_in((q.triple for q in review.native), ontology) if pair[0] in known} == realised


def without(ontology: list[ox.Triple], axiom: str) -> list[ox.Triple]:
    """The ontology for rules that are blind to one kind of axiom."""
    blind = [t for t in ontology if t.predicate.value not in (OWL + axiom, RDFS + axiom)]
    assert len(blind) < len(ontology)
    return blind


@pytest.mark.no_cover  # many runs of what other tests reach
@pytest.mark.parametrize(
    "axiom", ["hasValue", "someValuesFrom", "intersectionOf", "unionOf", "equivalentClass", "inverseOf", "subClassOf"]
)
def test_the_proof_notices_a_rule_that_is_gone(
    ontology: list[ox.Triple], told: list[ox.Quad], realised: Pairs, axiom: str
) -> None:
    """Rules blind to one kind of axiom miss types that HermiT finds."""
    above = [] if axiom == "subClassOf" else build.hierarchy(ontology)
    inferred = reasoning.inferred_quads(without(ontology, axiom), above, told)
    assert types_in((q.triple for q in [*told, *inferred]), ontology) < realised


def test_the_proof_notices_a_rule_that_gives_too_much(
    ontology: list[ox.Triple], told: list[ox.Quad], realised: Pairs
) -> None:
    """Rules that take an intersection for a union find types that HermiT doesn't."""
    union = ox.NamedNode(OWL + "unionOf")
    wrong = [
        ox.Triple(t.subject, union, t.object) if t.predicate.value == OWL + "intersectionOf" else t for t in ontology
    ]
    inferred = reasoning.inferred_quads(wrong, build.hierarchy(ontology), told)
    assert types_in((q.triple for q in inferred), ontology) - realised


def test_types_follow_from_properties_alone(ontology: list[ox.Triple], review: EmbeddedStore) -> None:
    """Where no type is stated, domains and ranges give the types that HermiT finds, and each of the two is needed."""
    data = [q for q in of_report(review, "gormeli-2015") if q.predicate != TYPE]
    schema, above = [t for t in ontology if isinstance(t.subject, ox.NamedNode)], build.hierarchy(ontology)

    def mine(axioms: list[ox.Triple]) -> Pairs:
        inferred = reasoning.inferred_quads(axioms, above, data)
        return types_in([*schema, *(q.triple for q in inferred)], ontology)

    realised = reasoning.realise([*ontology, *(q.triple for q in data)])
    assert mine(ontology) == realised
    assert mine(without(ontology, "domain")) < realised
    assert mine(without(ontology, "range")) < realised


def test_superclasses_are_found_through_a_cycle() -> None:
    """Classes that stand above each other have the same superclasses."""
    pairs = [("a", "b"), ("b", "a"), ("b", "c"), ("c", "d")]
    assert reasoning.closure(pairs) == {"a": {"b", "c", "d"}, "b": {"a", "c", "d"}, "c": {"d"}}
