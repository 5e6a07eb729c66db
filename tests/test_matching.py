"""Local copies of other ontologies: every form read alike, bad files refused whole, mappings checked, candidates ranked."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import http.server
import json
import re
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import ROOT, needs, whole_release
from regen_kg import build, cli, links, matching, ontologies, ontology_files
from regen_kg.analysis.external import rollup
from regen_kg.errors import FaultsError, InputError, OntologyError
from regen_kg.explorer import as_seen_by
from regen_kg.terms import Terms

OBO = "http://purl.obolibrary.org/obo/"
OWL_HEAD = '<?xml version="1.0"?>\n'

# True identifiers and labels; definitions and the choice of terms are ours.
MONDO_OBO = """format-version: 1.4
data-version: releases/2026-05-05
ontology: mondo
property_value: http://purl.org/dc/terms/license http://creativecommons.org/licenses/by/4.0/

[Term]
id: MONDO:0000001
name: disease

[Term]
id: MONDO:0005178
name: osteoarthritis
def: "Wear of a joint, with \\"spurs\\"." []
synonym: "degenerative joint disease" EXACT []
is_a: MONDO:0000001 ! disease

[Term]
id: MONDO:0005416
name: osteoarthritis, knee
is_a: MONDO:0005178 {source="x"} ! osteoarthritis

[Term]
id: MONDO:0004833
name: plantar fasciitis
is_a: MONDO:0000001 ! disease

[Term]
id: MONDO:0004684
name: plantar fibromatosis
is_a: MONDO:0000001 ! disease

[Term]
id: MONDO:0010808
name: fatal familial insomnia
synonym: "FFI" EXACT []
is_a: MONDO:0000001 ! disease

[Term]
id: MONDO:0008840
name: ataxia telangiectasia
synonym: "AT" EXACT []
is_a: MONDO:0000001 ! disease

[Term]
id: MONDO:0100010
name: disease of the tendon
synonym: "tendinopathy" EXACT []
is_a: MONDO:0000001 ! disease

[Term]
id: MONDO:0008652
name: congenital vertical talus
is_a: MONDO:0000001 ! disease

[Term]
id: MONDO:0043895
name: ankle injury
is_a: MONDO:0000001 ! disease
"""

UBERON_TTL = f"""@prefix obo: <{OBO}> .
@prefix owl: <http://www.w3.org/2002/07/owl#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix oio: <http://www.geneontology.org/formats/oboInOwl#> .
obo:uberon.owl a owl:Ontology ; owl:versionIRI <{OBO}uberon/releases/2026-04-01/uberon.owl> .
obo:UBERON_0001062 a owl:Class ; rdfs:label "anatomical entity" .
obo:UBERON_0002387 a owl:Class ; rdfs:label "pes" ; oio:hasExactSynonym "foot" ; rdfs:subClassOf obo:UBERON_0001062 .
obo:UBERON_0002395 a owl:Class ; rdfs:label "talus" ; rdfs:subClassOf obo:UBERON_0001062 ,
  [ a owl:Restriction ; owl:onProperty obo:BFO_0000050 ; owl:someValuesFrom obo:UBERON_0002387 ] .
obo:UBERON_0003701 a owl:Class ; rdfs:label "calcaneal tendon" ; oio:hasExactSynonym "Achilles tendon" ; rdfs:subClassOf obo:UBERON_0001062 .
obo:UBERON_0000119 a owl:Class ; rdfs:label "cell layer" ; rdfs:subClassOf obo:UBERON_0001062 .
"""

CL_OWX = f"""{OWL_HEAD}<!DOCTYPE Ontology [ <!ENTITY obo "{OBO}"> ]>
<Ontology xmlns="http://www.w3.org/2002/07/owl#" ontologyIRI="{OBO}cl.owl" versionIRI="{OBO}cl/releases/2026-03-26/cl.owl">
  <Prefix name="obo" IRI="{OBO}"/>
  <Declaration><Class IRI="&obo;CL_0000000"/></Declaration>
  <Declaration><Class abbreviatedIRI="obo:CL_0000134"/></Declaration>
  <SubClassOf><Class abbreviatedIRI="obo:CL_0000134"/><Class IRI="&obo;CL_0000000"/></SubClassOf>
  <AnnotationAssertion><AnnotationProperty IRI="http://www.w3.org/2000/01/rdf-schema#label"/><IRI>{OBO}CL_0000000</IRI><Literal>cell</Literal></AnnotationAssertion>
  <AnnotationAssertion><AnnotationProperty IRI="http://www.w3.org/2000/01/rdf-schema#label"/><AbbreviatedIRI>obo:CL_0000134</AbbreviatedIRI><Literal>mesenchymal stem cell</Literal></AnnotationAssertion>
