"""Own the evidence map: where each report stands on any two axes, and what a cell of them counts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

from regen_kg.explorer import data
from regen_kg.explorer.data import Row
from regen_kg.iris import ID, RDFS, RKG, SKOS, class_name
from regen_kg.store import Store

AXES = {
    "technology": "Technology",
    "disease": "Disease",
    "outcome_domain": "Outcome domain",
    "design": "Study design",
    "comparator": "Comparator",
    "time": "Follow-up",
}
COLOURS = {"count": "count", "direction": "directions", "severity": "gravest note"}
# A report that has no value on an axis stands in a row of its own: silence of the review is neither a value nor a gap.
SILENT = {
    "outcome_domain": ("no-outcome", "no outcome charted"),
    "design": ("no-design", "design not charted"),
    "comparator": ("no-comparator", "no comparator charted"),
    "time": ("no-follow-up", "no dated follow-up"),
}
# slug -> (label, above, up to) in months
BANDS = {
    "to-3-months": ("up to 3 months", 0.0, 3.0),
    "to-6-months": ("over 3 to 6 months", 3.0, 6.0),
    "to-12-months": ("over 6 to 12 months", 6.0, 12.0),
    "to-24-months": ("over 12 to 24 months", 12.0, 24.0),
    "over-24-months": ("over 24 months", 24.0, float("inf")),
}
DESIGNS = {
    "RandomisedStudy": ("randomised", "randomised"),
    "PlaceboControlledStudy": ("placebo-controlled", "placebo-controlled"),
    "ActiveControlledStudy": ("active-controlled", "active-controlled"),
    "HeadToHeadStudy": ("head-to-head", "head to head"),
    "ControlledStudy": ("controlled", "controlled, any kind"),
    "UncontrolledStudy": ("uncontrolled", "uncontrolled (one arm)"),
}
DIRECTION_SIGNS = {
    "favours-technology": "+",
    "within-arm-improvement": "↑",
    "mixed": "~",
    "no-difference": "=",
    "favours-comparator": "−",
    "not-charted": "?",
}
_BENEFIT = {"favours-technology", "within-arm-improvement"}
_NO_BENEFIT = {"no-difference", "favours-comparator"}


@dataclass(frozen=True)
class Comparison:
    """A comparison between two arms on one outcome measure at one time."""

    mine: str
    other: str
    measure: str
    time_point: str
    domains: frozenset[str]
    band: str


@dataclass(frozen=True)
class Entry:
    """One report on one technology that it tests, with its values on every axis."""

    report: str
    technology: str
    study: str
    participants: int | None
    direction: str
    severity: str
    values: Mapping[str, frozenset[str]]
    measured: frozenset[tuple[str, str]]  # outcome domain and follow-up band of the same result on this technology
    measured_at_all: frozenset[tuple[str, str]]  # the same of the whole report
    comparisons: frozenset[Comparison]

    def stands_in(self, wanted: Mapping[str, str]) -> bool:
        """Tell whether the report stands at all these places; domain and time must come from the same result.

        Where no technology is asked for, every result of the report counts, not only those on its arms.
        """
        measured = self.measured if "technology" in wanted else self.measured_at_all
        for axis, value in wanted.items():
            if axis == "outcome_domain":
                time = wanted.get("time")
                if not any(d == value and time in (None, t) for d, t in measured):
                    return False
            elif value not in self.values[axis]:
                return False
        return True


@dataclass(frozen=True)
class Cell:
    """One cell of the map; its status is filled, empty or not-applicable."""

    row: str
    column: str
    status: str
    reports: tuple[str, ...] = ()
    studies: int = 0
    participants: int = 0
    comparisons: int = 0
    directions: Mapping[str, int] = field(default_factory=dict)
    severity: str = ""

    def count(self, measure: str) -> int:
        """Return what the cell counts."""
        return len(self.reports) if measure == "reports" else int(getattr(self, measure))

    def said(self, measure: str, colour: str = "count") -> str:
        """Say in the fewest words what stands in the cell."""
        if self.status == "not-applicable":
            return "not applicable"
        if self.status == "empty":
            return "no report"
        if colour == "direction":
            return " ".join(
                f"{sign}{self.directions[d]}" for d, sign in DIRECTION_SIGNS.items() if d in self.directions
            )
        if colour == "severity":
            return self.severity or "no note"
        if measure == "participants" and not self.participants and self.studies:
            return "not charted"
        return f"{self.count(measure):,}"

    def tone(self) -> str:
        """Return benefit, no-benefit, both or open: to what the reports of the cell point."""
        found = set(self.directions)
        good, bad = bool(found & _BENEFIT), bool(found & _NO_BENEFIT)
        return "both" if (good and bad) or "mixed" in found else "benefit" if good else "no-benefit" if bad else "open"


@dataclass(frozen=True)
class EvidenceMap:
    """All entries of a build, and the values of each axis from the vocabulary, slug to label."""

    entries: tuple[Entry, ...]
    vocabulary: Mapping[str, Row]
    implausible: frozenset[tuple[str, str]]

    def values(self, axis: str) -> Row:
        """Return the values of an axis in the order of the vocabulary, silence last where a report is silent."""
        found = dict(self.vocabulary[axis])
        if axis in SILENT:
            slug, label = SILENT[axis]
            if any(slug in e.values[axis] for e in self.entries):
                found[slug] = label
        return found

    def within(self, wanted: Mapping[str, str]) -> list[Entry]:
        """Return the entries that stand at all these places."""
        return [e for e in self.entries if e.stands_in(wanted)]

    def cells(self, rows: str, columns: str, narrowed: Mapping[str, str] | None = None) -> list[Cell]:
        """Return all cells of two axes, empty ones included, row by row."""
        narrowed = dict(narrowed or {})
        found: dict[tuple[str, str], list[Entry]] = defaultdict(list)
        for e in self.entries:
            for r, c in product(e.values[rows], e.values[columns]):
                if e.stands_in({**narrowed, rows: r, columns: c}):
                    found[r, c].append(e)
        out = []
        for r, c in product(self.values(rows), self.values(columns)):
            here = {**narrowed, rows: r, columns: c}
            out.append(self._cell(r, c, found.get((r, c), []), here))
        return out

    def _cell(self, row: str, column: str, entries: Sequence[Entry], here: Mapping[str, str]) -> Cell:
        if not entries:
            pair = (here.get("technology", ""), here.get("disease", ""))
            return Cell(row, column, "not-applicable" if pair in self.implausible else "empty")
        sizes: dict[str, int] = {}
        for e in entries:
            if e.study and e.participants is not None:
                sizes[e.study] = max(sizes.get(e.study, 0), e.participants)
        directions: dict[str, int] = defaultdict(int)
        for e in entries:
            directions[e.direction] += 1
        notes = [e.severity for e in entries if e.severity]
        return Cell(
            row,
            column,
            "filled",
            tuple(sorted({e.report for e in entries})),
            len({e.study for e in entries if e.study}),
            sum(sizes.values()),
            len(_comparisons(entries, here)),
            directions,
            min(notes, key=data.SEVERITIES.index, default=""),
        )


def _comparisons(entries: Iterable[Entry], here: Mapping[str, str]) -> set[tuple[str, ...]]:
    """Return the distinct comparisons; A against B is B against A."""
    domain, band = here.get("outcome_domain"), here.get("time")
    out = set()
    for c in (c for e in entries for c in e.comparisons):
        silent = {slug for slug, _ in SILENT.values()}
        if domain not in (None, *silent) and domain not in c.domains:
            continue
        if band not in (None, *silent) and band != c.band:
            continue
        out.add((*sorted((c.mine, c.other)), c.measure, c.time_point))
    return out


def band_of(months: str) -> str:
    """Return the follow-up band of a number of months.

    Examples
    --------
    >>> band_of("6"), band_of("6.5")
    ('to-6-months', 'to-12-months')
    """
    return next((slug for slug, (_, above, to) in BANDS.items() if above < float(months) <= to), next(iter(BANDS)))


def _grouped(rows: Iterable[Row], key: str, value: str) -> dict[str, set[str]]:
    out: dict[str, set[str]] = defaultdict(set)
    for r in rows:
        out[r[key]].add(r[value])
    return out


def _roots(store: Store) -> tuple[dict[str, str], Row]:
    """Return each intervention's top class, and the top classes with their labels."""
    rows = data.select(
        store,
        "SELECT DISTINCT ?slug ?label ?parent { VALUES ?kind { rkg:Technology rkg:Procedure rkg:Substance rkg:ComparatorIntervention } ?c rdfs:subClassOf+ ?kind ; skos:notation ?slug ; rdfs:label ?l "
        "BIND(STR(?l) AS ?label) OPTIONAL { ?c rdfs:subClassOf ?p . ?p skos:notation ?parent } } ORDER BY LCASE(STR(?l))",
    )
    parents = {r["slug"]: r["parent"] for r in rows if r["parent"]}
    tops = {r["slug"]: r["label"] for r in rows if r["slug"] not in parents}
    found = {}
    for r in rows:
        at = r["slug"]
        while at in parents:
            at = parents[at]
        found[r["slug"]] = at
    return found, tops


