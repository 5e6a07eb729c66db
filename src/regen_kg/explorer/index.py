"""Own the index of the evidence: one row per report with all that lists, facets and comparisons ask of it."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from regen_kg.explorer import data
from regen_kg.explorer.data import Row, items
from regen_kg.store import Store

ByReport = dict[str, list[Row]]
NO_NOTE = "no-note"


@dataclass(frozen=True)
class Index:
    """All reports, and by report what is charted of each; read-only."""

    reports: tuple[Row, ...]
    populations: ByReport
    arms: ByReport
    components: ByReport
    results: ByReport
    times: ByReport
    directions: ByReport
    by_outcome: ByReport
    scale_uses: ByReport
    safety: ByReport
    notes: ByReport
    conflicts: tuple[Row, ...]
    gaps: tuple[Row, ...]
    claims: tuple[Row, ...]
    all_notes: tuple[Row, ...]

    @functools.cached_property
    def slugs(self) -> frozenset[str]:
        """The names of all reports."""
        return frozenset(r["report"] for r in self.reports)

    def of(self, slugs: Iterable[str]) -> list[Row]:
        """Return the rows of some reports, in the order of the index."""
        wanted = set(slugs)
        return [r for r in self.reports if r["report"] in wanted]


def _by_report(rows: Iterable[Row]) -> ByReport:
    found: ByReport = defaultdict(list)
    for row in rows:
        found[row["report"]].append(row)
    return dict(found)


def _list(values: Iterable[str]) -> str:
    return "|".join(sorted({v for v in values if v}))


_OPTIONAL = "OPTIONAL {{ ?x rkg:{0} ?{0} }}"


def _components(store: Store) -> list[Row]:
    more = " ".join(
        _OPTIONAL.format(p) for p in ("number", "interval", "volume", "concentration", "dose", "guidance", "printedAs")
    )
    return data.select(
        store,
        "SELECT ?report ?arm ?component ?intervention ?technology ?role ?number ?interval ?volume ?concentration ?dose ?guidance ?printedAs ?source { "
        "?x a rkg:InterventionComponent ; rkg:ofReport/skos:notation ?report ; skos:notation ?component ; rkg:componentRole/skos:notation ?role ; "
        "rkg:isIntervention/skos:notation ?intervention ; rkg:sourceText ?source . ?a rkg:hasComponent ?x ; skos:notation ?arm . "
        f"OPTIONAL {{ ?x rkg:ofTechnology/skos:notation ?technology }} {more} }} ORDER BY ?report ?arm ?component",
    )


def _claims(store: Store) -> tuple[Row, ...]:
    """Return the review's claims with what they are about, what they cite and whether that supports them."""
    rows = data.select(
        store,
        "SELECT ?claim ?topic ?paraphrase ?level ?source ?technology ?disease ?cited ?supports { "
        "?c a rkg:Claim ; skos:notation ?claim ; rkg:topic ?topic ; rkg:paraphrase ?paraphrase . "
        "OPTIONAL { ?c rkg:sourceText ?source } OPTIONAL { ?c rkg:evidenceLevel ?level } "
        "OPTIONAL { ?c rkg:aboutTechnology/skos:notation ?technology } OPTIONAL { ?c rkg:aboutDisease/skos:notation ?disease } "
        "OPTIONAL { ?k rkg:ofClaim ?c ; rkg:cites/skos:notation ?cited ; rkg:supports ?supports } } ORDER BY ?claim",
    )
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[row["claim"]].append(row)
    return tuple(
        {
            **{name: group[0][name] for name in ("claim", "topic", "paraphrase", "level", "source")},
            "technologies": _list(g["technology"] for g in group),
            "diseases": _list(g["disease"] for g in group),
            "cites": _list(f"{g['cited']} ({g['supports']})" for g in group if g["cited"]),
        }
        for group in found.values()
    )