</Ontology>
"""


def quiet(line: str) -> None:
    """Take progress and drop it."""


@pytest.fixture(scope="module")
def terms() -> Terms:
    return Terms.load(ROOT / "ontology")


@pytest.fixture(scope="module")
def mappings(terms: Terms) -> list[links.Mapping]:
    return links.read_mappings(ROOT / "graph" / "mappings", terms)


@pytest.fixture
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's data folder of its own."""
    monkeypatch.setenv("REGEN_KG_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def copies(own_home: Path, tmp_path: Path, terms: Terms, mappings: list[links.Mapping]) -> list[ontologies.Copy]:
    """Copies of the small Mondo and Uberon."""
    for name, text in (("mondo.obo", MONDO_OBO), ("uberon.ttl", UBERON_TTL)):
        (tmp_path / name).write_text(text, "utf-8")
        matching.add(str(tmp_path / name), None, terms, mappings, quiet)
    return ontologies.copies()


def as_json(found: ontology_files.OntologyFile) -> str:
    """Write terms as OBO graph JSON."""
    nodes = [
        {
            "id": ontologies.iri(c.id), "lbl": c.label, "type": "CLASS",
            "meta": {"synonyms": [{"pred": ontologies.SCOPES[s], "val": v} for s, v in c.synonyms]}
            | ({"definition": {"val": c.definition}} if c.definition else {}),
        }
        for c in found.classes.values()
    ]  # fmt: skip
    edges = [
        {"sub": ontologies.iri(c.id), "pred": "is_a", "obj": ontologies.iri(p)} for c in found.classes.values() for p in c.parents
    ]  # fmt: skip
    graph = {
        "id": OBO + "mondo.json",
        "nodes": nodes,
        "edges": edges,
        "meta": {"version": OBO + "mondo/releases/2026-05-05/mondo.json"},
    }
    return json.dumps({"graphs": [graph]})


def test_every_form_says_the_same(tmp_path: Path) -> None:
    """One ontology in OBO, packed OBO, OBO graph JSON, Turtle, N-Triples and RDF/XML gives the same terms and version."""
    import rdflib

    obo = tmp_path / "mondo.obo"
    obo.write_text(MONDO_OBO, "utf-8")
    first = ontology_files.read_ontology(obo, quiet)
    assert len(first.classes) == 10 and first.version == "2026-05-05"
    assert first.classes["mondo:0005178"].definition == 'Wear of a joint, with "spurs".'
    assert first.classes["mondo:0005416"].parents == ["mondo:0005178"]
    (tmp_path / "mondo.obo.gz").write_bytes(gzip.compress(MONDO_OBO.encode()))
    (tmp_path / "mondo.json").write_text(as_json(first), "utf-8")
    copy = ontologies.Copy("mondo", "", "", "", "", "", "", 0, "", first.classes)
    graph = rdflib.Graph()
    for q in ontologies.quads(copy):
        if "/graph/" not in q.subject.value:
            graph.parse(data=f"{q.triple} .", format="nt")
    graph.parse(
        data=f"<{OBO}mondo.owl> a <http://www.w3.org/2002/07/owl#Ontology> ; <http://www.w3.org/2002/07/owl#versionInfo> '2026-05-05' .",
        format="turtle",
    )
    for name, form in (("mondo.ttl", "turtle"), ("mondo.nt", "nt"), ("mondo.owl", "xml")):
        graph.serialize(tmp_path / name, format=form, encoding="utf-8")
    for name in ("mondo.obo.gz", "mondo.json", "mondo.ttl", "mondo.nt", "mondo.owl"):
        found = ontology_files.read_ontology(tmp_path / name, quiet)
        assert found.version == "2026-05-05", name
        assert ontology_files.own_prefix(found, None) == "mondo"
        assert found.classes == first.classes, name


def test_owl_xml_and_part_of(tmp_path: Path) -> None:
    """OWL/XML is read with its short names and harmless entities; parts come from restrictions."""
    (tmp_path / "cl.owl").write_text(CL_OWX, "utf-8")
    found = ontology_files.read_ontology(tmp_path / "cl.owl", quiet)
    assert (found.form, found.version) == ("OWL/XML", "2026-03-26")
    assert found.classes["cl:0000134"] == ontologies.Class(
        "cl:0000134", "mesenchymal stem cell", parents=["cl:0000000"]
    )
    (tmp_path / "uberon.ttl").write_text(UBERON_TTL, "utf-8")
    found = ontology_files.read_ontology(tmp_path / "uberon.ttl", quiet)
    assert found.classes["uberon:0002395"].part_of == ["uberon:0002387"]


BOMB = OWL_HEAD + '<!DOCTYPE rdf:RDF [ <!ENTITY a "aaaaaaaaaa"> <!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"> ]>'
RDF_ROOT = '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("mondo.obo", MONDO_OBO[:-20], "cut short"),
        ("mondo.obo", MONDO_OBO.replace("id: MONDO:0000001\n", "id: MONDO:0000009\n"), "cut short or a slice"),
        ("mondo.obo", "[Term]\nid: MONDO:0000001\nname disease\n", "line 3"),
        ("mondo.obo", '{"graphs": []}', "named as OBO but holds OBO graph JSON"),
        ("mondo.json", '{"graphs": [{"nodes": [{"id": "MONDO', "cut short"),
        ("mondo.json", '{"graphs":' + "[" * 100_000, "nested"),
        ("mondo.obo", "format-version: 1.4\nremark: " + "a" * 2**20, "line 2: longer"),
        ("mondo.json", '{"hello": 1}', "no term"),
        ("mondo.json", '{"graphs": [{"nodes": [{"no": 1}]}]}', "no OBO graph"),
        ("mondo.ttl", UBERON_TTL[:-30], "cut short"),
        ("mondo.owl", BOMB + RDF_ROOT + "&b;</rdf:RDF>", "hostile"),
        ("mondo.owl", OWL_HEAD + '<!DOCTYPE rdf:RDF [ <!ENTITY x SYSTEM "file:///etc/passwd"> ]>' + RDF_ROOT + "</rdf:RDF>", "hostile"),
        ("mondo.owl", OWL_HEAD + '<!DOCTYPE rdf:RDF SYSTEM "http://127.0.0.1:9/x.dtd">' + RDF_ROOT + "</rdf:RDF>", "hostile"),
        ("mondo.owl", OWL_HEAD + '<!DOCTYPE rdf:RDF [ <!ENTITY % p "x"> ]>' + RDF_ROOT + "</rdf:RDF>", "hostile"),
        ("mondo.owl", OWL_HEAD + RDF_ROOT + '<!DOCTYPE a [ <!ENTITY a "b"> ]></rdf:RDF>', "hostile"),
        ("mondo.owl", OWL_HEAD + "<html><body>Not found</body></html>", "neither RDF/XML nor OWL/XML"),
        ("mondo.owl", "<!DOCTYPE html><html></html>", "web page"),
        ("mondo.owl", CL_OWX[:-200], "cut short"),
        ("mondo.owl", '<?xml version="1.0" encoding="UTF-16"?><a/>', "UTF-16"),
        ("mondo.ofn", "Prefix(:=<http://x/>)\nOntology()", "functional syntax"),
        ("mondo.obo", "", "empty"),
        ("mondo.obo", "colour,name\n1,2\n", "none of OBO"),
        ("mondo.obo", UBERON_TTL, "named as OBO but holds Turtle"),
    ],
)  # fmt: skip
def test_bad_files_change_nothing(
    own_home: Path, tmp_path: Path, terms: Terms, mappings: list[links.Mapping], name: str, text: str, said: str
) -> None:
    """A cut, hostile or mislabelled file says why in one line and leaves the copy as it was."""
    (tmp_path / "good.obo").write_text(MONDO_OBO, "utf-8")
    matching.add(str(tmp_path / "good.obo"), None, terms, mappings, quiet)
    before = (own_home / "ontologies" / "mondo.nq").read_bytes()
    (tmp_path / name).write_text(text, "utf-8")
    with pytest.raises(OntologyError, match=re.escape(said)) as error:
        matching.add(str(tmp_path / name), "mondo", terms, mappings, quiet)
    assert "\n" not in str(error.value) and name in str(error.value)
    assert {p.name: p.read_bytes() for p in (own_home / "ontologies").iterdir()} == {"mondo.nq": before}


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("mondo.ttl.gz", b"<http://a/> <http://b/> '" + b"a" * 20_000_000, "endless"),
        ("mondo.json.gz", b'{"graphs": "' + b"a" * 2_000_000, "longer than 1 MiB"),
        ("mondo.json.gz", b'{"graphs": ["' + rb"\"" * 1_000_000, "longer than 1 MiB"),
        ("mondo.json.gz", b'{"graphs": [' + b'{"nodes": []}, ' * 80_000, "more than 100 times its size"),
        ("mondo.obo.gz", b"format-version: 1.4\n" + b"[Term]\nid: X:1\n" * 80_000, "more than 100 times its size"),
    ],
    ids=["endless Turtle", "endless JSON", "endless JSON of hidden quotes", "repeated JSON", "repeated OBO"],
)
def test_packed_bombs_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: bytes, said: str
) -> None:
    """A small packed file that would fill the memory is refused before it does, here at a small limit."""
    if "times its size" in said:
        monkeypatch.setattr(ontology_files, "_UNPACKED", 2**20)
    (tmp_path / name).write_bytes(gzip.compress(content))
    with pytest.raises(OntologyError, match=said):
        ontology_files.read_ontology(tmp_path / name, quiet)