def read(store: Store, placement: str = "population") -> EvidenceMap:
    """Read where every report of a build stands.

    Parameters
    ----------
    store : Store
        The build.
    placement : str
        population or charted: by which disease a report counts.
    """
    reports = {r["report"]: r for r in data.reports(store)}
    roots, tops = _roots(store)
    domains = {
        r["slug"]: r["label"]
        for r in data.select(
            store,
            "SELECT DISTINCT ?slug ?label { ?d a rkg:OutcomeDomain ; skos:notation ?slug ; rdfs:label ?l BIND(STR(?l) AS ?label) } ORDER BY ?slug",
        )
    }
    vocabulary: dict[str, Row] = {
        "technology": data.labels(store, "technology"),
        "disease": data.labels(store, "disease"),
        "outcome_domain": domains,
        "design": {**dict(DESIGNS.values()), "secondary": "secondary report"},
        "comparator": tops,
        "time": {slug: label for slug, (label, _, _) in BANDS.items()},
    }
    gaps = data.ask(store, "evidence-gaps", type="not-applicable")
    designs = _grouped(
        data.select(
            store,
            f"SELECT ?report ?kind {{ VALUES ?kind {{ {' '.join('rkg:' + d for d in DESIGNS)} }} ?s a ?kind . ?r rkg:reports ?s ; skos:notation ?report }}",
        ),
        "report",
        "kind",
    )
    follow_ups = _grouped(
        (
            {**r, "band": band_of(r["months"])}
            for r in data.ask(store, "time-points")
            if r["role"] == "follow-up" and r["months"]
        ),
        "report",
        "band",
    )
    controls = _grouped(
        data.select(
            store,
            'SELECT ?report ?c { ?x a rkg:InterventionComponent ; rkg:componentRole/skos:notation "control" ; rkg:isIntervention/skos:notation ?c ; rkg:ofReport/skos:notation ?report }',
        ),
        "report",
        "c",
    )
    severity: dict[str, str] = {}
    for r in data.select(
        store,
        "SELECT DISTINCT ?report ?severity { ?n a rkg:QualityNote ; rkg:severity/skos:notation ?severity ; rkg:ofReport/skos:notation ?report }",
    ):
        known = severity.setdefault(r["report"], r["severity"])
        severity[r["report"]] = min(known, r["severity"], key=data.SEVERITIES.index)
    directions = {(r["report"], r["technology"]): r for r in data.ask(store, "directions")}
    measured, compared = _results(store, reports)
    entries = []
    for slug, r in reports.items():
        for technology in data.items(r["technologies"]):
            d = directions.get((slug, technology), {})
            against = {roots.get(c, c) for c in [*data.items(d.get("comparator", "")), *controls.get(slug, ())]}
            times = frozenset(follow_ups.get(slug, ())) or _silent("time")
            pairs = _placed(measured.get((slug, technology), set()), times)
            every = _placed(measured.get((slug, ""), set()), times)
            kinds = {DESIGNS[k.removeprefix(RKG)][0] for k in designs.get(slug, ())}
            if r["kind"] == "secondary":
                kinds = {"secondary"}
            values = {
                "technology": frozenset({technology}),
                "disease": frozenset(data.items(r["diseases" if placement == "population" else "placed_under"])),
                "outcome_domain": frozenset(domain for domain, _ in pairs | every),
                "design": frozenset(kinds) or _silent("design"),
                "comparator": frozenset(against) or _silent("comparator"),
                "time": times,
            }
            entries.append(
                Entry(
                    slug,
                    technology,
                    r["study"],
                    int(r["sample_size"]) if r["sample_size"] else None,
                    d.get("direction", "not-charted"),
                    severity.get(slug, ""),
                    values,
                    pairs,
                    every,
                    compared.get((slug, technology), frozenset()),
                )
            )
    return EvidenceMap(tuple(entries), vocabulary, frozenset((g["technology"], g["disease"]) for g in gaps))


