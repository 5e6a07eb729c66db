"""Evidence under the terms of another ontology: by exact and broad matches only, up its own hierarchy, and never sideways."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyoxigraph as ox
import pytest

from conftest import CHARTED, ROOT
from regen_kg import ask, build, cli, links, ontologies, queries
from regen_kg.analysis.external import RollUp, rollup
from regen_kg.errors import InputError, OntologyError, QueryError
from regen_kg.iris import named_graph
from regen_kg.store import EmbeddedStore
from regen_kg.terms import Terms

# True identifiers and labels of Mondo; the choice of terms is ours. Two terms have two parents, one hangs below plantar fasciitis.
STEPS = {
    "mondo:0000001": ("disease", []),
    "mondo:0005178": ("osteoarthritis", ["mondo:0005381"]),
    "mondo:0005381": ("bone disorder", ["mondo:0002081"]),
    "mondo:0002081": ("musculoskeletal system disorder", ["mondo:0000001"]),
    "mondo:0004830": ("fasciitis", ["mondo:0002081", "mondo:0021166"]),
    "mondo:0021166": ("inflammatory disease", ["mondo:0000001"]),
    "mondo:0004833": ("plantar fasciitis", ["mondo:0004830", "mondo:0004684"]),
    "mondo:0004684": ("plantar fibromatosis", ["mondo:0000001"]),
    "mondo:0100010": ("disease of the tendon", ["mondo:0002081"]),
    "mondo:0010808": ("fatal familial insomnia", ["mondo:0000001"]),
    "mondo:0007179": ("autoimmune disease", ["mondo:0004833"]),
}


def small_mondo() -> ontologies.Copy:
    """A copy of Mondo with the steps above."""
    classes = {name: ontologies.Class(name, label, parents=parents) for name, (label, parents) in STEPS.items()}
    return ontologies.Copy("mondo", "2026-05-05", "CC-BY-4.0", "mondo.obo", "0", "2026-05-05", "0", 11, "", classes)


@pytest.fixture(scope="module")
def mappings() -> list[links.Mapping]:
    return links.read_mappings(ROOT / "graph" / "mappings", Terms.load(ROOT / "ontology"))


@pytest.fixture(scope="module")
def bare(review: EmbeddedStore) -> list[ox.Quad]:
    """The review without its mappings."""
    mapped = ox.NamedNode(named_graph("mappings"))
    return [q for q in review.native if q.graph_name != mapped]


@pytest.fixture
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's data folder of its own, with the build in it."""
    monkeypatch.setenv("REGEN_KG_HOME", str(tmp_path))
    monkeypatch.setattr(build, "current", lambda *_: made)
    made = build.open_build(build.packaged_built_dir())
    return tmp_path


def evidence(store: EmbeddedStore, **values: str) -> dict[str, set[str]]:
    """The reports under each term."""
    out: dict[str, set[str]] = {}
    for row in queries.run(store, queries.get("by-external-term"), values):
        out.setdefault(row["object"], set()).add(row["report"])
    return out


@pytest.mark.parametrize("predicate", links.PREDICATES)
def test_only_exact_and_broad_count_upward(bare: list[ox.Quad], mappings: list[links.Mapping], predicate: str) -> None:
    """One planted mapping, five ways: exact and broad bring our reports to the term and all above it, the others to none."""
    row = next(m for m in mappings if m.concept.slug == "plantar-fasciitis" and m.object == "mondo:0004833")
    planted = links.mapping_quads([replace(row, predicate=predicate)])
    store = EmbeddedStore.of([*bare, *planted, *ontologies.quads(small_mondo())])
    ours = {r["report"] for r in queries.run(store, queries.get("reports")) if "plantar-fasciitis" in r["diseases"]}
    assert ours
    under = {"mondo:0004833", "mondo:0004830", "mondo:0002081", "mondo:0021166", "mondo:0004684", "mondo:0000001"}
    assert evidence(store) == (dict.fromkeys(under, ours) if predicate in ("exactMatch", "broadMatch") else {})


