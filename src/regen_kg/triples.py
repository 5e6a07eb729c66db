"""Own the step from charted rows to quads."""

from __future__ import annotations

import functools
import re
from collections import Counter, defaultdict
from collections.abc import Container, Iterator, Sequence
from decimal import Decimal

import pyoxigraph as ox

from regen_kg.iris import DCTERMS, PROV, RDF, RDFS, RKG, SCHEMA, SKOS, XSD, named_graph, term_class, thing
from regen_kg.model import STATUSES, Chart, Row
from regen_kg.terms import Terms

_KIND_CLASS = {
    "arm-measurement": "ArmMeasurement",
    "within-arm-change": "WithinArmChange",
    "between-arm-comparison": "BetweenArmComparison",
    "association": "Association",
}
_TABLES_OF_METHOD = ("search", "eligibility", "charting-form", "instruments", "study-flow", "source")
_COLUMN_NAMES = {
    "references": "References",
    "sample-size": "Sample size",
    "method": "Method",
    "scoring-system": "Scoring system",
    "results": "Results",
    "conclusion": "Conclusion",
    "range": "Score range",
    "description": "Description",
}
# A month is a twelfth of the Gregorian mean year of 365.2425 days.
_DAYS = {"day": Decimal(1), "week": Decimal(7), "month": Decimal("30.436875"), "year": Decimal("365.2425")}


def months(value: str, unit: str) -> Decimal:
    """Convert a charted time to months, rounded to two decimals; months and years are exact.

    Examples
    --------
    >>> months("26", "week"), months("2", "year"), months("16.2", "month")
    (Decimal('5.98'), Decimal('24'), Decimal('16.2'))
    """
    number = Decimal(value)
    if unit == "month":
        return number
    if unit == "year":
        return number * 12
    return (number * _DAYS[unit] / _DAYS["month"]).quantize(Decimal("0.01"))


@functools.lru_cache(4096)
def place_label(code: str) -> str:
    """Say a place code in words.

    Examples
    --------
    >>> place_label("T5.r3.results"), place_label("S3.1.3.p2"), place_label("F1")
    ('Table 5, row 3, Results', 'Section 3.1.3, paragraph 2', 'Figure 1')
    """
    head, *rest = code.split(".")
    if head[0] == "F":
        return f"Figure {head[1:]}"
    if head[0] == "T":
        words = [f"Table {head[1:]}"]
        for part in rest:
            words.append(f"row {part[1:]}" if re.fullmatch(r"r\d+", part) else _COLUMN_NAMES.get(part, part))
        return ", ".join(words)
    section = ".".join(p for p in code[1:].split(".") if not p.startswith("p"))
    words = ["Abstract" if section == "0" else f"Section {section}"]
    if rest and rest[-1].startswith("p"):
        words.append(f"paragraph {rest[-1][1:]}")
    return ", ".join(words)


_TYPE = f"<{RDF}type>"
_LABEL = f"<{RDFS}label>"
_NOTATION = f"<{SKOS}notation>"
_DERIVED = f"<{PROV}wasDerivedFrom>"
_STATUS_PROPERTY = {
    "not-charted": f"<{RKG}notCharted>",
    "not-reported": f"<{RKG}notReported>",
    "unclear": f"<{RKG}unclear>",
    "not-applicable": f"<{RKG}notApplicable>",
}
assert set(_STATUS_PROPERTY) == set(STATUSES)
# Canonical N-Quads: ECHAR where there is one, else UCHAR.
_ESCAPES = {chr(n): f"\\u{n:04X}" for n in (*range(32), 127)} | {
    "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r", '"': '\\"', "\\": "\\\\",
}  # fmt: skip
_SPECIAL = re.compile(r'[\x00-\x1f\x7f"\\]')


def _quoted(value: str) -> str:
    if _SPECIAL.search(value):
        value = _SPECIAL.sub(lambda found: _ESCAPES[found.group()], value)
    return f'"{value}"'


