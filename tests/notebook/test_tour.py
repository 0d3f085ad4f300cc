"""The tour in the docs, cell by cell as Jupyter runs it."""

import ast
import json
from pathlib import Path

import pytest

import cu

TOUR = Path(cu.__file__).parents[1] / "docs" / "tour.ipynb"


def run(source, names):
    """The value of the last expression of a cell, which Jupyter would show."""
    *before, last = ast.parse(source).body
    exec(compile(ast.Module(before, []), "cell", "exec"), names)
    if isinstance(last, ast.Expr):
        return eval(compile(ast.Expression(last.value), "cell", "eval"), names)
    exec(compile(ast.Module([last], []), "cell", "exec"), names)
    return None


@pytest.mark.slow
def test_the_tour_runs_to_its_end_and_leaves_no_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cells = json.loads(TOUR.read_text(encoding="utf-8"))["cells"]
    names = {}
    shown = [run("".join(cell["source"]), names) for cell in cells if cell["cell_type"] == "code"]
    *_, frame, figures = shown
    assert float(shown[1].partition("%")[0]) > 85
    assert (frame["status"] == "ok").all()
    assert frame.loc["forget_test_acc", "unlearned"] < frame.loc["forget_test_acc", "original"]
    assert all("<svg" in figure._repr_html_() for figure in figures)
    assert list(tmp_path.iterdir()) == []
