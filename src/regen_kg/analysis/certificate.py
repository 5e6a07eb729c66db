"""Own the certificate of a gap: whether a query is empty because the evidence is absent, silent, or the query broken."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import combinations, product
from typing import Any

from regen_kg.analysis.explain import (
    Prober,
    TimeUp,
    counted,
    nearest,
    reversed_triple,
    shown,
    unknown_terms,
)
from regen_kg.analysis.patterns import Part, Select, is_variable, literal_kind, read, replaced
from regen_kg.errors import QueryError
from regen_kg.iris import DCTERMS, ID, OWL, PREFIXES, RDF, RDFS, RKG, SKOS, XSD
from regen_kg.store import Store, refuse_doubtful

ABSENT, PRESENT, BROKEN = "absent-from-named-evidence", "present", "broken-pattern"
NOT_CHARTED, NOT_REPORTED, UNDECIDED = "not-charted", "not-reported", "undecided"
_STATUS = {
    "not-charted": "notCharted",
    "not-reported": "notReported",
    "unclear": "unclear",
    "not-applicable": "notApplicable",
}
_SILENCE = {
    NOT_CHARTED: "the review is silent on it",
    NOT_REPORTED: "the review says that the study is silent on it",
    "unclear": "it can be read in more than one way",
    "not-applicable": "it can't have a value",
}
# Properties whose column isn't their own name in snake_case.
_COLUMNS = {
    "blindingText": ("blinding",),
    "sharedBasis": ("study_basis",),
    "comparatorIntervention": ("comparator",),
    "timeValue": ("value",),
    "timeUnit": ("unit",),
    "months": ("value", "unit"),
    "startMonths": ("start",),
    "ofArm": ("arms",),
    "comparatorArm": ("comparator_arms",),
    "atTimePoint": ("time_point",),
    "fromTimePoint": ("from_time_point",),
    "valueText": ("value",),
    "dispersionText": ("dispersion",),
    "pText": ("p",),
    "pOperator": ("p",),
    "pValue": ("p",),
    "statedDirection": ("direction",),
    "hasDirection": ("direction",),
    "usedPolarity": ("polarity",),
    "rangeText": ("range",),
    "safetyContent": ("content",),
    "aboutTechnology": ("technology", "technologies"),
    "aboutDisease": ("diseases",),
    "directionBasis": ("basis",),
    "chartedCount": ("charted",),
}
_NUMBERS = frozenset(XSD + t for t in ("integer", "decimal", "double", "float", "gYear", "date"))
_GENERIC = {
    "below " + OWL + "Thing",
    OWL + "Class",
    OWL + "NamedIndividual",
    OWL + "Thing",
    RDFS + "Resource",
    RKG + "Publication",
}
_HEAD = "".join(f"PREFIX {k}: <{v}> " for k, v in PREFIXES.items())
_NAMED = re.compile(r"^(skos:notation|rdfs:label|<[^>]*#(notation|label)>)$")
_MOST = 8  # ways through the UNIONs of one query that are followed


@dataclass(frozen=True, slots=True)
class Silence:
    """What the chart says of a value that a query asks for: of so many things, how many have it, and why not the rest."""

    pattern: str
    asked: int
    charted: int
    statuses: tuple[tuple[str, int], ...]

    def line(self) -> str:
        """Say it in one line."""
        parts = [f"charted as something else {self.charted}"] if self.charted else []
        parts += [f"{status.replace('-', ' ')} {n}" for status, n in self.statuses]
        return f"{_short(self.pattern)}: of {self.asked} that could have it, {', '.join(parts)}"


@dataclass(frozen=True, slots=True)
class Searched:
    """A fixed term with its other names and narrower terms, and what stands under them.

    `narrower` gives for the term itself and each below it: slug, reports anywhere, reports on the other axis of the cell.
    """

    slug: str
    names: tuple[str, ...]
    narrower: tuple[tuple[str, int, int], ...]
    mentions: tuple[tuple[str, str], ...]  # report, words: printed names in the cell's other axis without the term


@dataclass(frozen=True, slots=True)
class Certificate:
    """The outcome of re-running a query whose emptiness is to be proved; counts are of the build named."""

    query: str
    verdict: str
    words: str
    rows: int
    build: str
    scope: str
    patterns: tuple[tuple[str, int], ...]  # each with its fixed values freed where alone it matches nothing
    broken: tuple[str, ...]
    statuses: tuple[Silence, ...]
    neighbours: tuple[tuple[str, tuple[tuple[str, int], ...]], ...]  # axis; slug, answers
    searched: tuple[Searched, ...]
    gap: str = ""
    reason: str = ""

    @property
    def holds(self) -> bool:
        """Tell whether the emptiness is proved, be it of evidence or of charting."""
        return self.verdict in (ABSENT, NOT_CHARTED, NOT_REPORTED)

    def data(self) -> dict[str, Any]:
        """Return all of it as plain data."""
        return asdict(self)

    def lines(self) -> list[str]:
        """Say all of it in lines."""
        out = [f"gap        {self.gap}", f"reason     {self.reason}"] if self.gap else []
        out += [f"verdict    {self.words}", f"scope      {self.scope}", f"build      {self.build}", ""]
        out += ["patterns, each by itself:", *(f"  {n:>7,}  {_short(text)}" for text, n in self.patterns)]
        out += [f"  broken: {b}" for b in self.broken]
        out += ["", "what stands behind the emptiness:"]
        out += [f"  {s.line()}" for s in self.statuses] or ["  no charted thing that the values could belong to"]
        out += [
            "",
            "terms searched, with their other names, and the narrower ones (reports in the graph, of them in this cell):",
        ]
        for s in self.searched:
            out.append(f"  {s.slug}" + (f" (also: {', '.join(s.names)})" if s.names else ""))
            out += [f"    {slug}: {n}, {here}" for slug, n, here in s.narrower]
            out += [f"    named but not tested in {report}: {words}" for report, words in s.mentions]
        out += ["", "nearest answers, with one fixed term changed (how many):"]
        for axis, found in self.neighbours:
            out.append(f"  in place of {axis}: " + (", ".join(f"{slug} {n}" for slug, n in found) or "none"))
        return [*out, "", "query:", *(f"  {line}" for line in self.query.strip().splitlines())]


def _short(text: str) -> str:
    return replaced(shown(text), lambda t: f"rkg:{t[1:-1].removeprefix(RKG)}" if t.startswith(f"<{RKG}") else t)


def _silent_on(subject: str, columns: Iterable[str]) -> str:
    words = " ".join(_quoted(c) for c in dict.fromkeys(columns))
    said = "|".join(f"<{RKG}{name}>" for name in _STATUS.values())
    return f"VALUES ?rkg_c {{ {words} }} {subject} {said} ?rkg_c"


def _property_columns(iri: str) -> tuple[str, ...]:
    if not iri.startswith(RKG):
        return ()
    local = iri.removeprefix(RKG)
    return _COLUMNS.get(local) or (re.sub(r"(?<=[a-z])([A-Z])", r"_\1", local).lower(),)


def _every_triple(select: Select) -> list[Part]:
    return [p for p in select.walk() if p.kind == "triple"]


def _is_type(part: Part) -> bool:
    return part.kind == "triple" and part.triple[1] in ("a", "rdf:type", f"<{RDF}type>")


class _Freer:
    """Replaces fixed values by variables: the same value by the same variable; classes of rdf:type stay.

    A class without things of its own gives way to one above it that has some.
    """

    def __init__(self, classes: Mapping[str, str]) -> None:
        self.names: dict[str, str] = {}
        self.classes = classes

    def term(self, text: str) -> str:
        if is_variable(text):
            return text
        return self.names.setdefault(text, f"?rkg_f{len(self.names)}")

    def triple(self, part: Part) -> str:
        s, path, o = part.triple
        return f"{self.term(s)} {path} {self.classes.get(o, o) if _is_type(part) else self.term(o)}"

    def part(self, part: Part) -> str:
        """Return a part without its fixed values and filters; nothing where nothing is left."""
        if part.kind == "triple":
            return self.triple(part)
        if part.kind in ("filter", "minus", "values"):
            return ""
        if part.kind in ("bind", "service"):
            return part.text
        groups = [self.group(branch) for branch in part.branches]
        if part.kind == "optional":
            return "OPTIONAL " + groups[0]
        if part.kind == "graph":
            return f"GRAPH {part.triple[0]} {groups[0]}"
        return " UNION ".join(groups)

    def group(self, parts: Iterable[Part]) -> str:
        return "{ " + " . ".join(t for p in parts if (t := self.part(p))) + " }"


class _Certifier:
    def __init__(self, prober: Prober) -> None:
        self.p, self.select = prober, prober.select
        self.triples = _every_triple(self.select)
        self._kinds: dict[str, frozenset[str]] = {}
        self.classes: dict[str, str] = {}
        for part in self.triples:
            if _is_type(part) and not is_variable(part.triple[2]) and not prober.any([part.text]):
                if above := self.class_of_things(part.triple[2]):
                    self.classes[part.triple[2]] = f"<{above}>"

    # --- broken patterns ------------------------------------------------------------------------------------------

    def kinds(self, name: str, texts: Sequence[str]) -> frozenset[str]:
        """Return of what kinds the things are that a variable is bound to: types, superclasses, lists; of literals, datatypes."""
        body = " . ".join(texts)
        key = f"{name} {body}"
        if key not in self._kinds:
            rows = self.p.ask_text(
                f"{self.select.prologue}SELECT DISTINCT ?rkg_k {{ {{ SELECT DISTINCT ?{name} {{ {body} }} }} "
                f"{{ ?{name} <{RDF}type> ?rkg_k }} UNION "
                f"{{ ?{name} <{RDFS}subClassOf>+ ?rkg_c BIND(CONCAT('below ', STR(?rkg_c)) AS ?rkg_k) }} UNION "
                f"{{ ?{name} <{RKG}listedAs> ?rkg_k }} UNION {{ BIND(DATATYPE(?{name}) AS ?rkg_k) FILTER(BOUND(?rkg_k)) }} }}"
            ).rows
            self._kinds[key] = frozenset(r[0].value for r in rows if r[0] and r[0].kind != "bnode") - _GENERIC
        return self._kinds[key]

    def broken(self) -> Iterator[str]:
        """Yield why a pattern of the query can't match whatever the evidence; the first that is found of each sort."""
        unused = {
            self.select.predicates(p.triple[1])[0]
            for p in self.triples
            if self.select.predicates(p.triple[1]) and self.never_charted(p)
        }
        strange = [c for c in unknown_terms(self.p, self.select.walk()) if self.select.iri(c.text) not in unused]
        if strange:
            yield from (c.line() for c in strange)
            return
        faults = [f for part in self.triples if (f := self.misfit(part))]
        faults += self.unfit_values()
        if not faults:
            pairs = dict.fromkeys(x for scope in self.scopes(self.select.parts) for x in combinations(scope, 2))
            faults = [f for a, b in pairs if (f := self.mismatch(a, b))][:1]
        if not faults and self.any_skeleton():
            faults = [f for f in self.dead_filters()][:1]
        elif not faults and (not self.mute() or any(p.kind in ("filter", "minus") for p in self.select.walk())):
            faults = ["the patterns never match together, whatever stands in place of the fixed values"]
        yield from faults

    def mine(self, part: Part) -> str:
        return _Freer(self.classes).triple(part)

    def misfit(self, part: Part) -> str:
        """Say why a triple can't match: its property is never used so, or a fixed value isn't of the kind that stands there."""
        if self.p.any([part.text]):
            return ""
        s, path, o = part.triple
        if not self.p.any([self.mine(part)]):
            if self.never_charted(part):
                return ""
            return f"{shown(part.text)}: matches nothing anywhere"
        turned = reversed_triple(part)
        if turned and (not is_variable(s) or not is_variable(o)) and self.p.any([turned]):
            return f"{shown(part.text)}: matches nothing anywhere; the graph has it the other way round"
        for term, text in (
            (o, f"?rkg_s {path} ?rkg_v"),
            (s, f"?rkg_v {path} ?rkg_o"),
        ):
            if not is_variable(term) and (why := self.unfit(term, text, path if term == o else "")):
                return f"{shown(part.text)}: matches nothing anywhere; {why}"
        return ""

    def never_charted(self, part: Part) -> bool:
        """Tell whether a property without any value has a column in the chart that says so."""
        columns, domain = self.column_of(part)
        return bool(columns and domain) and self.p.any(
            [
                f"VALUES ?rkg_d {{ {' '.join(f'<{d}>' for d in sorted(domain))} }} ?rkg_s a ?rkg_d",
                _silent_on("?rkg_s", columns),
            ]
        )

    def class_of_things(self, term: str) -> str:
        """Return the smallest class with things above a class that has none, or nothing."""
        iri = self.select.iri(term)
        rows = (
            self.p.ask_text(
                f"SELECT ?c (COUNT(DISTINCT ?x) AS ?n) {{ {{ SELECT DISTINCT ?c {{ <{iri}> <{RDFS}subClassOf>+ ?c FILTER(isIRI(?c)) }} }} ?x a ?c }} "
                "GROUP BY ?c ORDER BY ?n ?c LIMIT 1"
            ).rows
            if iri
            else ()
        )
        return rows[0][0].value if rows and rows[0][0] else ""

    def unfit(self, term: str, text: str, path: str = "") -> str:
        """Say why a fixed value can't stand where `?rkg_v` does, or nothing if it could."""
        seen = self.p.values("rkg_v", [text])
        if kind := literal_kind(term):
            kinds = {d for _, d in seen}
            known = {d if d.startswith("@") else self.select.compact(d) for d in kinds if d}
            mine = kind if kind.startswith(("@", "http")) else self.select.iri(kind)
            plain = _plain(term)
            if mine in _NUMBERS and kinds & {mine}:
                return ""
            if mine not in kinds:
                return f"{term} is {self.select.compact(mine) if mine.startswith('http') else mine}, its values are {', '.join(sorted(known)) or 'IRIs'}"
            if (plain, mine) in seen or self.known_notation(plain, path):
                return ""
            near = nearest(plain, [v for v, _ in seen])
            return f'"{plain}" is no value of it' + (f'; nearest: "{near}"' if near else "")
        iri = self.select.iri(term)
        if iri in {v for v, d in seen if not d}:
            return ""
        things = [v for v, d in seen if not d]
        if not things:
            return f"its values are literals, {term} is none"
        return self.other_kind(iri, text, things)

    def other_kind(self, iri: str, text: str, things: Sequence[str]) -> str:
        """Say why a thing is of another kind than those that stand somewhere, or nothing if it is of theirs."""
        own = self.kinds("rkg_i", [f"VALUES ?rkg_i {{ <{iri}> }}"])
        theirs = self.kinds("rkg_v", [text])
        name = self.select.compact(iri)
        near = self.select.compact(things[0])
        if not own & theirs:
            return f"{name} is of another kind than what stands there, such as {near}"
        listed = {"technology", "disease"} & theirs
        if listed and not listed & own:
            return f"{name} is no listed {' or '.join(sorted(listed))}; such as {near} stand there"
        below = self.p.listed(f"?x <{RDFS}subClassOf>+ <{iri}>")
        if used := sorted(set(below) & set(things)):
            return f"only narrower terms stand there, such as {self.select.compact(used[0])}; use rdfs:subClassOf*"
        return ""

    def known_notation(self, word: str, path: str) -> bool:
        """Tell whether a slug that a path's last step never gives is that of a thing of the right kind."""
        found = re.match(r"(.*)/\s*(?:skos:notation|<[^>]*#notation>)$", path, re.S)
        if not found:
            return False
        rows = self.p.ask_text(f"SELECT ?x {{ ?x <{SKOS}notation> {_quoted(word)} }}").rows
        things = [r[0].value for r in rows if r[0] and r[0].kind == "iri"]
        text = f"?rkg_s {found.group(1)} ?rkg_v"
        seen = [v for v, d in self.p.values("rkg_v", [text]) if not d]
        return any(not self.other_kind(x, text, seen) for x in things)

    def places(self, name: str) -> Iterator[tuple[str, str]]:
        """Yield the triples that a variable stands in, as text with it as `?rkg_v`, and the path if it is the object."""
        for part in self.triples:
            s, path, o = part.triple
            if o[1:] == name and is_variable(o):
                yield f"?rkg_s {path} ?rkg_v", path
            elif s[1:] == name and is_variable(s):
                yield f"?rkg_v {path} ?rkg_o", ""

    def unfit_values(self) -> list[str]:
        """Return why the words of VALUES and of filters that ask for equality can't be what their variable is bound to."""
        out = []
        for name, word in self.asked_for():
            for text, path in self.places(name):
                seen = self.p.values("rkg_v", [text])
                if len(seen) < 2000 and (why := self.unfit(word, text, path)):
                    out.append(f"?{name} as {word}: {why}")
                    break
        return out

    def asked_for(self) -> Iterator[tuple[str, str]]:
        """Yield (variable, constant) of VALUES and of filters like ?x = 1 and ?x IN (1, 2)."""
        for part in self.select.walk():
            for name, words in part.values:
                yield from ((name, w) for w in words if w != "UNDEF")
            for name, equal in _equalities(part):
                yield from ((name, w) for w in equal)

    def mismatch(self, a: Part, b: Part) -> str:
        """Say why two triples that share a variable can't meet: what it is bound to in one is of another kind in the other."""
        shared = sorted({t[1:] for t in (a.triple[0], a.triple[2]) if is_variable(t)} & b.variables)
        for name in shared:
            if self.p.any([a.text, b.text]):
                continue
            sides = [p.text if self.p.any([p.text]) else self.mine(p) for p in (a, b)]
            if not all(self.p.any([t]) for t in sides):
                continue
            freer = _Freer(self.classes)
            free = [freer.triple(p) for p in (a, b)]
            both = f"{shown(a.text)} with {shown(b.text)}"
            for turned, other in ((a, b), (b, a)):
                if (t := reversed_triple(turned)) and not self.p.any(free) and self.p.any([t, other.text]):
                    return f"{both}: never together; the graph has {shown(turned.text)} the other way round: {shown(t)}"
            for here, there in ((a, b), (b, a)):
                if why := self.unfit_beside(here, there):
                    return f"{both}: {why}"
            together = self.p.any(free)
            named = any(_NAMED.search(p.triple[1]) for p in (a, b))  # a name says which thing is meant
            if together and not named:
                continue
            if not together and (self.has_column(a, b, name) or self.has_column(b, a, name)):
                continue
            one, two = sides if named else free
            if not self.kinds(name, [one]) & self.kinds(name, [two]):
                return f"{both}: ?{name} is of one kind here and of another there"
            if not together and not self.declared(a, b, name):
                return f"{both}: never together, whatever stands in place of the fixed values"
        return ""

    def unfit_beside(self, here: Part, there: Part) -> str:
        """Say why the fixed thing that a triple points at can't stand there for the things of another triple."""
        s, path, o = here.triple
        iri = "" if is_variable(o) or _is_type(here) else self.select.iri(o)
        if not iri or not is_variable(s) or s[1:] not in there.variables:
            return ""
        text = f"{s} {path} ?rkg_v . {self.mine(there)}"
        things = [v for v, d in self.p.values("rkg_v", [text]) if not d]
        return self.other_kind(iri, text, things) if things and iri not in things else ""

    def column_of(self, part: Part) -> tuple[list[str], set[str]]:
        """Return the charted columns that a triple's property comes from, and the classes that the ontology gives it."""
        iris = self.select.predicates(part.triple[1])
        if len(iris) != 1 or _is_type(part):
            return [], set()
        rows = self.p.ask_text(
            f"SELECT ?d {{ <{iris[0]}> <{RDFS}domain>/(<{OWL}unionOf>/<{RDF}rest>*/<{RDF}first>)? ?d FILTER(isIRI(?d)) }}"
        ).rows
        return list(_property_columns(iris[0])), {r[0].value for r in rows if r[0]}

    def has_column(self, part: Part, other: Part, name: str) -> bool:
        """Tell whether the chart has a column for a triple's property on the things of another, be it without a value."""
        columns, domain = self.column_of(part)
        if part.triple[0][1:] != name or not columns:
            return False
        if domain and not domain & self.kinds(name, [self.mine(other)]):
            return False
        return self.p.any([self.mine(other), _silent_on(f"?{name}", columns)])

    def scopes(self, parts: Sequence[Part]) -> list[list[Part]]:
        """Return the triples that stand together, one list per way through the branches of UNION."""
        out = []
        for way in self.ways(parts):
            scopes: list[list[Part]] = [[p for p in way if p.kind == "triple"]]
            for part in way:
                for branch in part.branches:
                    inner = self.scopes(branch)
                    scopes = [[*a, *b] for a in scopes for b in inner][:_MOST]
            out += scopes
        return out

    def declared(self, a: Part, b: Part, name: str) -> bool:
        """Tell whether the ontology declares that both triples may say something of the same thing."""
        domains = []
        for part in (a, b):
            s, path, o = part.triple
            if s[1:] != name:
                return False
            if _is_type(part):
                domains.append(self.select.iri(o))
                continue
            iris = self.select.predicates(path)
            rows = (
                self.p.ask_text(f"SELECT ?d {{ <{iris[0]}> <{RDFS}domain> ?d FILTER(isIRI(?d)) }}").rows if iris else ()
            )
            if not rows or not rows[0][0]:
                return False
            domains.append(rows[0][0].value)
        one, two = domains
        return bool(
            self.p.ask_text(
                f"ASK {{ {{ <{one}> <{RDFS}subClassOf>* <{two}> }} UNION {{ <{two}> <{RDFS}subClassOf>* <{one}> }} }}"
            ).boolean
        )

    def skeleton(self) -> list[str]:
        freer = _Freer(self.classes)
        return [t for p in self.select.parts if (t := freer.part(p))]

    def any_skeleton(self, more: str = "") -> bool:
        texts = self.skeleton()
        return not texts or self.p.any([*texts, *([more] if more else [])])

    def dead_filters(self) -> Iterator[str]:
        """Yield the filters that keep nothing even with the fixed values freed; a mere comparison of numbers may."""
        bound = {v for p in self.select.walk() if p.kind not in ("filter", "minus") for v in p.variables}
        for part in self.select.walk():
            if part.kind not in ("filter", "minus"):
                continue
            if loose := sorted(part.variables - bound) if not part.branches else []:
                near = nearest(loose[0], bound)
                yield f"{shown(part.text)}: ?{loose[0]} is bound nowhere" + (f"; nearest: ?{near}" if near else "")
            elif part.kind == "minus" or re.match(r"FILTER\s+NOT\b", part.text, re.I):
                continue  # a fault in what is excluded excludes less, and empties nothing
            elif not self.any_skeleton(part.text) and not _equalities(part) and not self.compares_numbers(part):
                yield f"{shown(part.text)}: keeps nothing anywhere"

    def compares_numbers(self, part: Part) -> bool:
        """Tell whether a filter only compares a numeric variable with a number."""
        found = re.fullmatch(r"FILTER\s*\(\s*[?$](\w+)\s*(?:<=?|>=?|!?=)\s*([+-]?[\d.]+)\s*\)", part.text, re.I)
        if not found:
            return False
        name = found.group(1)
        places = list(self.places(name))
        return any({d for _, d in self.p.values("rkg_v", [text])} & _NUMBERS for text, _ in places)

    # --- what stands behind the emptiness -------------------------------------------------------------------------

    def ways(self, parts: Sequence[Part]) -> list[list[Part]]:
        """Return the query without UNION, one list of required parts per way through its branches."""
        choices: list[list[list[Part]]] = []
        for part in parts:
            if part.kind in ("union", "group"):
                choices.append([w for branch in part.branches for w in self.ways(branch)])
            else:
                choices.append([[part]])
        return [[p for group in way for p in group] for way in list(product(*choices))[:_MOST]]

    def mute(self) -> list[Silence]:
        """Return the silences that explain the emptiness by themselves: asked of something, and charted of none."""
        return [s for s in self.silences() if not s.charted and {w for w, _ in s.statuses} - {"not-applicable"}]

    def silences(self) -> list[Silence]:
        """Return per asked value what the chart says of it where all else of the query holds."""
        out: dict[str, Silence] = {}
        for way in self.ways(self.select.parts):
            for part in way:
                if part.kind == "triple" and (found := self.silence(part, way)):
                    out.setdefault(part.text, found)
        return list(out.values())

    def silence(self, part: Part, way: Sequence[Part]) -> Silence | None:
        s, path, _ = part.triple
        if not is_variable(s) and not self.select.iri(s):
            return None
        steps = self.select.predicates(path)
        if _is_type(part) or not steps:
            return None
        rest = self.without(part, way)
        subject = s if is_variable(s) else "?rkg_s"
        fixed = [] if is_variable(s) else [f"VALUES ?rkg_s {{ {s} }}"]
        if re.search(r"[/^*+!]", re.sub(r"<[^>]*>", "", path)) or any(
            i.startswith(RKG) and i.removeprefix(RKG) in ("status", "hasDirection", "nStatus") for i in steps
        ):
            return self.worded(part, [*rest, *fixed], subject)
        columns = [c for i in steps for c in _property_columns(i)]
        if not columns or (not rest and not fixed):
            return None
        words = " ".join(_quoted(c) for c in dict.fromkeys(columns))
        asked = self.distinct(subject, [*rest, *fixed])
        if not asked:
            return None
        charted = self.distinct(subject, [*rest, *fixed, f"{subject} {path} ?rkg_any"])
        lacking = f"FILTER NOT EXISTS {{ {subject} {path} ?rkg_any }}"
        statuses = []
        for status, name in _STATUS.items():
            told = f"VALUES ?rkg_c {{ {words} }} {subject} <{RKG}{name}> ?rkg_c"
            if n := self.distinct(subject, [*rest, *fixed, told, lacking]):
                statuses.append((status, n))
        if not statuses and not charted:
            return None
        return Silence(part.text, asked, charted, tuple(statuses))

    def worded(self, part: Part, rest: list[str], subject: str) -> Silence | None:
        """Return the same where the status is a value by itself, as of safety statements and directions."""
        path = part.triple[1]
        if not re.search(r"status|direction", path, re.I):
            return None
        counts: dict[str, int] = {}
        head = f"{self.select.prologue}SELECT ?rkg_o (COUNT(DISTINCT {subject}) AS ?rkg_n)"
        body = " . ".join([*rest, f"{subject} {path} ?rkg_o"])
        for value, number in self.p.ask_text(f"{head} {{ {body} }} GROUP BY ?rkg_o").rows:
            if value and number:
                word = value.value.rsplit("/", 1)[-1]
                counts[word] = counts.get(word, 0) + int(number.value)
        statuses = tuple((w, counts[w]) for w in _STATUS if w in counts)
        if not statuses:
            return None
        asked = sum(counts.values())
        return Silence(part.text, asked, asked - sum(n for _, n in statuses), statuses)

    def without(self, part: Part, way: Sequence[Part]) -> list[str]:
        """Return the other parts of a query, without those that hang on this triple's value alone."""
        gone = {part.triple[2][1:]} if is_variable(part.triple[2]) else set()
        kept = [p for p in way if p is not part]
        changed = True
        while changed and gone:
            changed = False
            for p in list(kept):
                hangs = p.kind in ("filter", "bind", "values", "optional") and bool(p.variables & gone)
                hangs = hangs or (p.kind == "triple" and p.triple[0][1:] in gone)
                if hangs:
                    kept.remove(p)
                    changed = True
                    others = {v for q in kept for v in q.variables}
                    if p.kind == "triple":
                        gone |= {v for v in p.variables if v not in others}
        names = {v for p in kept for v in p.variables}
        return [p.text for p in kept if p.kind != "filter" or p.variables <= names | gone]

    def distinct(self, variable: str, texts: Sequence[str]) -> int:
        head = f"{self.select.prologue}SELECT (COUNT(DISTINCT {variable}) AS ?rkg_n) {self.select.dataset}"
        body = "\n".join(t if t.rstrip().endswith(("}", ")")) else t + " ." for t in texts if t)
        rows = self.p.ask_text(f"{head} {{ {body} }}").rows
        return int(rows[0][0].value) if rows and rows[0][0] else 0

    # --- what is near ---------------------------------------------------------------------------------------------

    def fixed_terms(self) -> list[str]:
        """Return the fixed things that one may ask of otherwise: classes of technologies and diseases, measures, comparators."""
        out = []
        for part in self.triples:
            for term in (part.triple[0], part.triple[2]):
                iri = self.select.iri(term) if not is_variable(term) else ""
                if iri and not _is_type(part) and (iri.startswith(ID + "outcome-measure/") or self.is_term(iri)):
                    out.append(term)
        return list(dict.fromkeys(out))

    def is_term(self, iri: str) -> bool:
        return iri.startswith(RKG) and bool(
            self.p.ask_text(f"ASK {{ <{iri}> a <{OWL}Class> ; <{SKOS}notation> ?n }}").boolean
        )

    def slug(self, iri: str) -> str:
        rows = self.p.ask_text(f"SELECT ?n {{ <{iri}> <{SKOS}notation> ?n }}").rows
        return rows[0][0].value if rows and rows[0][0] else self.select.compact(iri)

    def neighbours(self) -> Iterator[tuple[str, tuple[tuple[str, int], ...]]]:
        """Yield per fixed term what stands in its place where the query does answer, the fullest first."""
        shows = re.findall(r"[?$](\w+)", self.select.head) or ["*"]
        what = "*" if shows[0] == "*" else f"DISTINCT ?{shows[0]}"
        for term in self.fixed_terms():
            iri = self.select.iri(term)
            body = replaced(self.body(), partial(self.other_than, iri))
            rows = self.p.ask_text(
                f"{self.select.prologue}SELECT ?rkg_axis (COUNT({what}) AS ?rkg_n) {self.select.dataset} {body} GROUP BY ?rkg_axis"
            ).rows
            found = [
                (self.slug(a.value), int(n.value))
                for a, n in rows
                if a and n and int(n.value) and (a.value.startswith(ID) or self.is_term(a.value))
            ]
            yield self.slug(iri), tuple(sorted(found, key=lambda x: (-x[1], x[0]))[:3])

    def other_than(self, iri: str, text: str) -> str:
        return "?rkg_axis" if self.select.iri(text) == iri else text

    def body(self) -> str:
        return (
            "{ " + "\n".join(p.text if p.text.endswith(("}", ")")) else p.text + " ." for p in self.select.parts) + " }"
        )

    def searched(self) -> Iterator[Searched]:
        """Yield the fixed terms with what was searched below and beside them."""
        terms = [t for t in self.fixed_terms() if self.is_term(self.select.iri(t))]
        axes = {}
        for term in terms:
            for place, link in (("technology", "testsTechnology"), ("disease", "studiesDisease")):
                if self.p.ask_text(f'ASK {{ <{self.select.iri(term)}> <{RKG}listedAs> "{place}" }}').boolean:
                    axes[term] = f"?r <{RKG}{link}> <{self.select.iri(term)}>"
        for term in terms:
            iri = self.select.iri(term)
            here = " . ".join(v for k, v in axes.items() if k != term)
            below = [iri, *sorted(self.p.listed(f"?x <{RDFS}subClassOf>+ <{iri}> FILTER(isIRI(?x))"))]
            names = self.p.listed(
                f"VALUES ?t {{ {' '.join(f'<{b}>' for b in below)} }} ?t <{SKOS}altLabel>|<{RDFS}label> ?x"
            )
            reached: list[tuple[str, int, int]] = []
            for b in below:
                stands = f"{{ ?i a <{b}> ; <{RKG}ofReport> ?r }} UNION {{ ?r <{RKG}testsTechnology>|<{RKG}studiesDisease> <{b}> }}"
                reached.append((self.slug(b), self.distinct("?r", [stands]), self.distinct("?r", [stands, here])))
            yield Searched(
                self.slug(iri), tuple(sorted(set(names))), tuple(reached), tuple(self.mentions(iri, names, here))
            )

    def mentions(self, iri: str, names: Sequence[str], here: str) -> Iterator[tuple[str, str]]:
        """Yield printed names of a term in reports of the cell's other axis that aren't charted as about it."""
        if not here or not names:
            return
        rows = self.p.ask_text(
            f"SELECT DISTINCT ?slug ?text {{ {here} . ?r <{SKOS}notation> ?slug . ?i <{RKG}ofReport> ?r ; <{RKG}printedAs>|<{RKG}chartedText> ?text "
            f"FILTER NOT EXISTS {{ ?r <{RKG}testsTechnology>|<{RKG}studiesDisease> <{iri}> }} }} ORDER BY ?slug ?text"
        ).rows
        # An abbreviation is told from a word by its capitals: AT is a tendinopathy, "at" is none.
        forms = [re.escape(n) if n.isupper() else f"(?i:{re.escape(n)})" for n in sorted(names, key=len, reverse=True)]
        pattern = re.compile(r"(?<!\w)(" + "|".join(forms) + r")(?!\w)")
        seen = set()
        for slug, text in rows:
            if slug and text and slug.value not in seen and pattern.search(text.value):
                seen.add(slug.value)
                yield slug.value, f'"{text.value}"'