def test_a_near_miss_brings_nothing(bare: list[ox.Quad], mappings: list[links.Mapping]) -> None:
    """A pair that is warned of counts nowhere, whatever predicate it denies."""
    row = next(m for m in mappings if m.concept.slug == "plantar-fasciitis" and m.object == "mondo:0004833")
    planted = links.mapping_quads([replace(row, near_miss=True)])
    assert evidence(EmbeddedStore.of([*bare, *planted, *ontologies.quads(small_mondo())])) == {}


@pytest.fixture(scope="module")
def both(bare: list[ox.Quad], mappings: list[links.Mapping]) -> EmbeddedStore:
    """The review, its mappings, and the small Mondo."""
    return EmbeddedStore.of([*bare, *links.mapping_quads(mappings), *ontologies.quads(small_mondo())])


@pytest.fixture(scope="module")
def seen(both: EmbeddedStore) -> RollUp:
    return rollup(both, "mondo")


def test_roll_up_is_what_the_query_finds(both: EmbeddedStore, seen: RollUp) -> None:
    """The tree, counted along the copy's steps, and the saved question, answered by the engine, agree on every term."""
    found = {name: reports for name, reports in evidence(both).items() if name.startswith("mondo:")}
    assert {name: set(term.reports) for name, term in seen.terms.items()} == found
    for name, term in seen.terms.items():
        assert evidence(both, object=name) == {name: set(term.reports)}
        assert term.reports_here == {
            r["report"]
            for r in queries.run(both, queries.get("by-external-term"), {"object": name})
            if r["via"] == name
        }


def test_counts_by_hand(seen: RollUp, review: EmbeddedStore) -> None:
    """Osteoarthritis, fasciitis and tendons meet at the musculoskeletal disorders, each report once, each study once."""
    rows = queries.run(review, queries.get("reports"))

    def of(*diseases: str) -> list[dict[str, str]]:
        return [r for r in rows if set(diseases) & set(r["diseases"].split("|"))]

    fascia, oa = of("plantar-fasciitis"), of("ankle-osteoarthritis")
    assert seen.version == "2026-05-05"
    assert seen.terms["mondo:0005178"].reports_here == {r["report"] for r in oa}
    assert seen.terms["mondo:0005178"].studies == len({r["study"] for r in oa if r["kind"] == "primary"}) < len(oa)
    assert seen.terms["mondo:0005381"].reports_here == frozenset()
    assert seen.terms["mondo:0005381"].reports == seen.terms["mondo:0005178"].reports
    plantar, above = seen.terms["mondo:0004833"], seen.terms["mondo:0004830"]
    assert plantar.reports_here == above.reports_here == above.reports_below == {r["report"] for r in fascia}
    assert plantar.participants == sum(int(r["sample_size"]) for r in fascia if r["sample_size"]) == above.participants
    assert (plantar.parents, above.children) == (("mondo:0004684", "mondo:0004830"), ("mondo:0004833",))
    top = seen.terms["mondo:0002081"]
    tendon = seen.terms["mondo:0100010"]
    assert top.reports == {r["report"] for r in (*fascia, *oa)} | tendon.reports
    assert not {"mondo:0010808", "mondo:0007179"} & set(seen.terms), "nothing leaks to terms beside or below"
    sprain = seen.terms["mondo:0043895"]
    assert not sprain.parents and sprain.reports and sprain.participants is None, "no sample size printed is not zero"


def test_walk_gives_every_term_once_from_the_top(seen: RollUp) -> None:
    """A term with two parents is listed once; depth grows by one from parent to child."""
    walked = [(depth, term.id) for depth, term in seen.walk()]
    assert sorted(name for _, name in walked) == sorted(seen.terms)
    assert (0, "mondo:0000001") in walked
    assert [term.id for _, term in seen.walk("mondo:0004830")] == ["mondo:0004830", "mondo:0004833"]


