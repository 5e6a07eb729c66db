"""Own the receipt of an answer: what was asked of which build, what came out, where it stands, and whether it still does."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from regen_kg import __version__, queries
from regen_kg.analysis.noted import Behind, notes_behind
from regen_kg.analysis.patterns import tokens
from regen_kg.analysis.sources import Asked, rests_on, sources
from regen_kg.errors import QueryError, ReceiptError
from regen_kg.iris import BASE, DCTERMS
from regen_kg.store import Store

FORM = 1
_KEYS = frozenset((
    "receipt", "package", "build", "question", "columns", "answer", "rests_on", "sources", "notes", "sha256",
))  # fmt: skip
_FEW = 5
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


def _seal(content: Mapping[str, Any]) -> str:
    text = json.dumps({k: v for k, v in content.items() if k != "sha256"}, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _build(store: Store) -> str:
    rows = store.query(f"SELECT ?h {{ <{BASE}dataset> <{DCTERMS}identifier> ?h }}").rows
    return rows[0][0].value if rows and rows[0][0] else ""


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
    rests = rests_on(store, asked, columns, answer) if columns else []
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
        "sources": sources(store, {t for row in rests for t in row}),
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
    placed = _sources_check(old, new, sources(store, {t for t in old if t not in new and _plain(t)}))
    if not placed.differs and _placed(given) != _placed(made):
        placed = Check("sources", ("the rows rest on other sources than in the receipt",))
    checks.append(placed)
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
