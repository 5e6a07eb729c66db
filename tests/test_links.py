"""Links to other ontologies: the shipped SSSOM tables, what their faults say, and evidence under external terms."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from conftest import ROOT, needs
from regen_kg import links, ontologies, queries
from regen_kg.errors import InputError, QueryError
from regen_kg.iris import SKOS
from regen_kg.store import EmbeddedStore
from regen_kg.terms import Terms

MAPPINGS = ROOT / "graph" / "mappings"
TABLE = "regen-kg.sssom.tsv"


@pytest.fixture(scope="module")
def terms() -> Terms:
    return Terms.load(ROOT / "ontology")


@pytest.fixture(scope="module")
def mappings(terms: Terms) -> list[links.Mapping]:
    return links.read_mappings(MAPPINGS, terms)


def ask(store: EmbeddedStore, name: str, **values: str) -> list[dict[str, str]]:
    return queries.run(store, queries.get(name), values)


def test_prp_is_the_one_of_ncit(review: EmbeddedStore) -> None:
    """Is your PRP my NCIT C106557? Yes, as NCIT prints it."""
    rows = [r for r in ask(review, "mappings") if r["object"] == "ncit:C106557"]
    assert [(r["concept"], r["predicate"], r["object_label"]) for r in rows] == [
        ("platelet-rich-plasma", "skos:exactMatch", "Platelet-rich Plasma")
    ]
    assert all(all(r.values()) for r in ask(review, "mappings"))


def test_identifiers_and_subjects(mappings: list[links.Mapping]) -> None:
    """Every identifier has the form of its ontology and every subject is a term; nothing of SNOMED CT is shipped."""
    for m in mappings:
        prefix, _, local = m.object.partition(":")
        assert re.fullmatch(ontologies.sources()[prefix].pattern, local)
        assert m.object_iri.endswith(local)
    assert not any("snomed" in (m.object + m.source).lower() for m in mappings)
    assert len({m.iri for m in mappings}) == len(mappings)


def test_no_mapping_is_a_near_miss(mappings: list[links.Mapping], review: EmbeddedStore) -> None:
    """A pair of terms is either mapped or warned of; a near miss has a reason and no direct statement."""
    pairs = {(m.concept.iri, m.object) for m in mappings if not m.near_miss}
    misses = [m for m in mappings if m.near_miss]
    assert misses and not pairs & {(m.concept.iri, m.object) for m in misses}
    assert all(r["reason"] for r in ask(review, "near-misses"))
    stated = {
        (q.subject.value, q.predicate.value.removeprefix(SKOS), q.object.value)
        for q in links.mapping_quads(mappings)
        if q.predicate.value.startswith(SKOS)
    }
    assert stated == {(m.concept.iri, m.predicate, m.object_iri) for m in mappings if not m.near_miss}


def test_unmapped_are_those_without_an_exact_match(
    mappings: list[links.Mapping], terms: Terms, review: EmbeddedStore
) -> None:
    """Every term stands either in the exact matches or in `unmapped`, with its nearest match."""
    every = {(t.list, t.slug) for name in terms.lists if name != "technology" for t in terms.all(name)}
    exact = {(m.concept.list, m.concept.slug) for m in mappings if m.predicate == "exactMatch" and not m.near_miss}
    rows = ask(review, "unmapped")
    assert [(r["list"], r["concept"]) for r in rows] == sorted(every - exact)
    nearest = {r["concept"]: r["nearest"] for r in rows}
    assert nearest["ankle-osteoarthritis"] == "skos:closeMatch"
    assert nearest["plantar-fascia"] == "skos:broadMatch"
    assert nearest["placental-tissue"] == "skos:relatedMatch"
    assert nearest["blood"] == ""


def test_osteoarthritis_holds_the_ankle_reports(review: EmbeddedStore) -> None:
    """Mondo's osteoarthritis is broader than ours, so all our reports on it count, and no others."""
    rows = ask(review, "by-external-term", object="mondo:0005178")
    assert {r["concept"] for r in rows} == {"ankle-osteoarthritis"}
    found = {r["report"] for r in rows}
    assert found == {r["report"] for r in ask(review, "reports") if "ankle-osteoarthritis" in r["diseases"].split("|")}
    assert "kim-2016" in found and "guney-2015" not in found