def build_index(store: Store) -> Index:
    """Read the whole index; a dozen questions, asked once per build."""
    populations = _by_report(
        data.select(
            store,
            "SELECT ?report ?condition ?basis ?descriptor { ?x rkg:conditionBasis ?basis ; skos:notation ?condition ; rkg:ofReport/skos:notation ?report . "
            "OPTIONAL { ?x rkg:descriptor ?descriptor } } ORDER BY ?report ?condition",
        )
    )
    components = _by_report(_components(store))
    directions = _by_report(_directions(store))
    results = _by_report(data.ask(store, "results"))
    scale_uses = _by_report(
        data.select(
            store,
            "SELECT ?report ?measure (GROUP_CONCAT(DISTINCT ?p; separator='|') AS ?printed) (SAMPLE(?r) AS ?range) (SAMPLE(?u) AS ?unit) (SAMPLE(?po) AS ?polarity) (SAMPLE(?v) AS ?version) (SAMPLE(?s) AS ?source) { "
            "?x a rkg:ScaleUse ; rkg:ofReport/skos:notation ?report ; rkg:ofOutcomeMeasure/skos:notation ?measure . OPTIONAL { ?x rkg:printedAs ?p } OPTIONAL { ?x rkg:rangeText ?r } "
            "OPTIONAL { ?x rkg:unit ?u } OPTIONAL { ?x rkg:usedPolarity/skos:notation ?po } OPTIONAL { ?x rkg:version ?v } OPTIONAL { ?x rkg:sourceText ?s } } GROUP BY ?report ?measure ORDER BY ?report ?measure",
        )
    )
    notes: ByReport = defaultdict(list)
    all_notes = tuple(data.notes(store))
    for note in all_notes:
        for report in items(note["reports"]):
            notes[report].append(note)
    arms, times = _by_report(data.ask(store, "arms")), _by_report(data.ask(store, "time-points"))
    safety = _by_report(data.ask(store, "safety-reporting"))
    domains = {
        r["measure"]: r["domain"]
        for r in data.select(store, "SELECT ?measure ?domain { ?m a rkg:OutcomeMeasure ; skos:notation ?measure ; rkg:hasDomain/skos:notation ?domain }")
    }  # fmt: skip
    extra = {r["report"]: r for r in data.select(
        store,
        "SELECT ?report ?allocation ?design ?unit ?title ?journal ?doi ?pmid ?pmcid ?status { ?x a rkg:Report ; skos:notation ?report . OPTIONAL { ?x rkg:allocation ?allocation } OPTIONAL { ?x rkg:reports/rkg:hasDesign/skos:notation ?design } "
        "OPTIONAL { ?x rkg:sampleSizeUnit ?unit } OPTIONAL { ?x rkg:bibliographyStatus ?status } OPTIONAL { ?x dcterms:title ?title } OPTIONAL { ?x schema:isPartOf ?journal } "
        "OPTIONAL { ?x rkg:doi ?doi } OPTIONAL { ?x rkg:pmid ?pmid } OPTIONAL { ?x rkg:pmcid ?pmcid } }",
    )}  # fmt: skip
    rows = []
    for row in data.reports(store):
        slug = row["report"]
        more = extra.get(slug, {})
        verified = more.get("status") == "verified"
        measures = {m for r in results.get(slug, []) for m in items(r["outcome_measure"])} - {"not-named"}
        measures |= {u["measure"] for u in scale_uses.get(slug, [])}
        followed = [
            Decimal(t["months"]) for t in times.get(slug, []) if t["role"] == "follow-up" and t["months"]
        ]  # DESIGN: of the roles of a time, only follow-up is follow-up
        rows.append({
            **row,
            "conditions": _list(p["condition"] for p in populations.get(slug, [])),
            "allocation": more.get("allocation", ""),
            "design": more.get("design", ""),
            "sample_unit": more.get("unit", ""),
            "arms": str(len(arms.get(slug, [])) or ""),
            "comparators": _list(c for d in directions.get(slug, []) for c in items(d["comparator"])),
            "measures": _list(measures),
            "domains": _list(domains.get(m, "") for m in measures),
            "longest": format(max(followed), "f") if followed else "",
            "safety": safety.get(slug, [{}])[0].get("status", ""),
            "severities": _list(n["severity"] for n in notes.get(slug, [])) or NO_NOTE,
            **{name: more.get(name, "") if verified else "" for name in ("title", "journal", "doi", "pmid", "pmcid")},
        })  # fmt: skip
    return Index(
        tuple(rows), populations, arms, components, results, times, directions,
        _by_report(data.ask(store, "directions-by-outcome")), scale_uses, safety, dict(notes),
        tuple(data.ask(store, "conflicts")), tuple(data.ask(store, "evidence-gaps")), _claims(store), all_notes,
    )  # fmt: skip


