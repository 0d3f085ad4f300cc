"""Tables on a terminal: columns that do not fit are left out knowingly, and those that do keep their marks."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from cu.reporting.render.escape import terminal
from cu.reporting.render.texts import heading_text, note_text, row_texts
from cu.reporting.tables.types import TableData

PADDING, LEAST = 2, 8


def tables(console: Console, shown: Sequence[TableData], warnings: Sequence[str]) -> None:
    """Print the tables of a report as wide as the console is."""
    console.print(*(Text(terminal(f"Warning: {warning}"), "yellow") for warning in warnings), sep="\n")
    for table in shown:
        console.print(_table(table, console.width), "", sep="\n")


def _table(table: TableData, width: int) -> Group:
    grid = [[terminal(text) for text in row_texts(row, table)] for row in table.all_rows()]
    heads = [terminal(text) for text in ("method", *map(heading_text, table.headings), "seeds")]
    bold = [[False, *(cell.best for cell in row.cells), False] for row in table.all_rows()]
    kept = fitting([max(len(line[i]) for line in [heads, *grid]) for i in range(len(heads))], width)
    body = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for i in kept:
        body.add_column(Text(heads[i]), justify="right" if i else "left", no_wrap=bool(i), overflow="fold")
    for line, marked in zip(grid, bold, strict=True):
        body.add_row(*(Text(line[i], "bold" if marked[i] else "") for i in kept))
    lines = [table.legend, *map(note_text, table.notes), *(f"Warning: {text}" for text in table.warnings)]
    lines += [*table.holes, f"{table.provenance}."]
    notes = [Text(terminal(line)) for line in lines]
    gone = [heads[i] for i in range(len(heads)) if i not in kept]
    if gone:
        left_out = f"{len(gone)} of {len(heads)} columns do not fit in {width}: {', '.join(gone)}; the files have them."
        notes.insert(0, Text(left_out, "yellow"))
    return Group(Text(terminal(table.title), "bold"), body, *notes)


def fitting(widths: Sequence[int], room: int) -> list[int]:
    """Positions of the columns that fit side by side, from the first on, which always stays and may wrap."""
    used, kept = min(widths[0], max(LEAST, room // 3)), [0]
    for i, width in enumerate(widths[1:], start=1):
        if used + PADDING + width > room:
            break
        used += PADDING + width
        kept.append(i)
    return kept