def _placed(measured: Collection[tuple[str, str]], times: frozenset[str]) -> frozenset[tuple[str, str]]:
    """Add to what was measured when the words for silence: no outcome, and no follow-up of a report that dates none."""
    if not measured:
        return frozenset(product(_silent("outcome_domain"), times))
    undated = {(domain, SILENT["time"][0]) for domain, _ in measured} if times == _silent("time") else set()
    return frozenset({*measured, *undated})


def _silent(axis: str) -> frozenset[str]:
    return frozenset({SILENT[axis][0]})


def _results(
    store: Store, reports: Mapping[str, Row]
) -> tuple[dict[tuple[str, str], set[tuple[str, str]]], dict[tuple[str, str], frozenset[Comparison]]]:
    """Return by report and technology (none: the whole report) what was measured when, and what was compared.

    A result counts for the technologies of its arms; one on no charted arm where its report tests one technology only.
    """
    arms = {(r["report"], r["arm"]): set(data.items(r["technologies"])) for r in data.ask(store, "arms")}
    roles = {(r["report"], r["time_point"]): r["role"] for r in data.ask(store, "time-points")}
    domains = _grouped(
        data.select(store, "SELECT ?m ?d { ?x a rkg:OutcomeMeasure ; skos:notation ?m ; rkg:hasDomain/skos:notation ?d }"), "m", "d"
    )  # fmt: skip
    measured: dict[tuple[str, str], set[tuple[str, str]]] = defaultdict(set)
    compared: dict[tuple[str, str], set[Comparison]] = defaultdict(set)
    for r in data.ask(store, "results"):
        report = r["report"]
        tested = set(data.items(reports[report]["technologies"]))
        mine, other = data.items(r["arm"]), data.items(r["comparator"])
        found = {t for a in (*mine, *other) for t in arms.get((report, a), ())} & tested
        if not mine and len(tested) == 1:
            found = found | tested
        follow_up = r["months"] and roles.get((report, r["time_point"])) == "follow-up"
        band = band_of(r["months"]) if follow_up else ""
        here = {m: frozenset(domains.get(m, ())) for m in data.items(r["outcome_measure"]) if m != "not-named"}
        when = {(d, band) for of in here.values() for d in of}
        for t in ("", *found):
            measured[report, t] |= when
        if r["kind"] != "between-arm-comparison":
            continue
        for left, right in [*product(mine, other), *product(other, mine)]:
            for t in arms.get((report, left), set()) & tested:
                for m, of in (here or {"": frozenset[str]()}).items():
                    seen = Comparison(f"{report}/{left}", f"{report}/{right}", m, r["time_point"], of, band)
                    compared[report, t].add(seen)
    return measured, {k: frozenset(v) for k, v in compared.items()}