class _Writer:
    """Collects the statements of one named graph as text: N-Quads lines without their end.

    Subjects and targets are IRIs without brackets, predicates local names of our namespace. Text is some six times
    faster than an object per node, and a charted folder of 10,000 studies gives five million lines.
    """

    def __init__(self, graph: str) -> None:
        self.graph = graph
        self.lines: list[str] = []

    def nquads(self, before: Container[str] = ()) -> str:
        """Return the graph's lines, each once, without those written before in another graph."""
        end = f" <{self.graph}> .\n"
        lines = (
            [line for line in dict.fromkeys(self.lines) if line not in before] if before else dict.fromkeys(self.lines)
        )
        return end.join([*lines, ""])

    def add(self, subject: str, predicate: str, value: str) -> None:
        """Add a statement of which predicate and value are written out already."""
        self.lines.append(f"<{subject}> {predicate} {value}")

    def type(self, subject: str, name: str) -> None:
        self.lines.append(f"<{subject}> {_TYPE} <{RKG}{name}>")

    def link(self, subject: str, predicate: str, target: str) -> None:
        self.lines.append(f"<{subject}> <{RKG}{predicate}> <{target}>")

    def text(self, subject: str, predicate: str, value: str | None) -> None:
        if value is not None:
            self.lines.append(f"<{subject}> <{RKG}{predicate}> {_quoted(value)}")

    def label(self, subject: str, value: str) -> None:
        self.lines.append(f"<{subject}> {_LABEL} {_quoted(value)}@en")

    def slug(self, subject: str, value: str) -> None:
        self.lines.append(f"<{subject}> {_NOTATION} {_quoted(value)}")

    def integer(self, subject: str, predicate: str, value: str | int | None) -> None:
        if value is not None:
            self.lines.append(f'<{subject}> <{RKG}{predicate}> "{int(value)}"^^<{XSD}integer>')

    def decimal(self, subject: str, predicate: str, value: str | Decimal | None) -> None:
        if value is not None:
            self.lines.append(f'<{subject}> <{RKG}{predicate}> "{Decimal(value):f}"^^<{XSD}decimal>')

    def listed(self, subject: str, predicate: str, scheme: str, slug: str | None) -> None:
        """Link to an individual of a controlled enumeration."""
        if slug is not None:
            self.lines.append(f"<{subject}> <{RKG}{predicate}> <{thing(scheme, slug)}>")

    def boolean(self, subject: str, predicate: str, value: bool) -> None:
        self.lines.append(f'<{subject}> <{RKG}{predicate}> "{"true" if value else "false"}"^^<{XSD}boolean>')

    def places(self, subject: str, predicate: str, row: Row, column: str) -> None:
        """Write the places of the review that a column names, as one sorted list of readable labels."""
        if codes := row.items(column):
            self.text(subject, predicate, "|".join(sorted(place_label(c) for c in codes)))

    def origin(self, subject: str, row: Row) -> None:
        """Say from which row and which places of the review a thing was charted, and what was not."""
        self.text(subject, "chartedRow", row.address)
        codes = row.items("source") or row.items("places")
        for code in codes:
            self.add(subject, _DERIVED, f"<{thing('place', code)}>")
        self.places(subject, "sourceText", row, "source" if row.items("source") else "places")
        if "charted_text" in row.cells:
            self.text(subject, "chartedText", row.value("charted_text"))
        self.lines += [f'<{subject}> {_STATUS_PROPERTY[status]} "{column}"' for column, status in row.missing.items()]


def top_technology(terms: Terms, slug: str) -> str | None:
    """Return the technology of DESIGN section 4 that an intervention is or falls under, if any."""
    listed = {t.slug for t in terms.all("technology")}
    for candidate in (slug, *terms.ancestors("intervention", slug)):
        if candidate in listed:
            return candidate
    return None


def top_disease(terms: Terms, slug: str) -> str:
    """Return the disease (the uppermost condition) that a condition is or falls under."""
    return [slug, *terms.ancestors("condition", slug)][-1]