def test_long_texts_that_end_are_read(tmp_path: Path) -> None:
    """Texts below the limit, backslashes and quotes within them, are no bomb, however many there are."""
    text = 'a\\"b' * 30_000
    nodes = [
        {"id": OBO + f"MONDO_000000{n}", "lbl": "disease", "meta": {"definition": {"val": text}}} for n in range(9)
    ]
    (tmp_path / "mondo.json").write_text(json.dumps({"graphs": [{"id": OBO + "mondo.json", "nodes": nodes}]}), "utf-8")
    found = ontology_files.read_ontology(tmp_path / "mondo.json", quiet)
    assert {c.definition for c in found.classes.values()} == {text} and len(found.classes) == 9


def test_wrong_prefix_names_the_right_one(tmp_path: Path, own_home: Path, terms: Terms) -> None:
    """An ontology filed under a prefix that it has no term of is refused with the one to give."""
    (tmp_path / "x.obo").write_text(MONDO_OBO, "utf-8")
    with pytest.raises(OntologyError, match="--as mondo"):
        matching.add(str(tmp_path / "x.obo"), "doid", terms, [], quiet)
    with pytest.raises(OntologyError, match="no known prefix"):
        matching.add(str(tmp_path / "x.obo"), "mondoo", terms, [], quiet)
    with pytest.raises(OntologyError, match="not the one given"):
        matching.add(str(tmp_path / "x.obo"), None, terms, [], quiet, sha256="0" * 64)
    with pytest.raises(OntologyError, match="cannot be read"):
        matching.add(str(tmp_path / "absent.obo"), None, terms, [], quiet)
    assert not (own_home / "ontologies").exists()