def _directions(store: Store) -> list[Row]:
    """Return the saved question's rows; a comparator that makes no sense (one arm) is not one that is not charted."""
    single = {
        (r["report"], r["technology"])
        for r in data.select(
            store,
            'SELECT ?report ?technology { ?d a rkg:ReportDirection ; rkg:notApplicable "comparator" ; rkg:ofReport/skos:notation ?report ; rkg:aboutTechnology/skos:notation ?technology }',
        )
    }
    return [
        {
            **d,
            "comparator": d["comparator"]
            or ("not-applicable" if (d["report"], d["technology"]) in single else "not-charted"),
        }
        for d in data.ask(store, "directions")
    ]


# ---- facets -----------------------------------------------------------------------------------------------------

# name in the address: (title, column of the index)
FACETS = {
    "technology": ("Technology", "technologies"),
    "disease": ("Disease, by population", "diseases"),
    "year": ("Year", "year"),
    "kind": ("Kind of report", "kind"),
    "design": ("Study design", "design"),
    "allocation": ("Allocation", "allocation"),
    "arms": ("Number of arms", "arms"),
    "comparator": ("Comparator", "comparators"),
    "domain": ("Outcome domain", "domains"),
    "safety": ("Safety", "safety"),
    "notes": ("Severity of notes", "severities"),
}
EMPTY = "not-charted"


def facet_values(row: Row, facet: str) -> list[str]:
    """Return a report's values in a facet; what is empty counts as not charted."""
    return items(row[FACETS[facet][1]]) or [EMPTY]


def fits(row: Row, chosen: Mapping[str, Sequence[str]]) -> bool:
    """Tell whether a report has, in each facet with chosen values, one of them."""
    return all(any(v in wanted for v in facet_values(row, facet)) for facet, wanted in chosen.items() if wanted)


def facet_counts(rows: Sequence[Row], chosen: Mapping[str, Sequence[str]]) -> dict[str, dict[str, int]]:
    """Count, for every value of every facet, the reports that choosing it would give.

    Returns
    -------
    dict
        Facet to value to the number of reports that fit the choices in all other facets; values that occur nowhere now
        but elsewhere in the index keep their zero. Years run backwards, numbers forwards, the rest by number of reports.
    """
    tallies: dict[str, dict[str, int]] = {facet: {} for facet in FACETS}
    wanted = {facet: frozenset(values) for facet, values in chosen.items() if values}
    for row in rows:
        has = {facet: facet_values(row, facet) for facet in FACETS}
        missed = [facet for facet, values in wanted.items() if values.isdisjoint(has[facet])]
        for facet, values in has.items():
            given = int(not missed or missed == [facet])  # all choices but that in the facet itself
            for value in values:
                tallies[facet][value] = tallies[facet].get(value, 0) + given
    out: dict[str, dict[str, int]] = {}
    for facet, tally in tallies.items():
        if facet == "year":
            keys = sorted(tally, reverse=True)
        elif facet == "arms":
            keys = sorted(tally, key=lambda v: (v == EMPTY, v.zfill(4)))
        else:
            keys = sorted(tally, key=lambda v: (v in (EMPTY, NO_NOTE), -tally[v], v))
        out[facet] = {k: tally[k] for k in keys}
    return out


