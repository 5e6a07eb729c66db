"""Own the questions with known answers that tell whether an engine can be trusted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from regen_kg.errors import QueryError, StoreError
from regen_kg.iris import RDFS, RKG, XSD
from regen_kg.store import Answer, Term

Ask = Callable[[str], Answer]
_PREFIXES = f"PREFIX rdfs: <{RDFS}> PREFIX rkg: <{RKG}> "


@dataclass(frozen=True, slots=True)
class Facts:
    """What a build's class hierarchy holds, read by plain patterns: the known answers that probes rest on."""

    pairs: tuple[tuple[str, str], ...]

    @classmethod
    def read(cls, ask: Ask) -> Facts:
        """Read all statements of the class hierarchy between named classes."""
        answer = ask(f"{_PREFIXES}SELECT ?a ?b {{ ?a rdfs:subClassOf ?b FILTER(isIRI(?a) && isIRI(?b)) }}")
        return cls(tuple((a.value, b.value) for a, b in answer.rows if a and b))

    def below(self, top: str) -> set[str]:
        """Return the classes below one, at any depth."""
        children = defaultdict(set)
        for a, b in self.pairs:
            children[b].add(a)
        found: set[str] = set()
        ahead = [top]
        while ahead:
            new = children[ahead.pop()] - found
            found |= new
            ahead += new
        return found

    @property
    def classes(self) -> set[str]:
        """All classes that stand below another."""
        return {a for a, _ in self.pairs}


def values(answer: Answer) -> list[tuple[str, ...]]:
    """Return an answer's rows as text, sorted."""
    return sorted(tuple(cell.text() if cell else "" for cell in row) for row in answer.rows)


_TOP = RKG + "Technology"
_NOWHERE = "urn:regen-kg:nowhere"


def _given_once(ask: Ask, facts: Facts) -> bool:
    return len(facts.pairs) == len(set(facts.pairs))


def _path(ask: Ask, facts: Facts) -> bool:
    found = ask(f"{_PREFIXES}SELECT DISTINCT ?c {{ ?c rdfs:subClassOf+ <{_TOP}> }}")
    return {row[0] for row in values(found)} == facts.below(_TOP)


def _path_denied(ask: Ask, facts: Facts) -> bool:
    wanted = facts.classes - facts.below(_TOP)
    start = f"{_PREFIXES}SELECT DISTINCT ?c {{ ?c rdfs:subClassOf ?any FILTER(isIRI(?c) && isIRI(?any)) "
    denials = ("MINUS {{ {0} }} }}", "FILTER NOT EXISTS {{ {0} }} }}")
    path = f"?c rdfs:subClassOf+ <{_TOP}>"
    return all({row[0] for row in values(ask(start + d.format(path)))} == wanted for d in denials)


def _cells(facts: Facts) -> tuple[str, str, list[tuple[str, ...]]]:
    """Return two classes as rows, two as columns, and the number of classes directly below both of each pair."""
    rows = [_TOP, RKG + "Condition"]
    columns = [_TOP, _NOWHERE]
    under = defaultdict(set)
    for a, b in facts.pairs:
        under[b].add(a)
    counts = [(r, c, str(len(under[r] & under[c]))) for r in rows for c in columns]
    return " ".join(f"<{r}>" for r in rows), " ".join(f"<{c}>" for c in columns), sorted(counts)


def _zero_cells(ask: Ask, facts: Facts) -> bool:
    rows, columns, wanted = _cells(facts)
    got = ask(
        f"{_PREFIXES}SELECT ?r ?c (COUNT(DISTINCT ?x) AS ?n) {{ VALUES ?r {{ {rows} }} VALUES ?c {{ {columns} }} "
        "OPTIONAL { ?x rdfs:subClassOf ?r , ?c } } GROUP BY ?r ?c"
    )
    return values(got) == wanted


def _joined_counts(ask: Ask, facts: Facts) -> bool:
    counts = {c: sum(b == c for _, b in set(facts.pairs)) for c in facts.below(_TOP)}
    got = ask(
        f"{_PREFIXES}SELECT ?c (COALESCE(?n, 0) AS ?m) {{ {{ SELECT DISTINCT ?c {{ ?c rdfs:subClassOf+ <{_TOP}> }} }} "
        "OPTIONAL { SELECT ?c (COUNT(DISTINCT ?x) AS ?n) { ?x rdfs:subClassOf ?c } GROUP BY ?c } }"
    )
    return values(got) == sorted((c, str(n)) for c, n in counts.items())


