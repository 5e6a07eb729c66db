"""Counts, roll-up and conflicts against brute force, on the review and on generated graphs; each query can be caught lying."""

from __future__ import annotations

import random
import re
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context

import pyoxigraph as ox
import pytest

import oracle
from conftest import CHARTED, ROOT
from oracle import DISEASES, TECHNOLOGIES, Review, Tables
from regen_kg import charting, queries
from regen_kg.analysis import conflicts
from regen_kg.analysis.conflicts import conflict_quads
from regen_kg.analysis.evidence import Evidence
from regen_kg.iris import OWL, RDF, RDFS, RKG, SKOS
from regen_kg.model import STATUSES, Chart, Row
from regen_kg.store import EmbeddedStore
from regen_kg.terms import Terms, compile_ontology
from regen_kg.triples import review_nquads

GRAPHS = 1000
QUICK = ("gap-matrix", "gap-matrix, charted", "coverage", "conflicts")
QUESTIONS = (*QUICK, "roll-up", "co-occurrence")  # these two are slower: on every fourth graph
WORDS = {
    t: [s for s in oracle.terms("interventions") if oracle.top("interventions", s) == t] for t in TECHNOLOGIES
}  # fmt: skip
CONTROLS = ["saline-injection", "placebo", "corticosteroid-injection", "control-not-described"]
DIRECTIONS = [
    "favours-technology",
    "no-difference",
    "favours-comparator",
    "within-arm-improvement",
    "mixed",
    "not-charted",
]
BETWEEN = ["favours-technology", "no-difference", "favours-comparator", "mixed", "not-charted"]
WITHIN = ["within-arm-improvement", "no-difference", "not-charted", "not-applicable"]
MEASURES = ["vas-pain", "nrs-pain", "aofas", "visa-a", "mocart", "tegner", "not-named"]
TIMES = [("6", "week"), ("26", "week"), ("12", "month"), ("2", "year"), ("30", "month"), ("not-charted", "not-charted")]


def draw(rng: random.Random) -> Tables:
    """Invent a small review: shared studies, secondary reports, several diseases, technologies, arms and outcomes."""
    out: Tables = defaultdict(list)
    few = rng.sample(TECHNOLOGIES, 3)
    where = rng.sample(sorted(oracle.terms("conditions")), 4)
    for n in range(rng.randint(1, 8)):
        r = f"r{n}"
        kind = "secondary" if rng.random() < 0.15 else "primary"
        study = rng.choice([x["study"] for x in out["reports"]]) if n and rng.random() < 0.25 else r
        size = str(rng.randint(1, 90)) if rng.random() < 0.8 else "not-charted"
        place = rng.choice(DISEASES)
        out["reports"].append(dict(report=r, study=study, kind=kind, placed_under=place, sample_size=size))
        for c in rng.sample(where, rng.choice((1, 1, 2, 3))):
            out["populations"].append(dict(report=r, condition=c))
        tested = rng.sample(few, rng.choice((1, 1, 2)))
        arms = [f"a{i}" for i in range(rng.randint(0, 4))]
        for a in arms:
            out["arms"].append(dict(report=r, arm=a))
            for i in range(rng.choice((1, 1, 2))):
                word, role = rng.choice(WORDS[rng.choice(few)]), "adjunct"
                if rng.random() < 0.6:
                    word, role = rng.choice(WORDS[rng.choice(tested)]), "tested"
                elif rng.random() < 0.6:
                    word, role = rng.choice(CONTROLS), "control"
                cells = dict(number=rng.choice("12"), volume=rng.choice(("3 mL", "not-charted")))
                out["components"].append(
                    dict(report=r, arm=a, component=f"c{i}", intervention=word, role=role, **cells)
                )
        times = ["not-charted"]
        for value, unit in rng.sample(TIMES, rng.randint(0, 3)):
            times.append(f"{unit}-{value}")
            role = rng.choice(("follow-up", "follow-up", "time-to-event"))
            out["time-points"].append(dict(report=r, time_point=times[-1], value=value, unit=unit, role=role))
        for m in rng.sample(MEASURES[:-1], rng.randint(0, 2)):
            out["scale-uses"].append(dict(report=r, outcome_measure=m))
        for i in range(rng.randint(0, 6)):
            mine = rng.sample(arms, rng.randint(0, min(2, len(arms))))
            rest = [a for a in arms if a not in mine] if mine else []
            against = rng.sample(rest, rng.randint(0, min(2, len(rest))))
            kind = "between-arm-comparison" if against else rng.choice(("arm-measurement", "within-arm-change"))
            ways = {"between-arm-comparison": BETWEEN, "within-arm-change": WITHIN}.get(kind, ["not-applicable"])
            cells = dict(time_point=rng.choice(times), direction=rng.choice(ways))
            measures = "|".join(rng.sample(MEASURES, rng.choice((1, 1, 2))))
            sides = dict(arms="|".join(mine) or "not-charted", comparator_arms="|".join(against) or "not-applicable")
            out["results"].append(
                dict(report=r, result=f"x{i}", kind=kind, outcome_measures=measures, **sides, **cells)
            )
        for t in tested:
            against = "|".join(rng.sample([*CONTROLS, few[0]], rng.choice((0, 1, 1, 1, 2)))) or "not-applicable"
            out["directions"].append(dict(report=r, technology=t, comparator=against, direction=rng.choice(DIRECTIONS)))
    return out


