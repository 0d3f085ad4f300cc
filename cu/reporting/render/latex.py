r"""Tables in LaTeX, to `\input` into a document: as wide as a page of the article class, as long as they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from cu.reporting.render.escape import breakable
from cu.reporting.render.escape import latex as escape
from cu.reporting.render.texts import cell_text, heading_text, label_text, note_text, published_text, seeds_text
from cu.reporting.tables.types import MethodRow, TableData

# The article class has 345 pt of text width: a label of 69 pt, six columns of 42 pt, and 4 pt between them.
COLUMNS_PER_PANEL = 5
_LABEL, _COLUMN = "p{69pt}", r">{\raggedleft\arraybackslash}p{42pt}"
_HEAD = r"% needs \usepackage{array,booktabs,longtable}; as wide as a page of the article class" + "\n"
_GROUP = "{\\scriptsize\\setlength{\\tabcolsep}{2pt}\n"


def latex(tables: Iterable[TableData]) -> str:
    """All tables; one with many columns is cut into panels, with the notes below the last."""
    return _HEAD + "".join("\n" + _table(table) for table in tables)


def _table(table: TableData) -> str:
    count = len(table.headings)
    panels = max(1, -(-count // COLUMNS_PER_PANEL))
    size = -(-count // panels)
    chunks = [range(i, min(i + size, count)) for i in range(0, count, size)] or [range(0)]
    parts = [_panel(table, chunk, first=i == 0, last=i == len(chunks) - 1) for i, chunk in enumerate(chunks)]
    return _GROUP + "\n".join(parts) + _notes(table) + "}\n"


def _panel(table: TableData, columns: Sequence[int], first: bool, last: bool) -> str:
    heads = ["method", *(breakable(heading_text(table.headings[i])) for i in columns), *(["seeds"] if last else [])]
    rows = [_row(row, table, columns, last) for row in table.all_rows()]
    shape = "@{}" + _LABEL + _COLUMN * (len(heads) - 1) + "@{}"
    # Numbers for names: pandas takes equal headings for one.
    frame = pd.DataFrame(rows, columns=range(len(heads)), dtype=object)
    style: Any = frame.style.hide(axis="index")
    style = style.format_index(lambda i: heads[i], axis="columns")
    caption = breakable(table.title) + ("" if first else " (continued)")
    text = style.to_latex(environment="longtable", column_format=shape, hrules=True, caption=caption)
    return text if first else text.replace(r"\begin{longtable}", "\\addtocounter{table}{-1}\n\\begin{longtable}", 1)


def _row(row: MethodRow, table: TableData, columns: Sequence[int], last: bool) -> list[str]:
    label = r"\raggedright " + breakable(label_text(row.label))
    return [label, *(_cell(row, table, i) for i in columns), *([escape(seeds_text(row.seeds))] if last else [])]


def _cell(row: MethodRow, table: TableData, place: int) -> str:
    cell, scale = row.cells[place], table.headings[place].scale
    text = escape(cell_text(cell, scale, row).joined())
    published = published_text(cell, scale)
    ours = rf"\textbf{{{text}}}" if cell.best else text
    return ours + (rf" \newline \textit{{{escape(published)}}}" if published else "")


def _notes(table: TableData) -> str:
    warnings = [f"Warning: {warning}" for warning in table.warnings]
    notes = [table.legend, *map(note_text, table.notes), *warnings, *table.holes, f"{table.provenance}."]
    return "\n\\noindent\\raggedright " + "\\par\n".join(map(breakable, notes)) + "\\par\n"
