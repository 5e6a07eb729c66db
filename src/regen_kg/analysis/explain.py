"""Own the answer to "why is it empty?": which pattern, filter or clause leaves a SELECT without rows, and what is near."""

from __future__ import annotations

import difflib
import re
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from regen_kg.analysis.patterns import Part, Select, connected, is_variable, literal_kind, read, tokens
from regen_kg.errors import QueryError, RegenKGError
from regen_kg.iris import PREFIXES, RDFS, SKOS
from regen_kg.store import Answer, Store, refuse_doubtful

_CAP = 10_000  # a pattern that matches more is counted no further
_SECONDS = 20.0
_DROPPED = ("filter", "minus")  # what only takes rows away


class TimeUp(RegenKGError):
    """The time for an explanation is used up."""


@dataclass(frozen=True, slots=True)
class Cause:
    """One thing that leaves the answer empty: its kind, the query's own words, why, and what is near."""

    kind: str  # term, pattern, join, filter, minus, modifier, time
    text: str
    why: str
    hints: tuple[str, ...] = ()

    def line(self) -> str:
        """Say it in one line."""
        return f"{shown(self.text)}: {self.why}" + "".join(f"; {h}" for h in self.hints)


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a SELECT is empty, or that it isn't; `probes` are its patterns alone, with how often each matches.

    `empty` is None where the time was up before the query had answered.
    """

    rows: int
    empty: bool | None
    causes: tuple[Cause, ...]
    probes: tuple[tuple[str, str], ...]
    not_analysed: tuple[str, ...]
    remarks: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """Say all of it in lines."""
        if self.empty is None:
            return [f"not known whether it is empty: {c.why}" for c in self.causes]
        if not self.empty:
            return [f"not empty: {counted(self.rows, 'row')}", *self.remarks]
        out = ["empty, because:", *(f"  {c.line()}" for c in self.causes)] if self.causes else ["empty; no cause found"]
        if self.probes:
            out += ["each pattern alone:", *(f"  {n:>7}  {shown(text)}" for text, n in self.probes)]
        return [*out, *self.remarks, *(f"not analysed: {x}" for x in self.not_analysed)]


def shown(text: str) -> str:
    """Return a pattern on one line."""
    return re.sub(r"\?bnode(\d+|_\w+)", "[]", re.sub(r"\s+", " ", text))


def counted(number: int, noun: str) -> str:
    """Say a number of things.

    Examples
    --------
    >>> counted(1, "row"), counted(2, "row")
    ('1 row', '2 rows')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


