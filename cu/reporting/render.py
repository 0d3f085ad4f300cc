"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain

from cu.reporting.table import Row, Table
from cu.reporting.tables import LEGEND


def markdown(name: str, tables: Iterable[Table], warnings: Sequence[str]) -> str:
    """A whole report; the tables are aligned, so that the source reads as well as the page."""
    parts = [f"# {_md(name)}", *(f"Warning: {_md(warning)}" for warning in warnings)]
    for table in tables:
        parts += [f"## {_md(table.title)}", _grid(table), _md(LEGEND)]
        parts += [_md(note) for note in table.footnotes]
        parts += [f"Warning: {_md(warning)}" for warning in table.warnings]
        if table.holes:
            parts.append("Holes:\n\n" + "\n".join(f"- {_md(hole)}" for hole in table.holes))
        parts.append(f"{_md(table.provenance)}.")
    return "\n\n".join(parts) + "\n"


def _grid(table: Table) -> str:
    rows = [*table.rows, *([table.floor] if table.floor else [])]
    grid = [_headings(table), *(_cells(table, row) for row in rows)]
    grid = [[_md(text).replace("|", r"\|") for text in line] for line in grid]
    widths = [max(len(line[i]) for line in grid) for i in range(len(grid[0]))]
    rule = [":" + "-" * (widths[0] - 1), *("-" * (width - 1) + ":" for width in widths[1:])]
    lines = [
        [line[0].ljust(widths[0]), *(t.rjust(w) for t, w in zip(line[1:], widths[1:], strict=True))] for line in grid
    ]
    return "\n".join("| " + " | ".join(line) + " |" for line in [lines[0], rule, *lines[1:]])


def _headings(table: Table) -> list[str]:
    """One text per column; a published value has its own, after ours."""
    pairs = [[text, *["published"] * (i in table.published_columns)] for i, text in enumerate(table.headings)]
    return ["method", *chain.from_iterable(pairs), "seeds"]


def _cells(table: Table, row: Row) -> list[str]:
    """The texts of a row below `_headings`."""
    cells = [row.label]
    for i, text in enumerate(row.cells):
        cells.append(f"**{text}**" if i in row.best else text)
        if i in table.published_columns:
            cells.append(row.published[i] if row.published else "")
    return [*cells, row.seeds]


def _md(text: str) -> str:
    return text.replace("<", r"\<")