def gap_query(wanted: Mapping[str, str], placement: str = "population") -> str:
    """Return the query whose answer is the cell's reports: empty where there is a gap.

    A value that stands for silence has no pattern; its query returns the reports of the other places.
    """
    lines = ["?r a rkg:Report ; skos:notation ?report ; rkg:citation ?citation ."]
    silent = {slug for slug, _ in SILENT.values()}
    for axis, value in wanted.items():
        if value in silent:
            lines.append(f"# {data.words(value)}: the review is silent, which no pattern finds")
            continue
        if axis == "technology":
            lines.append(f"?r rkg:testsTechnology rkg:{class_name(value)} .")
        elif axis == "disease":
            via = "rkg:studiesDisease" if placement == "population" else "rkg:placedUnder"
            lines.append(f"?r {via} rkg:{class_name(value)} .")
        elif axis == "outcome_domain":
            lines.append(
                f"?res a rkg:Result ; rkg:ofReport ?r ; rkg:ofOutcomeMeasure/rkg:hasDomain <{ID}outcome-domain/{value}> ."
            )
            if technology := wanted.get("technology"):
                lines += [
                    "# a result counts for the technologies of its arms; on no arm, where the report tests only one technology",
                    f"{{ ?res rkg:ofArm|rkg:comparatorArm ?arm . ?arm rkg:armTechnology rkg:{class_name(technology)} }} UNION",
                    "{ ?res a rkg:Result ; rkg:ofReport ?r MINUS { ?res rkg:ofArm ?any } { SELECT ?r { ?r rkg:testsTechnology ?t } GROUP BY ?r HAVING (COUNT(DISTINCT ?t) = 1) } }",
                ]
        elif axis == "design" and value == "secondary":
            lines.append('?r rkg:reportKind "secondary" .')
        elif axis == "design":
            kind = next(k for k, (slug, _) in DESIGNS.items() if slug == value)
            lines.append(f"?r rkg:reports ?study . ?study a rkg:{kind} .")
        elif axis == "comparator":
            about = f"rkg:aboutTechnology rkg:{class_name(wanted['technology'])} ; " if "technology" in wanted else ""
            lines.append(
                f"{{ ?x a rkg:ReportDirection ; rkg:ofReport ?r ; {about}rkg:comparatorIntervention ?c }} UNION "
                '{ ?x a rkg:InterventionComponent ; rkg:ofReport ?r ; rkg:componentRole/skos:notation "control" ; rkg:isIntervention ?c } '
                f"?c rdfs:subClassOf* rkg:{class_name(value)} ."
            )
        elif axis == "time":
            _, above, to = BANDS[value]
            upper = f" && ?months <= {to:g}" if to != float("inf") else ""
            at = "?res rkg:atTimePoint ?p . " if "outcome_domain" in wanted else ""
            lines.append(
                f'{at}?p a rkg:TimePoint ; rkg:ofReport ?r ; rkg:timePointRole/skos:notation "follow-up" ; rkg:months ?months . FILTER(?months > {above:g}{upper})'
            )
    body = "\n".join("  " + line for line in lines)
    return (
        f"PREFIX rkg: <{RKG}>\nPREFIX skos: <{SKOS}>\nPREFIX rdfs: <{RDFS}>\n"
        f"SELECT DISTINCT ?report ?citation WHERE {{\n{body}\n}} ORDER BY ?report\n"
    )


