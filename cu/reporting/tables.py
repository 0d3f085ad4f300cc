"""Cells to tables of text: one per data set, model, scenario and shared setting; what is missing stays visible."""

from __future__ import annotations

import math
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from cu.reporting import equivalence, illusion
from cu.reporting.aggregate import COUNTS, ORIGINAL, RETRAINED, Cells
from cu.reporting.collect import TABLE, YARDSTICKS, Collection
from cu.reporting.columns import scenario_kind
from cu.reporting.footer import Footnotes, hole_lines, provenance, warnings
from cu.reporting.formats import number, spread
from cu.reporting.labels import natural
from cu.reporting.literature import Printed, beside, footnote, printed_numbers
from cu.reporting.marks import closest
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
    parts = [_Part.cut(collection, cells, name, printed) for name in names]
    if report.together is None:
        return [_build(part, report, Footnotes()) for part in parts]
    together: dict[tuple[str, ...], list[_Part]] = {}
    for part in parts:
        together.setdefault(tuple(part.name[level] for level in TABLE if level != "model"), []).append(part)
    return [_build_together(group, report) for group in together.values()]


def _build_together(parts: Sequence[_Part], report: Report) -> Table:
    notes = Footnotes()
    tables = {part.name["model"]: _build(part, report, notes) for part in parts}
    return merged(_title(parts[0], but="model"), tables, provenance(pd.concat([part.runs for part in parts])))


@dataclass(frozen=True, kw_only=True)
class _Part:
    """What one table is made of."""

    name: Mapping[str, str]
    runs: pd.DataFrame
    counts: list[dict]
    holes: pd.DataFrame
    stats: dict[tuple[str, str, str], dict]
    references: dict[tuple[str, str, str], dict]
    printed: Printed

    @staticmethod
    def cut(collection: Collection, cells: Cells, name: Mapping[str, str], printed: Printed) -> _Part:
        def of(frame: pd.DataFrame) -> pd.DataFrame:
            return frame.loc[(frame.loc[:, TABLE] == pd.Series(name)).all(axis=1)]

        def by_key(frame: pd.DataFrame) -> dict[tuple[str, str, str], dict]:
            return {(s["method"], s["setting"], s["key"]): s for s in of(frame).to_dict("records")}

        return _Part(
            name=name,
            runs=of(collection.runs),
            counts=of(cells.counts).to_dict("records"),
            holes=of(cells.holes),
            stats=by_key(cells.stats),
            references=by_key(cells.references),
            printed=printed,
        )

    def published(self, method: str, columns: Sequence[Column], stats: Sequence[Mapping | None]) -> tuple[str, ...]:
        row = (*(self.name[level] for level in TABLE[:3]), method)
        return beside(self.printed, row, columns, [stat["mean"] if stat else math.nan for stat in stats])


def _build(part: _Part, report: Report, notes: Footnotes) -> Table:
    columns = report.columns_for(scenario_kind(part.runs))
    ordered = sorted(part.counts, key=lambda c: (_rank(c["method"], report.methods), natural(c["setting"])))
    known = {
        row_label(c["method"], c["setting"])
        for c in ordered
        if illusion.denies(part.stats, c, report.margins.get("percent", 0.0))
    }
    best = {i: _best(part, ordered, column.key, known) for i, column in enumerate(columns)}
    rows = [_row(part, cell, columns, best, known, notes) for cell in ordered]
    finished = {cell["method"] for cell in part.counts if cell["finished"]}
    yardsticks = [
        _reference_row(part, method, own, columns)
        for method, own in zip((RETRAINED, ORIGINAL), YARDSTICKS, strict=True)
        if own not in finished and any(m == method for m, _, _ in part.references)
    ]
    return Table(
        title=_title(part),
        headings=tuple(_heading(part, column) for column in columns),
        rows=(*yardsticks, *rows),
        floor=_floor_row(part, columns),
        footnotes=(*notes.lines(), *_explanations(rows, report)),
        warnings=warnings(part.runs, list(part.stats.values()), [column.key for column in columns]),
        holes=hole_lines(part.holes),
        provenance=provenance(part.runs),
    )


