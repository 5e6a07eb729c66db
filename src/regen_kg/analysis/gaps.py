"""Own the gaps: what is absent from the named evidence, why it counts as absent, and what stands nearest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator
from dataclasses import dataclass
from decimal import Decimal

import pyoxigraph as ox

from regen_kg.analysis.evidence import Evidence
from regen_kg.iris import OWL, PROV, RDF, RDFS, RKG, SKOS, XSD, class_name, named_graph, term_class, thing

TYPES = (  # in the order of the list: what hides most comes first, what is no lack comes last
    "preclinical-only",
    "no-report",
    "no-comparative",
    "single-small-study",
    "grave-notes-only",
    "claim-without-row",
    "comparator-missing",
    "outcome-domain-missing",
    "follow-up-short",
    "safety-not-charted",
    "protocol-not-charted",
    "instrument-unused",
    "not-applicable",
)
SMALL = 50  # participants; fewer make a small study
LONG = 12  # months; a cell with no dated follow-up of this length is short
_LONG_FROM = "11.8"  # 52 weeks are 11.96 months by the calendar, 360 days 11.83; both are meant as a year
WIDELY_USED = 3  # technologies that used a comparator in a disease make it one to expect of the others there
_ASKED = ("pain", "function", "imaging", "activity")  # a cell without one of these has a gap; the rest is only named
_ALSO = ("quality-of-life", "histology")
_RETURN = ("return-to-activity", "return-to-work")  # events by domain, activity by what they tell
# Why the evidence doesn't allow a conclusion, in the words of Robinson, Saldanha and McKoy (2011), J Clin Epidemiol 64:1325.
# Their fourth, biased, is on no gap: the review appraised nothing. An unused instrument and what can't apply hinder none.
_NOT_ENOUGH, _NOT_RIGHT, _NOT_ALIKE = "insufficient", "not-the-right-information", "inconsistent"
GUIDELINE_REASONS = {
    "no-report": _NOT_ENOUGH,
    "single-small-study": _NOT_ENOUGH,
    "grave-notes-only": _NOT_ENOUGH,
    "claim-without-row": _NOT_ENOUGH,
    "preclinical-only": _NOT_RIGHT,
    "no-comparative": _NOT_RIGHT,
    "comparator-missing": _NOT_RIGHT,
    "outcome-domain-missing": _NOT_RIGHT,
    "follow-up-short": _NOT_RIGHT,
    "safety-not-charted": _NOT_RIGHT,
    "protocol-not-charted": _NOT_RIGHT,
}
_VERDICT = "Absent from the named evidence"
_HEAD = (
    f"PREFIX rkg: <{RKG}> PREFIX skos: <{SKOS}> PREFIX rdfs: <{RDFS}> PREFIX owl: <{OWL}> PREFIX prov: <{PROV}>\n"
    "SELECT DISTINCT ?evidence WHERE {{ {} }}"
)


@dataclass(frozen=True, slots=True)
class GapOf:
    """One gap: its type and cell, why, what is nearest, and a query whose empty answer proves it on the built graph."""

    type: str
    technology: str
    disease: str
    about: str  # a comparator class, or an outcome measure; else empty
    reason: str
    nearest: str
    reports: tuple[str, ...]
    probe: str
    weight: int  # reports of this technology and of this disease elsewhere

    @property
    def key(self) -> tuple[str, ...]:
        """Return the natural key."""
        return tuple(k for k in (self.type, self.technology, self.disease, self.about) if k)


def _iri(slug: str) -> str:
    return f"<{term_class(slug)}>"


def _cell_pattern(technology: str, disease: str) -> str:
    return f"?evidence rkg:testsTechnology {_iri(technology)} ; rkg:studiesDisease {_iri(disease)} ."


class _Finder:
    def __init__(self, evidence: Evidence) -> None:
        self.e = evidence
        self.by_technology: Counter[str] = Counter()
        self.by_disease: Counter[str] = Counter()
        for (technology, disease), reports in evidence.cells.items():
            self.by_technology[technology] += len(reports)
            self.by_disease[disease] += len(reports)
        chart = evidence.chart
        self.grave = {
            report
            for note in chart.rows("notes")
            if note["severity"] == "grave" and note["decision"] == "accepted"
            for report in note.items("reports")
        }
        self.safe = {r["report"] for r in chart.rows("safety") if r["status"] == "charted"}
        self.cited: dict[str, set[str]] = {}
        for row in chart.rows("claim-citations"):
            self.cited.setdefault(row["claim"], set()).add(row["citation"])

    def tissues(self, disease: str) -> set[str]:
        """Return where a disease sits, with every kind of tissue that this is."""
        places = self.e.terms.get("condition", disease).items("located_in")
        return {t for p in places for t in (p, *self.e.terms.ancestors("anatomy", p))}

    def implausible(self, technology: str, disease: str) -> str:
        """Return why a technology can't apply to a disease, or nothing; one that declares no tissue may apply to all."""
        aims = self.e.terms.get("intervention", technology).items("aims_at")
        if not aims or set(aims) & self.tissues(disease):
            return ""
        places = ", ".join(sorted(self.e.terms.get("condition", disease).items("located_in")))
        return f"Not a lack: {technology} aims at {', '.join(sorted(aims))}, {disease} sits in {places}"

    def claims(self, technology: str, disease: str, exact: bool) -> list[tuple[str, str, str]]:
        """Return (claim, topic, evidence level) of the claims on a cell; not `exact` takes those on no disease too."""
        out = []
        for row in self.e.chart.rows("claims"):
            places = row.items("source")
            if technology not in row.items("technologies") or (places and all(p.startswith("S0.") for p in places)):
                continue  # the abstract repeats the text and cites nothing
            named = {a for d in row.items("diseases") for a in (d, *self.e.terms.ancestors("condition", d))}
            if disease in named or (not named and not exact):
                out.append((row["claim"], row["topic"], row["evidence_level"]))
        return out

    def around(self, technology: str, disease: str) -> tuple[str, tuple[str, ...]]:
        """Return the filled cells nearest to an empty one, the fullest first on each axis, in words and as reports."""
        rows = [(-len(self.e.cell(technology, d)), technology, d) for d in self.e.diseases if d != disease]
        columns = [(-len(self.e.cell(t, disease)), t, disease) for t in self.e.technologies if t != technology]
        near = [c for axis in (rows, columns) for c in sorted(axis)[:2] if c[0]]
        words = "; ".join(f"{t} in {d}: {-n} report{'s' if n < -1 else ''}" for n, t, d in near)
        return words, tuple(sorted({r for _, t, d in near for r in self.e.cell(t, d)}))

    def gap(
        self, kind: str, technology: str, disease: str, reason: str, pattern: str,
        about: str = "", near: tuple[str, tuple[str, ...]] | None = None,
    ) -> GapOf:  # fmt: skip
        here = self.e.cell(technology, disease)
        words, reports = near or (f"{technology} in {disease}: " + ", ".join(here), tuple(here))
        weight = self.by_technology[technology] + self.by_disease[disease] - len(here)
        return GapOf(kind, technology, disease, about, reason, words, reports, _HEAD.format(pattern), weight)

    def empty(self, t: str, d: str) -> GapOf:
        """Return the one gap of a cell without reports; it stands for all narrower ones."""
        near = self.around(t, d)
        preclinical = [c for c, _, level in self.claims(t, d, exact=False) if level == "preclinical"]
        clinical = [c for c, _, level in self.claims(t, d, exact=True) if level == "clinical"]
        if preclinical and not clinical and not self.only_general_claims(t, d):
            reason = f"{_VERDICT} in people: only preclinical work is named ({', '.join(preclinical)})"
            return self.gap("preclinical-only", t, d, reason, _cell_pattern(t, d), near=near)
        if why := self.implausible(t, d):
            pattern = (
                f"{_iri(t)} rkg:aimsAt ?evidence . {_iri(d)} rdfs:subClassOf ?x . ?x owl:onProperty rkg:locatedIn ; "
                "owl:someValuesFrom ?place . ?place rdfs:subClassOf* ?evidence ."
            )
            return self.gap("not-applicable", t, d, why, pattern, near=near)
        reason = f"{_VERDICT}: no report tests {t} in {d}"
        if spoken := [c for c, _, _ in self.claims(t, d, exact=True)]:
            reason += f", though the review speaks of it ({', '.join(spoken)})"
        return self.gap("no-report", t, d, reason, _cell_pattern(t, d), near=near)

    def only_general_claims(self, t: str, d: str) -> bool:
        """Tell whether the preclinical claims are general while the technology has reports in other diseases."""
        named = [c for c, _, level in self.claims(t, d, exact=True) if level == "preclinical"]
        return not named and self.by_technology[t] > 0

    def filled(self, t: str, d: str) -> Iterator[GapOf]:
        """Yield the narrower gaps of a cell with reports."""
        here, cell = self.e.cell(t, d), _cell_pattern(t, d)
        primary = [r for r in here if self.e.study(r) is not None]
        compared = [r for r in primary if self.e.comparators(r, t)]
        if not compared:
            pattern = (
                f"{cell} ?evidence rkg:reports ?study . ?x a rkg:ReportDirection ; rkg:ofReport ?evidence ; "
                f"rkg:aboutTechnology {_iri(t)} ; rkg:comparatorIntervention ?c ."
            )
            reason = f"{_VERDICT}: no study of {t} in {d} has a charted comparator"
            yield self.gap("no-comparative", t, d, reason, pattern)
        else:
            yield from self.comparators(t, d, here)
        studies = {self.e.study(r) for r in primary}
        sizes = [int(n) for r in primary if (n := self.e.reports[r].value("sample_size"))]
        if len(studies) == 1 and sizes and max(sizes) < SMALL:
            pattern = (
                f"{cell} ?evidence rkg:reports ?study . OPTIONAL {{ ?evidence rkg:sampleSize ?n }} "
                f"FILTER(COALESCE(?n, {SMALL}) >= {SMALL} || ?study != <{thing('study', min(s for s in studies if s))}>)"
            )
            reason = (
                f"{_VERDICT}: a second study, or one of {SMALL} participants or more; the only one has {max(sizes)}"
            )
            yield self.gap("single-small-study", t, d, reason, pattern)
        if set(here) <= self.grave:
            pattern = f'{cell} MINUS {{ ?note a rkg:QualityNote ; rkg:severity/skos:notation "grave" ; rkg:touches ?evidence }}'
            yield self.gap("grave-notes-only", t, d, f"{_VERDICT}: a report without a grave note", pattern)
        yield from self.unsupported(t, d)
        yield from self.outcomes(t, d, here)
        longest = max((m for r in here if (m := self.e.longest(r)) is not None), default=None)
        if longest is None or longest < Decimal(_LONG_FROM):
            pattern = (
                f'{cell} ?p a rkg:TimePoint ; rkg:ofReport ?evidence ; rkg:timePointRole/skos:notation "follow-up" ; '
                f"rkg:months ?m . FILTER(?m >= {_LONG_FROM})"
            )
            short = [str(m) for m in (6, LONG, 24) if longest is not None and longest < m * Decimal(_LONG_FROM) / LONG]
            said = f"the longest dated follow-up is {longest} months, so none reaches {', '.join(short)}"
            said = said if longest is not None else "no follow-up is dated"
            yield self.gap("follow-up-short", t, d, f"{_VERDICT}: follow-up of {LONG} months or more; {said}", pattern)
        if not set(here) & self.safe:
            pattern = f'{cell} ?s a rkg:SafetyStatement ; rkg:ofReport ?evidence ; rkg:status/skos:notation "charted" .'
            reason = f"{_VERDICT}: any word on harm, tolerability or safety; silence of the review, not proof of safety"
            yield self.gap("safety-not-charted", t, d, reason, pattern)
        columns = ("number", "volume", "concentration", "dose")
        if not any(c.value(x) for r in here for c in self.e.tested(r, t) for x in columns):
            pattern = (
                f"{cell} ?c a rkg:InterventionComponent ; rkg:ofReport ?evidence ; rkg:ofTechnology {_iri(t)} ; "
                'rkg:componentRole/skos:notation "tested" ; rkg:number|rkg:volume|rkg:concentration|rkg:dose ?amount .'
            )
            reason = f"{_VERDICT}: number, volume, concentration and dose of {t}, in any report of this cell"
            yield self.gap("protocol-not-charted", t, d, reason, pattern)

    def comparators(self, t: str, d: str, here: list[str]) -> Iterator[GapOf]:
        """Yield comparators never used: the inert control, and those that other technologies used in this disease."""
        used = {c for r in here for c in self.e.controls(r, t)}
        others: dict[str, set[str]] = {}
        for other in self.e.technologies:
            for report in self.e.cell(other, d) if other != t else ():
                for c in self.e.controls(report, other):
                    if self.e.terms.get("intervention", c).more["kind"] in ("procedure", "substance"):
                        others.setdefault(c, set()).add(other)
        expected = {"inert-control"} | {c for c, by in others.items() if len(by) >= WIDELY_USED}
        for c in sorted(expected - used):
            pattern = (
                f"{_cell_pattern(t, d)} {{ ?x a rkg:ReportDirection ; rkg:ofReport ?evidence ; rkg:aboutTechnology {_iri(t)} ; "
                "rkg:comparatorIntervention ?c } UNION { ?x a rkg:InterventionComponent ; rkg:ofReport ?evidence ; "
                f'rkg:componentRole/skos:notation "control" ; rkg:isIntervention ?c }} ?c rdfs:subClassOf* {_iri(c)} .'
            )
            why = "" if c == "inert-control" else f"; {', '.join(sorted(others[c]))} were compared with it"
            yield self.gap("comparator-missing", t, d, f"{_VERDICT}: {t} against {c} in {d}{why}", pattern, c)

    def unsupported(self, t: str, d: str) -> Iterator[GapOf]:
        """Yield one gap for the claims on a cell that cite no report of this cell with a row in Tables 5 to 7."""
        here = set(self.e.cell(t, d))
        bare = [
            claim
            for claim, topic, _ in self.claims(t, d, exact=True)
            if topic in ("efficacy", "safety")
            and not any(self.e.has_table_row(r) for r in self.cited.get(claim, set()) & here)
        ]
        if bare:
            values = " ".join(f"<{thing('claim', c)}>" for c in bare)
            pattern = (
                f"VALUES ?claim {{ {values} }} ?x rkg:ofClaim ?claim ; rkg:cites ?evidence . {_cell_pattern(t, d)} "
                '?evidence prov:wasDerivedFrom/skos:notation ?place . FILTER(REGEX(?place, "^T[5-7][.]r"))'
            )
            reason = f"{_VERDICT} as a row of Tables 5 to 7: what is claimed in {', '.join(bare)}"
            yield self.gap("claim-without-row", t, d, reason, pattern)

    def outcomes(self, t: str, d: str, here: list[str]) -> Iterator[GapOf]:
        """Yield one gap for the outcome domains that no report of a cell measures."""
        known = {
            m.slug: ("activity" if m.slug in _RETURN else self.e.domain(m.slug))
            for m in self.e.terms.all("outcome-measure")
        }
        measured = {known[m] for r in here for m in self.e.measures(r)}
        missing = [x for x in (*_ASKED, *_ALSO) if x not in measured]
        if set(missing) & set(_ASKED):
            values = " ".join(f"<{thing('outcome-measure', m)}>" for m, domain in known.items() if domain in missing)
            pattern = (
                f"{_cell_pattern(t, d)} VALUES ?m {{ {values} }} ?x rkg:ofReport ?evidence ; rkg:ofOutcomeMeasure ?m ."
            )
            reason = f"{_VERDICT}: any measure of {', '.join(missing)}"
            yield self.gap("outcome-domain-missing", t, d, reason, pattern)

    def preparations(self) -> Iterator[GapOf]:
        """Yield the technologies whose making the review calls decisive and charts for no report."""
        asked: dict[str, list[str]] = {}
        for row in self.e.chart.rows("claims"):
            for t in row.items("technologies") if row["topic"] == "prp-variable" else ():
                asked.setdefault(t, []).append(row["claim"])
        for t, claims in sorted(asked.items()):
            reports = tuple(sorted({r for d in self.e.diseases for r in self.e.cell(t, d)}))
            if not reports or any(c.value("preparation") for r in reports for c in self.e.tested(r, t)):
                continue
            pattern = (
                f"?c a rkg:InterventionComponent ; rkg:ofReport ?evidence ; rkg:ofTechnology {_iri(t)} ; "
                'rkg:componentRole/skos:notation "tested" ; rkg:preparation ?made .'
            )
            reason = (
                f"{_VERDICT}: how {t} was made (platelets, leukocytes, activator, centrifugation), in any of {len(reports)} "
                f"reports; section 4 says that it matters"
            )
            yield GapOf(
                "protocol-not-charted",
                t,
                "",
                "",
                reason,
                f"claims: {', '.join(claims)}",
                reports,
                _HEAD.format(pattern),
                0,
            )

    def instruments(self) -> Iterator[GapOf]:
        """Yield the instruments of Table 4 that no report uses, under none of their names."""
        used = {m for r in self.e.reports for m in self.e.measures(r)}
        domains: dict[str | None, list[str]] = {}
        for m in sorted(used):
            domains.setdefault(self.e.domain(m), []).append(m)
        for m in sorted({row["outcome_measure"] for row in self.e.chart.rows("instruments")} - used):
            pattern = f"?x rkg:ofOutcomeMeasure <{thing('outcome-measure', m)}> ; rkg:ofReport ?evidence ."
            near = domains.get(self.e.domain(m), [])
            words = f"used measures of {self.e.domain(m)}: " + (", ".join(near) or "none")
            reports = tuple(sorted(r for r in self.e.reports if self.e.measures(r) & set(near)))
            reason = f"{_VERDICT}: any use of {m}, which Table 4 lists"
            yield GapOf("instrument-unused", "", "", m, reason, words, reports, _HEAD.format(pattern), 0)


