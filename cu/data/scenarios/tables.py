"""Lines of text as rows of cells, whatever the delimiter, with or without a header."""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

_DELIMITERS = ("\t", ";", ",", "|")
# Names of columns by what they hold, the better ones first.
COLUMNS = {
    "id": ("id", "sample_id", "index", "idx"),
    "file": ("file", "filename", "file_name", "path", "filepath", "file_path", "image", "image_path", "img"),
    "sha256": ("sha256",),
    "chosen": ("forget", "to_forget", "forgotten", "unlearn", "remove", "delete", "chosen", "selected", "mask"),
}
_TRUE, _FALSE = {"1", "1.0", "true", "t", "yes", "y"}, {"0", "0.0", "false", "f", "no", "n", ""}
_IMAGE = re.compile(r".*\.(bmp|gif|jpe?g|pgm|png|ppm|tiff?|webp)", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True)
class Row:
    """A line that is not blank: its number, from 1, and its cells."""

    number: int
    cells: tuple[str, ...]


def text_rows(text: str, known: Collection[str] = ()) -> list[Row]:
    """The rows of a text, without blank lines and comments.

    Args:
        text: The text.
        known: Lines that are no tables whatever is in them.
    """
    lines = [(number, line) for number, line in enumerate(re.split(r"\r\n|\r|\n", text), start=1) if line.strip()]
    lines = [(n, line) for n, line in lines if line.strip() in known or not line.lstrip().startswith("#")]
    delimiter = _delimiter([line for _, line in lines if line.strip() not in known])
    rows = [Row(n, (line.strip(),) if line.strip() in known else _cells(line, delimiter)) for n, line in lines]
    return [row for row in rows if any(row.cells)]


def columns_of(rows: Sequence[Row]) -> tuple[dict[str, int] | None, Sequence[Row]]:
    """Which column is what, and the rows without the header; None if that cannot be told.

    Without a header, a single column is `any`, and of several the one whose cells are all names of images is `file`.
    """
    header = [cell.lower() for cell in rows[0].cells]
    named = {}
    for kind, names in COLUMNS.items():
        if found := [header.index(name) for name in names if name in header]:
            named[kind] = found[0]
    if named.keys() & {"id", "file"}:
        return named, rows[1:]
    if max(len(row.cells) for row in rows) == 1:
        return {"any": 0}, rows
    columns = range(min(len(row.cells) for row in rows))
    images = [c for c in columns if all(_IMAGE.fullmatch(row.cells[c]) for row in rows)]
    return ({"file": images[0]} if len(images) == 1 else None), rows


def truth(cell: str) -> bool | None:
    """What a cell of the column `chosen` says; None if it says neither."""
    word = cell.lower()
    return word in _TRUE if word in _TRUE | _FALSE else None


def _delimiter(lines: Sequence[str]) -> str | None:
    """The delimiter whose first line has the name of a column; else the one that cuts all lines alike."""
    every = {name for names in COLUMNS.values() for name in names}
    for delimiter in _DELIMITERS:
        if lines and delimiter in lines[0] and every & {cell.lower() for cell in _split(lines[0], delimiter)}:
            return delimiter
    for delimiter in _DELIMITERS:
        counts = {len(_split(line, delimiter)) for line in lines}
        if len(counts) == 1 and counts != {1}:
            return delimiter
    return None


def _cells(line: str, delimiter: str | None) -> tuple[str, ...]:
    """The cells of a line; a remark goes, which is a `#` after a blank or behind a number."""
    if delimiter is not None:
        cells = _split(line, delimiter)
        return tuple(re.sub(r"^([+-]?\d+)\s*#.*", r"\1", cell) for cell in cells)
    cell = re.sub(r"^([+-]?\d+)\s*#.*|\s+#.*", r"\1", line.strip()).strip()
    return (cell[1:-1] if len(cell) > 1 and cell[0] == cell[-1] == '"' else cell,)


def _split(line: str, delimiter: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter), [])]
    except csv.Error:  # a NUL, or a field beyond all limits
        return [line.strip()]
