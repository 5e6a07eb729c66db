"""Start the explorer of regen-kg: page settings and navigation; every page draws itself."""

from __future__ import annotations

import streamlit as st

from regen_kg.explorer import navigation

st.set_page_config(page_title="regen-kg explorer", layout="wide", initial_sidebar_state="auto")
st.navigation(navigation.all_pages()).run()
