r"""Which columns stand side by side on a page of limited width, and which below each other.

No TeX is asked: widths are estimates in characters of \footnotesize, which is also the size of values; what qualifies
them is \scriptsize.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from cu.reporting.tables import Row, Table

# The article class: 345 points of text width, at most 4 points a character on average; 6 points between columns.
WIDTH, POINTS, GAP = 86.0, 4.0, 1.5
_LONGEST_LABEL, _SMALL = 24, 0.87
_Item = TypeVar("_Item")


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One line of a row: values, or what qualifies them."""

    kind: Literal["value", "detail", "published"]
    texts: list[str]

    def width(self, place: int) -> float:
        """Of one of its texts, in characters."""
        return len(self.texts[place]) * (1.0 if self.kind == "value" else _SMALL)


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column: its place in a row's layers, its heading's lines, and its width on one line or stacked."""

    place: int
    heading: tuple[str, ...]
    flat: float
    stacked: float
    wraps: bool = False

    def width(self, stacked: bool) -> float:
        """In characters, with the gap to the next column."""
        width = self.stacked if stacked else self.flat
        return GAP + (min(width, _LONGEST_LABEL) if self.wraps else width)

    def points(self, stacked: bool) -> int:
        """In points, without the gap."""
        return round((self.width(stacked) - GAP) * POINTS)


def layers(row: Row, stacked: bool) -> list[Layer]:
    """What a row shows, line by line: label, cells, seeds; stacked, what is in brackets stands below its value."""
    texts = [row.label, *row.cells, row.seeds]
    parts = [_in_two(text) if stacked else (text, "") for text in texts]
    below = [
        Layer(kind="detail", texts=[detail for _, detail in parts]),
        Layer(kind="published", texts=["", *row.published, ""]),
    ]
    return [Layer(kind="value", texts=[value for value, _ in parts]), *(layer for layer in below if any(layer.texts))]


def height(row: Row, columns: Sequence[Column], stacked: bool) -> int:
    """Lines that a row takes in these columns."""
    shown = [layer for layer in layers(row, stacked) if any(layer.texts[column.place] for column in columns)]
    return sum(1 + int(columns[0].wraps and layer.width(0) / _LONGEST_LABEL) for layer in shown)


def _in_two(text: str) -> tuple[str, str]:
    above, bracket, below = text.partition(" (")
    return above, bracket.strip() + below


def columns_of(table: Table) -> list[Column]:
    """The columns of a table: label, metrics, seeds."""
    rows = [*table.rows, *([table.floor] if table.floor else [])]
    flat, stacked = ([layer for row in rows for layer in layers(row, way)] for way in (False, True))
    columns = []
    for place, text in enumerate(("method", *table.headings, "seeds")):
        narrow, wide = (max((layer.width(place) for layer in lines), default=0) for lines in (stacked, flat))
        heading = _heading(text, narrow)
        least = max(map(len, heading))
        wraps = place == 0 and wide > _LONGEST_LABEL
        columns.append(
            Column(place=place, heading=heading, flat=max(wide, least), stacked=max(narrow, least), wraps=wraps)
        )
    return columns


def _heading(text: str, width: float) -> tuple[str, ...]:
    """Its lines: words of the title, as many as the column is wide, then unit and direction."""
    words = text.split(" ")
    tail = [word for word in words[1:] if word.startswith("[") or word in ("→ref", "↑", "↓")]
    title = " ".join(word for word in words if word not in tail)
    return (
        *(textwrap.wrap(title, max(round(width), 6), break_long_words=False) or [""]),
        *([" ".join(tail)] if tail else []),
    )


def panels(columns: Sequence[Column], stacked: bool) -> list[list[Column]]:
    """Columns in groups that fit the page, as few as can be and about equally wide; each starts with the label."""
    label, *others = columns
    widths = [column.width(stacked) for column in others]
    room = WIDTH - label.width(stacked)
    fewest = len(pack(others, widths, room))
    limits = (room * share / 20 for share in range(1, 20))
    even = next((limit for limit in limits if len(pack(others, widths, limit)) == fewest), room)
    return [[label, *part] for part in pack(others, widths, even)]


def pack(items: Sequence[_Item], sizes: Sequence[float], room: float) -> list[list[_Item]]:
    """Items in order, in groups whose sizes add up to `room` at most; one that is larger has a group of its own."""
    groups: list[list[_Item]] = []
    used = room
    for item, size in zip(items, sizes, strict=True):
        if not groups or used + size > room:
            groups.append([])
            used = 0.0
        groups[-1].append(item)
        used += size
    return groups
