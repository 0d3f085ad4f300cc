"""Cells to tables: one per data set, model, scenario and shared setting; what is missing stays visible."""

from __future__ import annotations

from collections.abc import Container, Sequence

import pandas as pd

from cu.reporting.collect.labels import natural
from cu.reporting.collect.runs import YARDSTICKS, Collection
from cu.reporting.statistics.aggregate import ORIGINAL, RETRAINED, Cells
from cu.reporting.statistics.judge import RowName, closest, exposed, may_win
from cu.reporting.statistics.statistics_drift import no_better_than_statistics
from cu.reporting.tables import notes as words
from cu.reporting.tables.distance import with_distance
from cu.reporting.tables.lights import panel
from cu.reporting.tables.literature import printed_numbers, source
from cu.reporting.tables.rows import floor_row, method_row, reference_row, with_published
from cu.reporting.tables.section import Section, sections, title_of
from cu.reporting.tables.together import merged
from cu.reporting.tables.types import Heading, MethodRow, Note, RowMark, TableData
from cu.reporting.types import MetricColumn, Report


def build_tables(collection: Collection, cells: Cells, report: Report) -> list[TableData]:
    """All tables of a report; `collection` and `cells` hold the selected runs only, `cells` judged."""
    parts = sections(collection, cells, report)
    if report.together is None:
        return [_build(part, report, words.Footnotes()) for part in parts]
    together: dict[tuple[str, ...], list[Section]] = {}
    for part in parts:
        together.setdefault((part.place[0], *part.place[2:]), []).append(part)
    return [_build_together(group, report) for group in together.values()]


def _build_together(parts: Sequence[Section], report: Report) -> TableData:
    notes = words.Footnotes()
    tables = {part.place[1]: _build(part, report, notes) for part in parts}
    told = words.provenance(pd.concat([part.runs for part in parts]))
    return merged(title_of(parts[0].place, but="model"), tables, told)


def _build(section: Section, report: Report, notes: words.Footnotes) -> TableData:
    columns = report.columns_for(section.kind)
    section = with_distance(section, columns)
    ordered = sorted(section.counts, key=lambda c: (_rank(c["method"], report.methods), natural(c["setting"])))
    known = exposed(section.stats, report.margins) if section.kind == "class" else set()
    complete = {_name(c): c["finished"] == c["expected"] for c in ordered}
    drift = no_better_than_statistics(section.stats)
    marks = {_name(c): _row_marks(_name(c), known, drift) for c in ordered}
    best = {column.key: _closest(section, column.key, known, complete) for column in columns}
    finished = {cell["method"] for cell in ordered if cell["finished"]}
    standing_in = [
        (own, reference_row(section, method, columns))
        for method, own in zip((RETRAINED, ORIGINAL), YARDSTICKS, strict=True)
        if own not in finished and (method, "") in section.references
    ]
    rows = [*standing_in, *((c["method"], method_row(section, c, columns, best, marks, notes)) for c in ordered)]
    printed = printed_numbers(report.published)
    shown = tuple(with_published(row, printed, section, columns, own) for own, row in rows)
    stats = [stat for own in section.stats.values() for stat in own.values()]
    return TableData(
        title=title_of(section.place),
        headings=tuple(_heading(section, column) for column in columns),
        rows=shown,
        floor=floor_row(section, columns),
        legend=words.legend(stats),
        notes=(*notes.notes(), *_explanations(shown, report)),
        warnings=words.warnings(section.runs, stats, [column.key for column in columns]),
        holes=words.hole_lines(section.holes),
        provenance=words.provenance(section.runs),
        panel=panel(
            [(row.label, section.stats.get((row.label.name, row.label.setting), {})) for row in shown], section.kind
        ),
    )


def _name(count: dict) -> RowName:
    return (count["method"], count["setting"])


def _row_marks(row: RowName, known: Container[RowName], drift: Container[RowName]) -> tuple[RowMark, ...]:
    earned: dict[RowMark, bool] = {"exposed": row in known, "drift": row in drift}
    return tuple(mark for mark, there in earned.items() if there)


def _rank(method: str, order: Sequence[str] | None) -> tuple[int, str]:
    order = list(order or YARDSTICKS)
    return (order.index(method), "") if method in order else (len(order), method)


def _heading(section: Section, column: MetricColumn) -> Heading:
    found = (own[column.key].direction for own in section.stats.values() if column.key in own)
    return Heading(title=column.title, scale=column.scale, direction=next(found, None))  # type: ignore[arg-type]


def _closest(section: Section, key: str, known: set[RowName], complete: dict[RowName, bool]) -> RowName | None:
    own = [stats[key] for stats in section.stats.values() if key in stats]
    seeds = max((stat.n for stat in own), default=0)
    eligible = [s.row for s in own if may_win(s.row, complete.get(s.row, False) and s.n == seeds, known)]
    return closest(own, eligible)


def _explanations(rows: Sequence[MethodRow], report: Report) -> list[Note]:
    marks = {mark for row in rows for cell in row.cells for mark in cell.marks}
    found = []
    if "equivalent" in marks:
        within = words.margins_said(dict(report.margins))
        found.append(Note(text=f"{words.EQUIVALENT.format(within)}.", mark="equivalent"))
    if "large" in marks:
        found.append(Note(text=f"{words.LARGE}.", mark="large"))
    earned = {mark for row in rows for mark in row.label.marks}
    found += [Note(text=f"{text}.", mark=mark) for mark, text in words.ROW_MARKS.items() if mark in earned]
    if any(c.published == c.published for row in rows for c in row.cells) and report.published:
        found.append(Note(text=f"published: the printed value (ours less it). {source(report.published)}"))
    return [*found, *([Note(text=report.note)] if report.note else [])]
