"""Own the list of pages and the links between them."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

PAGES_DIR = Path(__file__).resolve().parent / "pages"

# file name -> (title, address); the report page is reached by links, so it is not in the menu
_PAGES = {
    "overview": ("Overview", "overview"),
    "gap_map": ("Gap map", "gap-map"),
    "reports": ("Reports", "reports"),
    "conflicts": ("Conflicts", "conflicts"),
    "quality": ("Quality", "quality"),
    "safety": ("Safety", "safety"),
    "ask": ("Ask", "ask"),
    "about": ("About", "about"),
    "report": ("Report", "report"),
}


def page(name: str):  # type: ignore[no-untyped-def]  # streamlit's page class has no public name before 1.67
    """Return a page by its file name without suffix."""
    title, address = _PAGES[name]
    return st.Page(
        PAGES_DIR / f"{name}.py",
        title=title,
        url_path=address,
        default=name == "overview",
        visibility="hidden" if name == "report" else "visible",
    )


def address(name: str) -> str:
    """Return a page's address, relative to the app; the first page's is the app's own."""
    return _PAGES[name][1] if name != "overview" else "./"


def all_pages():  # type: ignore[no-untyped-def]
    """Return all pages in menu order."""
    return [page(name) for name in _PAGES]
