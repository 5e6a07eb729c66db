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
    "directions": ("Directions", "directions"),
    "graph": ("Graph", "graph"),
    "ask": ("Ask", "ask"),
    "about": ("About", "about"),
    "report": ("Report", "report"),
}
_PAGES = {name: shown for pages in _SECTIONS.values() for name, shown in pages.items()}


def page(name: str):  # type: ignore[no-untyped-def]  # streamlit's page class has no public name before 1.67
    """Return a page by its file name without suffix."""
    title, address = _PAGES[name]
    return st.Page(
        PAGES_DIR / f"{name}.py",
        title=title,
        url_path=address,
        default=name == "overview",
    )


def address(name: str) -> str:
    """Return a page's address, relative to the app; the first page's is the app's own."""
    return _PAGES[name][1] if name != "overview" else "./"


def all_pages():  # type: ignore[no-untyped-def]
    """Return all pages by section of the menu."""
    return {section: [page(name) for name in pages] for section, pages in _SECTIONS.items()}
