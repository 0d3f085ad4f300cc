"""The rows of a table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from cu.reporting.collect.runs import YARDSTICKS
from cu.reporting.statistics.completeness import COUNTS
from cu.reporting.statistics.judge import RowName, is_equivalent, is_large
from cu.reporting.statistics.types import Statistic
from cu.reporting.tables.literature import Printed
from cu.reporting.tables.notes import Footnotes
from cu.reporting.tables.section import Section
from cu.reporting.tables.types import Cell, Label, MethodRow, RowMark, SeedCount
from cu.reporting.types import MetricColumn


def method_row(
    section: Section,
    count: Mapping,
    columns: Sequence[MetricColumn],
    best: Mapping[str, RowName | None],
    marks: Mapping[RowName, tuple[RowMark, ...]],
    notes: Footnotes,
) -> MethodRow:
    """One method.

    Args:
        section: Its table.
        count: Its row of `Cells.counts`.
        columns: What to show.
        best: The closest row by metric key.
        marks: Verdicts on whole rows.
        notes: Where reasons are numbered.
    """
    name = (count["method"], count["setting"])
    role = "yardstick" if name[0] in YARDSTICKS else "method"
    others = tuple((state, count[state]) for state in COUNTS if state != "finished" and count[state])
    stats = section.stats.get(name, {})
    cells = [_cell(stats.get(column.key), count, column, dict(others), notes) for column in columns]
    return MethodRow(
        label=Label(name=name[0], setting=name[1], role=role, marks=marks.get(name, ())),
        cells=tuple(replace(c, best=best[col.key] == name) for c, col in zip(cells, columns, strict=True)),
        seeds=SeedCount(finished=count["finished"], expected=count["expected"], others=others),
    )


def _cell(
    stat: Statistic | None, count: Mapping, column: MetricColumn, others: Mapping[str, int], notes: Footnotes
) -> Cell:
    if not count["finished"]:
        if list(others) == ["missing"] or not others:
            return Cell(hole="missing")
        state = max((s for s in others if s != "missing"), key=lambda s: others[s])
        return Cell(hole=f"{state} {others[state]}/{count['expected']}")
    if stat is None:
        return Cell(footnote=notes.number(f"{column.key}: no run of this row reports it"))
    if not stat.n:
        return Cell(footnote=notes.number(f"{column.key}: {stat.reasons or 'undefined'}"))
    told = notes.number(f"{column.key}: {stat.notes}") if stat.notes else None
    cell = replace(_number(stat), footnote=told)
    if stat.n < count["expected"]:
        return replace(cell, note=f"{stat.n} of {count['finished']}" if stat.n < count["finished"] else "")
    marks = {"large": is_large(stat), "equivalent": is_equivalent(stat)}
    return replace(cell, marks=tuple(mark for mark, earned in marks.items() if earned))


def _number(stat: Statistic) -> Cell:
    gap = stat.gap if stat.direction == "match_retrained" else math.nan
    return Cell(value=stat.mean, std=stat.std, gap=gap)


def reference_row(section: Section, method: str, columns: Sequence[MetricColumn]) -> MethodRow:
    """The models that runs were compared with, where the method that makes them did not run itself."""
    stats = [section.references[(method, "")].get(column.key) for column in columns]
    return MethodRow(
        label=Label(name=method, role="yardstick"),
        cells=tuple(_number(stat) if stat else Cell() for stat in stats),
        seeds=SeedCount(finished=max((stat.n for stat in stats if stat), default=0)),
    )


def floor_row(section: Section, columns: Sequence[MetricColumn]) -> MethodRow | None:
    """How far two retrained models are from each other; None where nothing has a floor."""
    floors = [section.floor(column.key) for column in columns]
    if all(math.isnan(floor) for floor in floors):
        return None
    return MethodRow(label=Label(name="noise floor", role="floor"), cells=tuple(Cell(value=f) for f in floors))


def with_published(row: MethodRow, printed: Printed, section: Section, columns: Sequence[MetricColumn], own: str):
    """A row with the published values of the method `own` beside ours."""
    values = [printed.get((*section.place[:3], own, column.key), math.nan) for column in columns]
    pairs = zip(row.cells, values, strict=True)
    return replace(row, cells=tuple(replace(c, published=v, published_gap=c.value - v) for c, v in pairs))
