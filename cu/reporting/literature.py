"""Numbers printed in papers, to be set beside ours."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from cu.errors import ConfigError
from cu.reporting.formats import number
from cu.reporting.types import Column

FOLDER = Path(__file__).with_name("published")
CELL = ("dataset", "model", "scenario", "method", "key")
Printed = Mapping[tuple[str, ...], float]


def printed_numbers(name: str | None) -> dict[tuple[str, ...], float]:
    """Values in stored units by data set, model, scenario, method and metric key; none for None.

    Raises:
        ConfigError: There is no such file in `cu/reporting/published`.
    """
    if name is None:
        return {}
    rows = csv.DictReader(line for line in _text(name).splitlines() if not line.startswith("#"))
    return {tuple(row[level] for level in CELL): float(row["value"]) for row in rows}


def footnote(name: str) -> str:
    """What the published numbers in a table are, and where they come from."""
    source = _text(name).splitlines()[0].lstrip("# ")
    return f"published: the printed value (ours less it). {source}"


def beside(
    printed: Printed, row: tuple[str, ...], columns: Sequence[Column], means: Sequence[float]
) -> tuple[str, ...]:
    """Per column the published value and, in brackets, `means` less it: "85.79 (−0.42)"; "" where there is none.

    Args:
        printed: What `printed_numbers` returns.
        row: Data set, model, scenario and method.
        columns: The columns of the table.
        means: Our values in stored units, NaN where there is none.
    """
    values = [printed.get((*row, column.key)) for column in columns]
    if all(value is None for value in values):
        return ()
    return tuple(
        "" if value is None else _pair(value, mean, column)
        for value, mean, column in zip(values, means, columns, strict=True)
    )


def _pair(value: float, mean: float, column: Column) -> str:
    difference = "" if math.isnan(mean) else f" ({number(mean - value, column.scale, signed=True)})"
    return number(value, column.scale) + difference


def with_printed(cells: pd.DataFrame, printed: Printed) -> pd.DataFrame:
    """Cells in long form with two more columns: the `published` value and `published_gap`, the mean less it."""
    values = [printed.get(tuple(cell), math.nan) for cell in cells.loc[:, list(CELL)].itertuples(index=False)]
    published = pd.Series(values, index=cells.index, dtype=float)
    return cells.assign(published=published, published_gap=cells["mean"] - published)


def _text(name: str) -> str:
    path = FOLDER / f"{name}.csv"
    if not path.is_file():
        there = ", ".join(sorted(other.stem for other in FOLDER.glob("*.csv")))
        raise ConfigError(f"report.published={name} is none of {there}")
    return path.read_text(encoding="utf-8")
