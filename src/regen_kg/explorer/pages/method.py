"""How the review found, chose and charted its studies, as the review tells it."""

import streamlit as st

from regen_kg.explorer import method, pictures, widgets

made, store = widgets.opened()
widgets.heading("Method", "How the review found, chose and charted its studies, in the review's own account.")
m = widgets.kept(method.read_method)
PLACE = {"place in the review": widgets.list_text}
dark = st.context.theme.type == "dark"

st.header("Study flow, in two accounts", anchor=False)
differ = [s for s in m.flow if s["agrees"] == "false"]
st.write(
    "The review tells the way from records to studies twice, in its text and in its figure, and the two differ in their steps. "
    + (f"▲ marks the {len(differ)} {'step' if len(differ) == 1 else 'steps'} whose number is not what the steps before it give." if differ else "Every number that can be checked is what the steps before it give.")
)  # fmt: skip
for account, column in zip(("text", "figure"), st.columns(2), strict=True):
    with column:
        st.subheader(f"As told in the {account}", anchor=False)
        widgets.drawing(pictures.flow_drawing(m.flow, account, dark), pictures.flow_sentence(m.flow, account))
        widgets.save_picture(f"study-flow-{account}")
agrees = {"true": "agrees", "false": "▲ differs", "": "no sum to check"}
widgets.table(["account", "label", "charted", "computed", "agrees", "source"], m.flow,
              {"agrees": lambda c: agrees.get(c, ""), "computed": lambda c: c or "–", "source": widgets.list_text},
              {"label": "Step", "source": "Place in the review"})  # fmt: skip
with widgets.bar():
    widgets.download(m.flow, ["account", "step", "label", "charted", "computed", "agrees", "source"], "study-flow")
    widgets.open_in_sparql(question="study-flow")
for account in ("text", "figure"):
    st.caption(widgets.escaped(pictures.flow_sentence(m.flow, account)))

st.header("Search", anchor=False)
st.write("One database, as charted from Table 1. A line either lists terms or combines lines.")
widgets.table(["line", "operator", "combines", "terms", "place in the review"], m.search, {**PLACE, "terms": widgets.list_text, "combines": widgets.list_text})  # fmt: skip
with widgets.bar():
    widgets.download(m.search, list(m.search[0]) if m.search else [], "search")
    widgets.open_in_sparql(text=method.query_of("SearchLine"))

st.header("Eligibility", anchor=False)
st.write("What the review says it took in and left out, in our words; the examples are the review's.")
widgets.table(["element", "rule", "named in the review", "place in the review"], m.eligibility, {**PLACE, "named in the review": widgets.list_text})  # fmt: skip
with widgets.bar():
    widgets.download(m.eligibility, list(m.eligibility[0]) if m.eligibility else [], "eligibility")
    widgets.open_in_sparql(text=method.query_of("EligibilityCriterion"))

st.header("Charting form", anchor=False)
tally = {k: sum(r["charted"] == k for r in m.form) for k in ("yes", "partly", "no")}
st.write(
    f"The form has {len(m.form)} items. The review gives {tally['yes']} of them for its reports, {tally['partly']} in part, and {tally['no']} for none."
)
signs = {"yes": "✓ yes", "partly": "◐ partly", "no": "✗ no"}
widgets.table(["category", "item", "charted", "where", "place in the review"], m.form, {**PLACE, "charted": lambda c: signs.get(c, c)},
              {"charted": "Really charted?"})  # fmt: skip
with widgets.bar():
    widgets.download(m.form, list(m.form[0]) if m.form else [], "charting-form")
    widgets.open_in_sparql(text=method.query_of("ChartingItem"))

st.header("Instruments", anchor=False)
st.write("The outcome measures that Table 4 describes.")
terms = widgets.vocabulary().slugs("outcome")
widgets.table(
    ["printed as", "name", "outcome measure", "range", "description", "cites", "place in the review"], m.instruments,
    {**PLACE, "outcome measure": lambda s: widgets.link("outcome", terms.get(s, s), id=s) if s else widgets.none()},
)  # fmt: skip
with widgets.bar():
    widgets.download(m.instruments, list(m.instruments[0]) if m.instruments else [], "instruments")
    widgets.open_in_sparql(text=method.query_of("Instrument"))

st.header("The review itself", anchor=False)
widgets.table(["field", "value", "status", "basis"], m.source, {"status": widgets.list_words})
with widgets.bar():
    widgets.download(m.source, list(m.source[0]) if m.source else [], "source")
    widgets.open_in_sparql(text=method.query_of("SourceField"))

general = [c for c in widgets.index().claims if c["topic"] in ("method", "platform", "translation", "future")]
st.header(f"Claims on method, platforms and translation ({len(general)})", anchor=False)
st.write("What sections 3.2 and 4 say, in our words. In brackets: whether the cited document was seen to support it.")
with st.expander("The claims"):
    widgets.table(["paraphrase", "topic", "technologies", "level", "cites", "source"], general,
                  {"topic": widgets.list_words, "technologies": widgets.list_words, "level": widgets.list_words, "cites": widgets.list_text, "source": widgets.list_text},
                  {"paraphrase": "Claim", "level": "Rests on", "source": "Place in the review"})  # fmt: skip
    with widgets.bar():
        widgets.download(general, list(general[0]) if general else [], "claims-on-method")
        widgets.open_in_sparql(text=method.CLAIMS)
widgets.footer(made)
