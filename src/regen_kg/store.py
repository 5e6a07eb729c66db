"""Own the one door to the RDF engine: what a store answers, and the embedded one, pyoxigraph."""

from __future__ import annotations

import functools
import hashlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import pyoxigraph as ox

from regen_kg.errors import QueryError, StoreError
from regen_kg.iris import PREFIXES

XSD = "http://www.w3.org/2001/XMLSchema#"


@dataclass(frozen=True, slots=True)
class Term:
    """One RDF term in an answer: `kind` is iri, literal or bnode."""

    kind: str
    value: str
    datatype: str = ""
    language: str = ""

    def text(self) -> str:
        """Return the term as it stands in a table; truth values as true and false."""
        return self.value


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a query: rows of terms (None is unbound), or a truth value, or N-Triples."""

    columns: tuple[str, ...] = ()
    rows: tuple[tuple[Term | None, ...], ...] = ()
    boolean: bool | None = None
    triples: str | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """Answers that a build wrote beside its dataset, one row per line: their folder, and the hash of each file and query.

    A file that was found to be whole is not hashed again while its size and time of change stay as they were.
    """

    folder: Path
    files: Mapping[str, str]
    queries: Mapping[str, str]
    _whole: dict[str, tuple[int, int, int]] = field(default_factory=dict, compare=False, repr=False)

    def lines(self, name: str, text: str, marks: Sequence[bytes] = ()) -> list[bytes] | None:
        """Return the lines of one answer that hold all marks; None if it is absent, altered, or of another query."""
        if self.queries.get(name) != hashlib.sha256(text.encode()).hexdigest():
            return None
        path = self.folder / f"{name}.jsonl"
        try:
            with path.open("rb") as file:
                found = os.fstat(file.fileno())
                content = file.read()
        except OSError:
            return None
        stamp = (found.st_ino, found.st_size, found.st_mtime_ns)
        if self._whole.get(name) != stamp or len(content) != found.st_size:
            if self.files.get(f"{self.folder.name}/{path.name}") != hashlib.sha256(content).hexdigest():
                return None
            self._whole[name] = stamp
        return lines_with(content, marks)


def lines_with(content: bytes, marks: Sequence[bytes]) -> list[bytes]:
    r"""Return the lines of a text that hold all marks, without looking at each line.

    Examples
    --------
    >>> lines_with(b"ab\nc\nbc\n", [b"b", b"c"])
    [b'bc']
    """
    if not marks:
        return content.splitlines()
    longest, out, end = max(marks, key=len), [], 0
    while (at := content.find(longest, end)) >= 0:
        end = content.find(b"\n", at)
        end = end if end >= 0 else len(content)
        line = content[content.rfind(b"\n", 0, at) + 1 : end]
        if all(mark in line for mark in marks):
            out.append(line)
    return out


class Answers(Protocol):
    """Answers that came with a build."""

    def lines(self, name: str, text: str, marks: Sequence[bytes] = ()) -> list[bytes] | None:
        """Return the rows of one answer that hold all marks, as lines; None if it is not here, or of another query."""
        ...


class Store(Protocol):
    """What the layers above know of an engine, and the answers kept for it, if any."""

    @property
    def kept(self) -> Answers | None:
        """The answers that came with the build."""
        ...

    def query(self, text: str) -> Answer:
        """Run a SPARQL 1.1 query over the union of all named graphs."""
        ...


def doubt(store: Store) -> str:
    """Return why a store's answers to queries other than the saved questions may be wrong; empty if nothing was found."""
    found: str = getattr(store, "doubt", "")
    return found


def refuse_doubtful(store: Store, what: str) -> None:
    """Refuse what rests on many small queries at an engine that gets some of them wrong.

    Raises
    ------
    StoreError
        With the reason.
    """
    if why := doubt(store):
        raise StoreError(f"{why}; {what} asks many queries of its own, so do without --endpoint")


