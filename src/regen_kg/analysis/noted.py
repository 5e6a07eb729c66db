"""Own what quality notes do to an answer: which of its rows rest on noted cells, and what it would be without them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from regen_kg import queries
from regen_kg.analysis.sources import Asked, rests_on
from regen_kg.iris import PREFIXES
from regen_kg.store import Store

Row = Mapping[str, str]
SEVERITIES = ("grave", "notable", "minor")
INCLUDE = "include_noted"
_OF_NOTES = frozenset(("quality-notes", "note-targets"))
_ACCOUNTS = {"text": "Section 3, paragraph 1", "figure": "Figure 1"}
_SHOWN = 6  # slugs in one line
# Questions whose rows name reports and no place: the question that says where what they rest on is printed.
_PRINTED = {
    "arm-sums": "arms",
    "conflict-explanations": "directions",
    "conflicts": "directions",
    "direction-mix": "directions",
    "head-to-head": "directions",
    "longest-time-point": "time-points",
}


@dataclass(frozen=True, slots=True)
class Behind:
    """A note with the rows of an answer, counted from 0, that rest on a cell it touches."""

    note: str
    severity: str
    rows: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Noted:
    """What notes do to an answer of so many rows.

    `changed` counts the rows that are another with values under a grave note kept (or, if `included`, left out); None where
    the question has no such choice. `counts` says that the rows are counts, which no note changes.
    """

    rows: int
    behind: tuple[Behind, ...]
    counts: bool = False
    included: bool = False
    changed: int | None = None
    left_out: tuple[str, ...] = ()

    def resting(self, *severities: str) -> int:
        """Return how many rows rest on a note, or on one of these severities."""
        return len({i for b in self.behind if not severities or b.severity in severities for i in b.rows})

    def lines(self, how: str = "") -> list[str]:
        """Say it: how many rows, then the notes of each severity; nothing where no row rests on a note.

        `how` says how to keep what is left out, where one can.
        """
        out = []
        if self.behind:
            here, grave = self.resting(), self.resting("grave")
            if self.counts:
                without = "a note changes no count"
            elif grave:
                without = f"without those under a grave note: {self.rows - grave} rows"
            else:
                without = "no grave note among them"
            out.append(f"{here} of {self.rows} rows {'rests' if here == 1 else 'rest'} on noted cells; {without}")
            for severity in SEVERITIES:
                if slugs := [b.note for b in self.behind if b.severity == severity]:
                    out.append(f"  {severity:<8}{len(slugs):>4}: {_listed(slugs)}")
        if self.changed:
            of = f"{self.changed} of {self.rows} rows"
            notes = f"{len(self.left_out)} grave {'note' if len(self.left_out) == 1 else 'notes'} ({_listed(self.left_out)})"
            if self.included:
                out.append(f"{of} hold values under {notes}; they are left out unless you include them")
            else:
                out.append(f"{of} leave out values under {notes}; with them{how} these rows change")
        return out


def _listed(slugs: Sequence[str]) -> str:
    more = len(slugs) - _SHOWN
    return ", ".join(slugs[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _items(cell: str) -> list[str]:
    return [part for part in cell.split("|") if part]


def _ask(store: Store, name: str, **values: str) -> list[dict[str, str]]:
    return queries.run(store, queries.get(name), values)


class _Notes:
    """The notes of a build by what they touch."""

    def __init__(self, store: Store) -> None:
        self.severity: dict[str, str] = {}
        self.places: dict[str, list[str]] = {}
        self.of_result: dict[str, set[str]] = defaultdict(set)
        self.of_report: dict[str, set[str]] = defaultdict(set)
        self.of_none: set[str] = set()
        self.results: dict[str, list[str]] = {}
        for row in _ask(store, "note-targets"):
            note = row["note"]
            self.severity[note], self.places[note] = row["severity"], _items(row["locations"])
            self.results[note] = _items(row["results"])
            for result in self.results[note]:
                self.of_result[result].add(note)
            for report in _items(row["reports"]):
                self.of_report[report].add(note)
            if not row["reports"] and not row["results"]:
                self.of_none.add(note)

    def at(self, notes: Iterable[str], places: Sequence[str]) -> Iterator[str]:
        """Yield those of some notes that stand at one of the places, or at one that a place is part of."""
        for note in notes:
            if any(p == own or p.startswith(own + ", ") for p in places for own in self.places[note]):
                yield note

    def reaches(self, note: str, outcome: str, measured: Mapping[str, set[str]]) -> bool:
        """Tell whether a note names no result, or one on a measure or domain."""
        return not self.results[note] or any(outcome in measured.get(r, ()) for r in self.results[note])


def _cells(store: Store, query: queries.SavedQuery, values: Mapping[str, str]) -> dict[tuple[str, ...], set[str]]:
    """Return the results (keys with a slash) or reports that each cell of an aggregate counts."""
    out: dict[tuple[str, ...], set[str]] = defaultdict(set)
    outcome = next((c for c in ("outcome_domain", "outcome_measure") if c in query.columns), "")
    cell = "technology" in query.columns
    if outcome and not (cell and outcome == "outcome_measure"):  # the measure of a gap is an instrument without results
        for r in _ask(store, "results"):
            for technology in _items(r["technologies"]) if cell else ("",):
                for disease in _items(r["disease"]) if cell else ("",):
                    for o in _items(r[outcome]) or [""]:
                        out[technology, disease, o].add(r["result"])
        return out
    if values.get("placement") == "charted":
        text = f"PREFIX rkg: <{PREFIXES['rkg']}> PREFIX skos: <{PREFIXES['skos']}> SELECT ?report ?t ?d {{ ?r skos:notation ?report ; rkg:testsTechnology/skos:notation ?t ; rkg:placedUnder/skos:notation ?d }}"
        answer = store.query(text)
        placed = [(r["report"], [r["t"]], [r["d"]]) for r in queries.plain_rows(answer, answer.columns)]
    else:
        placed = [(r["report"], _items(r["technologies"]), _items(r["diseases"])) for r in _ask(store, "reports")]
    for report, technologies, diseases in placed:
        for technology in technologies:
            for disease in diseases:
                out[technology, disease, ""].add(report)
    return out


def notes_behind(
    store: Store, query: queries.SavedQuery, rows: Sequence[Row], values: Mapping[str, str] | None = None
) -> tuple[Behind, ...]:
    """Find the quality notes that the rows of a saved question rest on.

    A row that names results rests on the notes that touch them. A row that names reports rests on the notes that touch one
    of them at a place that the row is read from, or at the whole that such a place is part of; if the row names an outcome
    measure or domain, a note that names results counts only if one of them is on it. A row that counts a cell of technology,
    disease or outcome, or a term of a hierarchy, rests on the notes on the results or reports that it counts. A step of the study flow rests on the
    notes on its account.

    Parameters
    ----------
    store : Store
        An embedded store or an endpoint.
    query : SavedQuery
        The question that was asked.
    rows : sequence of mapping
        Its rows, all or some, as `queries.run` returns them.
    values : mapping of str to str, optional
        Its parameters.

    Returns
    -------
    tuple of Behind
        The gravest first, then by slug; none for questions that list the notes themselves.
    """
    if query.name in _OF_NOTES or not rows:
        return ()
    notes = _Notes(store)
    columns = query.columns
    results = [c for c in ("result", "rests_on") if c in columns]
    reports = [c for c in columns if c in ("report", "report_a", "report_b") or (c == "reports" and c in query.lists)]
    if "conflict" in columns and not reports:  # the pair stands in the question that lists the conflicts
        pairs = {r["conflict"]: r for r in _ask(store, "conflicts")}
        rows = [{**pairs.get(row["conflict"], {}), **row} for row in rows]
        reports = ["report_a", "report_b"]
    apart = not (results or reports)
    in_cells = apart and bool({"technology", "disease", "outcome_measure", "outcome_domain"} & {*columns})
    cells = _cells(store, query, values or {}) if in_cells else {}
    things: list[list[str]] = []
    if apart and not in_cells and query.rests:
        asked = Asked(query.text, query.name, tuple(sorted((values or {}).items())))
        things = rests_on(store, asked, columns, [[row[c] for c in columns] for row in rows])
    printed: dict[str, list[str]] = defaultdict(list)
    if query.name in _PRINTED:
        for at in _ask(store, _PRINTED[query.name]):
            printed[at["report"]] += _items(at["source"])
    outcome = next((c for c in ("outcome_measure", "outcome_domain") if c in columns), "")
    measured = {r["result"]: set(_items(r[outcome])) for r in _ask(store, "results")} if reports and outcome else {}
    found: dict[str, list[int]] = defaultdict(list)
    for i, row in enumerate(rows):
        if results:
            keys = [k for c in results for k in _items(row[c])]
            mine = {n for k in keys for n in notes.of_result.get(k, ())}
        elif reports:
            named = {r for c in reports for r in _items(row.get(c, ""))}
            places = _items(row.get("source", "")) or [p for r in named for p in printed.get(r, ())]
            mine = {n for r in named for n in notes.of_report.get(r, ())}
            mine = set(notes.at(mine, places)) if places else mine
            if outcome and row[outcome]:
                mine = {n for n in mine if notes.reaches(n, row[outcome], measured)}
            mine |= set(_items(row.get("left_out_noted", "")))
        elif "account" in columns:
            mine = set(notes.at(notes.of_none, [_ACCOUNTS[row["account"]]])) if row["account"] in _ACCOUNTS else set()
        elif things:
            mine = {n for t in things[i] for n in notes.of_report.get(t.removeprefix("report/"), ())}
        else:
            on = row.get("outcome_domain") or row.get("outcome_measure") or ""
            counted = cells.get((row.get("technology", ""), row.get("disease", ""), on), set())
            mine = {n for k in counted for n in (notes.of_result if "/" in k else notes.of_report).get(k, ())}
        for note in mine:
            found[note].append(i)
    order = sorted(found, key=lambda n: (SEVERITIES.index(notes.severity[n]), n))
    return tuple(Behind(n, notes.severity[n], tuple(found[n])) for n in order)


def noted(
    store: Store, query: queries.SavedQuery, rows: Sequence[Row], values: Mapping[str, str] | None = None
) -> Noted:
    """Say which rows of an answer rest on noted cells, and how it changes with values under a grave note kept or left out.

    Parameters
    ----------
    store, query, rows, values
        As for `notes_behind`. `rows` may be a part of the answer.
    """
    values = dict(values or {})
    behind = notes_behind(store, query, rows, values)
    counts = "reports" in query.columns and "reports" not in query.lists
    if all(p.name != INCLUDE for p in query.parameters):
        return Noted(len(rows), behind, counts)
    included = values.get(INCLUDE) == "true"
    other = queries.run(store, query, {**values, INCLUDE: "false" if included else "true"})
    others = Counter(tuple(r.items()) for r in other)
    changed = [r for r in rows if not others[tuple(r.items())]]
    notes = {n for r in changed for n in _items(r["left_out_noted"])}
    return Noted(len(rows), behind, counts, included, len(changed), tuple(sorted(notes)))