def flow_numbers(rows: tuple[Row, ...]) -> dict[tuple[str, str], int | None]:
    """Work out what each step of the study flow ought to be from the steps that its formula names.

    Returns
    -------
    dict
        (account, step) to the computed number, or None where the formula is absent or a part is not charted.

    Raises
    ------
    ValueError
        If a formula names a step that its account does not have.
    """
    charted = {(r["account"], r["step"]): r.value("charted") for r in rows}
    computed: dict[tuple[str, str], int | None] = {}
    for row in rows:
        formula = row.value("computed_from")
        total: int | None = None
        if formula is not None:
            total, sign = 0, 1
            for token in formula.split():
                if token in "+-":
                    sign = 1 if token == "+" else -1
                    continue
                if (row["account"], token) not in charted:
                    raise ValueError(
                        f'study-flow.csv, row {row.number}, column computed_from: no step "{token}" in account {row["account"]}'
                    )
                part = charted[row["account"], token]
                if part is None:
                    total = None
                    break
                total += sign * int(part)
        computed[row["account"], row["step"]] = total
    return computed


def place_kind(codes: Sequence[str]) -> str:
    """Tell what a result rests on, by the first of: the Results cell (or another cell of the row), the Conclusion cell, prose.

    Examples
    --------
    >>> place_kind(["S3.1.3.p2", "T5.r1.conclusion"])
    'conclusion'
    """
    cells = [code for code in codes if code.startswith("T")]
    if any(not code.endswith(".conclusion") for code in cells):
        return "results"
    return "conclusion" if cells else "prose"


class _Reports:
    """What several tables say of one report, gathered before it is written."""

    def __init__(self, chart: Chart, terms: Terms) -> None:
        self.arms: dict[str, list[Row]] = defaultdict(list)
        self.tested: dict[tuple[str, str], set[str]] = defaultdict(set)  # (report, arm) -> section-4 technologies
        self.technologies: dict[str, set[str]] = defaultdict(set)
        self.diseases: dict[str, set[str]] = defaultdict(set)
        self.top = {t.slug: top_technology(terms, t.slug) for t in terms.all("intervention")}
        self.n: dict[tuple[str, str], int | None] = {}  # (report, arm) -> printed or inherited number
        for row in chart.rows("arms"):
            self.arms[row["report"]].append(row)
            self.n[row["report"], row["arm"]] = int(n) if (n := row.value("n")) is not None else None
        self.size: dict[str, int] = {}
        for row in chart.rows("reports"):
            if (size := row.value("sample_size")) is not None:
                self.size[row["report"]] = int(size)
            mine = self.arms[row["report"]]
            if len(mine) == 1 and mine[0].value("n") is None and size is not None:
                self.n[row["report"], mine[0]["arm"]] = int(size)
        for row in chart.rows("components"):
            if row["role"] == "tested" and (top := self.top[row["intervention"]]):
                self.tested[row["report"], row["arm"]].add(top)
        for row in chart.rows("directions"):
            self.technologies[row["report"]].add(row["technology"])
        for row in chart.rows("populations"):
            self.diseases[row["report"]].add(top_disease(terms, row["condition"]))


