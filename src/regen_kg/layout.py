"""Own the places of files: the checkout's or the wheel's data, and the user's data folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def data_root() -> Path:
    """Return the folder that holds `ontology/`, `queries/`, `graph/` and `app.py`: the wheel's or the checkout's."""
    wheel = _PACKAGE / "data"
    return wheel if wheel.is_dir() else _PACKAGE.parent.parent


def ontology_dir() -> Path:
    """Return the folder of the ontology: core, term tables and shapes."""
    return data_root() / "ontology"


def queries_dir() -> Path:
    """Return the folder of the saved queries."""
    return data_root() / "queries"


def packaged_charted_dir() -> Path:
    """Return the charted tables that travel with the package."""
    return data_root() / "graph" / "charted"


def packaged_built_dir() -> Path:
    """Return the build that travels with the package."""
    return data_root() / "graph" / "built"


def mappings_dir() -> Path:
    """Return the SSSOM tables that travel with the package."""
    return data_root() / "graph" / "mappings"


def app_path() -> Path:
    """Return the Streamlit script of the explorer."""
    return data_root() / "app.py"


def charted_dir(given: str | Path | None = None) -> Path:
    """Choose the charted folder: the given one, then `graph/charted` of the working folder, then the packaged one."""
    if given is not None:
        return Path(given)
    here = Path.cwd() / "graph" / "charted"
    return here if here.is_dir() else packaged_charted_dir()


def user_data_dir() -> Path:
    """Return the folder in which regen-kg keeps builds; `REGEN_KG_HOME` overrides the platform's usual place."""
    if home := os.environ.get("REGEN_KG_HOME"):
        return Path(home)
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME", Path.home() / ".local" / "share"))
    return base / "regen-kg"
