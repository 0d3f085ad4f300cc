"""Rows of a table as the page sets them: value above, what qualifies it below, marks linked to their notes."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import zip_longest

from cu.reporting.aggregate import ORIGINAL, RETRAINED
from cu.reporting.collect import YARDSTICKS
from cu.reporting.tables import Row


@dataclass(frozen=True, kw_only=True)
class Text:
    """A text taken apart: "91.2 ± 0.3 (−0.4) ≈" is `main`, `spread`, `detail`, and a `mark` that a note explains."""

    main: str
    spread: str
    detail: str
    mark: str


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One cell; `sort` is its number as JavaScript reads it, None where there is none."""

    text: Text
    sort: str | None
    best: bool
    empty: bool
    published: str


@dataclass(frozen=True, kw_only=True)
class Line:
    """One row."""

    name: str
    label: Text
    yardstick: bool
    cells: tuple[Cell, ...]
    seeds: Text
    seed_count: str | None


def line(row: Row, notes: Mapping[str, str]) -> Line:
    """A row, given the notes of its table by mark."""
    cells = zip_longest(row.cells, row.values, row.published)
    return Line(
        name=row.label,
        label=split(row.label, notes),
        yardstick=_is_yardstick(row.label),
        cells=tuple(
            Cell(
                text=split(text, notes),
                sort=sort_key(value),
                best=i in row.best,
                empty=text.startswith(("—", "n/a")),
                published=published or "",
            )
            for i, (text, value, published) in enumerate(cells)
        ),
        seeds=split(row.seeds, {}),
        seed_count=next(iter(row.seeds.replace("/", " ").split()), None),
    )


def _is_yardstick(label: str) -> bool:
    """Where a table holds several models, rows are named model / method, and each model has its own noise floor."""
    model, _, name = label.rpartition(" / ")
    standards = (*YARDSTICKS, RETRAINED, ORIGINAL, *(["noise floor"] if model else []))
    return any(name == own or name.startswith(f"{own} (") for own in standards)


def split(text: str, notes: Mapping[str, str]) -> Text:
    """The parts of a text; a last word that is no mark of a note belongs to the text."""
    body, _, last = text.rpartition(" ")
    mark = last if body and last in notes else ""
    outer, bracket, inner = (body if mark else text).partition(" (")
    main, sign, spread = outer.partition(" ± ")
    return Text(main=main, spread=f"± {spread}" if sign else "", detail=f"({inner}" if bracket else "", mark=mark)


def sort_key(value: float) -> str | None:
    """A number in full precision, as JavaScript's `Number` reads it; None for NaN."""
    return None if math.isnan(value) else json.dumps(float(value))
