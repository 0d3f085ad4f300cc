import re
import shutil
import subprocess
from dataclasses import replace

import pytest

from cu.reporting.render.escape import breakable
from cu.reporting.render.latex import COLUMNS_PER_PANEL, latex
from cu.reporting.scales import SCALES
from cu.reporting.tables.types import Cell, Heading, Label, MethodRow, Note, SeedCount, TableData

HARD = "100% of <GPU_0> memory & more: {50} #1 ~ ^ \\ $ é 漢 \x1b| [x] * ± → −"
PACKAGES = "\\documentclass{article}\n\\usepackage{array,booktabs,longtable}\n"


def row(name, count, **changes):
    cells = tuple(Cell(value=0.912 + i / 100, std=0.003, gap=-0.004, marks=("equivalent",)) for i in range(count))
    label = Label(name=name)
    return MethodRow(**{"label": label, "cells": cells, "seeds": SeedCount(finished=2, expected=2), **changes})


def table(count, rows=("a", "b", "c"), **changes):
    """A table of `count` metrics; `rows` are names."""
    floor = MethodRow(label=Label(name="noise floor", role="floor"), cells=(Cell(value=0.001),) * count)
    titles = [f"forget train acc {i}" for i in range(count)]
    parts = {
        "title": "digits / resnet18_slim / class",
        "headings": tuple(
            Heading(title=title, scale=SCALES["percent"], direction="match_retrained") for title in titles
        ),
        "rows": tuple(row(name, count) for name in rows),
        "floor": floor,
        "legend": "mean ± std over seeds",
        "notes": (Note(text="looks forgotten, is not", mark="exposed"),),
        "warnings": (),
        "holes": (),
        "provenance": "2 of 2 runs finished",
    }
    return TableData(**{**parts, **changes})


def body(text):
    """Cells by line of every panel."""
    lines = [line.removesuffix(r" \\") for line in text.splitlines() if line.endswith(r" \\") and " & " in line]
    return [re.split(r"(?<!\\) & ", line) for line in lines]


def test_a_narrow_table_has_one_line_per_row_and_its_marks():
    text = latex([table(2, rows=["method_0"])])
    lines = body(text)
    assert lines[-2:] == [
        [r"\raggedright method\_\allowbreak{}0", *[rf"{v} $\pm$ 0.3 ($-$0.4) $\approx$" for v in (91.2, 92.2)], "2/2"],
        [r"\raggedright noise floor", "0.1", "0.1", ""],
    ]
    assert text.count(r"\begin{longtable}") == 1


@pytest.mark.parametrize("count", [1, 5, 6, 11, 30])
def test_a_wide_table_is_cut_into_panels_and_loses_nothing(count):
    text = latex([table(count)])
    values = re.findall(r"([\d.]+) \$\\pm\$ 0\.3", text)
    assert sorted(values) == sorted(f"{91.2 + i:.1f}" for i in range(count) for _ in range(3))
    panels = text.split(r"\begin{longtable}")[1:]
    assert len(panels) == -(-count // COLUMNS_PER_PANEL)
    assert all(panel.count("p{42pt}") <= COLUMNS_PER_PANEL + 1 for panel in panels)
    assert text.count(r"\addtocounter{table}{-1}") == len(panels) - 1
    assert text.count("2/2") == 3


def test_best_is_bold_and_published_values_stand_below():
    cells = (Cell(value=0.5), Cell(value=0.922, best=True, published=0.9, published_gap=0.022))
    text = latex([replace(table(2), rows=(row("a", 2, cells=cells),))])
    assert r"\textbf{92.2} \newline \textit{90.0 (+2.2)}" in text


def test_all_notes_and_holes_stand_below():
    holes = tuple(f"m, seed {i}: failed: 5% of {i}" for i in range(20))
    text = latex([table(2, warnings=("mixes 2 commits",), holes=holes)])
    notes = text[text.index(r"\end{longtable}") :]
    for note in ("mean ± std", "† looks forgotten", "Warning: mixes 2 commits", *holes, "2 of 2 runs"):
        assert breakable(note) in notes
    assert breakable("digits / resnet18_slim / class") in text


def test_equal_headings_are_two_columns():
    one = table(1).headings[0]
    assert len(body(latex([table(2, headings=(one, one))]))[0]) == 4


DOCUMENTS = {
    "everything at once": [table(11), table(2), table(1, title="a" * 30 + "_b" * 40)],
    "hard characters": [table(1, [HARD], title=HARD, warnings=(HARD,), holes=(HARD,), notes=(Note(text=HARD),))],
    "brackets first": [table(1, ["[a", "*", "[b] (c)"])],
    "long labels": [table(5, [f"m (recipe.epochs={i}, fingerprint={'0' * 12})" for i in range(30)])],
    "many rows and holes": [
        table(11, map(str, range(70)), holes=("m, seed 0: failed: OSError: " + "/long/path" * 17,) * 90),
        table(1, map(str, range(110)), floor=None),
    ],
}


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
@pytest.mark.parametrize("name", DOCUMENTS)
def test_compiles_and_fits_the_page(name, tmp_path):
    (tmp_path / "document.tex").write_text(PACKAGES + "\\begin{document}\n\\input{report}\n\\end{document}\n")
    (tmp_path / "report.tex").write_text(latex(DOCUMENTS[name]), encoding="utf-8")
    command = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "document.tex"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8", errors="replace", check=False)
    assert run.returncode == 0, run.stdout
    assert not re.findall(r"Overfull .*|.*undefined.*", run.stdout)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_braces_and_environments_are_closed(name):
    text = re.sub(r"\\[{}%]", "", latex(DOCUMENTS[name]))
    assert text.count("{") == text.count("}")
    assert text.count(r"\begin{longtable}") == text.count(r"\end{longtable}")
