"""Why a SELECT is empty: one query per cause, with what must be named; what the reader of patterns sees, beside rdflib."""

from __future__ import annotations

import re
import time

import pytest

from conftest import CHARTED, ROOT
from regen_kg import cli, queries
from regen_kg.analysis.explain import explain
from regen_kg.analysis.patterns import read
from regen_kg.errors import QueryError
from regen_kg.iris import PREFIXES, RKG
from regen_kg.store import Answer, EmbeddedStore

HEAD = "".join(f"PREFIX {k}: <{PREFIXES[k]}>\n" for k in ("rkg", "skos", "rdfs"))

EMPTY = [  # body of the WHERE, kind of the cause, the words at fault, what is said of them
    ("?s rkg:hasArms ?a", "term", "?s rkg:hasArms ?a", "nearest: rkg:hasArm"),
    ("?a a rkg:Armm", "term", "?a a rkg:Armm", "rkg:Armm: stands nowhere in the graph; nearest: rkg:Arm"),
    ("?r rkg:nearHit ?x", "term", "?r rkg:nearHit ?x", "rkg:nearHit: stands nowhere in the graph"),
    ("?a rkg:hasArm ?u . ?a a rkg:Arm", "join", "?a a rkg:Arm", "the other way round: ?u rkg:hasArm ?a"),
    ("rkg:HyaluronicAcid rkg:testsTechnology ?r", "pattern", "rkg:HyaluronicAcid rkg:testsTechnology ?r", "the other way round: ?r rkg"),
    ("?a a rkg:Arm ; rkg:sampleSize ?n", "join", "?a rkg:sampleSize ?n", "no rkg:Arm has rkg:sampleSize; it belongs to rkg:PrimaryReport"),
    ("?r rkg:sampleSize '40'", "pattern", "?r rkg:sampleSize '40'", "the graph writes it as 40 (integer)"),
    ("?r rkg:testsTechnology/skos:notation 'PRP'", "pattern", "?r rkg:testsTechnology/skos:notation 'PRP'", 'nearest: "platelet-rich-plasma"'),
    ("VALUES ?t { 'prp' } ?x skos:notation ?t ; rkg:listedAs 'technology'", "join", "?x rkg:listedAs 'technology'", "nearest to 'prp': \"platelet-rich-plasma\""),
    ("?t rdfs:label 'hyaluronic acid'", "pattern", "?t rdfs:label 'hyaluronic acid'", 'the graph writes it as "hyaluronic acid"@en'),
    ("?r rkg:testsTechnology rkg:HyaluronicAcid ; rkg:studiesDisease rkg:LigamentInjury", "join", "?r rkg:studiesDisease rkg:LigamentInjury",
     "in place of rkg:HyaluronicAcid it would match: rkg:PlateletRichPlasma"),
    ("?s rkg:status/skos:notation ?w FILTER(?w = 'chartd')", "filter", "FILTER(?w = 'chartd')", "nearest to 'chartd': \"charted\""),
    ("?r rkg:sampleSize ?n FILTER(?n > 1) FILTER(?n > '50')", "filter", "FILTER(?n > '50')", "?n is a number (integer)"),
    ("?r rkg:year ?year FILTER(?yaer > 2000)", "filter", "FILTER(?yaer > 2000)", "?yaer is bound nowhere in this group; nearest: ?year"),
    ("?r rkg:year ?y FILTER(?y < 2015) FILTER(?y > 2015)", "filter", "FILTER(?y < 2015)", "takes away all of the"),
    ("?r a rkg:Report OPTIONAL { ?r rkg:sampelSize ?n } FILTER(?n > 10)", "filter", "FILTER(?n > 10)", "rkg:sampelSize: stands nowhere in the graph; nearest: rkg:sampleSize"),
    ("?r a rkg:Report FILTER EXISTS { ?r rkg:yeer ?y }", "filter", "FILTER EXISTS { ?r rkg:yeer ?y }", "nearest: rkg:year"),
    ("?r a rkg:Report FILTER NOT EXISTS { ?r rkg:year ?y }", "filter", "FILTER NOT EXISTS { ?r rkg:year ?y }", "takes away all of the 61 rows"),
    ("?r a rkg:Report MINUS { ?r rkg:year ?y }", "minus", "MINUS { ?r rkg:year ?y }", "takes away all of the 61 rows"),
    ("{ ?r rkg:yeer ?y } UNION { ?r a rkg:Reprt }", "term", "?r a rkg:Reprt", "(branch 2 of the UNION) matches nothing anywhere; rkg:Reprt"),
    ("?r a rkg:Report { SELECT ?r { ?a rkg:ofReport ?r } GROUP BY ?r HAVING(COUNT(?a) > 9000) }", "modifier",
     "GROUP BY ?r HAVING(COUNT(?a) > 9000)", "leaves nothing"),
    ("?r a rkg:Report { SELECT ?r { ?a rkg:ofReports ?r } }", "term", "?a rkg:ofReports ?r", "nearest: rkg:ofReport"),
    ("GRAPH <https://w3id.org/regen-kg/graph/ontology> { ?r a rkg:Arm }", "pattern",
     "GRAPH <https://w3id.org/regen-kg/graph/ontology> { ?r a rkg:Arm }", "outside it does; it stands in <https://w3id.org/regen-kg/graph/report/"),
    ("GRAPH <https://w3id.org/regen-kg/graph/ontologi> { ?r a rkg:Arm }", "term",
     "<https://w3id.org/regen-kg/graph/ontologi>", "nearest: <https://w3id.org/regen-kg/graph/ontology>"),
    ("?t rdfs:subClassOf+/skos:notation 'no-such-slug'", "pattern", "?t rdfs:subClassOf+/skos:notation 'no-such-slug'", "matches nothing anywhere"),
    ("[ a rkg:Arm ; rkg:armRol [] ] rkg:ofReport ?r", "term", "?bnode1 rkg:armRol ?bnode2", "nearest: rkg:armRole"),
    ("BIND(rkg:HyaluronicAcids AS ?t) ?r rkg:testsTechnology ?t", "join", "?r rkg:testsTechnology ?t", "never together with BIND"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "kind", "text", "said"), EMPTY)
