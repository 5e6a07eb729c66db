"""What the review gets wrong or contradicts, and what its numbers add up to."""

from collections import Counter

import streamlit as st

from regen_kg.explorer import data, method, widgets

made, store = widgets.opened()
widgets.heading(
    "Quality", "Errors and contradictions found in the review itself. They are about the source, not about the studies."
)
PART = 50  # notes drawn at once, the gravest first; the download has them all

options = {s: f"{widgets.SEVERITY_SIGN[s]} {s}: {data.SEVERITY_MEANING[s]}" for s in data.SEVERITIES}
severity = widgets.choice("Severity", "severity", options, "any")
notes = [n for n in widgets.index().all_notes if severity in ("", n["severity"])]
st.header(f"{len(notes)} {severity} notes" if severity else f"{len(notes)} notes", anchor=False)
if notes:
    with widgets.bar():
        widgets.download(notes, list(notes[0]), "notes")
        widgets.references((i for n in notes for i in data.items(n["reports"])), "notes")
        widgets.open_in_sparql(question="quality-notes", severity=severity)
    part = widgets.part(len(notes), PART)
    widgets.notes(part.of(notes), part)
else:
    st.info("No fault of the source of this severity was found.")

st.header("What grave notes leave out", anchor=False)
st.write(
    "Values under a grave note are left out of effect sizes and of the mix of directions, never of a count of reports."
)
for name in ("effect-sizes", "direction-mix"):
    answer = widgets.rows(name)
    st.markdown(
        f"**Question {name}**: {sum(bool(r['left_out_noted']) for r in answer)} of {len(answer)} rows name a grave note."
    )
    widgets.noted(name, answer)

st.header("Filed under another disease than was studied", anchor=False)
rows = widgets.rows("placement-differs")
if rows:
    part = widgets.part(len(rows), 100, "from-placed")
    widgets.table(["report", "placed_under", "population"], part.of(rows), {"report": widgets.report_link, "placed_under": widgets.list_words, "population": widgets.list_words},
                  {"placed_under": "Filed in the review under", "population": "Population studied"}, paged=part)  # fmt: skip
    with widgets.bar():
        widgets.download(rows, list(rows[0]), "placement-differs")
        widgets.references((r["report"] for r in rows), "placement-differs")
        widgets.open_in_sparql(question="placement-differs")
else:
    st.write("Every report is filed under the disease that its row or prose names.")

st.header("Do the arms add up to the sample size?", anchor=False)
sums = widgets.rows("arm-sums")
said = {
    "match": "match",
    "mismatch": "▲ mismatch",
    "single-arm": "single arm",
    "not-checkable": "not checkable: not every arm's n is charted",
}
tally = Counter(r["status"] for r in sums)
st.write(" · ".join(f"{said[k].split(':')[0]}: {tally[k]}" for k in said))


def sums_table(listed: list[data.Row], name: str) -> None:
    """Draw sums of arms beside sample sizes, a part at a time, which the address names."""
    part = widgets.part(len(listed), 100, name)
    widgets.table(["report", "sample_size", "sum_of_arms", "status"], part.of(listed), {"report": widgets.report_link, "status": said.__getitem__},
                  {"sample_size": "Sample size", "sum_of_arms": "Sum of arms"}, paged=part)  # fmt: skip


bad = [r for r in sums if r["status"] == "mismatch"]
if bad:
    sums_table(bad, "from-mismatch")
with st.expander("All reports"):
    sums_table(sums, "from-sums")

with widgets.bar():
    widgets.download(sums, list(sums[0]) if sums else [], "arm-sums")
    widgets.references((r["report"] for r in sums), "arm-sums")
    widgets.open_in_sparql(question="arm-sums")

st.header("How full is the chart?", anchor=False)
st.write(
    "Per table and column, the rows that have content, and the status of those that have none. Columns that are full are left out. "
    "“Share” is the share with content among the rows to which the column applies."
)
full = widgets.kept(method.completeness)
with st.expander(f"{len(full)} columns that are not full"):
    widgets.table(list(full[0]) if full else [], full, row_head="column")
widgets.download(full, list(full[0]) if full else [], "completeness")

st.header("Checks of the build", anchor=False)
findings = made.manifest.get("findings")
if findings is None:
    st.write("This endpoint doesn't say what its build's checks found.")
elif findings:
    st.write(
        "; ".join(f"{n} {severity}" for severity, n in findings.items()) + ". The command regen-kg validate lists them."
    )
else:
    st.write(
        "0 violations and 0 warnings: the shapes (SHACL) and the reasoner found nothing. A build with a violation is not made. The command regen-kg validate checks again."
    )
widgets.go("method", "The study flow in its two accounts, and the rest of the method")
widgets.footer(made)
