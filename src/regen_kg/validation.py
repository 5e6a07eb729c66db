"""Own validation: SHACL shapes by pyshacl or set-wise, and joins over charted tables, reported alike."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pyoxigraph as ox

from regen_kg import setwise
from regen_kg.errors import FaultsError, InputError
from regen_kg.iris import ID, RKG, SH
from regen_kg.model import Chart, Finding

if TYPE_CHECKING:
    import rdflib
    from rdflib.term import Node

SET_WISE_FROM = 5_000  # charted rows in the store; the review has about 1,600
_SEVERITY = {SH + "Violation": "violation", SH + "Warning": "warning", SH + "Info": "info"}
_ORDER = {"violation": 0, "warning": 1, "info": 2}


def _local(iri: str) -> str:
    return re.split(r"[#/]", iri)[-1]


def _charted_rows(store: ox.Store) -> dict[str, str]:
    out: dict[str, str] = {}
    for quad in store.quads_for_pattern(None, ox.NamedNode(RKG + "chartedRow"), None, None):
        if isinstance(quad.subject, ox.NamedNode) and isinstance(quad.object, ox.Literal):
            out[quad.subject.value] = min(quad.object.value, out.get(quad.subject.value, quad.object.value))
    return out


def _address(row: str) -> tuple[str, int | None]:
    name, _, number = row.partition("#row=")
    return name, int(number) if number else None


def read_shapes(folder: Path) -> rdflib.Graph:
    """Read all shapes of a folder.

    Raises
    ------
    FaultsError
        Naming each file that cannot be read.
    """
    import rdflib

    shapes = rdflib.Graph()
    faults = []
    for path in sorted(folder.glob("*.ttl")):
        try:
            shapes.parse(path, format="turtle")
        except Exception as err:
            said = " ".join(str(err).split())[:200]
            faults.append(f"{path}: cannot be read as Turtle ({said})")
    if faults:
        raise FaultsError(faults)
    return shapes


def shacl_findings(store: ox.Store, shapes_dir: Path, say: Callable[[str], None] = lambda _: None) -> list[Finding]:
    """Validate a store that holds data, ontology and inferences against all shapes of a folder.

    pyshacl is the reference. From `SET_WISE_FROM` charted rows on, the shapes run set-wise; those that `setwise` doesn't
    read stay with pyshacl, and `say` is told.

    Raises
    ------
    InputError
        If a shapes file cannot be read or pyshacl cannot run it.
    """
    shapes, rows = read_shapes(shapes_dir), _charted_rows(store)
    if len(rows) < SET_WISE_FROM:
        return reference_findings(store, shapes, rows)
    found, left = set_wise_findings(store, shapes, rows)
    if left:
        say(f"these shapes go node by node, which is slow: {', '.join(_local(name) for name in left)}")
        found += reference_findings(store, shapes, rows, left)
    return sort_findings(found)


def reference_findings(
    store: ox.Store, shapes: rdflib.Graph, rows: Mapping[str, str] | None = None, only: Sequence[str] = ()
) -> list[Finding]:
    """Validate with pyshacl, against all shapes of a graph or those named.

    Raises
    ------
    InputError
        If pyshacl cannot run the shapes.
    """
    import pyshacl
    import rdflib

    sh, ran = rdflib.Namespace(SH), rdflib.Graph()
    for shape, predicate, value in shapes:
        if not only or predicate != sh.targetClass or str(shape) in only:  # a shape without a target doesn't run
            ran.add((shape, predicate, value))
    _, report, text = pyshacl.validate(
        store,  # type: ignore[arg-type]  # pyshacl takes a pyoxigraph Store
        shacl_graph=ran,
        inference="none",
        advanced=False,
        allow_warnings=True,
    )
    if not isinstance(report, rdflib.Graph):
        raise InputError(f"pyshacl could not validate: {text[:300]}")
    rows = _charted_rows(store) if rows is None else rows
    out = []
    for result in report.subjects(rdflib.RDF.type, sh.ValidationResult):
        broken = report.value(result, sh.sourceShape)
        said = report.value(result, sh.resultSeverity), report.value(result, sh.resultMessage)
        out.append(
            _finding(shapes, broken, said, report.value(result, sh.focusNode), report.value(result, sh.value), rows)
        )
    return sort_findings(out)


def set_wise_findings(
    store: ox.Store, shapes: rdflib.Graph, rows: Mapping[str, str] | None = None
) -> tuple[list[Finding], list[str]]:
    """Validate set-wise: the findings of pyshacl, and the node shapes that did not run because `setwise` doesn't read them."""
    import rdflib

    sh = rdflib.Namespace(SH)
    rows = _charted_rows(store) if rows is None else rows
    found, left = setwise.violations(store, shapes)
    out = []
    for shape, focus, value in found:
        said = shapes.value(shape, sh.severity), shapes.value(shape, sh.message)
        out.append(_finding(shapes, shape, said, focus, value, rows))
    return sort_findings(out), left


def _finding(
    shapes: rdflib.Graph,
    shape: Node | None,
    said: tuple[Node | None, Node | None],
    focus: Node | None,
    value: Node | None,
    rows: Mapping[str, str],
) -> Finding:
    import rdflib

    named = isinstance(shape, rdflib.URIRef)
    column = shapes.value(shape, rdflib.URIRef(RKG + "csvColumn")) if named else None
    file, number = _address(rows.get(str(focus), ""))
    rule = _local(str(shape)) if named else "unnamed-shape"
    severity = _SEVERITY.get(str(said[0]), "violation")
    column_text, value_text, message = ("" if text is None else str(text) for text in (column, value, said[1]))
    return Finding(rule, severity, file, number, column_text, value_text, message, str(focus))


