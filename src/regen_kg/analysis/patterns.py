"""Own the reading of a SELECT into its patterns, each in the words of whoever wrote it.

The engine has accepted the text before; what is read here is where each pattern stands, not whether it is SPARQL.
rdflib's algebra would lose that wording, so it only serves the test that compares both.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

from regen_kg.errors import QueryError
from regen_kg.iris import PREFIXES, RDF, XSD

_TOKEN = re.compile(
    r"""(?P<skip>\s+|\#[^\n]*)
      | (?P<iri><[^<>"{}|^`\\\s]*>)
      | (?P<string>"{3}(?:\\.|(?!"{3}).)*"{3}|'{3}(?:\\.|(?!'{3}).)*'{3}|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')
      | (?P<lang>@[A-Za-z]+(?:-[A-Za-z0-9]+)*)
      | (?P<var>[?$]\w+)
      | (?P<bnode>_:\w(?:[\w.-]*[\w-])?)
      | (?P<pname>(?:[^\W\d_](?:[\w.-]*[\w-])?)?:(?:(?:[\w:%-]|\\.)(?:(?:[\w:.%-]|\\.)*(?:[\w:%-]|\\.))?)?)
      | (?P<number>(?:\d+\.\d*|\.?\d+)[eE][+-]?\d+|\d*\.\d+|\d+)
      | (?P<word>[A-Za-z_]\w*)
      | (?P<op>\^\^|&&|\|\||!=|<=|>=|[-{}()\[\].,;|/^*+?!=<>])""",
    re.X | re.S,
)
_AGGREGATE = re.compile(r"\b(COUNT|SUM|MIN|MAX|AVG|SAMPLE|GROUP_CONCAT)\s*\(", re.I)


@dataclass(frozen=True, slots=True)
class Token:
    """One token with its place in the text."""

    kind: str
    text: str
    start: int
    end: int

    def word(self) -> str:
        """Return a keyword in capitals, or nothing."""
        return self.text.upper() if self.kind == "word" else ""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a group: a triple, filter, bind, values, optional, minus, union, graph, group or select."""

    kind: str
    text: str
    variables: frozenset[str]
    triple: tuple[str, str, str] = ("", "", "")
    branches: tuple[tuple[Part, ...], ...] = ()
    constants: tuple[str, ...] = ()  # IRIs and literals as written
    values: tuple[tuple[str, tuple[str, ...]], ...] = ()  # of a values: variable and what it may be
    tail: str = ""  # of a select: what follows its group

    def walk(self) -> Iterator[Part]:
        """Yield this part and all within it."""
        yield self
        for branch in self.branches:
            for part in branch:
                yield from part.walk()


@dataclass(frozen=True, slots=True)
class Select:
    """A SELECT query: its prologue, head, parts and what follows them."""

    prologue: str
    prefixes: dict[str, str] = field(hash=False)
    base: str
    head: str
    dataset: str
    parts: tuple[Part, ...]
    tail: str

    @property
    def counts_nothing_as_a_row(self) -> bool:
        """Tell whether the query answers a row over nothing: an aggregate without GROUP BY."""
        return bool(_AGGREGATE.search(self.head)) and not re.search(r"\bGROUP\s+BY\b", self.tail, re.I)

    def walk(self) -> Iterator[Part]:
        """Yield every part, however deep."""
        for part in self.parts:
            yield from part.walk()

    def iri(self, text: str) -> str:
        """Return the IRI that a term stands for, or nothing if it is none."""
        if text == "a":
            return RDF + "type"
        if text.startswith("<"):
            inner = text[1:-1]
            return inner if re.match(r"[A-Za-z][\w+.-]*:", inner) else self.base + inner
        prefix, colon, local = text.partition(":")
        if not colon or text[0] in "\"'?$_" or prefix not in self.prefixes:
            return ""
        return self.prefixes[prefix] + re.sub(r"\\(.)", r"\1", local)

    def compact(self, iri: str) -> str:
        """Return an IRI as the query would write it."""
        for prefix, space in [*self.prefixes.items(), *PREFIXES.items()]:
            if space and iri.startswith(space) and re.fullmatch(r"[\w-]+", iri[len(space) :]):
                return f"{prefix}:{iri[len(space) :]}"
        return f"<{iri}>"

    def predicates(self, path: str) -> list[str]:
        """Return the IRIs that a predicate or path names."""
        return [i for t in tokens(path) if t.kind in ("iri", "pname", "word") and (i := self.iri(t.text))]


def tokens(text: str) -> list[Token]:
    """Split SPARQL into tokens.

    Raises
    ------
    QueryError
        At a sign that starts no token.
    """
    out, at = [], 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if not found:
            raise QueryError(f"cannot analyse the query from {text[at : at + 30]!r} on")
        if found.lastgroup != "skip":
            out.append(Token(str(found.lastgroup), found.group(), at, found.end()))
        at = found.end()
    return out


def replaced(text: str, change: Callable[[str], str]) -> str:
    """Return a text with its IRIs and prefixed names changed, and nothing else."""
    out, at = [], 0
    for token in tokens(text):
        if token.kind in ("iri", "pname"):
            out += [text[at : token.start], change(token.text)]
            at = token.end
    return "".join([*out, text[at:]])


def is_variable(term: str) -> bool:
    """Tell whether a term is a variable."""
    return term[:1] in ("?", "$")


def _name(term: str) -> str:
    return term[1:]


def projected(head: str) -> frozenset[str]:
    """Return the variables that the head of a SELECT shows.

    Examples
    --------
    >>> sorted(projected("SELECT DISTINCT ?a (COUNT(?b) AS ?n)"))
    ['a', 'n']
    """
    out, depth, listed = set(), 0, tokens(head)
    for i, token in enumerate(listed):
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if token.kind == "var" and (not depth or (depth == 1 and listed[i - 1].word() == "AS")):
            out.add(_name(token.text))
    return frozenset(out)


class _Reader:
    def __init__(self, text: str) -> None:
        self.source, self.tokens, self.at, self.made = text, tokens(text), 0, 0

    def peek(self, ahead: int = 0) -> Token:
        place = self.at + ahead
        return self.tokens[place] if place < len(self.tokens) else Token("end", "", len(self.source), len(self.source))

    def take(self, text: str = "") -> Token:
        token = self.peek()
        if token.kind == "end" or (text and token.text.upper() != text):
            raise QueryError(f"cannot analyse the query at {self.source[token.start : token.start + 30]!r}")
        self.at += 1
        return token

    def since(self, start: int) -> str:
        return self.source[start : self.tokens[self.at - 1].end]

    def names(self, first: int) -> frozenset[str]:
        return frozenset(_name(t.text) for t in self.tokens[first : self.at] if t.kind == "var")

    def constants(self, first: int) -> tuple[str, ...]:
        out: list[str] = []
        inside = self.tokens[first : self.at]
        for i, t in enumerate(inside):
            if t.kind in ("iri", "pname") and not (i and inside[i - 1].text == "^^"):
                out.append(t.text)
            elif t.kind == "string":
                after = inside[i + 1 : i + 3]
                more = after[0].text if after and after[0].kind == "lang" else ""
                if len(after) == 2 and after[0].text == "^^":
                    more = "^^" + after[1].text
                out.append(t.text + more)
        return tuple(out)

    def balanced(self) -> tuple[tuple[Part, ...], ...]:
        """Pass a bracketed expression; return the groups of its EXISTS."""
        self.take("(")
        groups: list[tuple[Part, ...]] = []
        while self.peek().text != ")":
            if self.peek().text == "(":
                groups.extend(self.balanced())
            elif self.peek().text == "{":
                groups.append(self.group())
            else:
                self.take()
        self.take(")")
        return tuple(groups)

    def select(self, start: int) -> tuple[str, str, tuple[Part, ...], str]:
        """Read from SELECT on: head, dataset clauses, parts, tail (up to the end or the closing brace)."""
        self.take("SELECT")
        while self.peek().text != "{" and self.peek().word() not in ("WHERE", "FROM"):
            if self.peek().text == "(":
                self.balanced()
            else:
                self.take()
        head, begin = self.since(start), self.peek().start
        while self.peek().text != "{" and self.peek().word() != "WHERE":
            self.take()
        dataset = self.source[begin : self.peek().start].strip()
        if self.peek().word() == "WHERE":
            self.take()
        parts, begin = self.group(), self.peek().start
        while self.peek().kind != "end" and self.peek().text != "}":
            if self.peek().text == "(":
                self.balanced()
            elif self.peek().text == "{":
                while self.take().text != "}":
                    pass
            else:
                self.take()
        return head, dataset, parts, self.source[begin : self.peek().start].strip()

    def group(self) -> tuple[Part, ...]:
        self.take("{")
        out: list[Part] = []
        if self.peek().word() == "SELECT":
            out.append(self.sub_select())
        while self.peek().text != "}":
            if self.peek().text == ".":
                self.take()
                continue
            out.extend(self.part())
        self.take("}")
        return tuple(out)

    def sub_select(self) -> Part:
        first, start = self.at, self.peek().start
        head, _, parts, tail = self.select(start)
        names = self.names(first) if re.search(r"\*\s*$", head) else projected(head)
        return Part("select", "{ " + self.since(start) + " }", names, branches=(parts,), tail=tail)

    def part(self) -> list[Part]:
        first, start, word = self.at, self.peek().start, self.peek().word()

        def made(kind: str, branches: tuple[tuple[Part, ...], ...] = ()) -> list[Part]:
            constants = self.constants(first) if kind in ("filter", "bind") else ()
            return [Part(kind, self.since(start), self.names(first), branches=branches, constants=constants)]

        if word == "FILTER":
            self.take()
            while self.peek().text not in "({":
                self.take()
            return made("filter", (self.group(),) if self.peek().text == "{" else self.balanced())
        if word == "BIND":
            self.take()
            self.balanced()
            return made("bind")
        if word == "VALUES":
            return [self.values()]
        if word in ("OPTIONAL", "MINUS"):
            self.take()
            return made(word.lower(), (self.group(),))
        if word in ("GRAPH", "SERVICE"):
            self.take()
            name = self.take().text
            [part] = made(word.lower(), (self.group(),))
            return [replace(part, triple=(name, "", ""))]
        if self.peek().text == "{":
            groups = [self.group()]
            while self.peek().word() == "UNION":
                self.take()
                groups.append(self.group())
            if len(groups) == 1 and [p.kind for p in groups[0]] == ["select"]:
                return [groups[0][0]]
            return made("union" if len(groups) > 1 else "group", tuple(groups))
        return self.triples()

    def values(self) -> Part:
        first, start = self.at, self.peek().start
        self.take("VALUES")
        many = self.peek().text == "("
        names = []
        if many:
            self.take()
        while self.peek().kind == "var":
            names.append(_name(self.take().text))
        if many:
            self.take(")")
        self.take("{")
        rows: list[list[str]] = []
        while self.peek().text != "}":
            if many:
                self.take("(")
                row = []
                while self.peek().text != ")":
                    row.append("UNDEF" if self.peek().word() == "UNDEF" and self.take() else self.term())
                self.take(")")
                rows.append(row)
            else:
                rows.append(["UNDEF" if self.peek().word() == "UNDEF" and self.take() else self.term()])
        self.take("}")
        columns = tuple((n, tuple(r[i] for r in rows)) for i, n in enumerate(names))
        return Part("values", self.since(start), frozenset(names), constants=self.constants(first), values=columns)

    def blank(self) -> str:
        self.made += 1
        return f"?bnode{self.made}"

    def term(self) -> str:
        token = self.take()
        if token.kind == "bnode":
            return "?bnode_" + re.sub(r"\W", "_", token.text[2:])
        if token.text in "+-":
            return token.text + self.take().text
        if token.kind == "string":
            if self.peek().kind == "lang":
                return token.text + self.take().text
            if self.peek().text == "^^":
                self.take()
                return f"{token.text}^^{self.take().text}"
        if token.kind in ("op", "end"):
            raise QueryError(f"cannot analyse the term at {self.source[token.start : token.start + 30]!r}")
        return token.text

    def node(self, out: list[Part]) -> str:
        if self.peek().text == "[":
            self.take()
            me = self.blank()
            if self.peek().text != "]":
                self.properties(me, out)
            self.take("]")
            return me
        if self.peek().text == "(":
            raise QueryError(
                "cannot analyse lists in patterns, as in ( ?a ?b ); write them with rdf:first and rdf:rest"
            )
        return self.term()

    def path(self) -> str:
        start = self.peek().start

        def primary() -> None:
            while self.peek().text in ("^", "!"):
                self.take()
            if self.peek().text == "(":
                depth = 0
                while True:
                    depth += {"(": 1, ")": -1}.get(self.take().text, 0)
                    if not depth:
                        break
            else:
                self.take()
            while self.peek().text in ("*", "+", "?"):
                self.take()

        primary()
        while self.peek().text in ("/", "|"):
            self.take()
            primary()
        return self.since(start)

    def properties(self, subject: str, out: list[Part]) -> None:
        while True:
            path = self.path()
            while True:
                value = self.node(out)
                used = frozenset(_name(t) for t in (subject, path, value) if is_variable(t))
                out.append(Part("triple", f"{subject} {path} {value}", used, triple=(subject, path, value)))
                if self.peek().text != ",":
                    break
                self.take()
            more = False
            while self.peek().text == ";":
                self.take()
                more = True
            if (
                not more
                or self.peek().text in (".", "}", "]")
                or (self.peek().kind == "word" and self.peek().text != "a")
            ):
                return

    def triples(self) -> list[Part]:
        out: list[Part] = []
        listed = self.peek().text == "["
        subject = self.node(out)
        if not (listed and self.peek().text in (".", "}")):
            self.properties(subject, out)
        return out


def read(text: str) -> Select:
    """Read a SELECT query into its patterns.

    Raises
    ------
    QueryError
        If it is no SELECT, or holds what cannot be analysed; the message says what.

    Examples
    --------
    >>> [p.text for p in read("PREFIX r: <urn:r#> SELECT * { ?a r:b ?c ; r:d 1 FILTER(?c > 2) }").parts]
    ['?a r:b ?c', '?a r:d 1', 'FILTER(?c > 2)']
    """
    reader = _Reader(text)
    prefixes: dict[str, str] = {}
    base = ""
    while reader.peek().word() in ("PREFIX", "BASE"):
        if reader.take().word() == "BASE":
            base = reader.take().text[1:-1]
        else:
            name = reader.take().text.removesuffix(":")
            prefixes[name] = reader.take().text[1:-1]
    start = reader.peek().start
    if reader.peek().word() != "SELECT":
        raise QueryError("only a SELECT can be explained or certified; this query is none")
    head, dataset, parts, tail = reader.select(start)
    return Select(text[:start], prefixes, base, head, dataset, parts, tail)


def connected(parts: Iterable[Part]) -> list[list[Part]]:
    """Split parts into those that share variables, directly or over others; order is kept."""
    groups: list[tuple[set[str], list[int]]] = []
    listed = list(parts)
    for i, part in enumerate(listed):
        names, places = set(part.variables), [i]
        rest = []
        for group in groups:
            if group[0] & names:
                names |= group[0]
                places = group[1] + places
            else:
                rest.append(group)
        groups = [*rest, (names, places)]
    return [[listed[i] for i in sorted(places)] for _, places in groups]


def literal_kind(term: str) -> str:
    """Return the datatype of a literal as written, or `@language`; nothing for what is no literal."""
    if term[:1] in "\"'":
        if found := re.search(r"@([A-Za-z-]+)$", term):
            return "@" + found.group(1).lower()
        found = re.search(r"\^\^(\S+)$", term)
        return found.group(1) if found else XSD + "string"
    if re.fullmatch(r"[+-]?\d+", term):
        return XSD + "integer"
    if re.fullmatch(r"[+-]?\d*\.\d+", term):
        return XSD + "decimal"
    if re.fullmatch(r"[+-]?[\d.]+[eE][+-]?\d+", term):
        return XSD + "double"
    return XSD + "boolean" if term in ("true", "false") else ""
