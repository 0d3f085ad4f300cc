"""A report's tables, figures and page as media of a tracked run."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from cu.reporting.render.page.types import Picture
from cu.reporting.render.texts import heading_text, label_text, seeds_text
from cu.reporting.tables.types import MethodRow, TableData
from cu.tracking.types import Tracker


class Report(Protocol):
    """A report on disk, as far as it is sent."""

    @property
    def tables(self) -> Iterable[TableData]:
        """Its tables."""
        ...

    @property
    def statistics(self) -> pd.DataFrame:
        """What the tables were made from."""
        ...

    @property
    def figures(self) -> Iterable[Picture]:
        """Its figures; their files are in `figures/`."""
        ...

    @property
    def folder(self) -> Path:
        """Where everything is."""
        ...

    @property
    def page(self) -> Path:
        """Everything as one HTML file."""
        ...


def mirror(report: Report, tracker: Tracker) -> None:
    """Send each table (its numbers), the statistics behind them, each figure (its PNG) and the page."""
    for table in report.tables:
        heads = ["method", *map(heading_text, table.headings), "seeds"]
        tracker.table(f"tables/{table.title}", heads, [_numbers(row, table) for row in table.all_rows()])
    statistics = report.statistics
    tracker.table("statistics", list(map(str, statistics)), [_plain(row) for row in statistics.itertuples(index=False)])
    for figure in report.figures:
        path = report.folder / "figures" / f"{figure.name}.png"
        tracker.image(f"figures/{figure.name}", path, f"{figure.title}. {figure.caption}")
    tracker.page("page", report.page)


def _numbers(row: MethodRow, table: TableData) -> list[Any]:
    pairs = zip(row.cells, table.headings, strict=True)
    values = [cell.value * heading.scale.factor for cell, heading in pairs]
    return [label_text(row.label), *_plain(values), seeds_text(row.seeds)]


def _plain(values: Iterable[Any]) -> list[Any]:
    """Numbers and texts as JSON knows them; NaN is None."""
    python = (value.item() if isinstance(value, np.generic) else value for value in values)
    return [None if isinstance(value, float) and math.isnan(value) else value for value in python]
