"""Own the receipt of an answer: what was asked of which build, what came out, where it stands, and whether it still does."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from regen_kg import __version__, queries
from regen_kg.analysis.noted import Behind, notes_behind
from regen_kg.analysis.patterns import projected, tokens
from regen_kg.errors import QueryError, ReceiptError
from regen_kg.iris import BASE, DCTERMS, ID, RDF, RKG
from regen_kg.store import Answer, Store, Term

FORM = 1
_KEYS = frozenset((
    "receipt", "package", "build", "question", "columns", "answer", "rests_on", "sources", "notes", "sha256",
))  # fmt: skip
_MOST = 200_000  # solutions that the sources of an answer are looked up in
_CHUNK = 500
_FEW = 5
# What the build adds to a charted thing; all else that a thing says of itself stands in its charted row.
INFERRED = frozenset((
    RDF + "type", RKG + "computedDirection", RKG + "computedDirectionBasis", RKG + "directionAgrees", RKG + "onDomain", RKG + "restsOn",
))  # fmt: skip
_CHANGING = re.compile(r"(?<![?$:\w])(RAND|NOW|UUID|STRUUID|BNODE)\s*\(", re.I)


@dataclass(frozen=True, slots=True)
class Check:
    """One part of a receipt against the present build: same, or what differs, a line each."""

    part: str
    differs: tuple[str, ...] = ()
    not_compared: str = ""

    def lines(self) -> list[str]:
        """Say it."""
        if self.not_compared:
            return [f"{self.part:<9} not compared: {self.not_compared}"]
        if not self.differs:
            return [f"{self.part:<9} same"]
        return [f"{self.part:<9} differs: {self.differs[0]}", *(f"{'':<19}{line}" for line in self.differs[1:])]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as it was put: the name of a saved one (or none), its text, and its parameters."""

    text: str
    name: str = ""
    parameters: tuple[tuple[str, str], ...] = ()

    def saved(self) -> queries.SavedQuery | None:
        """Return the saved question that the text is."""
        return queries.parse(self.name, self.text) if self.name else None

    def bound(self) -> str:
        """Return what the engine is asked."""
        saved = self.saved()
        return saved.bind(dict(self.parameters)) if saved else self.text


