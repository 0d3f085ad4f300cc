"""The rows of a table, as texts and as the numbers behind them."""

from __future__ import annotations

import math
from collections.abc import Container, Mapping, Sequence

from cu.reporting import equivalence, illusion
from cu.reporting.aggregate import COUNTS
from cu.reporting.footer import Footnotes
from cu.reporting.formats import number, spread
from cu.reporting.part import Part
from cu.reporting.table import Row
from cu.reporting.types import Column


def row_label(method: str, setting: str) -> str:
    """How a row names its method and what sets it apart."""
    return f"{method} ({setting})" if setting else method


def method_row(
    part: Part,
    cell: dict,
    columns: Sequence[Column],
    best: Mapping[int, str | None],
    known: Container[str],
    notes: Footnotes,
) -> Row:
    """One method; `known` are labels of methods that only look forgotten."""
    label = row_label(cell["method"], cell["setting"])
    broken = {state: cell[state] for state in COUNTS if state != "finished" and cell[state]}
    details = ", ".join(f"{state} {count}" for state, count in broken.items())
    stats = [part.stats.get((cell["method"], cell["setting"], column.key)) for column in columns]
    return Row(
        label=f"{label} {illusion.MARK}" if label in known else label,
        seeds=f"{cell['finished']}/{cell['expected']}" + (f" ({details})" if details else ""),
        cells=tuple(_text(part, cell, column, broken, notes) for column in columns),
        values=tuple(_shown(stat, column) for stat, column in zip(stats, columns, strict=True)),
        best=frozenset(i for i, name in best.items() if name == label),
        published=part.published(cell["method"], columns, stats),
    )


def _text(part: Part, cell: dict, column: Column, broken: Mapping[str, int], notes: Footnotes) -> str:
    if not cell["finished"]:
        if list(broken) == ["missing"] or not broken:
            return "— (missing)"
        state = max((s for s in broken if s != "missing"), key=lambda s: broken[s])
        return f"— ({state} {broken[state]}/{cell['expected']})"
    stat = part.stats.get((cell["method"], cell["setting"], column.key))
    if stat is None:
        return notes.mark(f"{column.key}: no run of this row reports it")
    if not stat["n"]:
        return notes.mark(f"{column.key}: {_reason(stat)}")
    if stat["n"] < cell["expected"]:
        return _value(stat, column) + (f", {stat['n']} of {cell['finished']}" if stat["n"] < cell["finished"] else "")
    return _value(stat, column) + (f" {equivalence.MARK}" if equivalence.is_equivalent(stat) else "")


def _reason(stat: Mapping) -> str:
    return stat["reasons"] if isinstance(stat["reasons"], str) else "undefined"


def _value(stat: Mapping, column: Column) -> str:
    gap = stat["gap"] if stat["direction"] == "match_retrained" else math.nan
    return spread(stat["mean"], stat["std"], gap, column.scale)


def _shown(stat: Mapping | None, column: Column) -> float:
    return math.nan if stat is None else stat["mean"] * column.scale.factor


def reference_row(part: Part, method: str, own: str, columns: Sequence[Column]) -> Row:
    """The models that runs were compared with, where `own`, the method that makes them, did not run itself."""
    stats = [part.references.get((method, "", column.key)) for column in columns]
    count = max((stat["n"] for stat in stats if stat), default=0)
    texts = tuple(_value(stat, column) if stat else "n/a" for stat, column in zip(stats, columns, strict=True))
    values = tuple(_shown(stat, column) for stat, column in zip(stats, columns, strict=True))
    published = part.published(own, columns, stats)
    return Row(label=method, seeds=str(count), cells=texts, values=values, published=published)


def floor_row(part: Part, columns: Sequence[Column]) -> Row | None:
    """How far two retrained models are from each other; None where nothing has a floor."""
    floors = [part.floor(column.key) for column in columns]
    if all(math.isnan(floor) for floor in floors):
        return None
    texts = tuple("" if math.isnan(f) else number(f, c.scale) for f, c in zip(floors, columns, strict=True))
    values = tuple(floor * column.scale.factor for floor, column in zip(floors, columns, strict=True))
    return Row(label="noise floor", seeds="", cells=texts, values=values)
