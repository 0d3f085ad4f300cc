"""Cells to tables of text: one per data set, model, scenario and shared setting; what is missing stays visible."""

from __future__ import annotations

from collections.abc import Container, Sequence

import pandas as pd

from cu.reporting import equivalence, illusion
from cu.reporting.aggregate import ORIGINAL, RETRAINED, Cells
from cu.reporting.collect import NULL_BASELINES, TABLE, YARDSTICKS, Collection
from cu.reporting.columns import scenario_kind
from cu.reporting.footer import Footnotes, hole_lines, provenance, warnings
from cu.reporting.labels import natural
from cu.reporting.literature import footnote, printed_numbers
from cu.reporting.marks import closest
from cu.reporting.part import Part, title_of
from cu.reporting.rows import floor_row, method_row, reference_row, row_label
from cu.reporting.table import Row, Table
from cu.reporting.together import merged
from cu.reporting.types import Column, Report

_ARROWS = {"match_retrained": "→ref", "higher": "↑", "lower": "↓"}
LEGEND = (
    "mean ± std over seeds (gap to the retrained model, paired by seed). →ref: the retrained value is the target; "
    "bold: closest to it among the unlearning methods, by more than the noise floor (ties are not marked)."
)


def build_tables(collection: Collection, cells: Cells, report: Report) -> list[Table]:
    """All tables of a report; `collection` and `cells` hold the selected runs only."""
    names = cells.counts.loc[:, TABLE].drop_duplicates().to_dict("records")
    names.sort(key=lambda name: [natural(name[level]) for level in TABLE])
    if report.models:  # which are in the paper's order, say; data sets stay together
        names.sort(key=lambda name: (natural(name["dataset"]), list(report.models or ()).index(name["model"])))
    printed = printed_numbers(report.published)
    parts = [Part.cut(collection, cells, name, printed) for name in names]
    if report.together is None:
        return [_build(part, report, Footnotes()) for part in parts]
    together: dict[tuple[str, ...], list[Part]] = {}
    for part in parts:
        together.setdefault(tuple(part.name[level] for level in TABLE if level != "model"), []).append(part)
    return [_build_together(group, report) for group in together.values()]


def _build_together(parts: Sequence[Part], report: Report) -> Table:
    notes = Footnotes()
    tables = {part.name["model"]: _build(part, report, notes) for part in parts}
    return merged(title_of(parts[0].name, but="model"), tables, provenance(pd.concat([part.runs for part in parts])))


def _build(part: Part, report: Report, notes: Footnotes) -> Table:
    columns = report.columns_for(scenario_kind(part.runs))
    ordered = sorted(part.counts, key=lambda c: (_rank(c["method"], report.methods), natural(c["setting"])))
    known = {
        row_label(c["method"], c["setting"])
        for c in ordered
        if illusion.denies(part.stats, c, report.margins.get("percent", 0.0))
    }
    best = {i: _best(part, ordered, column.key, known) for i, column in enumerate(columns)}
    rows = [method_row(part, cell, columns, best, known, notes) for cell in ordered]
    finished = {cell["method"] for cell in part.counts if cell["finished"]}
    yardsticks = [
        reference_row(part, method, own, columns)
        for method, own in zip((RETRAINED, ORIGINAL), YARDSTICKS, strict=True)
        if own not in finished and any(m == method for m, _, _ in part.references)
    ]
    return Table(
        title=title_of(part.name),
        headings=tuple(_heading(part, column) for column in columns),
        rows=(*yardsticks, *rows),
        floor=floor_row(part, columns),
        footnotes=(*notes.lines(), *_explanations(rows, report)),
        warnings=warnings(part.runs, list(part.stats.values()), [column.key for column in columns]),
        holes=hole_lines(part.holes),
        provenance=provenance(part.runs),
    )


def _rank(method: str, order: Sequence[str] | None) -> tuple[int, str]:
    order = list(order or YARDSTICKS)
    return (order.index(method), "") if method in order else (len(order), method)


def _heading(part: Part, column: Column) -> str:
    direction = next((s["direction"] for (_, _, key), s in part.stats.items() if key == column.key), None)
    unit = f"[{column.scale.unit}]" if column.scale.unit else ""
    return " ".join(text for text in (column.title, unit, _ARROWS.get(str(direction), "")) if text)


def _explanations(rows: Sequence[Row], report: Report) -> list[str]:
    marks = {text[-1] for row in rows for text in (row.label, *row.cells)}
    notes = {equivalence.MARK: equivalence.footnote(report.margins), illusion.MARK: illusion.FOOTNOTE}
    chosen = [note for mark, note in notes.items() if mark in marks]
    published = [footnote(report.published)] if report.published and any(row.published for row in rows) else []
    return [*chosen, *published, *([report.note] if report.note else [])]


def _best(part: Part, cells: Sequence[dict], key: str, known: Container[str]) -> str | None:
    """The label of the row to mark in a column; one that is incomplete, null or still knows may tie, but not win."""
    gaps, complete = {}, set()
    for cell in cells:
        stat = part.stats.get((cell["method"], cell["setting"], key))
        if cell["method"] in YARDSTICKS or stat is None or stat["direction"] != "match_retrained":
            continue
        label = row_label(cell["method"], cell["setting"])
        gaps[label] = stat["gap"]
        if stat["n"] == cell["expected"] and label not in known and cell["method"] not in NULL_BASELINES:
            complete.add(label)
    winner = closest(gaps, part.floor(key))
    return winner if winner in complete else None
