"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tabulate import tabulate

from cu.reporting.render.escape import markdown as escape
from cu.reporting.render.texts import heading_text, note_text, published_text, row_texts
from cu.reporting.tables.types import MethodRow, TableData


def markdown(name: str, tables: Iterable[TableData], warnings: Sequence[str]) -> str:
    """A whole report; the tables are aligned, so that the source reads as well as the page."""
    parts = [f"# {escape(name)}", *(f"Warning: {escape(warning)}" for warning in warnings)]
    for table in tables:
        parts += [f"## {escape(table.title)}", _grid(table), escape(table.legend)]
        parts += [escape(note_text(note)) for note in table.notes]
        parts += [f"Warning: {escape(warning)}" for warning in table.warnings]
        if table.holes:
            parts.append("Holes:\n\n" + "\n".join(f"- {escape(hole)}" for hole in table.holes))
        parts.append(f"{escape(table.provenance)}.")
    return "\n\n".join(parts) + "\n"


def _grid(table: TableData) -> str:
    headings = [escape(heading_text(heading)) for heading in table.headings]
    rows = [_row(row, table) for row in table.all_rows()]
    heads = ["method", *_interleaved(headings, ["published"] * len(headings), table), "seeds"]
    sides = ["left", *["right"] * (len(heads) - 1)]
    return tabulate(rows, heads, tablefmt="pipe", colalign=sides, disable_numparse=True)


def _row(row: MethodRow, table: TableData) -> list[str]:
    label, *cells, seeds = map(escape, row_texts(row, table))
    cells = [f"**{text}**" if cell.best else text for text, cell in zip(cells, row.cells, strict=True)]
    published = [published_text(cell, heading.scale) for cell, heading in zip(row.cells, table.headings, strict=True)]
    return [label, *_interleaved(cells, published, table), seeds]


def _interleaved(ours: Sequence[str], published: Sequence[str], table: TableData) -> list[str]:
    """One text per column; a published value has its own, after ours."""
    return [
        text
        for i, pair in enumerate(zip(ours, published, strict=True))
        for text in (pair if i in table.published_columns else pair[:1])
    ]
