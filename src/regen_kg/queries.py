"""Own the saved queries: their headers, typed parameters and answers as plain rows."""

from __future__ import annotations

import difflib
import gc
import hashlib
import json
import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyoxigraph as ox

from regen_kg.errors import QueryError
from regen_kg.iris import OWL, RDFS, RKG, SKOS
from regen_kg.layout import queries_dir
from regen_kg.store import Answer, Answers, EmbeddedStore, Store

_HEADER = re.compile(r"^#\+ (\w+): (.*)$", re.M)
_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9_:.-]*")
_MOST_SHARED = 100_000  # rows


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a saved query: its name, type (slug or string), what it means, and its default, if it has one."""

    name: str
    type: str
    meaning: str
    default: str = ""


@dataclass(frozen=True, slots=True)
class SavedQuery:
    """One question: its text, header and columns; `lists` names the columns whose cells are lists.

    `rests` is a pattern that finds, for the columns it names, what a row counts where the query's own pattern hides it.
    """

    name: str
    text: str
    summary: str
    parameters: tuple[Parameter, ...]
    columns: tuple[str, ...]
    lists: frozenset[str]
    empty: str
    tags: tuple[str, ...]
    rests: str = ""

    def bind(self, values: Mapping[str, str]) -> str:
        """Return the query with parameters set, each as a serialised term, never as pasted text.

        Raises
        ------
        QueryError
            For a parameter that the query does not have, or a value that is no slug.
        """
        text = self.text
        names = [p.name for p in self.parameters]
        for name, value in values.items():
            if name not in names:
                has = f"it has {', '.join(names)}" if names else "it has none"
                raise QueryError(f'query {self.name} has no parameter "{name}"; {has}')
            if not _SLUG.fullmatch(value):
                raise QueryError(f'parameter {name}: "{value}" is no slug; write it like platelet-rich-plasma')
            text = _with_values(text, name, [value])
        return text


def _with_values(text: str, parameter: str, values: Iterable[str]) -> str:
    """Return a query in which a parameter takes some values, each a serialised term."""
    terms = " ".join(str(ox.Literal(value)) for value in values)
    return f"VALUES ?{parameter} {{ {terms} }}".join(re.split(rf"VALUES \?{parameter} \{{[^}}]*\}}", text))


def parse(name: str, text: str) -> SavedQuery:
    """Read one saved query with its `#+` header.

    Raises
    ------
    QueryError
        If the header lacks a line, or a parameter has no `VALUES` line.
    """
    heads: dict[str, list[str]] = {}
    for key, value in _HEADER.findall(text):
        heads.setdefault(key, []).append(value.strip())
    for key in ("summary", "columns", "empty", "tags"):
        if len(heads.get(key, [])) != 1:
            raise QueryError(f"{name}.rq: the header needs one line '#+ {key}: ...'")
    parameters = []
    for line in heads.get("param", []):
        found = re.fullmatch(r"(\w+) (slug|string): (.+)", line)
        if not found or f"VALUES ?{found.group(1)} {{" not in text:
            raise QueryError(
                f"{name}.rq: parameter line '{line}' should be 'name slug: meaning', with a VALUES line in the pattern"
            )
        parameter, kind, meaning = found.groups()
        default = re.search(rf'VALUES \?{parameter} {{ "([^"]*)" }}', text)
        parameters.append(Parameter(parameter, kind, meaning, default.group(1) if default else ""))
    raw = [c.strip() for c in heads["columns"][0].split(",")]
    return SavedQuery(
        name,
        text,
        heads["summary"][0],
        tuple(parameters),
        tuple(c.removesuffix("[]") for c in raw),
        frozenset(c.removesuffix("[]") for c in raw if c.endswith("[]")),
        heads["empty"][0],
        tuple(t.strip() for t in heads["tags"][0].split(",")),
        " ".join(heads.get("rests", [])),
    )


def load_all(folder: Path | None = None) -> dict[str, SavedQuery]:
    """Read all saved queries, by name."""
    folder = folder or queries_dir()
    return {p.stem: parse(p.stem, p.read_text("utf-8")) for p in sorted(folder.glob("*.rq"))}


def get(name: str, folder: Path | None = None) -> SavedQuery:
    """Return one saved query.

    Raises
    ------
    QueryError
        Naming the nearest one, if there is none of this name.
    """
    path = (folder or queries_dir()) / f"{name}.rq"
    if not re.fullmatch(r"[a-z0-9-]+", name) or not path.is_file():
        known = sorted(p.stem for p in (folder or queries_dir()).glob("*.rq"))
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.3)
        hint = f'; nearest: "{near[0]}"' if near else ""
        raise QueryError(f'no saved query "{name}"{hint}; regen-kg query --list shows all')
    return parse(name, path.read_text("utf-8"))


def known_values(store: Store, parameter: str) -> list[str]:
    """Return the slugs that a parameter can take in the present build."""
    patterns = {
        "report": "?x a rkg:Report ; skos:notation ?v",
        "outcome": "?x a rkg:OutcomeMeasure ; skos:notation ?v",
        "technology": '?x rkg:listedAs "technology" ; skos:notation ?v',
        "object": '{ ?x a rkg:Mapping ; rkg:externalId ?v } UNION { ?x a owl:Class ; skos:notation ?v FILTER(CONTAINS(?v, ":")) }',
        "severity": 'VALUES ?v { "grave" "notable" "minor" }',
        "type": "?x rdfs:subClassOf rkg:EvidenceGap ; skos:notation ?v",
        "placement": 'VALUES ?v { "population" "charted" }',
        "axis": 'VALUES ?v { "technology" "disease" }',
        "include_noted": 'VALUES ?v { "false" "true" }',
    }
    if parameter not in patterns:
        return []
    text = (
        f"PREFIX rkg: <{RKG}> PREFIX skos: <{SKOS}> PREFIX rdfs: <{RDFS}> PREFIX owl: <{OWL}> "
        f"SELECT DISTINCT ?v {{ {patterns[parameter]} }} ORDER BY ?v"
    )
    found = [row[0].value for row in store.query(text).rows if row[0]]
    return [*found, "not-named"] if parameter == "outcome" else found


def _sorted_list(text: str) -> str:
    return "|".join(sorted(set(text.split("|")))) if text else text


def listed_rows(answer: Answer, columns: Iterable[str], lists: Container[str]) -> list[dict[str, str]]:
    """Return an answer's rows as text, by column, with the members of each list sorted."""
    return [{c: (_sorted_list(v) if c in lists else v) for c, v in row.items()} for row in plain_rows(answer, columns)]