def _report(w: _Writer, row: Row, known: _Reports) -> None:
    slug = row["report"]
    me, study = thing("report", slug), thing("study", row["study"])
    w.type(me, "SecondaryReport" if row["kind"] == "secondary" else "PrimaryReport")
    w.type(me, "Report")
    w.slug(me, slug)
    w.label(me, row["citation"])
    w.text(me, "citation", row["citation"])
    w.integer(me, "year", row["year"])
    w.text(me, "reportKind", row["kind"])
    w.text(me, "kindBasis", row["kind_basis"])
    w.integer(me, "sampleSize", row.value("sample_size"))
    w.text(me, "sampleSizeText", row.value("sample_size_text"))
    w.text(me, "sampleSizeUnit", row.value("sample_size_unit"))
    w.text(me, "allocation", row.value("allocation"))
    w.text(me, "allocationText", row.value("allocation_text"))
    w.places(me, "allocationPlace", row, "allocation_source")
    w.text(me, "blindingText", row.value("blinding"))
    w.text(me, "designBasis", row.value("design_basis"))
    w.text(me, "designText", row.value("design_text"))
    w.places(me, "designPlace", row, "design_source")
    w.link(me, "placedUnder", term_class(row["placed_under"]))
    for disease in sorted(known.diseases[slug]):
        w.link(me, "studiesDisease", term_class(disease))
    for technology in sorted(known.technologies[slug]):
        w.link(me, "testsTechnology", term_class(technology))
    w.origin(me, row)
    if row["kind"] == "primary":
        w.link(me, "reports", study)
        w.type(study, "Study")
        w.slug(study, row["study"])
        w.label(study, f"Study {row['study']}")
        population = thing("population", slug)
        w.type(population, "Population")
        w.label(population, f"Population of {slug}")
        w.link(study, "enrols", population)
        w.link(population, "ofReport", me)
        w.text(study, "sharedBasis", row.value("study_basis"))
        w.integer(study, "armCount", len(known.arms[slug]) or None)
        if row.value("allocation") == "random":
            w.listed(study, "hasAllocation", "allocation", "random")
        w.listed(study, "hasDesign", "study-design", row.value("design"))


def _population(w: _Writer, row: Row, primary: bool) -> None:
    me = thing("condition", row["report"], row["condition"])
    w.add(me, _TYPE, f"<{term_class(row['condition'])}>")
    w.label(me, f"{row['condition'].replace('-', ' ')} in {row['report']}")
    w.slug(me, row["condition"])
    w.link(me, "ofReport", thing("report", row["report"]))
    if primary:
        w.link(thing("population", row["report"]), "hasCondition", me)
    w.text(me, "conditionBasis", row["basis"])
    w.text(me, "descriptor", row.value("descriptor"))
    w.origin(me, row)


def _arm(w: _Writer, row: Row, report: Row, known: _Reports) -> None:
    me = thing("arm", row["report"], row["arm"])
    w.type(me, "Arm")
    w.slug(me, row["arm"])
    w.label(me, row["label"])
    w.link(me, "ofReport", thing("report", row["report"]))
    w.link(thing("study", report["study"]), "hasArm", me)
    w.listed(me, "armRole", "arm-role", row["role"])
    n = known.n[row["report"], row["arm"]]
    w.integer(me, "n", n)
    status = "inherited" if n is not None and row.value("n") is None else row.missing.get("n", "charted")
    w.text(me, "nStatus", status)
    w.text(me, "nText", row.value("n_text"))
    for technology in sorted(known.tested[row["report"], row["arm"]]):
        w.link(me, "armTechnology", term_class(technology))
    w.origin(me, row)


def _component(w: _Writer, row: Row, known: _Reports) -> None:
    me = thing("component", row["report"], row["arm"], row["component"])
    w.add(me, _TYPE, f"<{term_class(row['intervention'])}>")
    w.type(me, "InterventionComponent")
    w.slug(me, row["component"])
    w.label(me, row["printed_as"])
    w.link(me, "ofReport", thing("report", row["report"]))
    w.link(thing("arm", row["report"], row["arm"]), "hasComponent", me)
    w.link(me, "isIntervention", term_class(row["intervention"]))
    if top := known.top[row["intervention"]]:
        w.link(me, "ofTechnology", term_class(top))
    w.listed(me, "componentRole", "component-role", row["role"])
    w.text(me, "printedAs", row["printed_as"])
    for column in ("number", "interval", "volume", "concentration", "dose", "guidance", "preparation"):
        w.text(me, column, row.value(column))
    w.origin(me, row)


def _time_point(w: _Writer, row: Row) -> None:
    me = thing("time-point", row["report"], row["time_point"])
    w.type(me, "TimePoint")
    w.slug(me, row["time_point"])
    w.label(me, row["label"])
    w.link(me, "ofReport", thing("report", row["report"]))
    w.listed(me, "timePointKind", "time-point-kind", row["kind"])
    w.listed(me, "timePointRole", "time-point-role", row["role"])
    w.text(me, "timeStatistic", row["statistic"])
    w.text(me, "origin", row.value("origin"))
    value, unit = row.value("value"), row.value("unit")
    w.decimal(me, "timeValue", value)
    w.text(me, "timeUnit", unit)
    if value is not None and unit is not None:
        w.decimal(me, "months", months(value, unit))
        if start := row.value("start"):
            w.decimal(me, "startMonths", months(start, unit))
    w.origin(me, row)