class Prober:
    """Puts parts of a query to a store, within a time limit.

    A probe that outlasts the limit is left behind in its thread, since the engine can't be stopped from outside; who
    can't afford that runs the whole explanation in a process that can be ended.
    """

    def __init__(self, store: Store, select: Select, seconds: float = _SECONDS) -> None:
        self.store, self.select, self.ends, self.seconds = store, select, time.monotonic() + seconds, seconds
        self._known: dict[str, Answer] = {}
        self._lists: dict[str, list[str]] = {}

    def ask_text(self, text: str) -> Answer:
        """Run a query, once."""
        if text in self._known:
            return self._known[text]
        left = self.ends - time.monotonic()
        if left <= 0:
            raise TimeUp(f"stopped after {self.seconds:g} seconds")
        out: list[Answer] = []
        failed: list[RegenKGError] = []

        def run() -> None:
            try:
                out.append(self.store.query(text))
            except RegenKGError as err:
                failed.append(err)

        worker = threading.Thread(target=run, daemon=True)
        worker.start()
        worker.join(left)
        if failed:
            raise failed[0]
        if not out:
            raise TimeUp(f"stopped after {self.seconds:g} seconds")
        self._known[text] = out[0]
        return out[0]

    def _body(self, texts: Iterable[str]) -> str:
        return "{ " + "\n".join(t if t.rstrip().endswith(("}", ")")) else t + " ." for t in texts) + " }"

    def any(self, texts: Iterable[str]) -> bool:
        """Tell whether patterns match together."""
        return bool(self.ask_text(f"{self.select.prologue}ASK {self.select.dataset} {self._body(texts)}").boolean)

    def count(self, texts: Iterable[str]) -> int:
        """Count the matches of patterns, up to a cap and one."""
        body = self._body(texts)
        head = f"{self.select.prologue}SELECT (COUNT(*) AS ?rkg_n) {self.select.dataset}"
        answer = self.ask_text(f"{head} {{ SELECT * {body} LIMIT {_CAP + 1} }}")
        return int(answer.rows[0][0].value) if answer.rows and answer.rows[0][0] else 0

    def values(self, name: str, texts: Iterable[str], limit: int = 2000) -> list[tuple[str, str]]:
        """Return what a variable is bound to, as (value, datatype or @language; nothing for IRIs)."""
        head = f"{self.select.prologue}SELECT DISTINCT ?{name} {self.select.dataset}"
        rows = self.ask_text(f"{head} {self._body(texts)} LIMIT {limit}").rows
        return [
            (t.value, f"@{t.language.lower()}" if t.language else t.datatype)
            for (t,) in ((row[0],) for row in rows)
            if t
        ]

    def known(self, iri: str) -> bool:
        """Tell whether an IRI stands anywhere in the graph."""
        return bool(
            self.ask_text(f"ASK {{ {{ <{iri}> ?p ?o }} UNION {{ ?s <{iri}> ?o }} UNION {{ ?s ?p <{iri}> }} }}").boolean
        )

    def listed(self, pattern: str) -> list[str]:
        """Return the IRIs or words that `?x` takes in a pattern."""
        if pattern not in self._lists:
            rows = self.ask_text(f"SELECT DISTINCT ?x {{ {pattern} }} LIMIT 20000").rows
            self._lists[pattern] = [r[0].value for r in rows if r[0]]
        return self._lists[pattern]


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the known word that is most like a word, letter case aside, or nothing."""
    by = {k.casefold(): k for k in known}
    close = difflib.get_close_matches(word.casefold(), list(by), n=1, cutoff=0.6)
    return by[close[0]] if close else ""


def _split(iri: str) -> tuple[str, str]:
    at = max(iri.rfind("#"), iri.rfind("/")) + 1
    return iri[:at], iri[at:]


class Vocabulary:
    """What the graph calls things, beside what a query calls them."""

    def __init__(self, prober: Prober) -> None:
        self.p = prober

    def near(self, iri: str, place: str) -> str:
        """Return the known IRI most like one that isn't known; `place` is predicate, class or thing."""
        space, local = _split(iri)
        pattern = {
            "predicate": "?s ?x ?o",
            "class": f"{{ ?s a ?x }} UNION {{ ?x a <{PREFIXES['owl']}Class> }} FILTER(isIRI(?x))",
        }.get(place, "?x ?p ?o FILTER(isIRI(?x))")
        inside = [k for k in self.p.listed(pattern) if _split(k)[0] == space]
        if found := nearest(local, [_split(k)[1] for k in inside]):
            return self.p.select.compact(space + found)
        every = {_split(k)[1]: k for k in self.p.listed(pattern)}
        return self.p.select.compact(every[found]) if (found := nearest(local, every)) else ""

    def unknown(self, iri: str, place: str) -> tuple[str, ...]:
        """Say what to write instead of an IRI that stands nowhere in the graph."""
        space = _split(iri)[0]
        for prefix, right in PREFIXES.items():
            if self.p.select.prefixes.get(prefix) == space and right != space:
                return (f"prefix {prefix}: stands for <{space}> here, in the graph for <{right}>",)
        near = self.near(iri, place)
        return (f"nearest: {near}",) if near else ()


