"""Own the list of pages and the links between them."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

PAGES_DIR = Path(__file__).resolve().parent / "pages"

# menu section -> file name -> (title, address)
_SECTIONS = {
    "": {"overview": ("Overview", "overview"), "about": ("About", "about")},
    "Evidence": {
        "gap_map": ("Gap map", "gap-map"),
        "directions": ("Directions", "directions"),
        "conflicts": ("Conflicts", "conflicts"),
        "safety": ("Safety", "safety"),
        "reports": ("Reports", "reports"),
        "compare": ("Compare", "compare"),
    },
    "One by one": {
        "disease": ("Disease", "disease"),
        "technology": ("Technology", "technology"),
        "outcome": ("Outcome measure", "outcome"),
        "report": ("Report", "report"),
    },
    "Ask": {
        "ask": ("Ask", "ask"),
        "graph": ("Graph", "graph"),
        "ontology": ("Ontology", "ontology"),
        "as_seen_by": ("As seen by", "as-seen-by"),
    },
    "The review": {"method": ("Method", "method"), "quality": ("Quality", "quality")},
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