def only_gaps(cells: Sequence[Cell], rows: Row, columns: Row) -> tuple[Row, Row]:
    """Return the rows and columns that hold at least one empty cell."""
    empty = [c for c in cells if c.status == "empty"]
    r, c = {e.row for e in empty}, {e.column for e in empty}
    return {k: v for k, v in rows.items() if k in r}, {k: v for k, v in columns.items() if k in c}


def sentence(cells: Collection[Cell], rows: str, columns: str, measure: str) -> str:
    """Say the whole map in words."""
    empty = sum(c.status == "empty" for c in cells)
    never = sum(c.status == "not-applicable" for c in cells)
    full = max((c.count(measure) for c in cells if c.status == "filled"), default=0)
    most = f"; the fullest counts {full:,} {measure if full != 1 else measure.removesuffix('s')}" if full else ""
    said = f", and {never} cannot hold one (not applicable)" if never else ""
    return f"{AXES[rows]} by {AXES[columns].lower()}: {empty} of {len(cells)} cells have no report{said}{most}."


def evidence(found: EvidenceMap, wanted: Mapping[str, str], reports: Mapping[str, Row]) -> list[Row]:
    """Return the reports of a cell, each with its direction on the technologies that put it there."""
    said: dict[str, list[str]] = defaultdict(list)
    for e in found.within(wanted):
        said[e.report].append(e.direction if "technology" in wanted else f"{e.technology}: {data.words(e.direction)}")
    return [{**reports[slug], "direction": "|".join(sorted(said[slug]))} for slug in sorted(said)]


def nearest(found: EvidenceMap, wanted: Mapping[str, str]) -> dict[str, int]:
    """Return how many reports stand in a place when one axis after the other is let go."""
    out = {}
    for axis in wanted:
        rest = {a: v for a, v in wanted.items() if a != axis}
        out[axis] = len({e.report for e in found.within(rest)})
    return out


def flat(cells: Iterable[Cell], rows: str, columns: str) -> list[Row]:
    """Return one row per cell with everything that it counts, for a download."""
    return [
        {
            rows: c.row, columns: c.column, "status": c.status, **{m: str(c.count(m)) for m in data.MEASURES},
            "directions": "|".join(f"{d}: {n}" for d, n in sorted(c.directions.items())), "gravest_note": c.severity,
            "named": "|".join(c.reports),
        }
        for c in cells
    ]  # fmt: skip