def _plain(term: str) -> str:
    return re.sub(r"(@[A-Za-z-]+|\^\^\S+)$", "", term).strip("\"'")


def _quoted(word: str) -> str:
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'


_CONSTANT = r"""(?:"[^"\n]*"(?:@[\w-]+|\^\^[^\s,)]+)?|'[^'\n]*'(?:@[\w-]+|\^\^[^\s,)]+)?|<[^>\s]*>|[\w-]*:[\w.-]+|[+-]?[\d.]+)"""


def _equalities(part: Part) -> list[tuple[str, list[str]]]:
    """Return (variable, constants) of a filter that is nothing but ?x = c or ?x IN (c, …)."""
    if part.kind != "filter":
        return []
    found = re.fullmatch(rf"FILTER\s*\(\s*[?$](\w+)\s*(?:=\s*({_CONSTANT})|IN\s*\(([^()]*)\))\s*\)", part.text, re.I)
    if not found:
        return []
    return [(found.group(1), re.findall(_CONSTANT, found.group(2) or found.group(3)))]


def _scope(store: Store) -> str:
    """Say from the graph how far the search reached that the evidence comes from."""
    text = _HEAD + (
        "SELECT ?scope ?method (COUNT(DISTINCT ?report) AS ?named) { ?report a rkg:Report . "
        "OPTIONAL { SELECT (SAMPLE(?s) AS ?scope) { ?g rkg:gapScope ?s } } "
        'OPTIONAL { ?m skos:notation "method-search" ; rkg:paraphrase ?method } } GROUP BY ?scope ?method'
    )
    rows = store.query(text).rows
    if not rows:
        return "no report is named in this graph"
    scope, method, named = rows[0]
    if scope:
        return scope.value
    return (f"{method.value}; " if method else "") + counted(int(named.value) if named else 0, "report") + " named"