def run(store: Store, query: SavedQuery, values: Mapping[str, str] | None = None) -> list[dict[str, str]]:
    """Ask a saved question.

    Parameters
    ----------
    store : Store
        An embedded store or an endpoint.
    query : SavedQuery
        The question.
    values : mapping of str to str, optional
        Its parameters.

    Returns
    -------
    list of dict
        One per row, in the query's order; every column of the header is there, an empty string where nothing is charted.

    Raises
    ------
    QueryError
        For an unknown parameter, or a value that the build does not know.
    """
    values = dict(values or {})
    text = query.bind(values)
    # A store that lives on (the explorer's) shares the rows of the questions that were asked of it without a choice.
    shared: dict[str, list[dict[str, str]]] | None = getattr(store, "answers", None) if not values else None
    if shared is not None and text in shared:
        return shared[text]
    rows = _asked(store, query, values, text)
    if shared is not None and len(rows) <= _MOST_SHARED:
        shared[text] = rows
    return rows


def _asked(store: Store, query: SavedQuery, values: dict[str, str], text: str) -> list[dict[str, str]]:
    """Return the rows of a saved question, out of its kept answer if there is one."""
    if store.kept and (rows := _kept_rows(store.kept, query, values)) is not None:
        return rows
    for name, value in values.items():
        known = known_values(store, name)
        if known and value not in known:
            near = difflib.get_close_matches(value, known, n=1, cutoff=0.3)
            hint = (
                f'; nearest: "{near[0]}"' if near else f"; it is one of {', '.join(known)}" if len(known) <= 20 else ""
            )
            raise QueryError(f'parameter {name}: "{value}" is not known{hint}')
    return listed_rows(store.query(text), query.columns, query.lists)


# A parameter picks rows by the column of its name; these by another.
_PICKED_BY = {"outcome": "outcome_measure"}


def _kept_as(query: SavedQuery, values: Mapping[str, str]) -> tuple[str, str, dict[str, str]] | None:
    """Return the name and text of the kept answer that holds a question's rows, and what picks them; None if no one does.

    A parameter without a default leaves every row as it is and only picks some, so it can be applied to kept rows.
    """
    name, set_, picked = query.name, {}, {}
    for parameter in query.parameters:
        if (value := values.get(parameter.name)) is None or value == parameter.default:
            continue
        column = _PICKED_BY.get(parameter.name, parameter.name)
        if parameter.default:
            name, set_[parameter.name] = f"{name}.{value}", value
        elif column in query.columns:
            picked[column] = value
        else:
            return None
    return name, query.bind(set_), picked