@cache
def layout() -> dict[str, dict[str, str]]:
    """Return per table its columns with what fills them where a case says nothing."""
    described = charting.read_description(CHARTED)["resources"]
    return {
        r["name"]: {
            f["name"]: (f.get("missingValues") or [{"value": (f["constraints"].get("enum") or ["said"])[0]}])[0]["value"]
            for f in r["schema"]["fields"]
        }
        for r in described
    }  # fmt: skip


@cache
def listed(table: str) -> frozenset[str]:
    """Return the columns that hold lists."""
    described = charting.read_description(CHARTED)["resources"]
    (fields,) = (r["schema"]["fields"] for r in described if r["name"] == table)
    return frozenset(f["name"] for f in fields if f.get("rkg:separator"))


def chart_of(tables: Tables) -> Chart:
    """Read invented rows as charting does; a column that a case leaves out gets its first status word."""
    fixed = {"year": "2020", "source": "S3.p1"}
    out = {}
    for name, rows in tables.items():
        made = []
        for number, given in enumerate(rows, 2):
            cells = {**layout()[name], **{k: v for k, v in fixed.items() if k in layout()[name]}, **given}
            assert cells.keys() == layout()[name].keys()
            missing = {
                k: v for k, v in cells.items() if v in STATUSES and not (k == "direction" and v == "not-charted")
            }
            lists = {k: tuple(cells[k].split("|")) for k in listed(name) - missing.keys()}
            made.append(Row(name, number, cells, missing, lists))
        out[name] = tuple(made)
    return Chart(out, "")


@cache
def vocabulary() -> tuple[Terms, tuple[ox.Quad, ...]]:
    """Return the terms, and what the queries ask of the ontology with what follows from it."""
    graph = ox.NamedNode("urn:ontology")
    asked = {SKOS + "notation", RDFS + "label", RDFS + "subClassOf", RKG + "listedAs", RKG + "hasDomain"}
    of_class = (ox.NamedNode(RDF + "type"), ox.NamedNode(OWL + "Class"))
    inferred = ox.parse(path=str(ROOT / "ontology" / "inferred.nt"), format=ox.RdfFormat.N_TRIPLES)
    triples = {*compile_ontology(ROOT / "ontology"), *(q.triple for q in inferred)}
    triples = {
        t
        for t in triples
        if (t.predicate.value in asked or (t.predicate, t.object) == of_class)
        and not any(isinstance(end, ox.BlankNode) for end in (t.subject, t.object))
    }
    unused = {t.subject for t in triples if re.search("#(Study|NotedResult|Arm|.*Study|.*Design)$", t.object.value)}
    return Terms.load(ROOT / "ontology"), tuple(ox.Quad(*t, graph) for t in triples if t.subject not in unused)


def store_of(tables: Tables) -> EmbeddedStore:
    terms, base = vocabulary()
    chart = chart_of(tables)
    evidence = Evidence(chart, terms)
    store = EmbeddedStore.of([*base, *conflict_quads(evidence, conflicts.find_conflicts(evidence))])
    store.native.load("".join(review_nquads(chart, terms)).encode(), format=ox.RdfFormat.N_QUADS, lenient=True)
    return store


