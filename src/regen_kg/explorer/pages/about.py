"""How to read what is here."""

import streamlit as st

from regen_kg.explorer import widgets

made, store = widgets.opened()
widgets.heading("About", "How to read the explorer, what it is not, and under which licence.")
st.markdown(
    """
## What this is
The chart of facts of one scoping review of regenerative medicine for the foot and ankle (PubMed, English, to 31 December 2024), as a knowledge graph. Each
statement keeps the text it was charted from, its place in the review, and the row of the charted tables.

## What it is not
**Not medical advice.** No study was appraised for risk of bias, by the review or by us. No page says whether a technology works, or how sure one may be. The
chart was made from the review's text, not from the studies.

## Words on screen
| word | means |
|---|---|
| report | a document that the review names as evidence; a secondary report reviews other studies |
| study | one investigation; two reports can share one study |
| arm | participants allocated together; a single arm inherits the report's sample size |
| comparator | the role that an arm plays in a comparison |
| outcome measure | what was measured, how, in which unit |
| time point | when, counted from a named origin; only a follow-up counts as follow-up |
| result | one charted statement: a measurement in an arm, a change within it, a comparison between arms, or an association |
| note | a contradiction or likely error in the review; the charted value stays as printed |

## Status words
| status | means |
|---|---|
| charted | the review says it |
| not charted | the review is silent |
| not reported | the review says that the study is silent |
| unclear | the review's wording allows more than one reading |
| not applicable | the field makes no sense here |

“None”, where the review says that something was absent, is charted content, not a status.

## Severity of notes
▲ grave: changes what a reader would conclude. ◆ notable: worth knowing. ● minor: a slip.

## Directions
From the technology's point of view, with the polarity of the outcome measure accounted for. The results decide first, then the row's conclusion, then prose.

| direction | means |
|---|---|
| favours technology | better than the comparator, as charted |
| no difference | no difference, or a limited or no effect, as charted |
| favours comparator | the comparator did better, as charted |
| within arm improvement | better than before, without a comparator |
| mixed | outcomes or times differ |
| not charted | the review gives no direction |

A numerical difference that was not tested gives no win.

## Placement
A report counts in the disease that its row or prose names (by population), or in the one under which the review files it (as filed). The two differ for some reports; the Quality page lists them. Pages on one disease go by population.

## Addresses
The address of a page is its state: filters, chosen terms and reports stand in it, so it can be copied, reloaded and stepped back. What a page doesn't know in
its address is named under the title.

## Taking things away
Every table can be downloaded as CSV (an empty cell means not charted), lists of reports as RIS too, pictures as SVG and PNG, and each disease as one page to print.

## How to cite
Cite the version and build named at the foot of each page; `CITATION.cff` has the reference.

## Licence
The software is under the MIT License, this chart of facts under CC BY 4.0. The licence covers the chart, not the review.
"""
)
widgets.footer(made)
