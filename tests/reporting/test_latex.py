import math
import re
import shutil
import subprocess
from dataclasses import replace

import pytest

from cu.reporting.latex import latex
from cu.reporting.latex_text import breakable, escape
from cu.reporting.layout import WIDTH, columns_of, layers, pack, panels
from cu.reporting.tables import LEGEND, Row, Table

HARD = "100% of <GPU_0> memory & more: {50} #1 ~ ^ \\ $ é 漢 \x1b| [x] * ± → −"


def row(label, count, **changes):
    cells = tuple(f"{91.2 + i:.1f} ± 0.3 (−0.4) ≈" for i in range(count))
    return Row(**{"label": label, "seeds": "2/2", "cells": cells, "values": (math.nan,) * count, **changes})


def table(count, rows=("a", "b", "c"), **changes):
    """A table of `count` metrics; `rows` are labels."""
    parts = {
        "title": "digits / resnet18_slim / class",
        "headings": tuple(f"forget train acc {i} [%] →ref" for i in range(count)),
        "rows": tuple(row(label, count) for label in rows),
        "floor": Row(label="noise floor", seeds="", cells=("0.1",) * count, values=(0.1,) * count),
        "footnotes": ("† looks forgotten, is not",),
        "warnings": (),
        "holes": (),
        "provenance": "2 of 2 runs finished",
    }
    return Table(**{**parts, **changes})


def body(text):
    """Cells by line, between the rules of every panel."""
    lines = [re.sub(r"\\begin\{tabular\}\[b\].*?\\end\{tabular\}", "head", line) for line in text.splitlines()]
    return [re.split(r"(?<!\\) & ", line.removesuffix(r" \\")) for line in lines if line.endswith(r" \\")]


def test_everything_is_escaped():
    assert escape("a_b & 5% ±1 −2 #{}$~^\\<> [*]") == (
        r"a\_b \& 5\% $\pm$1 $-$2 \#\{\}\$\textasciitilde{}\textasciicircum{}\textbackslash{}$<$$>$ {[}{*}{]}"
    )
    assert escape("é漢\x1b") == r"é\texttt{U+6F22}\texttt{U+001B}"


def test_long_names_may_break_at_their_joints():
    assert breakable("a/b_c") == r"a/\allowbreak{}b\_\allowbreak{}c"


def test_a_narrow_table_has_one_line_per_row():
    text = latex([table(2, rows=["method_0"])])
    assert body(text) == [
        ["method", "head", "head", "seeds"],
        [r"method\_0", *[rf"{v} $\pm$ 0.3 ($-$0.4) $\approx$" for v in (91.2, 92.2)], "2/2"],
        ["noise floor", "0.1", "0.1", ""],
    ]
    assert text.count(r"\begin{table}") == 1


def test_a_wide_table_stacks_its_cells_and_loses_none():
    text = latex([table(11, rows=["method_0", "method_1", "method_2"])])
    lines = body(text)
    values = [cell for line in lines for cell in line if cell.endswith(r"$\pm$ 0.3")]
    gaps = [cell for line in lines for cell in line if cell == r"\scriptsize ($-$0.4) $\approx$"]
    assert sorted(values) == sorted([rf"{91.2 + i:.1f} $\pm$ 0.3" for i in range(11)] * 3)
    assert len(gaps) == 33
    assert sum(line[0] == r"method\_1" for line in lines) == text.count(r"\toprule") > 1
    assert sum(cell == "2/2" for line in lines for cell in line) == 3


def test_best_is_bold_and_published_values_stand_below():
    rows = (row("a", 2, best=frozenset({1}), published=("", "90.0 (+2.2)")),)
    assert body(latex([replace(table(2), rows=rows)]))[1:3] == [
        ["a", r"91.2 $\pm$ 0.3 ($-$0.4) $\approx$", r"\textbf{92.2 $\pm$ 0.3 ($-$0.4) $\approx$}", "2/2"],
        ["", "", r"\scriptsize\itshape 90.0 (+2.2)", ""],
    ]


def test_notes_stand_below_and_many_holes_are_counted():
    holes = tuple(f"m, seed {i}: failed: 5% of {i}" for i in range(20))
    text = latex([table(2, warnings=("mixes 2 commits",), holes=holes)])
    caption = re.search(r"\\caption\{(.*)\}", text)
    assert caption
    assert breakable("digits / resnet18_slim / class") == caption[1]
    notes = text[text.index(r"\begin{minipage}") :]
    for note in (LEGEND, "† looks forgotten", "Warning: mixes 2 commits", holes[0], "and 12 more", "2 of 2 runs"):
        assert breakable(note) in notes
    assert [line for line in text.splitlines() if line.startswith("% m, seed")] == [
        f"% {escape(hole)}" for hole in holes[8:]
    ]


@pytest.mark.parametrize("count", [1, 5, 11, 30])
def test_panels_fit_and_keep_the_order(count):
    columns = columns_of(table(count))
    parts = panels(columns, stacked=True)
    assert all(part[0] is columns[0] for part in parts)
    assert [column for part in parts for column in part[1:]] == columns[1:]
    assert all(sum(column.width(True) for column in part) <= WIDTH for part in parts)


def test_pack():
    assert pack("abcd", [2, 2, 1, 3], 4) == [["a", "b"], ["c", "d"]]
    assert pack("abc", [9, 1, 9], 4) == [["a"], ["b"], ["c"]]
    assert pack("", [], 4) == []


def test_layers_hold_the_whole_text():
    shown = layers(row("scrub (lr=1)", 1, published=("90.0",)), stacked=True)
    assert [layer.texts for layer in shown] == [
        ["scrub", "91.2 ± 0.3", "2/2"],
        ["(lr=1)", "(−0.4) ≈", ""],
        ["", "90.0", ""],
    ]


DOCUMENTS = {
    "everything at once": [table(11), table(2), table(1, title="a" * 30 + "_b" * 40)],
    "hard characters": [table(1, [HARD], title=HARD, headings=(HARD[:12],), warnings=(HARD,), holes=(HARD,))],
    "brackets first": [table(1, ["[a", "*", "[b] (c)"], headings=("[%] →ref",))],
    "long labels": [table(5, [f"m (recipe.epochs={i}, fingerprint={'0' * 12})" for i in range(30)])],
    "many rows and holes": [
        table(11, map(str, range(70)), holes=("m, seed 0: failed: OSError: " + "/long/path" * 17,) * 90),
        table(1, map(str, range(110)), floor=None),
    ],
}


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
@pytest.mark.parametrize("name", DOCUMENTS)
def test_compiles_with_booktabs_only_and_fits_the_page(name, tmp_path):
    document = "\\documentclass{article}\n\\usepackage{booktabs}\n\\begin{document}\n\\input{report}\n\\end{document}\n"
    (tmp_path / "document.tex").write_text(document)
    (tmp_path / "report.tex").write_text(latex(DOCUMENTS[name]), encoding="utf-8")
    command = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "document.tex"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8", errors="replace", check=False)
    assert run.returncode == 0, run.stdout
    assert not re.findall(r"Overfull .*|Float too large.*|.*undefined.*", run.stdout)