def _result(w: _Writer, row: Row, known: _Reports) -> None:
    report = row["report"]
    me = thing("result", report, row["result"])
    w.type(me, _KIND_CLASS[row["kind"]])
    w.type(me, "Result")
    w.slug(me, f"{report}/{row['result']}")
    w.label(me, f"Result {row['result']} of {report}")
    w.link(me, "ofReport", thing("report", report))
    w.listed(me, "resultKind", "result-kind", row["kind"])
    for arm in row.items("arms"):
        w.link(me, "ofArm", thing("arm", report, arm))
    for arm in row.items("comparator_arms"):
        w.link(me, "comparatorArm", thing("arm", report, arm))
    for measure in row.items("outcome_measures"):
        if measure != "not-named":
            w.link(me, "ofOutcomeMeasure", thing("outcome-measure", measure))
        else:
            w.boolean(me, "outcomeNotNamed", True)
    w.listed(me, "scope", "result-scope", row["scope"])
    if (at := row.value("time_point")) is not None:
        w.link(me, "atTimePoint", thing("time-point", report, at))
    if (start := row.value("from_time_point")) is not None:
        w.link(me, "fromTimePoint", thing("time-point", report, start))
    w.text(me, "statistic", row["statistic"])
    w.decimal(me, "value", row.value("value"))
    w.text(me, "valueText", row.value("value"))
    w.text(me, "unit", row.value("unit"))
    w.decimal(me, "dispersion", row.value("dispersion"))
    w.text(me, "dispersionText", row.value("dispersion"))
    w.text(me, "dispersionKind", row.value("dispersion_kind"))
    w.text(me, "dispersionInferred", row.value("dispersion_inferred"))
    for column, name in (("ci_lower", "ciLower"), ("ci_upper", "ciUpper"), ("ci_level", "ciLevel")):
        w.decimal(me, name, row.value(column))
    w.integer(me, "nAnalysed", row.value("n_analysed"))
    arms = [*row.items("arms"), *row.items("comparator_arms")]
    numbers = [known.n[report, arm] for arm in dict.fromkeys(arms)]
    size = known.size.get(report)
    whole = len(numbers) == len(known.arms[report])  # a result on all arms speaks of the whole sample
    total = sum(n for n in numbers if n is not None) if numbers and None not in numbers else None
    if (n := row.value("n_analysed")) is not None:
        w.integer(me, "nInvolved", n)
    elif total is not None and (size is None or total <= size):
        w.integer(me, "nInvolved", total)
    elif whole:  # where arms exceed the sample size, too: their sum is the source's error, not a number
        w.integer(me, "nInvolved", size)
    technologies = {t for arm in row.items("arms") for t in known.tested[report, arm]}
    for technology in sorted(technologies if row.items("arms") else known.technologies[report]):
        w.link(me, "resultTechnology", term_class(technology))
    w.text(me, "resultBasis", place_kind(row.items("source")))
    if (p := row.value("p")) is not None:
        operator = re.match(r"[<>=]+", p)
        assert operator is not None  # the field's pattern
        w.text(me, "pText", p)
        w.text(me, "pOperator", operator.group())
        w.decimal(me, "pValue", p[operator.end() :])
    w.text(me, "pScope", row.value("p_scope"))
    w.listed(me, "statedDirection", "direction", row.value("direction"))
    w.origin(me, row)