def _title(part: _Part, but: str = "") -> str:
    setting = part.name["data_setting"]
    return " / ".join(part.name[level] for level in TABLE[:3] if level != but) + (f" ({setting})" if setting else "")


def _rank(method: str, order: Sequence[str] | None) -> tuple[int, str]:
    order = list(order or YARDSTICKS)
    return (order.index(method), "") if method in order else (len(order), method)


def _heading(part: _Part, column: Column) -> str:
    direction = next((s["direction"] for (_, _, key), s in part.stats.items() if key == column.key), None)
    unit = f"[{column.scale.unit}]" if column.scale.unit else ""
    return " ".join(text for text in (column.title, unit, _ARROWS.get(str(direction), "")) if text)


def row_label(method: str, setting: str) -> str:
    """How a row names its method and what sets it apart."""
    return f"{method} ({setting})" if setting else method


def _explanations(rows: Sequence[Row], report: Report) -> list[str]:
    marks = {text[-1] for row in rows for text in (row.label, *row.cells)}
    notes = {equivalence.MARK: equivalence.footnote(report.margins), illusion.MARK: illusion.FOOTNOTE}
    chosen = [note for mark, note in notes.items() if mark in marks]
    published = [footnote(report.published)] if report.published and any(row.published for row in rows) else []
    return [*chosen, *published, *([report.note] if report.note else [])]


def _row(
    part: _Part,
    cell: dict,
    columns: Sequence[Column],
    best: Mapping[int, str | None],
    known: Container[str],
    notes: Footnotes,
) -> Row:
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


def _text(part: _Part, cell: dict, column: Column, broken: Mapping[str, int], notes: Footnotes) -> str:
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


def _reference_row(part: _Part, method: str, own: str, columns: Sequence[Column]) -> Row:
    stats = [part.references.get((method, "", column.key)) for column in columns]
    count = max((stat["n"] for stat in stats if stat), default=0)
    texts = tuple(_value(stat, column) if stat else "n/a" for stat, column in zip(stats, columns, strict=True))
    values = tuple(_shown(stat, column) for stat, column in zip(stats, columns, strict=True))
    published = part.published(own, columns, stats)
    return Row(label=method, seeds=str(count), cells=texts, values=values, published=published)


def _floor(part: _Part, key: str) -> float:
    if key.startswith("eff/"):
        return math.nan  # that two retrainings take unequally long says nothing about a method
    floors = [(m, s["floor"]) for (m, _, k), s in part.stats.items() if k == key and not math.isnan(s["floor"])]
    chosen = [floor for method, floor in floors if method not in YARDSTICKS] or [floor for _, floor in floors]
    return sum(chosen) / len(chosen) if chosen else math.nan


def _floor_row(part: _Part, columns: Sequence[Column]) -> Row | None:
    floors = [_floor(part, column.key) for column in columns]
    if all(math.isnan(floor) for floor in floors):
        return None
    texts = tuple("" if math.isnan(f) else number(f, c.scale) for f, c in zip(floors, columns, strict=True))
    values = tuple(floor * column.scale.factor for floor, column in zip(floors, columns, strict=True))
    return Row(label="noise floor", seeds="", cells=texts, values=values)


def _best(part: _Part, cells: Sequence[dict], key: str, known: Container[str]) -> str | None:
    """The label of the row to mark in a column; a row that is incomplete or still knows may tie, but not win."""
    gaps, complete = {}, set()
    for cell in cells:
        stat = part.stats.get((cell["method"], cell["setting"], key))
        if cell["method"] in YARDSTICKS or stat is None or stat["direction"] != "match_retrained":
            continue
        label = row_label(cell["method"], cell["setting"])
        gaps[label] = stat["gap"]
        if stat["n"] == cell["expected"] and label not in known:
            complete.add(label)
    winner = closest(gaps, _floor(part, key))
    return winner if winner in complete else None