# ---- side by side -----------------------------------------------------------------------------------------------

MOST_COMPARED = 10


def compare(index: Index, slugs: Sequence[str], say: Callable[[str], str] = data.words) -> list[Row]:
    """Return reports side by side: one row per property, one column per report, and whether they differ.

    Parameters
    ----------
    index : Index
        The index of the build.
    slugs : sequence of str
        Two to ten reports, in the order of the columns.
    say : callable
        Turns the slug of a term into words.

    Returns
    -------
    list of Row
        `property`, `differs` ("differs" or "same") and a cell per slug; a cell is a list whose parts are joined by |.
    """
    of = {r["report"]: r for r in index.of(slugs)}

    def protocol(slug: str) -> list[str]:
        out = []
        for c in index.components.get(slug, []):
            if c["role"] == "tested":
                said = [
                    f"{n} {c[n]}" for n in ("number", "interval", "volume", "concentration", "dose", "guidance") if c[n]
                ]
                detail = ", ".join(said) or "nothing more is charted"
                out.append(f"{c['printedAs'] or c['component']} ({detail})")
        return out

    def along(slug: str) -> list[str]:
        rows = [c for c in index.components.get(slug, []) if c["role"] != "tested"]
        return [f"{c['role']}: {c['printedAs'] or c['component']}" for c in rows]

    def arm(a: Row) -> str:
        n = f"n {a['n']}" if a["n"] else f"n {data.words(a['n_status'])}"
        return f"{a['label']}: {n}{' (inherited)' if a['n_status'] == 'inherited' else ''}, {a['role']}"

    def notes(slug: str) -> list[str]:
        found = index.notes.get(slug, [])
        tally = [f"{sum(n['severity'] == s for n in found)} {s}" for s in data.SEVERITIES]
        grave = [f"grave: {n['summary']}" for n in found if n["severity"] == "grave"]
        return [", ".join(t for t in tally if not t.startswith("0 ")), *grave] if found else ["no note"]

    def safety(slug: str) -> list[str]:
        return [
            data.words(x["status"]) + (f": {'; '.join(items(x['statement']))}" if x["statement"] else "")
            for x in index.safety.get(slug, [])
        ]

    def listed(column: str) -> Callable[[str], list[str]]:
        return lambda slug: [say(i) for i in items(of[slug][column])]

    per: dict[str, Callable[[str], list[str]]] = {
        "citation": lambda s: [of[s]["citation"]],
        "kind of report": lambda s: [of[s]["kind"]],
        "population": lambda s: [say(p["condition"]) + (f" ({p['descriptor']})" if p["descriptor"] else "") for p in index.populations.get(s, [])],
        "technologies tested": listed("technologies"),
        "sample size": lambda s: [f"{of[s]['sample_size']} {of[s]['sample_unit']}".strip()] if of[s]["sample_size"] else [],
        "study design": listed("design"),
        "allocation": lambda s: [of[s]["allocation"]],
        "arms": lambda s: [arm(a) for a in index.arms.get(s, [])],
        "protocol of what is tested": protocol,
        "what goes along or controls": along,
        "comparator": listed("comparators"),
        "outcome measures": listed("measures"),
        "outcome domains": listed("domains"),
        "longest follow-up, months": lambda s: [of[s]["longest"]],
        "results charted": lambda s: [str(len(index.results.get(s, [])))],
        "direction": lambda s: [f"{say(d['technology'])}: {data.words(d['direction'])}" for d in index.directions.get(s, [])],
        "safety": safety,
        "notes on the source": notes,
        "place in the review": lambda s: items(of[s]["source"]),
    }  # fmt: skip
    rows = []
    for name, get in per.items():
        cells = {s: "|".join(p for p in get(s) if p) for s in slugs if s in of}
        said = "same" if len(set(cells.values())) == 1 else "differs"
        rows.append({"property": name, "differs": said, **cells})
    return rows