def _seal(content: Mapping[str, Any]) -> str:
    text = json.dumps({k: v for k, v in content.items() if k != "sha256"}, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _build(store: Store) -> str:
    rows = store.query(f"SELECT ?h {{ <{BASE}dataset> <{DCTERMS}identifier> ?h }}").rows
    return rows[0][0].value if rows and rows[0][0] else ""


def _outer(text: str) -> tuple[str, str, str, str]:
    """Split a SELECT into prologue, head, dataset clauses and group (braces included); what follows is left out."""
    listed = tokens(text)
    first = next(i for i, t in enumerate(listed) if t.word() == "SELECT")
    depth, brackets, opened, dataset = 0, 0, None, None
    for token in listed[first:]:
        brackets += {"(": 1, ")": -1}.get(token.text, 0)
        if not depth and not brackets and dataset is None and token.word() in ("FROM", "WHERE"):
            dataset = token.start
        if token.text == "{":
            if not depth and not brackets:  # else the group of an EXISTS in the head
                opened = token.start
            depth += 1
        elif token.text == "}":
            depth -= 1
            if not depth and opened is not None:
                start = listed[first].start
                head = text[start : min(opened, dataset if dataset is not None else opened)]
                between = text[dataset:opened] if dataset is not None else ""
                return text[:start], head, re.sub(r"\bWHERE\s*$", "", between, flags=re.I), text[opened : token.end]
    raise QueryError("the query has no group in braces; its sources cannot be looked up")


def _bindings(store: Store, asked: Asked) -> Iterator[tuple[tuple[str, ...], Answer]]:
    """Yield what the pattern of a query binds, apart from its projection: the columns that are shared, and the answer."""
    prologue, head, dataset, group = _outer(asked.bound())
    saved = asked.saved()
    groups = [group]
    if saved and saved.rests:
        bound = queries.parse(asked.name, asked.bound())
        groups.append(f"{{ {bound.rests} }}")
    shown = projected(head)
    for pattern in groups:
        answer = store.query(f"{prologue}SELECT DISTINCT * {dataset}{pattern} LIMIT {_MOST + 1}")
        if len(answer.rows) > _MOST:
            raise ReceiptError(f"the answer rests on more than {_MOST:,} solutions; ask for fewer, then take a receipt")
        yield tuple(c for c in answer.columns if c in shown or "*" in head), answer


def _origins(store: Store, iris: Iterable[str]) -> dict[str, list[str]]:
    """Return the charted things that each of some IRIs is, or rests on where it is computed."""
    wanted = sorted(iris)
    out: dict[str, list[str]] = defaultdict(list)
    for at in range(0, len(wanted), _CHUNK):
        values = " ".join(f"<{i}>" for i in wanted[at : at + _CHUNK])
        own = f"SELECT ?x {{ VALUES ?x {{ {values} }} ?x <{RKG}chartedRow> ?row }}"
        for row in store.query(own).rows:
            if row[0]:
                out[row[0].value].append(row[0].value)
        rest = f"SELECT ?x ?y {{ VALUES ?x {{ {values} }} ?x <{RKG}restsOn>|<{RKG}betweenDirection> ?y . ?y <{RKG}chartedRow> ?row }}"
        for row in store.query(rest).rows:
            if row[0] and row[1] and row[1].value not in out[row[0].value] and row[0].value not in out[row[0].value]:
                out[row[0].value].append(row[1].value)
    return out


def _text(term: Term | None) -> str:
    return term.text() if term else ""


def _rests_on(store: Store, asked: Asked, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[list[str]]:
    """Return, for each row, the charted things that it rests on, as what stands behind `id/` in their IRIs."""
    saved = asked.saved()
    lists = saved.lists if saved else frozenset()
    found: list[tuple[tuple[int, ...], dict[tuple[str, ...], set[str]]]] = []
    iris: set[str] = set()
    for shared, answer in _bindings(store, asked):
        places = [c for c in shared if c in columns]
        texts = queries.listed_rows(answer, places, lists)
        by_row: dict[tuple[str, ...], set[str]] = defaultdict(set)
        for plain, solution in zip(texts, answer.rows, strict=True):
            mine = {t.value for t in solution if t and t.kind == "iri" and t.value.startswith(ID)}
            by_row[tuple(plain[c] for c in places)] |= mine
            iris |= mine
        found.append((tuple(columns.index(c) for c in places), by_row))
    origins = _origins(store, iris)
    out = []
    for row in rows:
        things = {i for places_, by_row in found for i in by_row.get(tuple(row[p] for p in places_), ())}
        out.append(sorted({o.removeprefix(ID) for i in things for o in origins.get(i, ())}))
    return out


def _sources(store: Store, things: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return, for charted things, the places of the review, the charted row, and a hash of what the row says."""
    wanted = sorted(things)
    said: dict[str, list[str]] = defaultdict(list)
    rows: dict[str, str] = {}
    places: dict[str, str] = {}
    for at in range(0, len(wanted), _CHUNK):
        values = " ".join(f"<{ID}{i}>" for i in wanted[at : at + _CHUNK])
        for x, p, o in store.query(f"SELECT ?x ?p ?o {{ VALUES ?x {{ {values} }} ?x ?p ?o }}").rows:
            if not (x and p and o) or p.value in INFERRED:
                continue
            thing = x.value.removeprefix(ID)
            if p.value == RKG + "chartedRow":
                rows[thing] = o.value
                continue
            if p.value == RKG + "sourceText":
                places[thing] = o.value
            said[thing].append(f"{p.value} {o.kind} {json.dumps(o.value)} {o.datatype} {o.language}")
    return {
        thing: {
            "charted": rows[thing],
            "places": [p for p in places.get(thing, "").split("|") if p],
            "sha256": hashlib.sha256("\n".join(sorted(set(said[thing]))).encode()).hexdigest(),
        }
        for thing in sorted(rows)
    }


def _answer(store: Store, asked: Asked) -> tuple[list[str], Any]:
    """Ask the engine, never the answers kept beside a build; return the columns and rows, a truth value, or triples."""
    for token in tokens(asked.text):
        if token.kind == "word" and (changing := _CHANGING.match(asked.text, token.start)):
            raise ReceiptError(f"{changing[1].upper()} answers otherwise each time; a receipt of that proves nothing")
    answer = store.query(asked.bound())
    if answer.boolean is not None:
        return [], answer.boolean
    if answer.triples is not None:
        lines = answer.triples.splitlines()
        if any(re.match(r"_:|<[^>]*> <[^>]*> _:", line) for line in lines):
            raise ReceiptError("the answer holds blank nodes, which have no lasting name; ask for what has an IRI")
        return [], lines
    if any(t and t.kind == "bnode" for row in answer.rows for t in row):
        raise ReceiptError("the answer holds blank nodes, which have no lasting name; ask for what has an IRI")
    saved = asked.saved()
    columns = list(saved.columns if saved else answer.columns)
    rows = queries.listed_rows(answer, columns, saved.lists if saved else frozenset())
    return columns, [[row[c] for c in columns] for row in rows]


def receipt(store: Store, asked: Asked, content: str = "") -> dict[str, Any]:
    """Ask a question and write down all that is needed to ask it again.

    Parameters
    ----------
    store : Store
        An embedded store or an endpoint.
    asked : Asked
        The question.
    content : str, optional
        The hash of the dataset's file, where it is at hand.

    Returns
    -------
    dict
        Plain JSON without times or machine names: the same question to the same build gives the same receipt. `rests_on` has
        one list per row: the charted things that the numbers of the row are read from or count. `sources` gives for each of
        them the charted row, the places of the review, and a hash of what the row says.

    Raises
    ------
    QueryError, ReceiptError
        If the question can't be asked, or its answer can't be proved by asking again.
    """
    columns, answer = _answer(store, asked)
    rests = _rests_on(store, asked, columns, answer) if columns else []
    saved = asked.saved()
    behind: tuple[Behind, ...] = ()
    if saved:
        behind = notes_behind(
            store, saved, [dict(zip(columns, r, strict=True)) for r in answer], dict(asked.parameters)
        )
    made = {
        "receipt": FORM,
        "package": __version__,
        "build": {"inputs": _build(store), "content": content},
        "question": {"name": asked.name, "parameters": dict(asked.parameters), "text": asked.text},
        "columns": columns,
        "answer": answer,
        "rests_on": rests,
        "sources": _sources(store, {t for row in rests for t in row}),
        "notes": [{"note": b.note, "severity": b.severity, "rows": list(b.rows)} for b in behind],
    }
    return {**made, "sha256": _seal(made)}


def receipt_text(made: Mapping[str, Any]) -> str:
    """Return a receipt as the text of its file."""
    return json.dumps(made, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def read_receipt(text: str, name: str = "receipt") -> dict[str, Any]:
    """Read a receipt.

    Raises
    ------
    ReceiptError
        If it is none, or its parts aren't what a receipt holds.
    """
    try:
        found = json.loads(text)
    except ValueError as err:
        raise ReceiptError(f"{name}: is no JSON ({err}); give a file that --receipt wrote") from err
    if not isinstance(found, dict) or "receipt" not in found:
        raise ReceiptError(f"{name}: is no receipt; give a file that --receipt wrote")
    if found["receipt"] != FORM:
        raise ReceiptError(f"{name}: is of form {found['receipt']!r}; this version reads form {FORM}")
    if odd := sorted(_KEYS ^ found.keys()):
        word = "lacks" if odd[0] in _KEYS else "has an unknown"
        raise ReceiptError(f'{name}: {word} "{odd[0]}"; give a file as --receipt wrote it')
    if fault := _fault(found):
        raise ReceiptError(f"{name}: {fault}; give a file as --receipt wrote it")
    return found


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(v, str) for v in value)


def _fault(found: dict[str, Any]) -> str:
    """Say which part of a receipt has another shape than it should."""
    question, build, rows = found["question"], found["build"], found["answer"]
    fits = {
        "package": isinstance(found["package"], str),
        "sha256": isinstance(found["sha256"], str),
        "build": isinstance(build, dict) and _texts([build.get("inputs"), build.get("content")]),
        "question": isinstance(question, dict)
        and _texts([question.get("name"), question.get("text")])
        and isinstance(question.get("parameters"), dict)
        and _texts(list(question["parameters"].values())),
        "columns": _texts(found["columns"]),
        "answer": isinstance(rows, bool)
        or (
            isinstance(rows, list)
            and all(
                _texts(r) and len(r) == len(found["columns"]) if found["columns"] else isinstance(r, str) for r in rows
            )
        ),
        "rests_on": isinstance(found["rests_on"], list) and all(_texts(r) for r in found["rests_on"]),
        "sources": isinstance(found["sources"], dict)
        and all(
            isinstance(s, dict) and _texts([s.get("charted"), s.get("sha256")]) and _texts(s.get("places"))
            for s in found["sources"].values()
        ),
        "notes": isinstance(found["notes"], list)
        and all(isinstance(n, dict) and _texts([n.get("note"), n.get("severity")]) for n in found["notes"]),
    }
    return next((f'"{part}" has another shape than it should' for part, good in fits.items() if not good), "")


def _few(lines: Sequence[str]) -> tuple[str, ...]:
    more = len(lines) - _FEW
    return (*lines[:_FEW], f"and {more} more") if more > 1 else tuple(lines)


def _query_check(asked: Asked) -> Check:
    if not asked.name:
        return Check("query", (), "it is no saved question")
    try:
        present = queries.get(asked.name).text
    except QueryError as err:
        return Check("query", (str(err),))
    if present == asked.text:
        return Check("query")
    old, new = asked.text.splitlines(), present.splitlines()
    line = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    return Check("query", (f"its text is not that of the saved question {asked.name}, from line {line + 1} on",))


def _answer_check(old_columns: list[str], old: Any, columns: list[str], new: Any) -> Check:
    def shown(value: object) -> str:
        return json.dumps(value, ensure_ascii=False)

    if old_columns != columns:
        return Check("answer", (f"the receipt has the columns {', '.join(old_columns)}; now {', '.join(columns)}",))
    if not isinstance(old, list) or not isinstance(new, list):
        return Check("answer") if old == new else Check("answer", (f"the receipt has {shown(old)}; now {shown(new)}",))
    before, now = (Counter(map(shown, rows)) for rows in (old, new))
    if before == now:  # a store may order rows otherwise that the question puts on one level
        return Check("answer")
    lines = []
    if columns and len(old) == len(new):
        for i, (a, b) in enumerate(zip(old, new, strict=True), 1):
            lines += [
                f"row {i}, column {c}: the receipt has {shown(x)}; now {shown(y)}"
                for c, x, y in zip(columns, a, b, strict=True)
                if x != y
            ]
    else:
        lines = [f"{len(old)} rows in the receipt; now {len(new)}"]
        lines += [f"no longer: {row}" for row in (before - now)]
        lines += [f"new: {row}" for row in (now - before)]
    return Check("answer", _few(lines))


def _sources_check(old: dict[str, Any], new: dict[str, Any], present: dict[str, Any]) -> Check:
    gone, other, added, moved = [], [], [], []
    for thing in sorted({*old, *new}):
        if thing not in new:
            word = "is charted, and the answer no longer rests on it" if thing in present else "is no longer charted"
            gone.append(f"{thing} ({old[thing]['charted']}): {word}")
        elif thing not in old:
            added.append(f"{thing} ({new[thing]['charted']}): the answer rests on it now, and not in the receipt")
        elif old[thing]["sha256"] != new[thing]["sha256"]:
            other.append(f"{thing} ({new[thing]['charted']}): the charted row says something else")
        else:
            moved += [
                f"{thing}: {word} in the receipt {old[thing][word]}; now {new[thing][word]}"
                for word in ("charted", "places")
                if old[thing][word] != new[thing][word]
            ]
    return Check("sources", _few([*gone, *other, *added, *moved]))


def verify(store: Store, given: Mapping[str, Any], content: str = "") -> list[Check]:
    """Ask the question of a receipt again and compare everything that the receipt says.

    Parameters
    ----------
    store : Store
        The present build, or an endpoint.
    given : mapping
        A receipt, as `read_receipt` returns it.
    content : str, optional
        The hash of the present dataset's file, where it is at hand.

    Returns
    -------
    list of Check
        Of the receipt itself, package, inputs, content, query, answer, sources and notes. The answer is replayed with the
        receipt's own query, so a changed query is told apart from a changed answer.
    """
    question, build = given["question"], given["build"]
    asked = Asked(question["text"], question["name"], tuple(sorted(question["parameters"].items())))
    fits = given["sha256"] == _seal(given)
    checks = [Check("receipt", () if fits else ("it was altered after it was written: its own hash does not fit",))]
    inputs = _build(store)
    for part, old, now in (
        ("package", given["package"], __version__),
        ("inputs", build["inputs"], inputs),
        ("content", build["content"], content),
    ):
        if part == "content" and not (old and now):
            checks.append(Check(part, (), "an endpoint does not tell the hash of its file"))
        else:
            checks.append(Check(part, () if old == now else (f"the receipt has {old or 'none'}; now {now or 'none'}",)))
    checks.append(_query_check(asked))
    try:
        made = receipt(store, asked, content)
    except (QueryError, ReceiptError) as err:
        return [*checks, Check("answer", (f"the question can't be asked again: {str(err).splitlines()[0]}",))]
    checks.append(_answer_check(given["columns"], given["answer"], made["columns"], made["answer"]))
    old, new = given["sources"], made["sources"]
    sources = _sources_check(old, new, _sources(store, {t for t in old if t not in new and _plain(t)}))
    if not sources.differs and _placed(given) != _placed(made):
        sources = Check("sources", ("the rows rest on other sources than in the receipt",))
    checks.append(sources)
    before, now_ = ({n["note"]: n for n in r["notes"]} for r in (given, made))
    words = [f"{n}: no longer behind the answer" for n in sorted(before.keys() - now_.keys())]
    words += [f"{n}: new behind the answer" for n in sorted(now_.keys() - before.keys())]
    words += [
        f"{n}: another severity or other rows" for n in sorted(before.keys() & now_.keys()) if before[n] != now_[n]
    ]
    return [*checks, Check("notes", _few(words))]


def _plain(thing: str) -> bool:
    """Tell whether a key of a receipt can stand in an IRI."""
    return bool(re.fullmatch(r"[^\s<>\"{}|\\^`]+", thing))


def _placed(made: Mapping[str, Any]) -> Counter[str]:
    """Return the rows with what they rest on, whatever their order."""
    answer = made["answer"] if made["columns"] else []
    if len(answer) != len(made["rests_on"]):
        return Counter({"rows without sources": 1})
    return Counter(json.dumps([r, s]) for r, s in zip(answer, made["rests_on"], strict=True))