def test_evidence_does_not_leak(review: EmbeddedStore) -> None:
    """Close, narrow and related matches bring no report, and reports on a term above the mapped one don't count."""
    for close in ("icd10cm:M19.07", "hp:0025273", "uberon:0001013"):
        assert ask(review, "by-external-term", object=close) == []
    tendon = {r["report"] for r in ask(review, "by-external-term", object="mondo:0100010")}
    injury = {r["report"] for r in ask(review, "by-external-term", object="efo:0600078")}
    assert tendon < injury
    sodium = {r["report"] for r in ask(review, "by-external-term", object="chebi:201433")}
    acid = {r["report"] for r in ask(review, "by-external-term", object="chebi:16336")}
    assert "salk-2006" in sodium and sodium < acid


def test_prefixes_are_lower_case(review: EmbeddedStore) -> None:
    """An identifier in another case is answered with the one to write."""
    with pytest.raises(QueryError, match="mondo:0005178"):
        ask(review, "by-external-term", object="MONDO:0005178")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("ncit:C106557\t", "NCIT:C106557\t", ["object_id", '"NCIT:C106557"', 'write "ncit:C106557"']),
        ("ncit:C106557\t", "ncit:106557\t", ["object_id", '"ncit:106557"', "does not look like"]),
        ("rkg:PlateletRichPlasma\t", "rkg:PlateletPoorPlasma\t", ["subject_id", '"rkg:PlateletPoorPlasma"']),
        ("\tTalus\t", "\t\t", ["object_label", '"" is blank']),
        ("skos:exactMatch\tmesh:D053657", "owl:sameAs\tmesh:D053657", ["predicate_id", '"owl:sameAs"']),
        ("\t0.99\t", "\t99\t", ["confidence", '"99"']),
        ("mapping_set_version", "version", ["#mapping_set_version"]),
        ("confidence\tcomment\n", "confidence\n", ["no column comment"]),
        ("\tmesh:D016032\t", "\tmesh:D016449\t", ["mesh:D016449", "stands on both"]),
        ("mondo:0005178\t", "mondo:0005416\t", ["mondo:0005416", "near miss"]),
    ],
)
def test_faults_say_where(tmp_path: Path, terms: Terms, old: str, new: str, said: list[str]) -> None:
    """A fault names file, column and value, and the row unless it is of the whole header."""
    folder = tmp_path / "mappings"
    shutil.copytree(MAPPINGS, folder)
    text = (folder / TABLE).read_text("utf-8")
    assert old in text
    (folder / TABLE).write_text(text.replace(old, new, 1), "utf-8")
    with pytest.raises(InputError) as error:
        links.read_mappings(folder, terms)
    line = next(x for x in str(error.value).splitlines() if all(part in x for part in said))
    assert ".sssom.tsv" in line
    if "#" not in line:
        assert re.search(r", row \d+", line)


def test_tables_pass_sssom() -> None:
    """The tables are valid for the `sssom` package, where it is installed."""
    needs("sssom")
    import subprocess
    import sys

    for path in sorted(MAPPINGS.glob("*.sssom.tsv")):
        done = subprocess.run(
            [sys.executable, "-m", "sssom.cli", "validate", str(path)], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr


def test_terms_without_an_exact_match_are_composed(review: EmbeddedStore) -> None:
    """Ankle osteoarthritis is osteoarthritis, as Mondo has it, located in Uberon's ankle joint."""
    rows = {r["concept"]: r["composition"] for r in ask(review, "unmapped")}
    assert rows["ankle-osteoarthritis"].startswith(
        "osteoarthritis (mondo:0005178) located in ankle joint (uberon:0001488)"
    )
    assert (
        rows["bone-marrow-aspirate-concentrate"]
        == "cellular therapy (maxo:0000016) derived from bone marrow (uberon:0002371)"
    )
    assert rows["plantar-fascia"].endswith("part of foot (uberon:0002387)")
    assert rows["ffi"] == ""
    assert all(rows[slug] for slug in rows if slug.startswith(("achilles", "ankle-osteo")))