def find_gaps(evidence: Evidence) -> list[GapOf]:
    """Find all gaps.

    Returns
    -------
    list of GapOf
        By type in the order of `TYPES`; within a type the cell whose row and column hold most reports first, as its
        emptiness surprises most; then by slug. A cell without reports has one gap, which stands for all narrower ones.
    """
    finder = _Finder(evidence)
    out: list[GapOf] = [*finder.instruments(), *finder.preparations()]
    for t in evidence.technologies:
        for d in evidence.diseases:
            out.extend(finder.filled(t, d) if evidence.cell(t, d) else [finder.empty(t, d)])
    return sorted(out, key=lambda g: (TYPES.index(g.type), -g.weight, g.key))


def scope(evidence: Evidence) -> str:
    """Say how far the search for a gap reached: the review's own search, and the reports it names."""
    searched = any(r["claim"] == "method-search" for r in evidence.chart.rows("claims"))
    where = "PubMed, English, to 31 December 2024" if searched else "the charted tables; their search is not charted"
    claimed = {r.value("charted") for r in evidence.chart.rows("study-flow") if r["step"] == "included"} - {None}
    of = f" of {claimed.pop()} studies claimed" if len(claimed) == 1 else ""
    return f"{where}; {len(evidence.reports)} reports named{of}; placed by population"