def _direction(w: _Writer, row: Row, known: _Reports) -> None:
    me = thing("report-direction", row["report"], row["technology"])
    w.type(me, "ReportDirection")
    w.label(me, f"Direction of {row['report']} on {row['technology'].replace('-', ' ')}")
    w.link(me, "ofReport", thing("report", row["report"]))
    w.link(me, "aboutTechnology", term_class(row["technology"]))
    for disease in sorted(known.diseases[row["report"]]):
        w.link(me, "aboutDisease", term_class(disease))
    for comparator in row.items("comparator"):
        w.link(me, "comparatorIntervention", term_class(comparator))
    w.listed(me, "hasDirection", "direction", row["direction"])
    w.text(me, "directionBasis", row.value("basis"))
    w.text(me, "reasoning", row["reasoning"])
    w.origin(me, row)


def _head_to_head(w: _Writer, row: Row, study: str, known: _Reports) -> None:
    me = thing("head-to-head", row["report"], row["technology_a"], row["technology_b"])
    w.type(me, "HeadToHead")
    w.label(me, f"{row['technology_a']} against {row['technology_b']} in {row['report']}")
    w.link(me, "ofReport", thing("report", row["report"]))
    w.link(thing("study", study), "hasHeadToHead", me)
    w.link(me, "technologyA", term_class(row["technology_a"]))
    w.link(me, "technologyB", term_class(row["technology_b"]))
    for disease in sorted(known.diseases[row["report"]]):
        w.link(me, "aboutDisease", term_class(disease))
    w.listed(me, "hasDirection", "direction", row["direction"])
    w.text(me, "reasoning", row["reasoning"])
    w.origin(me, row)


def _scale_use(w: _Writer, row: Row) -> None:
    me = thing("scale-use", row["report"], row["outcome_measure"])
    w.type(me, "ScaleUse")
    w.label(me, f"{row['outcome_measure']} in {row['report']}")
    w.link(me, "ofReport", thing("report", row["report"]))
    w.link(me, "ofOutcomeMeasure", thing("outcome-measure", row["outcome_measure"]))
    for name in row.items("printed_as"):
        w.text(me, "printedAs", name)
    w.text(me, "rangeText", row.value("range"))
    w.text(me, "unit", row.value("unit"))
    w.listed(me, "usedPolarity", "polarity", row.value("polarity"))
    w.text(me, "version", row.value("version"))
    w.origin(me, row)


def _safety(w: _Writer, row: Row) -> None:
    me = thing("safety", row["report"], row["statement"])
    w.type(me, "SafetyStatement")
    w.label(me, f"Safety of {row['report']}, {row['statement']}")
    w.link(me, "ofReport", thing("report", row["report"]))
    w.listed(me, "status", "status", row["status"])
    w.text(me, "safetyContent", row.value("content"))
    w.text(me, "paraphrase", row.value("paraphrase"))
    if (technology := row.value("technology")) is not None:
        w.link(me, "aboutTechnology", term_class(technology))
    w.origin(me, row)


def _bibliography(w: _Writer, row: Row) -> None:
    me = thing("report", row["report"])
    for column, predicate in (("title", DCTERMS + "title"), ("journal", SCHEMA + "isPartOf")):
        if (value := row.value(column)) is not None:
            w.add(me, f"<{predicate}>", _quoted(value))
    for column in ("doi", "pmid", "pmcid"):
        w.text(me, column, row.value(column))
    for registration in row.items("registration"):
        w.text(me, "registration", registration)
    w.text(me, "publishedDesign", row.value("design"))
    w.text(me, "bibliographyStatus", row["status"])


def _note(w: _Writer, row: Row) -> None:
    me = thing("note", row["note"])
    w.type(me, "QualityNote")
    w.slug(me, row["note"])
    w.label(me, row["note"].replace("-", " "))
    w.text(me, "noteKind", row["kind"])
    w.listed(me, "severity", "severity", row["severity"])
    for report in row.items("reports"):
        w.link(me, "touches", thing("report", report))
        w.link(me, "ofReport", thing("report", report))
    for result in row.items("results"):
        report, _, key = result.partition("/")
        w.link(me, "touches", thing("result", report, key))
    w.text(me, "summary", row["summary"])
    w.text(me, "reasoning", row["reasoning"])
    w.text(me, "noteEvidence", row["evidence"])
    w.text(me, "rule", row["rule"])
    w.text(me, "decision", row["decision"])
    w.text(me, "decidedBecause", row["decided_because"])
    w.origin(me, row)


