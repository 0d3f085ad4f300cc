"""The parts of a table as words, for every medium; what is escaped and how it is set is the renderers' own."""

from __future__ import annotations

import math
from dataclasses import dataclass

from cu.reporting.render.numbers import number
from cu.reporting.scales import Scale
from cu.reporting.tables.types import Cell, Heading, Label, MethodRow, Note, SeedCount, TableData

ARROWS = {"match_retrained": "→ref", "higher": "↑", "lower": "↓"}
MARKS = {"large": "*", "equivalent": "≈", "exposed": "†", "drift": "○"}


@dataclass(frozen=True, kw_only=True)
class CellText:
    """A cell's words: `main` value, its `spread`, what qualifies it, and the marks that notes explain."""

    main: str
    spread: str = ""
    detail: str = ""
    marks: tuple[str, ...] = ()

    def joined(self) -> str:
        """All of it in one line."""
        return " ".join(filter(None, (self.main, self.spread, self.detail, *self.marks)))


def cell_text(cell: Cell, scale: Scale, row: MethodRow) -> CellText:
    """The words of a cell in its row."""
    marks = tuple(MARKS[mark] for mark in cell.marks)
    footnote = (mark_text(cell.footnote),) if cell.footnote else ()
    if cell.hole:
        return CellText(main="—", detail=f"({cell.hole})")
    if math.isnan(cell.value):
        return CellText(main="" if row.label.role == "floor" else "n/a", marks=footnote)
    gap = "" if math.isnan(cell.gap) else f"({number(cell.gap, scale, signed=True)})"
    spread = "" if math.isnan(cell.std) else f"± {number(cell.std, scale)}"
    parts = [number(cell.value, scale), spread, gap]
    if cell.note:
        last = max(i for i, part in enumerate(parts) if part)
        parts[last] += f", {cell.note}"
    return CellText(main=parts[0], spread=parts[1], detail=parts[2], marks=(*footnote, *marks))


def published_text(cell: Cell, scale: Scale) -> str:
    """A printed value and how far ours is from it: "85.79 (−0.42)"; "" where there is none."""
    if math.isnan(cell.published):
        return ""
    ours = "" if math.isnan(cell.published_gap) else f" ({number(cell.published_gap, scale, signed=True)})"
    return number(cell.published, scale) + ours


def heading_text(heading: Heading) -> str:
    """A column's title, unit and direction, such as "time [s] ↓"."""
    unit = f"[{heading.scale.unit}]" if heading.scale.unit else ""
    return " ".join(filter(None, (heading.title, unit, ARROWS.get(heading.direction or "", ""))))


def label_text(label: Label) -> str:
    """A row's name, such as "resnet18 / scrub (lr=0.1) †"."""
    name = f"{label.name} ({label.setting})" if label.setting else label.name
    model = f"{label.model} / " if label.model else ""
    return " ".join((f"{model}{name}", *(MARKS[mark] for mark in label.marks)))


def seeds_text(seeds: SeedCount | None) -> str:
    """Finished and expected seeds, such as "2/3 (failed 1)"."""
    if seeds is None:
        return ""
    if seeds.expected is None:
        return str(seeds.finished)
    others = ", ".join(f"{state} {count}" for state, count in seeds.others)
    return f"{seeds.finished}/{seeds.expected}" + (f" ({others})" if others else "")


def mark_text(mark: int | str | None) -> str:
    """What stands in a table where a note explains it."""
    return f"[{mark}]" if isinstance(mark, int) else MARKS.get(mark or "", "")


def note_text(note: Note) -> str:
    """A note with its mark in front."""
    return " ".join(filter(None, (mark_text(note.mark), note.text)))


def row_texts(row: MethodRow, table: TableData) -> list[str]:
    """Label, one text per column, seeds."""
    pairs = zip(row.cells, table.headings, strict=True)
    cells = [cell_text(cell, heading.scale, row).joined() for cell, heading in pairs]
    return [label_text(row.label), *cells, seeds_text(row.seeds)]