def test_a_copy_holds_what_is_needed(copies: list[ontologies.Copy], terms: Terms) -> None:
    """Mapped terms, terms worded like ours and all above them are kept with licence and source; others are not."""
    mondo, uberon = copies
    assert {"mondo:0005178", "mondo:0004833", "mondo:0000001", "mondo:0010808"} <= set(mondo.classes)
    assert "uberon:0000119" not in uberon.classes and "0000119" in uberon.ids.split()
    assert mondo.ancestors("mondo:0005416") == {"mondo:0005178", "mondo:0000001"}
    assert (mondo.version, mondo.origin, mondo.of) == ("2026-05-05", "mondo.obo", 10)
    assert mondo.licence == "CC-BY-4.0 http://creativecommons.org/licenses/by/4.0/"
    assert mondo.sha256 == hashlib.sha256(MONDO_OBO.encode()).hexdigest()
    assert mondo.wording == matching.wording_digest(terms)
    assert {q.graph_name.value for q in ontologies.quads(mondo)} == {"https://w3id.org/regen-kg/graph/ontology/mondo"}
    path = ontologies.folder() / "mondo.nq"
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(OntologyError, match="damaged"):
        ontologies.copies()


def test_closed_ontologies_stay_here(own_home: Path, tmp_path: Path, terms: Terms) -> None:
    """HPO is read, and the user is told that the copy must not be passed on; the package holds none."""
    text = "format-version: 1.4\nontology: hp\n\n[Term]\nid: HP:0002758\nname: Osteoarthritis\n"
    (tmp_path / "hp.obo").write_text(text, "utf-8")
    said: list[str] = []
    matching.add(str(tmp_path / "hp.obo"), None, terms, [], said.append)
    assert "stays on this machine" in said[-1]
    closed = {s.prefix for s in ontologies.sources().values() if not s.may_share}
    assert closed == {"hp", "icd10", "icd10cm", "icd11", "loinc", "pico", "snomedct"}


def test_shipped_mappings_hold(copies: list[ontologies.Copy], mappings: list[links.Mapping]) -> None:
    """Against copies with the current labels no shipped mapping is in breach."""
    held = [m for m in mappings if any(m.object in c.classes for c in copies)]
    assert len(held) > 10
    assert [f for f in matching.check(held, copies) if f.severity == "violation"] == []


def changed(mappings: list[links.Mapping], concept: str, **new: str) -> list[links.Mapping]:
    """Return one mapping of a concept, changed."""
    from dataclasses import replace

    old = next(m for m in mappings if m.concept.slug == concept and not m.near_miss)
    return [replace(old, **{"predicate": "exactMatch", **new})]


@pytest.mark.parametrize(
    ("concept", "new", "rule", "severity"),
    [
        ("achilles-tendon", {"object": "uberon:0003701", "object_label": "achilles tendon"}, "label-moved", "warning"),
        ("foot", {"object": "uberon:0002387", "object_label": "foot"}, "label-moved", "warning"),
        ("talus", {"object": "uberon:0009999", "object_label": "talus"}, "unknown-id", "violation"),
        ("talus", {"object": "uberon:0000119", "object_label": "cell layer"}, "not-kept", "warning"),
        ("talus", {"object": "mondo:0008652", "object_label": "congenital vertical talus"}, "wrong-meaning", "violation"),
        ("plantar-fasciitis", {"object": "mondo:0004684", "object_label": "plantar fibromatosis"}, "wrong-meaning", "violation"),
        ("plantar-fasciitis", {"object": "mondo:0005178", "object_label": "plantar fasciitis"}, "wrong-meaning", "violation"),
        ("ankle-osteoarthritis", {"object": "mondo:0005416", "object_label": "osteoarthritis, knee"}, "wording", "warning"),
    ],
)  # fmt: skip
def test_check_finds(
    copies: list[ontologies.Copy],
    mappings: list[links.Mapping],
    concept: str,
    new: dict[str, str],
    rule: str,
    severity: str,
) -> None:
    """By wording alone: a moved label warns; an unknown identifier and another meaning are breaches."""
    found = matching.check(changed(mappings, concept, **new), copies)
    assert [(f.rule, f.severity) for f in found] == [(f"mapping-{rule}", severity)]