def _terms(part: Part) -> Iterator[tuple[str, str]]:
    """Yield (term as written, place) of a part's own constants."""
    if part.kind == "triple":
        s, path, o = part.triple
        for token in tokens(path):
            if token.kind in ("iri", "pname"):
                yield token.text, "predicate"
        yield s, "thing"
        yield o, "class" if path in ("a", "rdf:type") else "thing"
    elif part.kind == "graph":
        yield part.triple[0], "thing"
    else:
        for term in part.constants:
            yield term, "thing"


def unknown_terms(prober: Prober, parts: Iterable[Part]) -> list[Cause]:
    """Return the IRIs of parts that stand nowhere in the graph, each once, with the nearest known one."""
    out: dict[str, Cause] = {}
    vocabulary = Vocabulary(prober)
    for part in parts:
        for term, place in _terms(part):
            iri = prober.select.iri(term)
            if not iri or iri in out or iri.startswith((PREFIXES["xsd"], "http://www.w3.org/2005/xpath-functions")):
                continue
            if part.kind == "graph":
                known = bool(prober.ask_text(f"ASK {{ GRAPH <{iri}> {{ ?s ?p ?o }} }}").boolean)
                graphs = [] if known else prober.listed("GRAPH ?x { ?s ?p ?o }")
                hints: tuple[str, ...] = (f"nearest: <{near}>",) if (near := nearest(iri, graphs)) else ()
            else:
                known = prober.known(iri)
                hints = () if known else vocabulary.unknown(iri, place)
            if known and place == "predicate" and not prober.ask_text(f"ASK {{ ?s <{iri}> ?o }}").boolean:
                out[iri] = Cause("term", term, "is defined, but no statement uses it as a property", hints)
            elif not known:
                out[iri] = Cause("term", term, "stands nowhere in the graph", hints)
    return list(out.values())


def reversed_triple(part: Part) -> str:
    """Return a triple with subject and object exchanged, or nothing where a literal can't be a subject."""
    s, path, o = part.triple
    return "" if literal_kind(o) or path in ("a", "rdf:type") else f"{o} {path} {s}"


_TURNED = "the graph has it the other way round: "