def answers(
    store: EmbeddedStore, changed: dict[str, str] | None = None, only: Collection[str] = ()
) -> dict[str, list[tuple[object, ...]]]:
    """Return what the saved queries say, as the oracle would put it; `changed` holds other texts for some queries."""

    def ask(name: str, **values: str) -> list[dict[str, str]]:
        saved = queries.get(name)
        text = (changed or {}).get(name, saved.text)
        return queries.plain_rows(store.query(queries.parse(name, text).bind(values)), saved.columns)

    def rows(name: str, keys: Collection[str], **values: str) -> list[tuple[object, ...]]:
        return [tuple(c if k in keys else int(c) for k, c in r.items()) for r in ask(name, **values)]

    def numbers(name: str, words: Collection[str], left_out: Collection[str]) -> list[tuple[object, ...]]:
        told = [{k: c for k, c in r.items() if k not in left_out} for r in ask(name)]
        return sorted(tuple(c if k in words else int(c) for k, c in r.items()) for r in told if r.get("reports") != "0")

    derived = ("wrongly_filled", "percent", "wrong_fills", "fills_percent")
    cell = ("technology", "disease")
    columns = (*cell, "report_a", "report_b", "kind")
    how: dict[str, Callable[[], list[tuple[object, ...]]]] = {
        "gap-matrix": lambda: rows("gap-matrix", cell),
        "gap-matrix, charted": lambda: rows("gap-matrix", cell, placement="charted"),
        "coverage": lambda: rows("coverage", (*cell, "outcome_domain")),
        "roll-up": lambda: numbers("roll-up", ("axis", "term"), ("parent",)),
        "co-occurrence": lambda: numbers("co-occurrence", ("axis_a", "axis_b"), derived),
        "conflicts": lambda: sorted(tuple(r[c] for c in columns) for r in ask("conflicts")),
    }
    return {name: put() for name, put in how.items() if not only or name in only}


def expected(tables: Tables, only: Collection[str] = ()) -> dict[str, list[tuple[object, ...]]]:
    """Return the same by brute force."""
    review = Review(tables)
    how: dict[str, Callable[[], list[tuple[object, ...]]]] = {
        "gap-matrix": lambda: review.gap_matrix("population"),
        "gap-matrix, charted": lambda: review.gap_matrix("charted"),
        "coverage": review.coverage,
        "conflicts": lambda: sorted((*key, kind) for key, kind in review.conflicts().items()),
        "roll-up": review.roll_up,
        "co-occurrence": review.co_occurrence,
    }
    return {name: put() for name, put in how.items() if not only or name in only}


def compared(seed: int) -> tuple[list[str], dict[str, int]]:
    """Return on which questions query and oracle differ for one generated graph, and how many rows each has."""
    tables, only = draw(random.Random(seed)), QUICK if seed % 4 else QUESTIONS
    ours, theirs = answers(store_of(tables), only=only), expected(tables, only)
    return [name for name in only if ours[name] != theirs[name]], {name: len(theirs[name]) for name in only}


def test_the_review_equals_the_oracle(review: EmbeddedStore) -> None:
    """Every count, roll-up and conflict of the shipped build, computed a second way from the CSV files."""
    tables = {p.stem: oracle.table(p) for p in CHARTED.glob("*.csv")}
    ours, theirs = answers(review), expected(tables)
    for name, rows in theirs.items():
        assert rows
        assert ours[name] == rows, name


@pytest.mark.no_cover  # many runs of what other tests reach
def test_generated_graphs_equal_the_oracle(capsys: pytest.CaptureFixture[str]) -> None:
    """Every count, roll-up and conflict of the generated graphs equals brute force."""
    began, filled = time.perf_counter(), Counter()
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        for seed, (differ, rows) in enumerate(pool.map(compared, range(GRAPHS), chunksize=10)):
            assert differ == [], f"graph {seed}"
            filled.update(rows)
    with capsys.disabled():
        print(f"\noracle: {GRAPHS} generated graphs equal, {dict(filled)} rows, {time.perf_counter() - began:.0f} s")
    assert set(filled) == set(QUESTIONS)
    assert min(filled.values()) > 0.5 * GRAPHS