def _inner_optional(ask: Ask, facts: Facts) -> bool:
    got = ask(
        f"{_PREFIXES}SELECT ?c ?n {{ VALUES ?c {{ <{_TOP}> }} ?c rdfs:label ?name OPTIONAL {{ ?c <{_NOWHERE}> ?none }} OPTIONAL {{ "
        f"SELECT ?c (COUNT(?x) AS ?n) (COUNT(?y) AS ?m) {{ ?x rdfs:subClassOf ?c ; rdfs:label ?w OPTIONAL {{ ?x <{_NOWHERE}> ?y }} }} GROUP BY ?c }} }}"
    )
    return bool(got.rows) and all(row[1] for row in got.rows)


def _count_nothing(ask: Ask, facts: Facts) -> bool:
    nothing = f"{{ ?x <{_NOWHERE}> ?y }}"
    return values(ask(f"SELECT (COUNT(?x) AS ?n) {nothing}")) == [("0",)] and not (
        ask(f"SELECT ?y (COUNT(?x) AS ?n) {nothing} GROUP BY ?y").rows
    )


def _joined_text(ask: Ask, facts: Facts) -> bool:
    some = ask('SELECT (GROUP_CONCAT(DISTINCT ?x; separator="|") AS ?s) { VALUES ?x { "a" "b" "a" } }')
    none = ask(
        f'{_PREFIXES}SELECT ?c (GROUP_CONCAT(DISTINCT ?y; separator="|") AS ?s) {{ VALUES ?c {{ <{_TOP}> }} ?c rdfs:label ?l '
        f"OPTIONAL {{ ?c <{_NOWHERE}> ?y }} }} GROUP BY ?c"
    )
    return values(some) in ([("a|b",)], [("b|a",)]) and values(none) == [(_TOP, "")]


def _decimals(ask: Ask, facts: Facts) -> bool:
    return values(ask('SELECT (IF(0.1 + 0.2 = 0.3, "exact", "not") AS ?s) {}')) == [("exact",)]


def _truth(ask: Ask, facts: Facts) -> bool:
    got = ask(f"{_PREFIXES}SELECT ?t {{ <{_TOP}> rdfs:label ?l BIND(EXISTS {{ ?x rdfs:subClassOf <{_TOP}> }} AS ?t) }}")
    return bool(got.rows) and all(row[0] == Term("literal", "true", XSD + "boolean") for row in got.rows)


REFUSED, REWRITTEN, AVOIDED = "refused", "rewritten", "avoided"


@dataclass(frozen=True, slots=True)
class Probe:
    """A question whose answer is known: what must hold, how it is asked, and what follows if an engine fails it.

    `remedy` is *refused* (the engine isn't used), *rewritten* (what it gets wrong is asked in another form, or not at all) or
    *avoided* (the saved questions do without the form; whoever writes queries must, too).
    """

    name: str
    sentence: str
    holds: Callable[[Ask, Facts], bool]
    remedy: str


PROBES = (
    Probe("once", "A statement that several graphs hold is given once.", _given_once, REFUSED),
    Probe("path", "A path with + finds all that lies below a class.", _path, REFUSED),
    Probe("path-denied", "A path with + or * counts inside MINUS and NOT EXISTS.", _path_denied, REWRITTEN),
    Probe("zero-cells", "VALUES with OPTIONAL keeps the cells that hold nothing.", _zero_cells, REFUSED),
    Probe("joined-counts", "Counts made in an OPTIONAL sub-select join by their key.", _joined_counts, REFUSED),
    Probe("inner-optional", "An OPTIONAL inside an OPTIONAL sub-select loses no row.", _inner_optional, AVOIDED),
    Probe("count-nothing", "A COUNT over nothing is one row of 0, and no row by group.", _count_nothing, REFUSED),
    Probe("joined-text", "GROUP_CONCAT takes a separator, and nothing gives an empty text.", _joined_text, REFUSED),
    Probe("decimals", "Decimals are exact: 0.1 + 0.2 = 0.3.", _decimals, REFUSED),
    Probe("truth", "A computed truth value is true or false, not 1 or 0.", _truth, AVOIDED),
)


def failed_probes(ask: Ask) -> list[Probe]:
    """Ask an engine that holds a build every probe, and return those that it fails.

    Raises
    ------
    StoreError
        If it holds no class hierarchy, without which no answer is known.
    """
    facts = Facts.read(ask)
    if not facts.below(_TOP):
        raise StoreError("the class hierarchy of the build is missing, so that the engine cannot be probed")

    def holds(probe: Probe) -> bool:
        try:
            return probe.holds(ask, facts)
        except (QueryError, StoreError):
            return False

    return [probe for probe in PROBES if not holds(probe)]