MAX_QUERY = 100_000
BLANKED = re.compile(
    r"""("{3}.*?"{3}|'{3}.*?'{3}|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|<[^<>"{}|^`\\\s]*>|\#[^\r\n]*)""", re.S
)
_PROLOGUE = re.compile(r"(?:\s|\#[^\r\n]*|BASE\s*<[^<>\s]*>|PREFIX\s*[^\s:<>]*:\s*<[^<>\s]*>)*+", re.I)
_UPDATE = re.compile(r"(INSERT|DELETE|LOAD|CLEAR|DROP|CREATE|COPY|MOVE|ADD|WITH)(?![\w:.-])", re.I)
_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|U(00(?:0[0-9a-fA-F]|10)[0-9a-fA-F]{4}))")
_FROM = re.compile(
    r"(?<![?$:@\w\\-])FROM\b\s*(NAMED\b)?\s*(<[^<>\"{}|^`\\\s]*>|[^\s<>{}()\[\],;\"'?$*:]*:[^\s<>{}()\[\],;\"'?$*]*)",
    re.I,
)

Graphs = tuple[tuple[str, ...], tuple[str, ...]]
"""The dataset of a query: the graphs merged as its default graph, and its named graphs."""


def _unparsable(text: str) -> SyntaxError | None:
    """Return why the engine's parser refuses a query that leads nowhere outside; None if it takes it."""
    try:
        ox.Store().query(text)
    except SyntaxError as err:
        return err
    except (ValueError, RuntimeError, OSError):
        return None  # parsed, but not for an empty store
    return None


def _misspelt(text: str, word: str) -> str:
    """Return a query of the same length in which a word is another one, the same everywhere.

    The engine gives no syntax tree, but its parser can be asked: in a literal, comment, IRI or name the change does not
    matter, as a keyword it leaves a query that does not parse.
    """
    last = next((c for c in "xqzjkvwyb" if word[:-1] + c not in text.lower()), "x")
    change = {word[-1]: last, word[-1].upper(): last.upper()}
    return re.sub(word, lambda m: m[0][:-1] + change[m[0][-1]], text, flags=re.I | re.A)


def _holds(text: str, keyword: str) -> SyntaxError | None:
    """Return the parser's fault with a query without the keyword; None if it is nowhere a keyword."""
    return _unparsable(_misspelt(text, keyword)) if keyword in text.lower() else None


def refuse_unsafe(text: str) -> None:
    """Refuse what is no read-only query over this dataset: updates, and SERVICE, which would leave the machine.

    Raises
    ------
    QueryError
        With the reason.

    Examples
    --------
    >>> refuse_unsafe('PREFIX service: <urn:x> SELECT * { ?s service:y "SERVICE" } # service')
    """
    if len(text) > MAX_QUERY:
        raise QueryError(f"the query has {len(text):,} characters; at most {MAX_QUERY:,} are allowed")
    # SPARQL 1.1, 19.2: some engines replace escapes before they look for keywords and quotes, others after.
    spelt_out = _ESCAPE.sub(lambda m: chr(int(m[1] or m[2], 16)), text)
    for form in {text, spelt_out}:
        if first := _UPDATE.match(form, _PROLOGUE.match(form).end()):  # type: ignore[union-attr]  # it matches nothing too
            raise QueryError(f"{first[1].upper()} is refused: the graph is read-only")
        if fault := _holds(form, "service"):
            # Is it SERVICE, or another fault? That parser must not be asked, as it would run what it takes.
            if form != text or re.search(r"(?<![?$:@\w\\-])SERVICE\b(?!:)", BLANKED.sub(" ", form), re.I):
                raise QueryError("SERVICE is refused: queries stay on this machine")
            raise QueryError(f"the query does not parse, or calls SERVICE, which is refused: {fault}")