def gap_quads(evidence: Evidence, disputed: Container[tuple[str, str]]) -> Iterator[ox.Quad]:
    """Yield all gaps as nodes; `disputed` holds the cells (technology, disease) in which reports conflict."""
    graph = ox.NamedNode(named_graph("computed"))
    reach = ox.Literal(scope(evidence))
    integer = ox.NamedNode(XSD + "integer")
    for order, gap in enumerate(find_gaps(evidence), 1):
        me = ox.NamedNode(thing("gap", *gap.key))

        def add(predicate: str, value: ox.NamedNode | ox.Literal, me: ox.NamedNode = me) -> ox.Quad:
            return ox.Quad(me, ox.NamedNode(predicate), value, graph)

        yield add(RDF + "type", ox.NamedNode(RKG + "EvidenceGap"))
        yield add(RDF + "type", ox.NamedNode(RKG + class_name(gap.type) + "Gap"))
        yield add(RDFS + "label", ox.Literal(" ".join(k.replace("-", " ") for k in gap.key), language="en"))
        yield add(SKOS + "notation", ox.Literal("/".join(gap.key)))
        if gap.technology:
            yield add(RKG + "aboutTechnology", ox.NamedNode(term_class(gap.technology)))
        if gap.disease:
            yield add(RKG + "aboutDisease", ox.NamedNode(term_class(gap.disease)))
        if gap.type == "comparator-missing":
            yield add(RKG + "comparatorIntervention", ox.NamedNode(term_class(gap.about)))
        elif gap.about:
            yield add(RKG + "ofOutcomeMeasure", ox.NamedNode(thing("outcome-measure", gap.about)))
        yield add(RKG + "gapReason", ox.Literal(gap.reason))
        if gap.type in GUIDELINE_REASONS:
            yield add(RKG + "guidelineReason", ox.Literal(GUIDELINE_REASONS[gap.type]))
        if (gap.technology, gap.disease) in disputed:
            yield add(RKG + "guidelineReason", ox.Literal(_NOT_ALIKE))
        yield add(RKG + "gapOrder", ox.Literal(str(order), datatype=integer))
        yield add(RKG + "gapScope", reach)
        yield add(RKG + "foundBy", ox.Literal(gap.probe))
        if gap.nearest:
            yield add(RKG + "nearestText", ox.Literal(gap.nearest))
        for report in gap.reports:
            yield add(RKG + "nearestReport", ox.NamedNode(thing("report", report)))
