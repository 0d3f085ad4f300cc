"""A report's tables, figures and page as media of a tracked run."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from cu.reporting.table import Row
from cu.reporting.write import Written
from cu.tracking.types import Tracker


def mirror(written: Written, tracker: Tracker) -> None:
    """Send each table (its numbers), the statistics behind them, each figure (its PNG) and the page."""
    for table in written.tables:
        rows = [*table.rows, *([table.floor] if table.floor else [])]
        tracker.table(f"tables/{table.title}", ["method", *table.headings, "seeds"], [_numbers(row) for row in rows])
    statistics = written.cells.long_form()
    tracker.table("statistics", list(map(str, statistics)), [_plain(row) for row in statistics.itertuples(index=False)])
    for figure in written.figures:
        path = written.folder / "figures" / f"{figure.name}.png"
        tracker.image(f"figures/{figure.name}", path, f"{figure.title}. {figure.caption}")
    tracker.page("page", written.page)


def _numbers(row: Row) -> list[Any]:
    return [row.label, *_plain(row.values), row.seeds]


def _plain(values: Iterable[Any]) -> list[Any]:
    """Numbers and texts as JSON knows them; NaN is None."""
    python = (value.item() if isinstance(value, np.generic) else value for value in values)
    return [None if isinstance(value, float) and math.isnan(value) else value for value in python]