def _build(store: Store) -> str:
    rows = store.query(f"SELECT ?h {{ <https://w3id.org/regen-kg/dataset> <{DCTERMS}identifier> ?h }}").rows
    return rows[0][0].value if rows and rows[0][0] else "not stated in this graph"


def certify(store: Store, query: str, seconds: float = 30.0) -> Certificate:
    """Re-run a query whose empty answer is to be a gap, and say what its emptiness means.

    Parameters
    ----------
    store : Store
        An embedded store or an endpoint.
    query : str
        A SELECT that lists the evidence that would fill the gap.
    seconds : float
        After this long it stops; the verdict is then `undecided`.

    Returns
    -------
    Certificate
        With the verdict `present` (it answers), `broken-pattern` (a pattern can't match whatever the evidence),
        `not-charted` or `not-reported` (all that the value could belong to stands in the chart without it, with that
        status), `absent-from-named-evidence`, or `undecided`.

    Raises
    ------
    QueryError
        If the query doesn't parse or is no SELECT.
    """
    refuse_doubtful(store, "a certificate")
    select = read(query)
    prober = Prober(store, select, seconds)
    patterns: list[tuple[str, int]] = []
    broken: list[str] = []
    silences: list[Silence] = []
    neighbours: list[tuple[str, tuple[tuple[str, int], ...]]] = []
    searched: list[Searched] = []
    rows = 0
    try:
        rows = len(prober.ask_text(query).rows)
        if select.counts_nothing_as_a_row:
            rows = prober.count([p.text for p in select.parts])
        me = _Certifier(prober)
        for part in me.triples:
            number = prober.count([part.text])
            patterns.append((part.text, number) if number else (me.mine(part), prober.count([me.mine(part)])))
        if rows:
            verdict = PRESENT
        elif broken := list(me.broken()):
            verdict = BROKEN
        else:
            silences = me.silences()
            said = {w for s in me.mute() for w, _ in s.statuses}
            silent = NOT_CHARTED if said & {NOT_CHARTED, "unclear"} else NOT_REPORTED
            verdict = silent if said else ABSENT
            neighbours = list(me.neighbours())
            searched = list(me.searched())
    except TimeUp as err:
        verdict, broken = UNDECIDED, [str(err)]
    return Certificate(
        query, verdict, _words(verdict, rows, broken), rows, _build(store), _scope(store), tuple(patterns), tuple(broken),
        tuple(silences), tuple(neighbours), tuple(searched),
    )  # fmt: skip