@contextmanager
def _uncollected() -> Iterator[None]:
    """Look for no garbage meanwhile: rows hold none, and looking at them again and again takes half of the time of reading many."""
    on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()


def _kept_rows(kept: Answers, query: SavedQuery, values: Mapping[str, str]) -> list[dict[str, str]] | None:
    where = _kept_as(query, values)
    if where is None:
        return None
    lines = kept.lines(*where[:2], [json.dumps(v, ensure_ascii=False)[1:-1].encode() for v in where[2].values()])
    if lines is None:
        return None
    with _uncollected():
        rows = [dict(zip(query.columns, row, strict=True)) for row in json.loads(b"[" + b",".join(lines) + b"]")]
    for column, value in where[2].items():
        lists = column in query.lists
        rows = [row for row in rows if value in (row[column].split("|") if lists else (row[column],))]
    return rows if rows or not where[2] else None  # no row: the engine knows whether the value exists


def kept_answers(store: EmbeddedStore, most: int = 0) -> Iterator[tuple[str, str, Iterable[str]]]:
    """Answer every saved question once for each value of a parameter that has a default.

    Parameters
    ----------
    store : EmbeddedStore
        A build.
    most : int, optional
        For so many reports at a time, where a question is ordered by report and can be asked of some; the engine sorts
        an answer in memory. Without it, of all at once.

    Yields
    ------
    tuple of str, str and iterable of str
        The answer's name, the hash of its query, and its rows as lines, each a JSON array of the query's columns; to be
        read before the next answer is asked for.
    """
    for query in load_all().values():
        choices: list[dict[str, str]] = [{}]
        for parameter in query.parameters:
            if parameter.default:
                others = [v for v in known_values(store, parameter.name) if v != parameter.default]
                choices += [{**choice, parameter.name: value} for choice in choices for value in others]
        for choice in choices:
            where = _kept_as(query, choice)
            assert where is not None  # only parameters with a default are set
            yield where[0], hashlib.sha256(where[1].encode()).hexdigest(), _lines(store, query, choice, most)


def _lines(store: EmbeddedStore, query: SavedQuery, values: Mapping[str, str], most: int) -> Iterator[str]:
    """Yield the rows of a saved question as lines, as `run` returns them."""
    lists = [c in query.lists for c in query.columns]
    texts = [query.bind(dict(values))]
    if most and any(p.name == "report" for p in query.parameters) and re.search(r"ORDER BY \?report\b", query.text):
        reports = known_values(store, "report")  # in the order of the engine
        texts = [_with_values(texts[0], "report", reports[i : i + most]) for i in range(0, len(reports), most)]
    for text in texts:
        for cells in store.texts(text, query.columns):
            row = [_sorted_list(cell) if listed else cell for cell, listed in zip(cells, lists, strict=True)]
            yield json.dumps(row, ensure_ascii=False) + "\n"


def plain_rows(answer: Answer, columns: Iterable[str]) -> list[dict[str, str]]:
    """Return an answer's rows as text, by column; what is unbound is an empty string."""
    place = {c: i for i, c in enumerate(answer.columns)}
    out = []
    for row in answer.rows:
        cells = {}
        for column in columns:
            term = row[place[column]] if column in place else None
            cells[column] = term.text() if term else ""
        out.append(cells)
    return out


def result_set(columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> str:
    """Write rows as a DAWG result set, the RDF form of a SELECT answer."""
    rs = "http://www.w3.org/2001/sw/DataAccess/tests/result-set#"
    lines = [f"@prefix rs: <{rs}> .", "", "[] a rs:ResultSet ;"]
    lines += [f"  rs:resultVariable {ox.Literal(c)} ;" for c in columns]
    for row in rows:
        bindings = " , ".join(
            f"[ rs:variable {ox.Literal(c)} ; rs:value {ox.Literal(row[c])} ]" for c in columns if row[c]
        )
        lines.append(f"  rs:solution [ rs:binding {bindings} ] ;" if bindings else "  rs:solution [] ;")
    lines[-1] = lines[-1].removesuffix(" ;") + " ."
    return "\n".join(lines) + "\n"