def test_known_near_misses_are_breaches(mappings: list[links.Mapping]) -> None:
    """Every near miss that is put forward as a match is caught, even where no wording tells it."""
    from dataclasses import replace

    misses = [m for m in mappings if m.near_miss]
    found = matching.check([replace(m, near_miss=False) for m in misses], [], known=misses)
    assert len(found) == len(misses) > 40
    assert {f.rule for f in found} == {"mapping-wrong-meaning"}


def test_retired_terms_name_their_successor(copies: list[ontologies.Copy], mappings: list[links.Mapping]) -> None:
    """A mapping to a retired term is told where to go."""
    classes = {
        "mondo:0009999": ontologies.Class(
            "mondo:0009999", "obsolete plantar fasciitis", obsolete=True, replaced_by=["mondo:0004833"]
        )
    }
    copy = ontologies.Copy("mondo", "", "", "", "", "", "", 1, "0009999", classes)
    row = changed(mappings, "plantar-fasciitis", object="mondo:0009999", object_label="obsolete plantar fasciitis")
    (found,) = matching.check(row, [copy])
    assert found.rule == "mapping-obsolete" and "mondo:0004833" in found.message


def test_suggestions(copies: list[ontologies.Copy], terms: Terms, mappings: list[links.Mapping]) -> None:
    """The same thing under another name comes first; where none is, nothing is suggested; short forms alone never count."""
    index = matching.Index(copies)
    first = matching.suggest(terms.get("anatomy", "achilles-tendon"), index, [])[0][0]
    assert first.object == "uberon:0003701" and first.suggested and "Achilles tendon" in first.reasons[0]
    for kind, slug in (
        ("condition", "ankle-osteoarthritis"),
        ("outcome-measure", "ffi"),
        ("condition", "achilles-tendinopathy"),
    ):
        assert not any(c.suggested for c, _ in matching.suggest(terms.get(kind, slug), index, []))
    c = next(c for copy in copies for c in copy.classes.values() if c.id == "mondo:0010808")
    score, reasons = index.fit(matching.Wanted("Foot Function Index", ("FFI",)), c)
    assert score == 0 and reasons == ("only the short form FFI agrees",)


def test_near_misses_are_never_first(
    copies: list[ontologies.Copy], terms: Terms, mappings: list[links.Mapping]
) -> None:
    """A candidate that is a known near miss comes after all others and says so."""
    from dataclasses import replace

    term = terms.get("condition", "plantar-fasciitis")
    miss = [replace(m, near_miss=True) for m in mappings if m.concept == term and m.object == "mondo:0004833"]
    told = matching.suggest(term, matching.Index(copies), miss)
    assert told[0][0].object != "mondo:0004833" and told[-1][1].startswith("near miss")


