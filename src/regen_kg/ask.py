"""Own the Python face of the saved questions: one function per question, rows as objects or as a DataFrame.

>>> from regen_kg import ask
>>> rows = ask.arms(report="gormeli-2015")
>>> [(row.arm, row.n) for row in rows]
[('ha', '14'), ('prp', '13'), ('saline', '13')]
>>> ask.frame(rows).shape
(3, 9)
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import asdict, make_dataclass
from typing import TYPE_CHECKING, Any

from regen_kg import build, queries
from regen_kg.store import Store

if TYPE_CHECKING:
    import pandas

__all__ = ["frame", "functions"]


@functools.cache
def _build() -> build.Build:
    return build.current()


def _function(saved: queries.SavedQuery) -> Callable[..., list[Any]]:
    name = saved.name.replace("-", "_")
    row = make_dataclass(
        "".join(w.capitalize() for w in name.split("_")) + "Row", [(c, str) for c in saved.columns], frozen=True
    )

    def ask(store: Store | None = None, **values: str) -> list[Any]:
        return [row(**cells) for cells in queries.run(store or _build().store_for(saved, values), saved, values)]

    parameters = [
        inspect.Parameter(p.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=str)
        for p in saved.parameters
    ]
    store = inspect.Parameter("store", inspect.Parameter.POSITIONAL_OR_KEYWORD, default=None)
    ask.__signature__ = inspect.Signature([store, *parameters])  # type: ignore[attr-defined]
    ask.__name__ = ask.__qualname__ = name
    lines = [f"    {p.name} : str, optional\n        {p.meaning[0].upper()}{p.meaning[1:]}." for p in saved.parameters]
    ask.__doc__ = (
        f"{saved.summary}\n\nParameters\n----------\nstore : Store, optional\n    An endpoint; else the present build.\n"
        + "\n".join(lines)
        + f"\n\nReturns\n-------\nlist of {row.__name__}\n    Frozen objects with {', '.join(saved.columns)}; an empty string means not charted."
        f"\n    No row means that {saved.empty}."
    )
    return ask


@functools.cache
def functions() -> dict[str, Callable[..., list[Any]]]:
    """Return the functions, by name."""
    return {name.replace("-", "_"): _function(saved) for name, saved in queries.load_all().items()}


def frame(rows: Sequence[Any]) -> pandas.DataFrame:
    """Return rows of a question as a pandas DataFrame, one column per column of the question."""
    import pandas

    return pandas.DataFrame([asdict(row) for row in rows])


def __getattr__(name: str) -> Callable[..., list[Any]]:
    try:
        return functions()[name]
    except KeyError:
        raise AttributeError(f"no saved question {name}; there are {', '.join(sorted(functions()))}") from None


def __dir__() -> list[str]:
    return sorted([*__all__, *functions()])
