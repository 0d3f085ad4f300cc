"""One table for the models that a paper prints together: a block of rows for each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import chain
from typing import TypeVar

from cu.reporting.tables.types import MethodRow, TableData

T = TypeVar("T")


def merged(title: str, tables: Mapping[str, TableData], provenance: str) -> TableData:
    """Tables by model as one; all have the same columns, and number their footnotes together.

    Rows are named by their model too. What is bold is so within its block, and the noise floor is the last row of it.
    """
    parts = list(tables.values())
    headings = (
        max(same, key=lambda heading: heading.direction is not None)
        for same in zip(*(part.headings for part in parts), strict=True)
    )
    return replace(
        parts[0],
        title=title,
        headings=tuple(headings),
        rows=tuple(row for model, part in tables.items() for row in _block(model, part)),
        floor=None,
        legend=" ".join(_union([part.legend] for part in parts)),
        notes=_union(part.notes for part in parts),
        warnings=_union(part.warnings for part in parts),
        holes=tuple(f"{model} / {hole}" for model, part in tables.items() for hole in part.holes),
        provenance=provenance,
        panel=tuple(
            replace(line, label=replace(line.label, model=model))
            for model, part in tables.items()
            for line in part.panel
        ),
    )


def _block(model: str, table: TableData) -> list[MethodRow]:
    return [replace(row, label=replace(row.label, model=model)) for row in table.all_rows()]


def _union(lists: Iterable[Iterable[T]]) -> tuple[T, ...]:
    return tuple(dict.fromkeys(chain.from_iterable(lists)))
