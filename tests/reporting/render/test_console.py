import io

import pytest
from rich.console import Console

from cu.reporting.render.console import fitting, tables
from cu.reporting.scales import SCALES
from cu.reporting.tables.types import Cell, Heading, Label, MethodRow, SeedCount, TableData

COUNT = 6


@pytest.fixture
def wide():
    cells = tuple(Cell(value=0.9, std=0.01, gap=0.05, marks=("large",)) for _ in range(COUNT))
    row = MethodRow(label=Label(name="contrastive"), cells=cells, seeds=SeedCount(finished=3, expected=3))
    heads = tuple(
        Heading(title=f"metric {i}", scale=SCALES["percent"], direction="match_retrained") for i in range(COUNT)
    )
    words = {"legend": "legend", "notes": (), "warnings": (), "holes": (), "provenance": "1 of 1"}
    return TableData(title="t", headings=heads, rows=(row,), floor=None, **words)


@pytest.mark.parametrize("width", [30, 60, 80, 200])
def test_columns_are_left_out_knowingly_and_marks_stay(wide, width):
    stream = io.StringIO()
    tables(Console(file=stream, width=width, color_system=None), [wide], ["mind"])
    lines = stream.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    shown = sum("metric" in part for line in lines[:6] for part in line.split("  ") if "do not fit" not in line)
    assert stream.getvalue().count("90.0 ± 1.0 (+5.0) *") == shown
    text = " ".join(stream.getvalue().split())
    assert ("do not fit" in text) == (shown < COUNT)
    if shown < COUNT:
        assert f"{COUNT + 1 - shown} of {COUNT + 2} columns do not fit in {width}: metric {shown}" in text


def test_fitting():
    assert fitting([10, 5, 5, 5], 40) == [0, 1, 2, 3]
    assert fitting([10, 5, 5, 5], 24) == [0, 1, 2]
    assert fitting([100, 5], 30) == [0, 1]  # the label wraps
    assert fitting([100, 50], 30) == [0]