class _Explainer:
    def __init__(self, prober: Prober) -> None:
        self.p = prober
        self.vocabulary = Vocabulary(prober)
        self.probes: dict[str, str] = {}
        self.found: list[Cause] = []  # what stands if the time is up

    # What surrounds a nested group (GRAPH) is put around each of its probes.
    def any(self, parts: Sequence[Part], around: str) -> bool:
        return all(self.p.any(self.wrap([p.text for p in block], around)) for block in connected(parts))

    @staticmethod
    def wrap(texts: list[str], around: str) -> list[str]:
        return [f"GRAPH {around} {{ " + " . ".join(texts) + " }"] if around else texts

    def measure(self, part: Part, around: str) -> int:
        number = self.p.count(self.wrap([part.text], around))
        self.probes[part.text] = f"{number:,}" if number <= _CAP else f">{_CAP:,}"
        return number

    def explain(self, parts: tuple[Part, ...], around: str = "") -> list[Cause]:
        """Return what leaves a group without matches; nothing if it has some."""
        if not parts or self.p.any(self.wrap([p.text for p in parts], around)):
            return []
        out = unknown_terms(self.p, [p for p in parts if p.kind in ("graph", "values")])
        for part in parts:
            if part.kind == "triple" and not self.measure(part, around):
                out.append(self.alone(part, around))
                self.found.append(out[-1])
            elif part.kind in ("union", "group", "select", "graph") and not self.any([part], around):
                out += self.inside(part, around)
        if out:
            return out
        positive = [p for p in parts if p.kind not in _DROPPED]
        if not self.any(positive, around):
            return [self.join(positive, around)]
        return self.taken_away(positive, [p for p in parts if p.kind in _DROPPED], around)

    def inside(self, part: Part, around: str) -> list[Cause]:
        if part.kind == "graph":
            name = part.triple[0]
            inner = list(part.branches[0])
            if not is_variable(name) and self.any(inner, ""):
                texts = ["GRAPH ?rkg_g { " + " . ".join(p.text for p in inner) + " }"]
                there = [v for v, _ in self.p.values("rkg_g", texts, 4)]
                hint = (f"it stands in {', '.join(f'<{g}>' for g in there)}",) if there else ()
                if self.p.ask_text(f"{self.p.select.prologue}ASK {{ GRAPH {name} {{ ?s ?p ?o }} }}").boolean:
                    return [
                        Cause("pattern", part.text, "matches nothing in this named graph, but outside it does", hint)
                    ]
            return self.explain(part.branches[0], name)
        out: list[Cause] = []
        for number, branch in enumerate(part.branches, 1):
            found = self.explain(branch, around)
            if part.kind == "union":
                found = [Cause(c.kind, c.text, f"(branch {number} of the UNION) {c.why}", c.hints) for c in found]
            out += found
        if not out:
            out = [Cause("modifier", part.tail or part.text, "leaves nothing of what the inner pattern matches")]
        return out

    def alone(self, part: Part, around: str) -> Cause:
        """Say why a triple matches nothing by itself."""
        s, path, o = part.triple
        if strange := unknown_terms(self.p, [part]):
            return Cause("term", part.text, "matches nothing anywhere", tuple(c.line() for c in strange))
        hints: list[str] = []
        turned = reversed_triple(part)
        if turned and (not is_variable(s) or not is_variable(o)) and self.p.any(self.wrap([turned], around)):
            hints.append(_TURNED + shown(turned))
        if not hints and not is_variable(o) and (what := self.object_hint(part)):
            hints.append(what)
        if not hints and not is_variable(s) and self.p.any([f"?rkg_s {path} {o}"]):
            hints.append(f"other subjects have it: {self.p.count([f'?rkg_s {path} {o}']):,}")
        if not hints and is_variable(s) and is_variable(o):
            bad = [i for i in self.p.select.predicates(path) if not self.p.ask_text(f"ASK {{ ?s <{i}> ?o }}").boolean]
            if not bad:
                hints.append("each step of the path is used, but never one after the other")
        return Cause("pattern", part.text, "matches nothing anywhere", tuple(hints))

    def object_hint(self, part: Part) -> str:
        """Say what a property has instead of the value that was asked for."""
        s, path, o = part.triple
        seen = self.p.values("rkg_v", [f"{s} {path} ?rkg_v"]) or self.p.values("rkg_v", [f"?rkg_s {path} ?rkg_v"])
        if not seen:
            return ""
        if kind := literal_kind(o):
            plain = re.sub(r"(@[A-Za-z-]+|\^\^\S+)$", "", o).strip("\"'")
            same = [(v, d) for v, d in seen if v == plain]
            if same and same[0][1] != kind:
                return f"the graph writes it as {_literal(*same[0])}"
            if (not any(d == kind for _, d in seen) and not kind.startswith(PREFIXES["xsd"] + "string")) or not same:
                kinds = sorted({_kind_word(d) for _, d in seen if d})
                near = self.near_word(plain, [v for v, _ in seen])
                return (
                    f"nearest: {_literal(near, dict(seen)[near])}"
                    if near
                    else "its values are " + _some(v for v, _ in seen)
                ) + (f" ({', '.join(kinds)})" if kinds and _kind_word(kind) not in kinds else "")
            return ""
        things = [self.p.select.compact(v) for v, d in seen if not d]
        if not things:
            return f"its values are literals: {_some(_literal(v, d) for v, d in seen)}"
        near = nearest(self.p.select.compact(self.p.select.iri(o)) or o, things)
        return f"its values are {_some([near, *things] if near else things)}"

    def near_word(self, word: str, seen: Sequence[str]) -> str:
        """Return the value that has a word for a synonym, else the one most like it, or nothing."""
        rows = self.p.ask_text(
            f"PREFIX skos: <{SKOS}> SELECT ?n ?l {{ ?x skos:notation ?n ; skos:altLabel|<{RDFS}label> ?l ; <{RDFS}isDefinedBy> ?o }}"
        ).rows
        synonyms: dict[str, str] = {label.value.casefold(): slug.value for slug, label in rows if slug and label}
        meant = synonyms.get(word.casefold(), "")
        return meant if meant in seen else nearest(word, seen)

    def value_near(self, core: Sequence[Part], around: str) -> list[str]:
        """Say what a variable of VALUES could be instead."""
        out = []
        for part in core:
            rest = [p.text for p in core if p is not part]
            for name, words in part.values if rest else ():
                seen = [v for v, _ in self.p.values(name, self.wrap(rest, around))]
                for word in words:
                    plain = re.sub(r"(@[A-Za-z-]+|\^\^\S+)$", "", word).strip("\"'")
                    if literal_kind(word) and plain not in seen and (near := self.near_word(plain, seen)):
                        out.append(f'nearest to {word}: "{near}"')
        return out

    def core(self, parts: Sequence[Part], around: str) -> list[Part]:
        """Return a smallest set of parts that matches nothing together; each of them does without the others."""
        grown: list[Part] = []
        for part in parts:
            grown.append(part)
            if not self.any(grown, around):
                break
        for part in list(reversed(grown[:-1])):
            rest = [p for p in grown if p is not part]
            if not self.any(rest, around):
                grown = rest
        return grown

    def join(self, positive: Sequence[Part], around: str) -> Cause:
        core = self.core(positive, around)
        killer = core[-1]
        hints: list[str] = []
        for part in core:
            turned = reversed_triple(part) if part.kind == "triple" else ""
            texts = [turned if p is part else p.text for p in core]
            if turned and self.p.any(self.wrap(texts, around)):
                hints.append(_TURNED + shown(turned))
        if not hints:
            hints += self.value_near(core, around) or self.other_class(core) or self.freed(core, around)
        others = " + ".join(shown(p.text) for p in core[:-1])
        why = f"matches by itself, but never together with {others}" if others else "matches nothing"
        return Cause("join", killer.text, why, tuple(hints))

    def other_class(self, core: Sequence[Part]) -> list[str]:
        """Say to which class a property belongs, where a part of the core asks it of another."""
        out = []
        typed = [
            p for p in core if p.kind == "triple" and p.triple[1] in ("a", "rdf:type") and not is_variable(p.triple[2])
        ]
        for kind in typed:
            for part in core:
                iris = self.p.select.predicates(part.triple[1]) if part.kind == "triple" and part is not kind else []
                if len(iris) != 1 or part.triple[0] != kind.triple[0]:
                    continue
                if self.p.any([kind.text, f"{part.triple[0]} {part.triple[1]} ?rkg_o"]):
                    continue
                rows = self.p.ask_text(
                    f"SELECT ?t (COUNT(*) AS ?n) {{ ?s <{iris[0]}> ?o ; a ?t FILTER(STRSTARTS(STR(?t), '{PREFIXES['rkg']}')) }} "
                    "GROUP BY ?t ORDER BY DESC(?n) ?t LIMIT 1"
                ).rows
                if rows and rows[0][0]:
                    owner = self.p.select.compact(rows[0][0].value)
                    out.append(f"no {kind.triple[2]} has {part.triple[1]}; it belongs to {owner}")
        return out

    def freed(self, core: Sequence[Part], around: str) -> list[str]:
        """Say which single fixed term stands in the way: with any other in its place there would be matches."""
        out = []
        for term in dict.fromkeys(t for p in core if p.kind == "triple" for t in (p.triple[0], p.triple[2])):
            if is_variable(term):
                continue
            texts = []
            for p in core:
                s, path, o = p.triple
                free = lambda x, term=term: "?rkg_any" if x == term else x  # noqa: E731
                texts.append(f"{free(s)} {path} {free(o)}" if p.kind == "triple" else p.text)
            if seen := self.p.values("rkg_any", self.wrap(texts, around), 200):
                words = [self.p.select.compact(v) if not d else _literal(v, d) for v, d in seen]
                out.append(f"with another term in place of {term} it would match: {_some(words)}")
        return out

    def taken_away(self, positive: list[Part], dropped: list[Part], around: str) -> list[Cause]:
        """Name the filters and MINUS without which there would be rows."""
        texts = [p.text for p in positive]

        def left(kept: Sequence[Part]) -> bool:
            return self.p.any(self.wrap([*texts, *(p.text for p in kept)], around))

        single = [p for p in dropped if left([q for q in dropped if q is not p])]
        if single:
            return [self.filtered(p, positive, around, [q for q in dropped if q is not p]) for p in single]
        alone = [p for p in dropped if not left([p])]
        if alone:
            return [self.filtered(p, positive, around, []) for p in alone]
        kept: list[Part] = []
        for part in dropped:
            kept.append(part)
            if not left(kept):
                break
        for part in list(kept[:-1]):
            rest = [p for p in kept if p is not part]
            if not left(rest):
                kept = rest
        both = " + ".join(shown(p.text) for p in kept[:-1])
        return [Cause(kept[-1].kind, kept[-1].text, f"keeps rows by itself, but none together with {both}")]

    def filtered(self, part: Part, positive: list[Part], around: str, others: list[Part]) -> Cause:
        texts = self.wrap([p.text for p in [*positive, *others]], around)
        number = self.p.count(texts)
        rows = f"more than {_CAP:,} rows" if number > _CAP else counted(number, "row")
        why = f"takes away {'the' if number == 1 else 'all of the'} {rows} that would stand without it"
        bound = frozenset[str]().union(*(p.variables for p in positive))
        hints = []
        loose = sorted(part.variables - bound) if not part.branches else []
        for name in loose:
            near = nearest(name, bound)
            hints.append(f"?{name} is bound nowhere in this group" + (f"; nearest: ?{near}" if near else ""))
        optional = [q for p in positive if p.kind == "optional" and p.variables & part.variables for q in p.walk()]
        hints += [c.line() for c in unknown_terms(self.p, [*part.walk(), *optional])]
        if not hints and part.kind == "filter" and not part.branches:
            for name in sorted(part.variables & bound):
                hints += self.value_hints(part, name, texts)
        return Cause(part.kind, part.text, why, tuple(hints))

    def value_hints(self, part: Part, name: str, texts: list[str]) -> Iterator[str]:
        """Say what a variable of a filter is bound to, and what is near to the value asked for."""
        seen = self.p.values(name, texts, 500)
        if not seen:
            yield f"?{name} is bound in no row"
            return
        literals = [c for c in part.constants if literal_kind(c)]
        numeric = {d for _, d in seen} & {PREFIXES["xsd"] + t for t in ("integer", "decimal", "double", "gYear")}
        if numeric and literals and not re.search(r"\b(STR|REGEX|CONTAINS|DATATYPE)\b", part.text, re.I):
            yield f"?{name} is a number ({_kind_word(min(numeric))}): compare it with one, without quotation marks"
        for word in literals:
            plain = re.sub(r"(@[A-Za-z-]+|\^\^\S+)$", "", word).strip("\"'")
            if (near := self.near_word(plain, [v for v, _ in seen])) and near != plain:
                yield f"nearest to {word}: {_literal(near, dict(seen)[near])}"
        things = [self.p.select.compact(v) if not d else _literal(v, d) for v, d in seen]
        yield f"?{name} is {_some(things)} there"


