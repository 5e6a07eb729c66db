"""What the review gets wrong or contradicts, and what its numbers add up to."""

import streamlit as st

from regen_kg.explorer import data, widgets

made, store = widgets.opened()
widgets.heading(
    "Quality", "Errors and contradictions found in the review itself. They are about the source, not about the studies."
)

options = {s: f"{widgets.SEVERITY_SIGN[s]} {s}: {data.SEVERITY_MEANING[s]}" for s in data.SEVERITIES}
severity = widgets.choice("Severity", "severity", options, "any")
notes = data.notes(store, severity)
st.header(f"{len(notes)} {severity} notes" if severity else f"{len(notes)} notes", anchor=False)
if notes:
    widgets.download(notes, list(notes[0]), "notes")
    for n in notes:
        widgets.note(n)
else:
    st.info("No fault of the source of this severity was found.")

st.header("Filed under another disease than was studied", anchor=False)
rows = data.ask(store, "placement-differs")
if rows:
    widgets.table(["report", "placed_under", "population"], rows, {"report": widgets.report_link, "placed_under": widgets.list_words, "population": widgets.list_words},
                  {"placed_under": "Filed in the review under", "population": "Population studied"})  # fmt: skip
else:
    st.write("Every report is filed under the disease that its row or prose names.")

st.header("Do the arms add up to the sample size?", anchor=False)
sums = data.ask(store, "arm-sums")
said = {
    "match": "match",
    "mismatch": "▲ mismatch",
    "single-arm": "single arm",
    "not-checkable": "not checkable: not every arm's n is charted",
}
tally = {k: sum(r["status"] == k for r in sums) for k in said}
st.write(" · ".join(f"{said[k].split(':')[0]}: {n}" for k, n in tally.items()))
bad = [r for r in sums if r["status"] == "mismatch"]
if bad:
    widgets.table(["report", "sample_size", "sum_of_arms", "status"], bad, {"report": widgets.report_link, "status": lambda c: said.get(c, c)},
                  {"sample_size": "Sample size", "sum_of_arms": "Sum of arms"})  # fmt: skip
with st.expander("All reports"):
    widgets.table(["report", "sample_size", "sum_of_arms", "status"], sums, {"report": widgets.report_link, "status": lambda c: said.get(c, "")},
                  {"sample_size": "Sample size", "sum_of_arms": "Sum of arms"})  # fmt: skip

st.header("Study flow, in two accounts", anchor=False)
st.write(
    "The review tells how it came to its studies twice, in its text and in its figure. Computed is what a step should be, given those before it."
)
flow = data.flow(store)
agrees = {"true": "agrees", "false": "▲ differs", "": "no sum to check"}
for account, column in zip(("text", "figure"), st.columns(2), strict=True):
    with column:
        st.markdown(f"**As told in the {account}**")
        widgets.table(["label", "charted", "computed", "agrees", "source"], [f for f in flow if f["account"] == account],
                      {"agrees": lambda c: agrees.get(c, ""), "computed": lambda c: c or "–", "source": widgets.list_text},
                      {"label": "Step", "source": "Place in the review"})  # fmt: skip
widgets.footer(made)