def test_accepted_candidates_become_rows(
    copies: list[ontologies.Copy], terms: Terms, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An accepted candidate is a valid row, once; near misses and retired or absent terms are refused."""
    table = tmp_path / "new" / "mine.sssom.tsv"
    ok = ["--author", "A. Curator", "--confidence", "0.95", "--into", str(table)]
    assert cli.main(["link", "suggest", "talus", "--accept", "uberon:0002395", *ok]) == 0
    assert (
        cli.main(["link", "suggest", "ankle-osteoarthritis", "--accept", "mondo:0005178", "--predicate", "broad", *ok])
        == 0
    )
    rows = links.read_mappings(table.parent, terms)
    assert [(m.concept.slug, m.predicate, m.object, m.author) for m in rows] == [
        ("ankle-osteoarthritis", "broadMatch", "mondo:0005178", "A. Curator"),
        ("talus", "exactMatch", "uberon:0002395", "A. Curator"),
    ]
    before = table.read_bytes()
    for concept, name, said in (
        ("talus", "uberon:0002395", "stands on both"),
        ("talus", "mondo:0008652", "near miss"),
        ("talus", "uberon:0009999", "is not in the copy"),
        ("talus", "doid:1", "no copy"),
        ("taluss", "uberon:0002395", 'nearest: "talus"'),
    ):
        assert cli.main(["link", "suggest", concept, "--accept", name, *ok]) == 2
        assert said in capsys.readouterr().err
    assert cli.main(["link", "suggest", "talus", "--accept", "uberon:0002387", *ok[:2]]) == 2
    assert table.read_bytes() == before
    with pytest.raises(InputError, match="name the table"):
        links.write_mapping(tmp_path / "mine.tsv", {"object_id": "mondo:1"}, terms)
    with pytest.raises(FaultsError, match="subject_id"):
        links.write_mapping(table, {"object_id": "mondo:0000001", "subject_id": "rkg:Nothing"}, terms)


def test_accepted_rows_pass_sssom(copies: list[ontologies.Copy], tmp_path: Path) -> None:
    """A table begun by accepting is valid for the `sssom` package."""
    needs("sssom")
    import subprocess
    import sys

    table = tmp_path / "mine.sssom.tsv"
    arguments = [
        "link",
        "suggest",
        "talus",
        "--accept",
        "uberon:0002395",
        "--author",
        "A",
        "--confidence",
        "0.9",
        "--into",
        str(table),
    ]
    assert cli.main(arguments) == 0
    done = subprocess.run([sys.executable, "-m", "sssom.cli", "validate", str(table)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_command_line(own_home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From nothing to a checked table: list, add, check, suggest; words on stderr, data on stdout."""
    assert cli.main(["link", "list"]) == 0
    assert cli.main(["link", "check"]) == 2 and "link add" in capsys.readouterr().err
    (tmp_path / "mondo.obo").write_text(MONDO_OBO, "utf-8")
    assert cli.main(["link", "add", str(tmp_path / "mondo.obo")]) == 0
    out, err = capsys.readouterr()
    assert out.strip() == str(own_home / "ontologies" / "mondo.nq") and "terms kept" in err
    assert cli.main(["link", "list", "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["version"] == "2026-05-05"
    folder = tmp_path / "mappings"
    shutil.copytree(ROOT / "graph" / "mappings", folder)
    table = folder / "regen-kg.sssom.tsv"
    text = table.read_text("utf-8")
    assert "mondo:0004833\tplantar fasciitis" in text
    table.write_text(text.replace("mondo:0004833\tplantar fasciitis", "mondo:0004832\tplantar fasciitis"), "utf-8")
    assert cli.main(["link", "check", "--mappings", str(folder), "--against", "mondo", "--format", "json"]) == 1
    assert any(
        f["rule"] == "mapping-unknown-id" and f["value"] == "mondo:0004832" for f in json.loads(capsys.readouterr().out)
    )
    assert cli.main(["link", "check", "--against", "uberon"]) == 2
    assert cli.main(["link", "check", "--mappings", str(tmp_path / "absent")]) == 2
    capsys.readouterr()
    assert cli.main(["link", "suggest", "plantar-fasciitis", "--format", "json"]) == 0
    first = json.loads(capsys.readouterr().out)[0]
    assert (first["object"], first["suggested"]) == ("mondo:0004833", "true")
    assert cli.main(["link", "suggest", "ffi", "--top", "2"]) == 0
    assert "nothing is worded like" in capsys.readouterr().err


class _Server(http.server.BaseHTTPRequestHandler):
    """Serves Mondo with entity tags and ranges; can break off half-way once."""

    protocol_version = "HTTP/1.1"
    stop = threading.Event()
    body = MONDO_OBO.encode()
    tag = '"one"'
    broken = False
    seen: list[tuple[str, str | None]] = []  # noqa: RUF012 (reset by the fixture)

    def do_GET(self) -> None:
        self.seen.append((self.path, self.headers.get("Range")))
        if self.path == "/away":
            self.send_response(302)
            self.send_header("Location", "ftp://127.0.0.1/mondo.obo")
            self.end_headers()
            return
        if self.path in ("/drip.obo", "/drip-head.obo"):
            if self.path == "/drip.obo":
                self.send_response(200)
                self.send_header("Content-Length", "1000")
                self.end_headers()
            with contextlib.suppress(ConnectionError):
                for _ in range(200):  # a byte at a time, each of which would begin a socket's time limit anew
                    self.stop.wait(0.02)
                    self.wfile.write(b"!" if self.path == "/drip.obo" else b"H")
            self.close_connection = True
            return
        if self.path == "/chunks.obo":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"40\r\nformat-version")
            self.close_connection = True
            return
        if self.path == "/absent.obo":
            self.send_error(404)
            return
        if self.headers.get("If-None-Match") == self.tag:
            self.send_response(304)
            self.end_headers()
            return
        start = 0
        if (asked := self.headers.get("Range")) and self.headers.get("If-Range") == self.tag:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
        self.send_response(206 if start else 200)
        self.send_header("ETag", self.tag)
        rest = self.body[start:]
        if start:
            first = start + self.path.startswith("/other-part")
            self.send_header("Content-Range", f"bytes {first}-{len(self.body) - 1}/{len(self.body)}")
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        if type(self).broken:
            type(self).broken = False
            self.wfile.write(rest[: len(rest) // 2])
            self.close_connection = True
            return
        self.wfile.write(rest)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def server(own_home: Path) -> Iterator[str]:
    """A web server on loopback."""
    _Server.broken, _Server.seen, _Server.tag = False, [], '"one"'
    _Server.stop.clear()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Server) as listening:
        listening.daemon_threads = True
        thread = threading.Thread(target=listening.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{listening.server_address[1]}"
        _Server.stop.set()
        listening.shutdown()
        thread.join()


def test_downloads_resume_and_are_cached(server: str, terms: Terms) -> None:
    """A broken download goes on where it stopped, a whole one is read again only when it changed."""
    _Server.broken = True
    address = server + "/mondo.obo"
    with pytest.raises(OntologyError, match="run it again"):
        matching.add(address, None, terms, [], quiet)
    assert ontologies.copies() == []
    copy = matching.add(address, None, terms, [], quiet)
    half = len(_Server.body) // 2
    assert (copy.origin, copy.sha256) == (address, hashlib.sha256(_Server.body).hexdigest())
    assert _Server.seen == [("/mondo.obo", None), ("/mondo.obo", f"bytes={half}-")]
    said: list[str] = []
    matching.add(address, None, terms, [], said.append)
    assert any("unchanged" in line for line in said)
    _Server.tag = '"two"'
    said.clear()
    matching.add(address, None, terms, [], said.append)
    assert not any("unchanged" in line for line in said)


def test_downloads_are_bounded(server: str, own_home: Path, terms: Terms) -> None:
    """Too large, absent, unreachable, leading away from the web: each says why, and nothing is kept."""
    for address, limits, said in (
        (server + "/mondo.obo", {"max_mb": 0}, "--max-mb"),
        (server + "/absent.obo", {}, "404"),
        ("http://127.0.0.1:9/mondo.obo", {}, "cannot be reached"),
        (server + "/away", {}, "no web address"),
        (server + "/drip.obo", {"max_minutes": 0.005}, "not done in time"),
        (server + "/drip-head.obo", {"max_minutes": 0.005}, "no answer within 0.3 s"),
        (server + "/chunks.obo", {}, "broke off"),
        ("ftp://127.0.0.1/mondo.obo", {}, "no web address"),
    ):
        with pytest.raises(OntologyError, match=re.escape(said)) as error:
            matching.add(address, None, terms, [], quiet, **limits)
        assert "after 200 bytes" not in str(error.value), "what drips in is not waited for"
    assert not (own_home / "ontologies").exists()


def test_another_part_than_asked_for_begins_anew(server: str, terms: Terms) -> None:
    """A rest that does not begin where the download stopped is never put behind it, nor is one whose note is damaged."""
    address = server + "/other-part.obo"
    _Server.broken = True
    with pytest.raises(OntologyError, match="broke off"):
        matching.add(address, None, terms, [], quiet)
    with pytest.raises(OntologyError, match="another part than was asked for"):
        matching.add(address, None, terms, [], quiet)
    true = hashlib.sha256(_Server.body).hexdigest()
    assert matching.add(address, None, terms, [], quiet).sha256 == true
    (note,) = (ontologies.folder().parent / "downloads").glob("*/about.json")
    note.write_text('{"et', "utf-8")
    assert matching.add(address, None, terms, [], quiet).sha256 == true
    assert [asked for _, asked in _Server.seen] == [None, f"bytes={len(_Server.body) // 2}-", None, None]


def test_patterns_are_those_of_bioregistry() -> None:
    """Each pattern takes no identifier that the Bioregistry's refuses, and stands where the table says it is the same."""
    needs("bioregistry")
    import bioregistry

    known = [s for s in ontologies.sources().values() if "not in the Bioregistry" not in s.pattern_source]
    assert len(known) > 25
    for s in known:
        theirs = bioregistry.get_resource(s.prefix).get_pattern().removeprefix("^").removesuffix("$")
        if s.pattern_source == "Bioregistry 0.15.6":
            assert s.pattern == theirs, s.prefix


def as_obo(file: ontology_files.OntologyFile) -> str:
    """An ontology as OBO."""
    lines = ["format-version: 1.4", f"ontology: {file.title}", f"data-version: {file.version}"]
    for c in file.classes.values():
        lines += ["", "[Term]", f"id: {c.id.upper()}", f"name: {c.label}"]
        lines += [f"synonym: {json.dumps(text, ensure_ascii=False)} {scope} []" for scope, text in c.synonyms]
        lines += [f"is_a: {parent.upper()}" for parent in c.parents]
        lines += ["is_obsolete: true"] if c.obsolete else []
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def whole_home(tmp_path_factory: pytest.TempPathFactory, terms: Terms, mappings: list[links.Mapping]) -> Path:
    """A user's data folder to which whole Mondo, Uberon and CL were added."""
    home = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REGEN_KG_HOME", str(home))
        patch.setattr(matching, "read_ontology", lambda path, say: whole_release(path.stem))
        for prefix in ("mondo", "uberon", "cl"):
            copy = matching.add(f"{prefix}.obo", None, terms, mappings, quiet)
            assert copy.of > 3_000 and len(copy.classes) < copy.of / 2
    return home


def test_a_whole_release_is_read(tmp_path: Path) -> None:
    """The Cell Ontology written as OBO is read as what it was."""
    (tmp_path / "cl.obo").write_text(as_obo(whole_release("cl")), "utf-8")
    read = ontology_files.read_ontology(tmp_path / "cl.obo", quiet)
    assert read.classes == whole_release("cl").classes and len(read.classes) > 3_000


def test_the_evidence_up_whole_mondo(whole_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Up whole Mondo the explorer counts what the roll-up counts along the copy's graph in the engine."""
    monkeypatch.setenv("REGEN_KG_HOME", str(whole_home))
    made = build.open_build(build.packaged_built_dir())
    seen = as_seen_by.seen(made.store(), "mondo", as_seen_by.stamp("mondo"))
    assert seen.rollup == rollup(made.store_with(["mondo"]), "mondo")
    top = seen.rollup.terms["mondo:0002081"]
    assert len(top.reports) > 50 and seen.rollup.terms["mondo:0000001"].reports >= top.reports
    assert max(int(r["depth"]) for r in seen.rows) >= 5


def test_whole_mondo_uberon_and_cell_ontology(
    whole_home: Path, mappings: list[links.Mapping], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On whole releases every shipped mapping to Mondo, Uberon and CL holds, and the exact ones come first."""
    monkeypatch.setenv("REGEN_KG_HOME", str(whole_home))
    copies = ontologies.copies()
    found = matching.check(mappings, copies)
    assert [f.line() for f in found if f.severity == "violation"] == []
    index = matching.Index(copies)
    exact = [
        m
        for m in mappings
        if m.predicate == "exactMatch" and not m.near_miss and m.object.split(":")[0] in ("mondo", "uberon", "cl")
    ]
    assert len(exact) > 10
    first = [matching.suggest(m.concept, index, mappings)[0][0].object for m in exact]
    assert sum(f == m.object for f, m in zip(first, exact, strict=True)) >= 0.9 * len(exact)


def redirect(path: str, accept: str, files: str) -> str | None:
    """Follow the rules of the w3id folder as Apache does; None for not found."""
    conditions: list[tuple[str, str]] = []
    values = {"ENV:FILES": files, "HTTP_ACCEPT": accept}
    for line in (ROOT / "docs" / "w3id" / ".htaccess").read_text("utf-8").splitlines():
        if m := re.match(r"RewriteCond %\{([\w:]+)\} (\S+)", line):
            conditions.append((m[1], m[2]))
        elif m := re.match(r"RewriteRule (\S+) (\S+) \[R=(\d+),L\]", line):
            asked, conditions = conditions, []
            if all(re.search(p, values[v]) for v, p in asked) and (hit := re.search(m[1], path)):
                return (
                    None
                    if m[3] == "404"
                    else re.sub(r"\$(\d)", lambda d: hit[int(d[1])], m[2]).replace("%{ENV:FILES}", files)
                )
    return None


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        ("animal study", "animal investigation"),
        ("sodium hyaluronate", "Hyaluronic acid sodium"),
        ("imaging evidence", "medical imaging evidence"),
        ("talar bone injury", "osseous talus trauma"),
        ("type II collagen", "collagen, type 2"),
        ("intra-articular fibre", "intraarticular fiber"),
    ],
)
def test_other_words_for_the_same_are_suggested(mine: str, theirs: str) -> None:
    """Of five hundred terms that share a word, the one worded otherwise to the same effect comes first, and is suggested."""
    noise = {f"efo:{n:07}": ontologies.Class(f"efo:{n:07}", f"{mine.split()[0]} x{n}") for n in range(500)}
    right = {"obi:0000001": ontologies.Class("obi:0000001", theirs)}
    index = matching.Index([ontologies.Copy("efo", "1", "", "", "", "", "", 501, "", noise | right)])
    first = index.rank(matching.Wanted(mine))[0]
    assert (first.object, first.suggested) == ("obi:0000001", True)


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        ("mesenchymal stem cell", "mesenchymal progenitor cell"), ("hyaluronic acid", "hyaluronate"), ("stromal tissue", "stroma"),
        ("tendon rupture", "tendon injury"), ("autologous chondrocyte implantation", "autologous chondrocyte transplantation"),
    ],
)  # fmt: skip
def test_what_is_merely_near_is_never_suggested(mine: str, theirs: str) -> None:
    """Words that mean nearly the same, and a word left out beside a single one, make no suggestion."""
    index = matching.Index(
        [ontologies.Copy("efo", "1", "", "", "", "", "", 1, "", {"efo:1": ontologies.Class("efo:1", theirs)})]
    )
    assert not any(c.suggested for c in index.rank(matching.Wanted(mine)))


@pytest.mark.parametrize(
    "accept", ["text/turtle", "application/ld+json", "application/trig", "application/n-quads", "text/html", "*/*"]
)
@pytest.mark.parametrize(
    "path", ["", "ontology", "ontology/0.1.0", "id/report/mei-dan-2012", "graph/report/guney-2015", "mappings/regen-kg", "mappings/near-misses"]
)  # fmt: skip
def test_namespace_leads_to_files(path: str, accept: str) -> None:
    """Every kind of our addresses leads to a file of this repository, and nowhere before it is said where the files are."""
    assert redirect(path, accept, "") is None
    target = redirect(path, accept, "https://files.example")
    assert target and (ROOT / target.removeprefix("https://files.example/")).is_file()