def _dataset(text: str) -> tuple[str, Graphs | None]:
    """Return a query without its FROM clauses, and the dataset that they describe; None if it has none.

    Raises
    ------
    SyntaxError, QueryError
        If it does not parse, or a clause is written in a way that is not understood.
    """
    if not _holds(text, "from"):
        return text, None
    blank = BLANKED.sub(lambda m: m[0] if m[0].startswith("<") else " " * len(m[0]), text)
    prologue = _PROLOGUE.match(text)
    clauses = list(_FROM.finditer(blank))
    for clause in reversed(clauses):
        text = text[: clause.start()] + " " * len(clause[0]) + text[clause.end() :]
    if _holds(text, "from"):
        raise _unparsable(text) or QueryError("a FROM clause cannot be read; write FROM <...> with the whole IRI")
    default: list[str] = []
    named: list[str] = []
    for clause in clauses:
        found = ox.Store().query(f"{prologue[0] if prologue else ''} SELECT (STR({clause[2]}) AS ?iri) {{}}")
        assert isinstance(found, ox.QuerySolutions)
        (named if clause[1] else default).extend(solution[0].value for solution in found)
    return text, (tuple(default), tuple(named))


def _in_short(text: str, fault: str) -> str:
    """Name the prefixes that a query uses and does not declare, where that is the fault, in place of what the parser lists."""
    if "Prefix not found" not in fault:
        return fault
    bare = BLANKED.sub(" ", text)
    declared = set(re.findall(r"\bPREFIX\s*([^\s:<>]*):", bare, re.I))
    used = dict.fromkeys(re.findall(r"(?<![\w?$:.@-])([A-Za-z][\w.-]*):", bare))
    missing = [name for name in used if name not in declared]
    if not missing:
        return fault
    lines = " ".join(f"PREFIX {name}: <{PREFIXES.get(name, '...')}>" for name in missing)
    return (
        f"{fault.partition(': ')[0]}: not declared: {', '.join(f'{m}:' for m in missing)}; begin the query with {lines}"
    )


@contextmanager
def _engine_words(text: str) -> Iterator[None]:
    """Say in our words what the engine finds wrong with a query, be it at once or on the way to a row."""
    try:
        yield
    except SyntaxError as err:
        raise QueryError(f"the query does not parse: {_in_short(text, str(err))}") from err
    except (ValueError, RuntimeError, OSError) as err:
        raise QueryError(f"the query cannot be run: {err}") from err


def _term(node: object) -> Term | None:
    if node is None:
        return None
    if isinstance(node, ox.NamedNode):
        return Term("iri", node.value)
    if isinstance(node, ox.Literal):
        return Term("literal", node.value, node.datatype.value, node.language or "")
    if isinstance(node, ox.BlankNode):
        return Term("bnode", node.value)
    return Term("literal", str(node))


_PART = 200_000  # lines
DISK = "store"  # the folder beside a large N-Quads file that holds the same quads as an indexed store