def _claims(w: _Writer, chart: Chart) -> None:
    reports = {r["report"] for r in chart.rows("reports")}
    for row in chart.rows("citations"):
        me = thing("report", row["citation"]) if row["citation"] in reports else thing("citation", row["citation"])
        if row["citation"] not in reports:
            w.type(me, "CitedDocument")
            w.slug(me, row["citation"])
            w.label(me, row["printed"])
            w.text(me, "citedAs", row["kind"])
            w.text(me, "aboutText", row.value("about"))
            w.origin(me, row)
    for row in chart.rows("claims"):
        me = thing("claim", row["claim"])
        w.type(me, "Claim")
        w.slug(me, row["claim"])
        w.label(me, row["claim"].replace("-", " "))
        w.text(me, "topic", row["topic"])
        w.text(me, "paraphrase", row["paraphrase"])
        w.text(me, "evidenceLevel", row.value("evidence_level"))
        for slug in row.items("technologies"):
            w.link(me, "aboutTechnology", term_class(slug))
        for slug in row.items("diseases"):
            w.link(me, "aboutDisease", term_class(slug))
        w.origin(me, row)
    for row in chart.rows("claim-citations"):
        me = thing("claim-citation", row["claim"], row["citation"])
        w.type(me, "ClaimCitation")
        w.label(me, f"{row['claim']} cites {row['citation']}")
        w.link(me, "ofClaim", thing("claim", row["claim"]))
        kind = "report" if row["citation"] in reports else "citation"
        w.link(me, "cites", thing(kind, row["citation"]))
        w.text(me, "supports", row["supports"])
        w.text(me, "supportBasis", row["basis"])
        w.origin(me, row)


def _method(w: _Writer, chart: Chart) -> None:
    computed = flow_numbers(chart.rows("study-flow"))
    classes = {
        "search": ("SearchLine", "line"),
        "eligibility": ("EligibilityCriterion", "criterion"),
        "charting-form": ("ChartingItem", "item"),
        "instruments": ("Instrument", "printed_as"),
        "source": ("SourceField", "field"),
    }
    texts = {
        "operator": "searchOperator", "element": "eligibilityElement", "rule": "criterionText", "category": "category",
        "label": "itemLabel", "charted": "itemCharted", "where": "whereCharted", "long_name": "longName",
        "range_text": "rangeText", "description": "instrumentDescription", "value": "fieldValue", "status": "fieldStatus",
        "basis": "fieldBasis",
    }  # fmt: skip
    multi = {"combines": "combinesLine", "terms": "searchTerm", "values": "exampleValue"}
    for table, (name, key) in classes.items():
        for row in chart.rows(table):
            me = thing(table, row[key])
            w.type(me, name)
            w.label(me, row[key])
            w.slug(me, row[key])
            for column in row.cells:
                if column in texts:
                    w.text(me, texts[column], row.value(column))
                for item in row.items(column):
                    if column in multi:
                        w.text(me, multi[column], item)
            if table == "instruments":
                w.link(me, "ofOutcomeMeasure", thing("outcome-measure", row["outcome_measure"]))
                w.link(me, "cites", thing("citation", row["citation"]))
                w.decimal(me, "rangeMin", row.value("range_min"))
                w.decimal(me, "rangeMax", row.value("range_max"))
            w.origin(me, row)
    for row in chart.rows("study-flow"):
        me = thing("flow-step", row["account"], row["step"])
        w.type(me, "FlowStep")
        w.label(me, row["label"])
        w.slug(me, row["step"])
        w.text(me, "account", row["account"])
        w.integer(me, "stepOrder", row["order"])
        charted = row.value("charted")
        w.integer(me, "chartedCount", charted)
        w.text(me, "formula", row.value("computed_from"))
        total = computed[row["account"], row["step"]]
        w.integer(me, "computedCount", total)
        if charted is not None and total is not None:
            w.boolean(me, "agrees", int(charted) == total)
        w.origin(me, row)


