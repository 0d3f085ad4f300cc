"""Numbers printed in papers, to be set beside ours."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import pandas as pd

from cu.errors import ConfigError

FOLDER = Path(__file__).parents[1] / "published"
CELL = ("dataset", "model", "scenario", "method", "key")
Printed = Mapping[tuple[str, ...], float]


@lru_cache(maxsize=4)
def printed_numbers(name: str | None) -> Printed:
    """Values in stored units by data set, model, scenario, method and metric key; none for None.

    Raises:
        ConfigError: There is no such file in `cu/reporting/published`.
    """
    if name is None:
        return {}
    rows = csv.DictReader(line for line in _text(name).splitlines() if not line.startswith("#"))
    return {tuple(row[level] for level in CELL): float(row["value"]) for row in rows}


def source(name: str) -> str:
    """Where the published numbers come from."""
    return _text(name).splitlines()[0].lstrip("# ")


def with_printed(cells: pd.DataFrame, printed: Printed) -> pd.DataFrame:
    """Cells in long form with two more columns: the `published` value and `published_gap`, the mean less it."""
    values = [printed.get(tuple(cell), float("nan")) for cell in cells.loc[:, list(CELL)].itertuples(index=False)]
    published = pd.Series(values, index=cells.index, dtype=float)
    return cells.assign(published=published, published_gap=cells["mean"] - published)


def _text(name: str) -> str:
    path = FOLDER / f"{Path(name).name}.csv"
    if not path.is_file():
        there = ", ".join(sorted(other.stem for other in FOLDER.glob("*.csv")))
        raise ConfigError(f"report.published={name} is none of {there}")
    return path.read_text(encoding="utf-8")
