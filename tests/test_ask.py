"""The Python face: one function per saved question, documented, and the notebook that shows it runs."""

from __future__ import annotations

import ast
import inspect
import json

import pytest

from conftest import ROOT
from regen_kg import ask, queries
from regen_kg.store import EmbeddedStore


def test_there_is_one_function_per_question() -> None:
    """A new saved question is a new function, with its parameters in the signature and its columns in the docstring."""
    saved = queries.load_all()
    assert set(ask.functions()) == {n.replace("-", "_") for n in saved}
    assert len(saved) >= 16
    for name, question in saved.items():
        function = ask.functions()[name.replace("-", "_")]
        assert list(inspect.signature(function).parameters) == ["store", *(p.name for p in question.parameters)]
        assert all(c in (function.__doc__ or "") for c in question.columns)


def test_rows_are_objects_and_frames(review: EmbeddedStore) -> None:
    """Rows are frozen objects; a frame has the same rows and columns."""
    rows = ask.gap_matrix(review, placement="charted")
    with pytest.raises(AttributeError):
        rows[0].reports = "1"
    assert ask.frame(rows).shape == (55, 6)


def test_a_misspelt_question_is_named() -> None:
    """A function that isn't there names those that are."""
    with pytest.raises(AttributeError, match="gap_matrix"):
        _ = ask.gap_matrx


def test_the_notebook_runs() -> None:
    """Each code cell of the notebook runs, and shows something."""
    cells = [c for c in json.loads((ROOT / "docs" / "notebook.ipynb").read_text())["cells"] if c["cell_type"] == "code"]
    assert cells
    space: dict[str, object] = {}
    for cell in cells:
        *statements, last = ast.parse("".join(cell["source"])).body
        assert isinstance(last, ast.Expr)
        exec(compile(ast.Module(statements, []), "cell", "exec"), space)
        shown = eval(compile(ast.Expression(last.value), "cell", "eval"), space)
        assert shown is not None and str(shown)


def test_links_of_the_docs_lead_somewhere() -> None:
    """Every relative link of a page has its file, and docs/README.md or the README leads to every page of docs."""
    import re

    docs = list((ROOT / "docs").rglob("*.md"))
    links = [
        (p, (p.parent / target).resolve())
        for p in [*ROOT.glob("*.md"), *(ROOT / "benchmarks").glob("*.md"), *docs]
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", p.read_text("utf-8"))
    ]
    assert links and docs
    assert [(str(p), str(t)) for p, t in links if not t.exists()] == []
    reached = {t for p, t in links if p in (ROOT / "README.md", ROOT / "docs" / "README.md")}
    assert [str(p) for p in docs if not {p, p.parent} & reached and p.name != "README.md"] == []


def test_figures_of_the_readme_are_those_of_the_build(review: EmbeddedStore) -> None:
    """Studies claimed, reports named, reports with safety charted, and cells are what the saved questions answer."""
    ask_ = {
        name: queries.run(review, queries.get(name))
        for name in ("reports", "safety-reporting", "gap-matrix", "study-flow")
    }
    claimed = [r["charted"] for r in ask_["study-flow"] if r["account"] == "text" and "included" in r["step"]]
    safety = sum(r["status"] == "charted" for r in ask_["safety-reporting"])
    text = " ".join((ROOT / "README.md").read_text("utf-8").split())
    assert (
        f"It claims {claimed[0]} studies and names {len(ask_['reports'])} reports; safety is charted for {safety} of them."
        in text
    )
    assert f"a gap map of {len(ask_['gap-matrix'])} cells" in text


def test_every_command_and_question_of_the_readme_works() -> None:
    """What the README tells people to type is known to the program."""
    import re

    text = (ROOT / "README.md").read_text("utf-8")
    names = re.findall(r"regen-kg query ([a-z-]+)", text)
    assert names
    assert all(queries.get(n) for n in names if not n.startswith("--"))
