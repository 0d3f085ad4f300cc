"""A table before it is written: numbers, and words about them; only `cu.reporting.render` makes text of it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from cu.reporting.scales import Scale

Direction = Literal["match_retrained", "higher", "lower"]
Mark = Literal["large", "equivalent"]
RowMark = Literal["exposed", "drift"]
Role = Literal["method", "yardstick", "floor"]
NAN = math.nan


@dataclass(frozen=True, kw_only=True)
class Heading:
    """One column: its title, the scale its numbers are written in, and what is better."""

    title: str
    scale: Scale
    direction: Direction | None


@dataclass(frozen=True, kw_only=True)
class Label:
    """The name of a row.

    Attributes:
        name: Of the method.
        setting: What sets it apart from other rows of the method, or "".
        role: Methods compete, yardsticks do not; the floor is what two retrained models differ by.
        model: Where a table holds several.
        marks: Verdicts on the row as a whole: it looks forgotten and is not, it is no better than statistics' drift.
    """

    name: str
    setting: str = ""
    role: Role = "method"
    model: str | None = None
    marks: tuple[RowMark, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One number and what qualifies it, in stored units; NaN where there is none.

    Attributes:
        value: Mean over seeds, with `std` and mean `gap` to retraining.
        hole: Why a method has no value here, such as `failed 2/3`, or "".
        note: What is said after the value, such as `1 of 2`, or "".
        footnote: Number of the note that says why a value is missing or what is wrong with it.
        marks: Verdicts.
        best: Whether the method is the closest to retraining.
        published: The printed value, and the difference of ours, to be set beside it.
    """

    value: float = NAN
    std: float = NAN
    gap: float = NAN
    hole: str = ""
    note: str = ""
    footnote: int | None = None
    marks: tuple[Mark, ...] = ()
    best: bool = False
    published: float = NAN
    published_gap: float = NAN


@dataclass(frozen=True, kw_only=True)
class SeedCount:
    """Runs behind a row: finished, expected (None where nothing is expected), and the others by state."""

    finished: int
    expected: int | None = None
    others: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, kw_only=True)
class MethodRow:
    """One row; `seeds` is None for the noise floor."""

    label: Label
    cells: tuple[Cell, ...]
    seeds: SeedCount | None = None


@dataclass(frozen=True, kw_only=True)
class Note:
    """A sentence below a table; `mark` is what it explains: a verdict, the number of a footnote, or nothing."""

    text: str
    mark: Mark | RowMark | int | None = None


@dataclass(frozen=True, kw_only=True)
class Light:
    """A verdict on one question about a method, and the numbers behind it in stored units.

    Attributes:
        question: What is asked.
        state: `like` retraining, `unlike` it, `open` (neither is shown), or `none` (there can be no verdict).
        reason: Why there is none.
        key: The metric; with `mean` over seeds, `ref` of the retrained models, `gap`, noise `floor` and `margin`.
        seeds: How many training seeds; `references` the fewest retrained models of one.
        far_p: Of being as far away as a retrained model would be; `like_p` of the equivalence test; both corrected.
    """

    question: str
    state: Literal["like", "unlike", "open", "none"]
    reason: str = ""
    key: str = ""
    mean: float = NAN
    ref: float = NAN
    gap: float = NAN
    floor: float = NAN
    margin: float = NAN
    seeds: int = 0
    references: int = 0
    far_p: float = NAN
    like_p: float = NAN


@dataclass(frozen=True, kw_only=True)
class PanelRow:
    """A line of the front panel: a method, its lights, and its mean distance to retraining in noise floors."""

    label: Label
    lights: tuple[Light, ...]
    distance: float


@dataclass(frozen=True, kw_only=True)
class TableData:
    """One table."""

    title: str
    headings: tuple[Heading, ...]
    rows: tuple[MethodRow, ...]
    floor: MethodRow | None
    legend: str
    notes: tuple[Note, ...]
    warnings: tuple[str, ...]
    holes: tuple[str, ...]
    provenance: str
    panel: tuple[PanelRow, ...] = ()

    def all_rows(self) -> Iterator[MethodRow]:
        """Rows, the noise floor last."""
        yield from self.rows
        if self.floor:
            yield self.floor

    @cached_property
    def published_columns(self) -> tuple[int, ...]:
        """Positions of the columns that a published value stands beside."""
        there = range(len(self.headings))
        return tuple(i for i in there if any(not math.isnan(row.cells[i].published) for row in self.rows))