def _places(chart: Chart) -> Iterator[str]:
    for rows in chart.tables.values():
        for row in rows:
            yield from row.items("source")
            yield from row.items("places")


def review_quads(chart: Chart, terms: Terms) -> list[ox.Quad]:
    """Turn all charted rows into quads; see `review_nquads`."""
    text = "".join(review_nquads(chart, terms)).encode()
    # Lenient skips the check of each IRI and language tag; both come from our own code.
    return list(ox.parse(text, format=ox.RdfFormat.N_QUADS, lenient=True))


_OF_REPORT = (
    "populations", "arms", "components", "time-points", "results", "directions", "head-to-head", "scale-uses",
    "safety", "bibliography",
)  # fmt: skip


def review_nquads(chart: Chart, terms: Terms) -> Iterator[str]:
    """Write all charted rows as N-Quads, one named graph per report and one each for notes, claims, method and places.

    Parameters
    ----------
    chart : Chart
        The charted tables.
    terms : Terms
        The controlled lists that the charted words come from.

    Yields
    ------
    str
        The lines of one named graph, the reports first; no triple twice, no blank node.
    """
    for _, text in report_nquads(chart, terms):
        yield text
    yield from shared_nquads(chart)


def report_nquads(chart: Chart, terms: Terms) -> Iterator[tuple[str, str]]:
    """Yield the study and the lines of each report, in the order of the table but with the reports of a study together."""
    known = _Reports(chart, terms)
    rows: dict[str, dict[str, list[Row]]] = {r["report"]: {t: [] for t in _OF_REPORT} for r in chart.rows("reports")}
    for table in _OF_REPORT:
        for row in chart.rows(table):
            rows[row["report"]][table].append(row)
    # A triple stands in one graph only: engines may count it twice in the union of the named graphs. Two reports of
    # one study are the only graphs that say the same of something.
    studies = Counter(r["study"] for r in chart.rows("reports"))
    written: dict[str, set[str]] = {study: set() for study, reports in studies.items() if reports > 1}
    first: dict[str, int] = {}
    for report in chart.rows("reports"):
        first.setdefault(report["study"], len(first))
    for report in sorted(chart.rows("reports"), key=lambda r: first[r["study"]]):
        w, of = _Writer(named_graph("report", report["report"])), rows[report["report"]]
        _report(w, report, known)
        for row in of["populations"]:
            _population(w, row, report["kind"] == "primary")
        for row in of["arms"]:
            _arm(w, row, report, known)
        for row in of["components"]:
            _component(w, row, known)
        for row in of["time-points"]:
            _time_point(w, row)
        for row in of["results"]:
            _result(w, row, known)
        for row in of["directions"]:
            _direction(w, row, known)
        for row in of["head-to-head"]:
            _head_to_head(w, row, report["study"], known)
        for row in of["scale-uses"]:
            _scale_use(w, row)
        for row in of["safety"]:
            _safety(w, row)
        for row in of["bibliography"]:
            _bibliography(w, row)
        before = written.get(report["study"])
        yield report["study"], w.nquads(before or ())
        if before is not None:
            before.update(w.lines)


def shared_nquads(chart: Chart) -> Iterator[str]:
    """Yield the lines of the named graphs that are of no one report: notes, claims, method and places."""
    notes, claims, method = (_Writer(named_graph(n)) for n in ("notes", "claims", "method"))
    for row in chart.rows("notes"):
        if row["decision"] == "accepted":
            _note(notes, row)
    _claims(claims, chart)
    _method(method, chart)
    places = _Writer(named_graph("places"))
    document = thing("document", "review")
    places.type(document, "SourceDocument")
    places.label(document, "the source scoping review")
    for code in sorted(set(_places(chart))):
        me = thing("place", code)
        places.type(me, "SourceLocation")
        places.slug(me, code)
        places.label(me, place_label(code))
        places.link(me, "inDocument", document)
    for w in (notes, claims, method, places):
        yield w.nquads()