def _words(verdict: str, rows: int, broken: Sequence[str]) -> str:
    if verdict == PRESENT:
        return f"no longer holds: {counted(rows, 'row')}"
    if verdict in (BROKEN, UNDECIDED):
        return f"cannot be certified: {broken[0]}"
    silent = f": {verdict.replace('-', ' ')} ({_SILENCE[verdict]})" if verdict in _SILENCE else ""
    return "absent from the named evidence" + silent


def gap_certificate(store: Store, gap: str) -> Certificate:
    """Certify a gap by its slug, as `evidence-gaps` prints it; see `certify`.

    Raises
    ------
    QueryError
        For a slug that the build doesn't have; the message names the nearest one.
    """
    rows = store.query(
        _HEAD
        + "SELECT ?gap ?query ?reason ?t ?d { ?g a rkg:EvidenceGap ; skos:notation ?gap ; rkg:foundBy ?query ; rkg:gapReason ?reason "
        "OPTIONAL { ?g rkg:aboutTechnology ?t ; rkg:aboutDisease ?d } }"
    ).rows
    known = {row[0].value: [x.value if x else "" for x in row[1:]] for row in rows if row[0]}
    if gap not in known:
        near = nearest(gap, known)
        hint = f'; nearest: "{near}"' if near else ""
        raise QueryError(f'no gap "{gap}"{hint}; regen-kg query evidence-gaps lists all')
    query, reason, technology, disease = known[gap]
    made = certify(store, query)
    if gap.startswith("not-applicable/") and made.holds:
        # Its own query proves that technology and disease share no tissue; that no report tests it is proved as elsewhere.
        cell = certify(
            store, f"SELECT ?r {{ ?r <{RKG}testsTechnology> <{technology}> ; <{RKG}studiesDisease> <{disease}> }}"
        )
        made = replace(cell, words=f"{cell.words}, and no lack: they share no tissue") if cell.holds else cell
    return replace(made, gap=gap, reason=reason)
