"""A report's tables, figures and page as media of a tracked run."""

from __future__ import annotations

import math
from typing import Any

from cu.reporting.tables import Row
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


def _plain(values: Any) -> list[Any]:
    """Numbers and texts as JSON knows them; NaN is None."""
    return [None if isinstance(v, float) and math.isnan(v) else v.item() if hasattr(v, "item") else v for v in values]