def _literal(value: str, kind: str) -> str:
    if kind.startswith("@"):
        return f'"{value}"{kind}'
    if kind == PREFIXES["xsd"] + "string":
        return f'"{value}"'
    return f"{value} ({_kind_word(kind)})" if kind else value


def _kind_word(kind: str) -> str:
    if kind.startswith("@"):
        return f"text in language {kind[1:]}"
    word = _split(kind)[1] if "/" in kind else kind.removeprefix("xsd:")
    return "text" if word == "string" else word


def _some(words: Iterable[str], most: int = 4) -> str:
    listed = list(dict.fromkeys(words))
    more = f" … ({len(listed)} in all)" if len(listed) > most else ""
    return ", ".join(listed[:most]) + more


def _nested(parts: Iterable[Part]) -> Iterator[str]:
    for part in parts:
        for inner in part.walk():
            if inner.kind == "service":
                yield f"{shown(inner.text)[:60]} asks another endpoint"


def undeclared(text: str, message: str) -> str:
    """Add to an engine's message which prefixes a query uses and doesn't declare, with what they stand for."""
    try:
        listed = tokens(text)
    except QueryError:
        return message
    declared = {b.text for a, b in pairwise(listed) if a.word() == "PREFIX"}
    used = {t.text.partition(":")[0] + ":" for t in listed if t.kind == "pname"} - declared
    for prefix in sorted(used):
        near = nearest(prefix[:-1], PREFIXES) or ("rkg" if prefix == ":" else "")
        right = f"; put PREFIX {near}: <{PREFIXES[near]}> in front" if near else ""
        right = f"; nearest: {near}:{right}" if near and near != prefix[:-1] else right
        message += f"\nprefix {prefix} is not declared{right}"
    return message