class EmbeddedStore:
    """A pyoxigraph store, in memory or on disk for reading; given a function, it opens when the first query needs it."""

    def __init__(self, native: ox.Store | Callable[[], ox.Store], kept: Kept | None = None) -> None:
        self._native = native
        self.kept = kept

    @functools.cached_property
    def native(self) -> ox.Store:
        """The engine's own store."""
        return self._native if isinstance(self._native, ox.Store) else self._native()

    @classmethod
    def open(cls, nquads: Path) -> EmbeddedStore:
        """Open a built N-Quads file: the store on disk beside it if there is one, else loaded into memory.

        Raises
        ------
        StoreError
            If the file cannot be read as N-Quads, or the store not be opened.
        """
        disk = nquads.with_name(DISK)
        try:
            if disk.is_dir():
                return cls(ox.Store.read_only(str(disk)))
            native = ox.Store()
            native.bulk_load(path=str(nquads), format=ox.RdfFormat.N_QUADS)
        except (OSError, SyntaxError, ValueError) as err:
            raise StoreError(f"{nquads}: cannot be read ({err}); rebuild it with regen-kg build") from err
        return cls(native)

    @staticmethod
    def write_disk(nquads: Path) -> None:
        """Write the store on disk beside an N-Quads file; its one writer has gone when this returns."""
        native = ox.Store(str(nquads.with_name(DISK)))
        with nquads.open("rb") as file:  # in parts: all at once take 2 GB of memory for 6 million lines
            while part := b"".join(islice(file, _PART)):
                native.bulk_load(part, format=ox.RdfFormat.N_QUADS)
        native.optimize()
        native.flush()

    @classmethod
    def of(cls, quads: Iterable[ox.Quad]) -> EmbeddedStore:
        """Hold quads in memory."""
        native = ox.Store()
        native.bulk_extend(quads)
        return cls(native)

    @contextmanager
    def found(
        self, text: str, graphs: Graphs | None = None
    ) -> Iterator[ox.QueryBoolean | ox.QueryTriples | ox.QuerySolutions]:
        """Give the engine's own answer to a query, to be read inside the block.

        Its dataset is the given one, else what its FROM clauses say, else the union of all named graphs.

        Raises
        ------
        QueryError
            If the query is refused, does not parse or run, or asks for a graph that is not there.
        """
        refuse_unsafe(text)
        with _engine_words(text):
            text, clauses = _dataset(text)
            if (graphs := graphs or clauses) is None:
                yield self.native.query(text, use_default_graph_as_union=True)
                return
            default, named = ([ox.NamedNode(g) for g in part] for part in graphs)
            for graph in default + named:
                if not self.native.contains_named_graph(graph):
                    raise QueryError(
                        f"{graph} is no graph of this dataset; SELECT DISTINCT ?g {{ GRAPH ?g {{ }} }} lists them"
                    )
            yield self.native.query(text, default_graph=list(default), named_graphs=list(named))

    def texts(self, text: str, columns: Sequence[str]) -> Iterator[list[str]]:
        """Yield the rows of a SELECT one at a time, as text by column; what is unbound is empty."""
        with self.found(text) as got:
            assert isinstance(got, ox.QuerySolutions)
            there = {v.value for v in got.variables}
            for solution in got:
                terms = (_term(solution[c]) if c in there else None for c in columns)
                yield [term.text() if term else "" for term in terms]

    def query(self, text: str) -> Answer:
        """Run a query over the union of all named graphs, or over those that its FROM clauses name; see `Store.query`."""
        with self.found(text) as got:
            if isinstance(got, ox.QueryBoolean):
                return Answer(boolean=bool(got))
            if isinstance(got, ox.QueryTriples):
                lines = sorted({f"{t} ." for t in got})
                return Answer(triples="".join(line + "\n" for line in lines))
            columns = tuple(v.value for v in got.variables)
            return Answer(columns, tuple(tuple(_term(cell) for cell in solution) for solution in got))


def read_json(got: Mapping[str, Any]) -> Answer:
    """Read an answer in SPARQL 1.1 query results JSON."""
    if "boolean" in got:
        return Answer(boolean=bool(got["boolean"]))
    columns = tuple(got["head"]["vars"])
    if columns == ("__ASK_RETVAL",):  # as Virtuoso 7 answers ASK
        return Answer(boolean=any(b["__ASK_RETVAL"]["value"] == "1" for b in got["results"]["bindings"]))
    return Answer(columns, tuple(_json_row(columns, b) for b in got["results"]["bindings"]))


def _canonical(value: str, datatype: str) -> str:
    """Write a truth value or decimal in the one way that all engines' answers are compared in: true, 0.8."""
    if datatype == XSD + "boolean":
        return {"1": "true", "0": "false"}.get(value, value)
    if datatype == XSD + "decimal" and re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)", value):
        plain = f"{Decimal(value):f}"
        return (plain.rstrip("0").rstrip(".") if "." in plain else plain) or "0"
    return value


def _json_row(columns: Sequence[str], binding: Mapping[str, Mapping[str, str]]) -> tuple[Term | None, ...]:
    def one(cell: Mapping[str, str] | None) -> Term | None:
        if cell is None:
            return None
        kind = {"uri": "iri", "bnode": "bnode"}.get(cell["type"], "literal")
        if kind != "literal":
            return Term(kind, cell["value"])
        language = cell.get("xml:lang", "")
        plain = "http://www.w3.org/1999/02/22-rdf-syntax-ns#langString" if language else XSD + "string"
        datatype = cell.get("datatype", plain)
        return Term(kind, _canonical(cell["value"], datatype), datatype, language)

    return tuple(one(binding.get(c)) for c in columns)
