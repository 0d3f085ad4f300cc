"""One table for the models that a paper prints together: a block of rows for each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import chain

from cu.reporting.table import Row, Table


def merged(title: str, tables: Mapping[str, Table], provenance: str) -> Table:
    """Tables by model as one; all have the same columns, and number their footnotes together.

    Rows are named model / method. What is bold is so within its block, and the noise floor is the last row of it.
    """
    parts = list(tables.values())
    return replace(
        parts[0],
        title=title,
        headings=tuple(max(texts, key=len) for texts in zip(*(part.headings for part in parts), strict=True)),
        rows=tuple(row for model, part in tables.items() for row in _block(model, part)),
        floor=None,
        footnotes=_union(part.footnotes for part in parts),
        warnings=_union(part.warnings for part in parts),
        holes=tuple(f"{model} / {hole}" for model, part in tables.items() for hole in part.holes),
        provenance=provenance,
    )


def _block(model: str, table: Table) -> list[Row]:
    rows = [*table.rows, *([table.floor] if table.floor else [])]
    return [replace(row, label=f"{model} / {row.label}") for row in rows]


def _union(lists: Iterable[Iterable[str]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(chain.from_iterable(lists)))