def test_the_cause_is_named(review: EmbeddedStore, body: str, kind: str, text: str, said: str) -> None:
    """The pattern, filter or clause at fault comes in the words of the query, with what is near."""
    found = explain(review, HEAD + f"SELECT * {{ {body} }}")
    assert found.empty
    causes = {c.text: c for c in found.causes}
    assert text in causes, found.lines()
    assert causes[text].kind == kind
    assert said in causes[text].line()


def test_only_what_is_at_fault_is_named(review: EmbeddedStore) -> None:
    """Of six patterns and two filters the one that kills the answer is named, and no other."""
    body = (
        "?u rkg:hasArm ?a . ?a rkg:hasComponent ?c ; rkg:ofReport ?r . ?c rkg:ofTechnology rkg:PlateletRichPlasma . "
        "?r rkg:year ?y ; rkg:studiesDiseases ?d . FILTER(?y > 1990) FILTER(?y < 2090)"
    )
    found = explain(review, HEAD + f"SELECT ?r {{ {body} }}")
    assert [c.text for c in found.causes] == ["?r rkg:studiesDiseases ?d"]
    assert len(found.probes) == 6


def test_a_core_is_smallest(review: EmbeddedStore) -> None:
    """Patterns that have no part in the conflict aren't named with it."""
    body = "?r rkg:year ?y ; rkg:testsTechnology rkg:HyaluronicAcid ; rkg:citation ?c ; rkg:studiesDisease rkg:LigamentInjury"
    [cause] = explain(review, HEAD + f"SELECT ?r {{ {body} }}").causes
    assert cause.text == "?r rkg:studiesDisease rkg:LigamentInjury"
    assert "rkg:testsTechnology rkg:HyaluronicAcid" in cause.why
    assert "rkg:year" not in cause.why and "rkg:citation" not in cause.why


@pytest.mark.parametrize(
    ("query", "rows", "said"),
    [
        ("SELECT ?r { ?r a rkg:Report }", 61, ["not empty: 61 rows"]),
        ("SELECT ?rr { ?r a rkg:Report }", 61, ["not empty: 61 rows", "?rr is bound in no row; nearest: ?r"]),
        ("SELECT (COUNT(?r) AS ?n) { ?r a rkg:Report }", 1, ["not empty: 1 row"]),
        (
            "SELECT ?r { ?r a rkg:Report OPTIONAL { ?r rkg:yeer ?y } }",
            61,
            ["not empty: 61 rows", "rkg:yeer: stands nowhere in the graph; nearest: rkg:year"],
        ),
    ],
)
def test_an_answer_that_is_not_empty_is_said_so(review: EmbeddedStore, query: str, rows: int, said: list[str]) -> None:
    """Rows are counted; a column that no row fills is pointed at."""
    found = explain(review, HEAD + query)
    assert (found.empty, found.rows, found.lines()) == (False, rows, said)


def test_a_count_over_nothing_is_empty(review: EmbeddedStore) -> None:
    """One row of 0 is explained as what it is."""
    found = explain(review, HEAD + "SELECT (COUNT(?r) AS ?n) { ?r a rkg:Report ; rkg:armRole ?x }")
    assert found.empty and found.rows == 1
    assert "a count over nothing is 0" in found.lines()[-1]
    assert [c.kind for c in found.causes] == ["join"]