def test_rings_and_two_parents_end(bare: list[ox.Quad], mappings: list[links.Mapping]) -> None:
    """Terms that stand above each other, as some releases have them, neither hang the count nor double it."""
    copy = small_mondo()
    copy.classes["mondo:0000001"].parents.append("mondo:0004833")
    ring = [*bare, *links.mapping_quads(mappings), *ontologies.quads(copy)]
    found = rollup(EmbeddedStore.of(ring), "mondo")
    assert sorted(t.id for _, t in found.walk()) == sorted(found.terms)
    assert {t.id for _, t in found.walk("mondo:0000001")} >= {"mondo:0000001", "mondo:0004833"}
    assert found.terms["mondo:0000001"].reports == found.terms["mondo:0004833"].reports


def test_command_line_with_and_without_a_copy(own_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a copy only mapped terms are counted, and the user is told; with it all above them are, in every way of asking."""
    assert cli.main(["link", "roll-up", "mondo", "--format", "csv"]) == 0
    out, err = capsys.readouterr()
    assert "mondo:0005178,osteoarthritis,0,,ankle-osteoarthritis," in out and "mondo:0002081" not in out
    assert "no copy of mondo" in err
    assert cli.main(["query", "by-external-term", "--param", "object=mondo:0002081"]) == 2
    assert "no copy of mondo" in capsys.readouterr().err, "a class that only the absent hierarchy knows"
    assert cli.main(["link", "roll-up", "mondo:0002081"]) == 2
    assert "regen-kg link add" in capsys.readouterr().err
    assert cli.main(["query", "by-external-term", "--param", "object=mondo:0005178", "--format", "csv"]) == 0
    out, err = capsys.readouterr()
    assert "mondo:0005178,mondo:0005178,ankle-osteoarthritis,skos:broadMatch,kim-2016" in out and "no copy" in err
    ontologies.write_copy(small_mondo())
    assert cli.main(["link", "roll-up", "mondo:0002081", "--format", "csv"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[1].startswith("mondo:0002081,musculoskeletal system disorder,0,mondo:0000001,,0,")
    assert "mondo:0004833,plantar fasciitis,2," in out and not err
    for object_ in ("mondo:0002081", "mondo:0005381"):
        assert cli.main(["query", "by-external-term", "--param", f"object={object_}", "--format", "csv"]) == 0
        assert f"{object_},mondo:0005178,ankle-osteoarthritis,skos:broadMatch,kim-2016" in capsys.readouterr().out
        assert {row.report for row in ask.by_external_term(object=object_)} >= {"kim-2016"}
    assert cli.main(["query", "by-external-term", "--param", "object=mondo:0010808"]) == 0
    assert "no rows" in capsys.readouterr().err
    parent = "SELECT ?p { ?c <http://www.w3.org/2004/02/skos/core#notation> 'mondo:0005178' ; <http://www.w3.org/2000/01/rdf-schema#subClassOf> ?p }"
    assert cli.main(["sparql", parent, "--with", "mondo", "--format", "csv"]) == 0
    assert "MONDO_0005381" in capsys.readouterr().out


def test_wrong_prefix_or_absent_copy_says_what_to_do(own_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A prefix that is not known names the nearest; a copy that is not here names the command to get it."""
    assert cli.main(["link", "roll-up", "MONDO"]) == 2
    assert 'nearest: "mondo"' in capsys.readouterr().err
    assert cli.main(["sparql", "ASK {}", "--with", "mondo"]) == 2
    assert "link add FILE_OR_URL --as mondo" in capsys.readouterr().err
    assert cli.main(["sparql", "ASK {}", "--with", "mondo", "--endpoint", "http://127.0.0.1:9"]) == 2
    assert "--with" in capsys.readouterr().err
    with pytest.raises(OntologyError):
        build.open_build(build.packaged_built_dir()).store_with(["mondo"])
    with pytest.raises((InputError, QueryError), match="not known"):
        queries.run(build.current(CHARTED).store(), queries.get("by-external-term"), {"object": "mondo:0002081"})