def sort_findings(findings: Iterable[Finding]) -> list[Finding]:
    """Sort findings: gravest first, then by file and row."""
    return sorted(
        findings,
        key=lambda f: (_ORDER[f.severity], f.file, f.row or 0, f.column, f.rule, f.message, f.focus, f.value),
    )


def idle_shapes(store: ox.Store, given: Path | rdflib.Graph) -> list[str]:
    """Return the node shapes, of a folder or as read, whose target class has no member in the store; SHACL calls such a shape conforming."""
    import rdflib

    shapes = read_shapes(given) if isinstance(given, Path) else given
    sh = rdflib.Namespace(SH)
    idle = []
    for shape, target in sorted(shapes.subject_objects(sh.targetClass), key=str):
        found = store.query(
            f"ASK {{ ?x a/<http://www.w3.org/2000/01/rdf-schema#subClassOf>* <{target}> }}",
            use_default_graph_as_union=True,
        )
        if not found:
            idle.append(_local(str(shape)))
    return idle


def chart_findings(chart: Chart) -> list[Finding]:
    """Check what needs joins over charted tables, set-wise; numbers are the business of `analysis.numbers`."""
    out: list[Finding] = []
    with_components = {(r["report"], r["arm"]) for r in chart.rows("components")}
    for row in chart.rows("arms"):
        if (row["report"], row["arm"]) not in with_components:
            out.append(
                Finding(
                    "arm-without-component",
                    "violation",
                    "arms.csv",
                    row.number,
                    "arm",
                    row["arm"],
                    "the arm receives nothing; add its components to components.csv, control-not-described if the review does not say",
                )
            )
    have: dict[str, set[str]] = {
        t: {r["report"] for r in chart.rows(t)} for t in ("populations", "safety", "directions")
    }
    for row in chart.rows("reports"):
        for table, reports in have.items():
            if row["report"] not in reports:
                out.append(
                    Finding(
                        f"report-without-{table}",
                        "violation",
                        "reports.csv",
                        row.number,
                        "report",
                        row["report"],
                        f"no row in {table}.csv; add one (its status may be not-charted)",
                    )
                )
    results = {f"{r['report']}/{r['result']}" for r in chart.rows("results")}
    for note in chart.rows("notes"):
        for item in note.items("results"):
            if item not in results:
                out.append(
                    Finding(
                        "note-on-unknown-result",
                        "violation",
                        "notes.csv",
                        note.number,
                        "results",
                        item,
                        "no such result in results.csv; write it as report/rN",
                    )
                )
    return sort_findings(out)


def report_text(findings: list[Finding], form: str) -> str:
    """Write findings as text, json, csv, or ttl (a SHACL report)."""
    if form == "json":
        keys = ("rule", "severity", "file", "row", "column", "value", "message", "focus")
        return json.dumps([{k: getattr(f, k) for k in keys} for f in findings], indent=1, ensure_ascii=False) + "\n"
    if form == "csv":
        columns = ("severity", "rule", "file", "row", "column", "value", "message", "focus")
        return csv_text(columns, ({c: str(getattr(f, c) or "") for c in columns} for f in findings))
    if form == "ttl":
        lines = [f"@prefix sh: <{SH}> .", f"@prefix rkg: <{RKG}> .", ""]
        conforms = "false" if any(f.severity == "violation" for f in findings) else "true"
        report = f"<{ID}validation-report>"
        lines.append(f"{report} a sh:ValidationReport ; sh:conforms {conforms} .")
        for i, f in enumerate(findings, 1):
            node = f"<{ID}validation-result/{i}>"
            sev = {"violation": "Violation", "warning": "Warning", "info": "Info"}[f.severity]
            focus = f"<{f.focus}>" if f.focus.startswith("http") else f"<{ID}row/{f.file}/{f.row or 0}>"
            lines.append(f"{report} sh:result {node} .")
            lines.append(
                f"{node} a sh:ValidationResult ; sh:resultSeverity sh:{sev} ; sh:focusNode {focus} ; sh:resultMessage {ox.Literal(f.line())} ."
            )
        return "\n".join(lines) + "\n"
    if not findings:
        return ""
    return "".join(f.line() + "\n" for f in findings)


def csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, str]]) -> str:
    """Write rows as CSV with a header, LF line ends and cells that no spreadsheet takes for a formula."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([harmless(row.get(c, "")) for c in columns] for row in rows)
    return buffer.getvalue()


def harmless(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula (CWE-1236); a number with its sign or operator, or an interval of two, stays.

    Examples
    --------
    >>> harmless("=HYPERLINK(1)"), harmless("=0.02"), harmless("-7 to -1"), harmless("")
    ("'=HYPERLINK(1)", '=0.02', '-7 to -1', '')
    """
    risky = cell.startswith(("=", "+", "-", "@", "\t", "\r"))
    return "'" + cell if risky and not re.fullmatch(r"[-+=]?[\d.]+( to [-+]?[\d.]+)?", cell) else cell