@pytest.mark.parametrize(
    ("tail", "said"),
    [("LIMIT 0", "LIMIT 0"), ("OFFSET 999", "OFFSET 999"), ("VALUES ?r { <urn:x> }", "VALUES ?r { <urn:x> }")],
)
def test_a_clause_after_the_pattern_is_named(review: EmbeddedStore, tail: str, said: str) -> None:
    """Where the pattern matches, what follows it is at fault."""
    [cause] = explain(review, HEAD + f"SELECT ?r {{ ?r a rkg:Report }} {tail}").causes
    assert (cause.kind, cause.text) == ("modifier", said)
    assert "61 rows" in cause.why


def test_prefixes(review: EmbeddedStore) -> None:
    """An undeclared prefix is named with its line; one with a wrong namespace with the right one."""
    with pytest.raises(
        QueryError, match=r"prefix rkg: is not declared; put PREFIX rkg: <https://w3id.org/regen-kg/ontology#>"
    ):
        explain(review, "SELECT * { ?a a rkg:Arm }")
    with pytest.raises(QueryError, match=r"prefix rgk: is not declared; nearest: rkg:"):
        explain(review, "SELECT * { ?a a rgk:Arm }")
    [cause] = explain(review, "PREFIX rkg: <https://w3id.org/regen-kg/ontolgy#> SELECT * { ?a a rkg:Arm }").causes
    assert f"in the graph for <{RKG}>" in cause.line()


def test_what_cannot_be_analysed_is_said(review: EmbeddedStore) -> None:
    """An ASK is no SELECT; a list in a pattern is named as what it is."""
    with pytest.raises(QueryError, match="only a SELECT can be explained"):
        explain(review, "ASK { ?s ?p ?o }")
    with pytest.raises(QueryError, match="cannot analyse lists"):
        explain(review, HEAD + "SELECT * { ?x rdfs:member (1 2) }")
    with pytest.raises(QueryError, match="does not parse"):
        explain(review, "SELECT * {")


def test_time_is_limited() -> None:
    """An engine that doesn't answer is left after the time given, and that is said."""

    class Slow:
        def query(self, text: str) -> Answer:
            time.sleep(0.1 if text.startswith(fast) else 5)
            return Answer(boolean=False)

    fast = ""
    started = time.monotonic()
    fast = "SELECT *"
    found = explain(Slow(), "SELECT * { ?s <urn:p> ?o }", seconds=0.5)
    assert time.monotonic() - started < 2
    assert (found.empty, [c.kind for c in found.causes]) == (True, ["time"])
    assert "stopped after 0.5 seconds" in found.causes[-1].line()
    fast = "nothing"
    found = explain(Slow(), "SELECT * { ?s <urn:p> ?o }", seconds=0.2)
    assert found.empty is None
    assert found.lines()[0].startswith("not known whether it is empty: stopped after 0.2 seconds")


def test_the_reader_sees_what_rdflib_sees(review: EmbeddedStore) -> None:
    """In every saved question and every gap's query as many triples as in rdflib's algebra."""
    from rdflib.plugins.sparql import prepareQuery
    from rdflib.plugins.sparql.parserutils import CompValue

    def triples(node: object) -> int:
        if isinstance(node, CompValue) and node.name == "BGP":
            return len(node.triples or [])
        if isinstance(node, CompValue):
            return sum(triples(v) for k, v in node.items() if k not in ("_vars", "PV"))
        return sum(map(triples, node)) if isinstance(node, (list, tuple)) else 0

    texts = [q.text for q in queries.load_all().values()]
    rows = review.query(f"SELECT ?q {{ ?g a <{RKG}EvidenceGap> ; <{RKG}foundBy> ?q }}").rows
    texts += [q.value for (q,) in rows if q]
    assert len(texts) > 100
    for text in texts:
        seen = [p for p in read(text).walk() if p.kind == "triple"]
        assert len(seen) == triples(prepareQuery(text).algebra) > 0, text


def test_on_the_command_line(capsys: pytest.CaptureFixture[str], review: EmbeddedStore) -> None:
    """`--explain` prints the causes instead of rows; it has one format."""
    assert cli.main(["sparql", "--charted", str(CHARTED), "--explain", HEAD + "SELECT * { ?s rkg:hasArms ?a }"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("empty, because:\n  ?s rkg:hasArms ?a: matches nothing anywhere")
    assert "nearest: rkg:hasArm" in out
    assert cli.main(["sparql", "--charted", str(CHARTED), "--explain", "--format", "csv", "SELECT * { ?s ?p ?o }"]) == 2
    assert "leave out --format" in capsys.readouterr().err


def test_the_example_of_the_documentation(capsys: pytest.CaptureFixture[str], review: EmbeddedStore) -> None:
    """What the how-to shows is what the command says."""
    text = (ROOT / "docs" / "how-to" / "gaps-and-conflicts.md").read_text("utf-8")
    [(query, answer)] = re.findall(r"sparql --explain '([^']*)'\n```\n```\n(.*?)```", text, re.S)
    assert cli.main(["sparql", "--charted", str(CHARTED), "--explain", query]) == 0
    assert capsys.readouterr().out == answer