def explain(store: Store, query: str, seconds: float = _SECONDS) -> Explanation:
    """Say why a SELECT answers nothing.

    Parameters
    ----------
    store : Store
        An embedded store or an endpoint.
    query : str
        Any SPARQL 1.1 SELECT.
    seconds : float
        After this long it stops and says how far it came.

    Returns
    -------
    Explanation
        Not empty, with the number of rows; or the causes: a term that stands nowhere, a pattern that matches nothing, a
        smallest set of patterns that never match together, the filter, MINUS or clause that takes all rows away.

    Raises
    ------
    QueryError
        If the query doesn't parse (with undeclared prefixes named) or is no SELECT.
    StoreError
        If the endpoint doesn't answer.
    """
    refuse_doubtful(store, "an explanation")
    try:
        select = read(query)
    except QueryError:
        store.query(query)  # its words are better where the query doesn't parse
        raise
    prober = Prober(store, select, seconds)
    told = _Explainer(prober)
    rows, empty = 0, None
    causes: list[Cause] = []
    remarks: list[str] = []
    try:
        try:
            answer = prober.ask_text(query)
        except QueryError as err:
            raise QueryError(undeclared(query, str(err))) from err
        rows = len(answer.rows)
        empty = not rows or (select.counts_nothing_as_a_row and not prober.any([p.text for p in select.parts]))
        if not empty:
            remarks = [
                f"?{c} is bound in no row" + _typo(c, select)
                for i, c in enumerate(answer.columns)
                if not any(r[i] for r in answer.rows)
            ]
            remarks += [c.line() for c in unknown_terms(prober, select.walk())]
            return Explanation(rows, False, (), (), (), tuple(remarks))
        if rows:
            remarks.append("the answer is one row, as a count over nothing is 0; what it counts is empty")
        causes = told.explain(select.parts)
        if not causes:
            number = prober.count([p.text for p in select.parts])
            why = f"leaves nothing of the {counted(number, 'row')} that the pattern matches"
            causes = [Cause("modifier", select.tail or select.head, why)]
    except TimeUp as err:
        causes = [*told.found, Cause("time", "time limit", f"{err}; more may be at fault")]
    return Explanation(
        rows, empty, tuple(causes), tuple(told.probes.items()), tuple(_nested(select.parts)), tuple(remarks)
    )


def _typo(name: str, select: Select) -> str:
    bound = {v for p in select.walk() for v in p.variables}
    near = nearest(name, bound - {name})
    return f"; nearest: ?{near}" if name not in bound and near else ""