LIES = [
    # a query, what is changed in it, and the questions that must then come out wrong
    ("gap-matrix", "COUNT(DISTINCT ?study)", "COUNT(?study)"),
    ("gap-matrix", "COUNT(DISTINCT ?r)", "COUNT(?study)"),
    ("gap-matrix", "(MAX(?n) AS ?m)", "(SUM(?n) AS ?m)"),
    ("gap-matrix", "COUNT(DISTINCT ?key)", "COUNT(?key)"),
    ("gap-matrix", "IF(STR(?mine) < STR(?other)", "IF(true"),
    ("gap-matrix", "COALESCE(STR(?om), \"\")", '""'),
    ("gap-matrix", "rkg:studiesDisease", "rkg:placedUnder"),
    ("gap-matrix", "?mine rkg:armTechnology ?t . ", ""),
    ("coverage", "COUNT(DISTINCT ?study)", "COUNT(?study)"),
    ("coverage", "(MAX(?size) AS ?most)", "(SUM(?size) AS ?most)"),
    ("coverage", "(COUNT(DISTINCT ?any) = 1)", "(COUNT(DISTINCT ?any) > 0)"),
    ("coverage", "?arm rkg:armTechnology ?t . ", ""),
    ("coverage", "IF(STR(?mine) < STR(?other)", "IF(true"),
    ("coverage", "rkg:ofArm|rkg:comparatorArm", "rkg:ofArm"),
    ("roll-up", "rdfs:subClassOf* ?c } }\n", "rdfs:subClassOf ?c } }\n"),
    ("roll-up", "rdfs:subClassOf* ?c } } OPTIONAL", "rdfs:subClassOf? ?c } } OPTIONAL"),
    ("roll-up", "IF(?x = ?c, ?no, ?r)", "?r"),
    ("roll-up", ' MINUS { ?part rkg:ofReport ?r ; rkg:componentRole/skos:notation "tested" ; rkg:ofTechnology ?x }', ""),
    ("roll-up", "(MAX(?size) AS ?most)", "(SUM(?size) AS ?most)"),
    ("co-occurrence", "COALESCE(?fa = ?fb, false)", "true"),
    ("co-occurrence", "COALESCE(?other, rkg:Arm)", "COALESCE(?other, ?nobody)"),
    ("co-occurrence", "UNION { ?part rkg:ofReport ?r ; rkg:ofTechnology ?t }", ""),
    ("conflicts", "FILTER(?report_a < ?report_b)", ""),
    ("conflicts", "rkg:aboutDisease/skos:notation ?disease", "rkg:betweenReport/rkg:studiesDisease/skos:notation ?disease"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "old", "new"), LIES)
def test_the_oracle_catches_a_query_that_counts_wrong(name: str, old: str, new: str) -> None:
    """A query with one mistake differs from brute force within 150 generated graphs."""
    text = queries.get(name).text
    assert old in text
    for seed in range(150):
        tables = draw(random.Random(seed))
        if answers(store_of(tables), {name: text.replace(old, new)}, [name])[name] != expected(tables, [name])[name]:
            return
    pytest.fail("no generated graph shows the mistake")


PYTHON_LIES = [
    (conflicts, "BENEFIT", frozenset({"favours-technology"})),
    (conflicts, "NO_BENEFIT", frozenset({"no-difference", "favours-comparator", "mixed"})),
    (conflicts, "_UNKNOWN", frozenset()),
    (Evidence, "root", lambda self, intervention: intervention),
    (Evidence, "study", lambda self, report: report),
    (Evidence, "domains", lambda self, report, technology: ("pain",)),
    (Evidence, "comparators", lambda self, report, technology: ("placebo",)),
]


@pytest.mark.parametrize(("where", "name", "lie"), PYTHON_LIES)
def test_the_oracle_catches_a_wrong_conflict(
    where: object, name: str, lie: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mistake in the search for conflicts differs from brute force within 150 generated graphs."""
    assert hasattr(where, name)
    monkeypatch.setattr(where, name, lie)
    drawn = [draw(random.Random(seed)) for seed in range(150)]
    assert any(
        answers(store_of(t), None, ["conflicts"])["conflicts"] != expected(t, ["conflicts"])["conflicts"] for t in drawn
    )
