"""The models that a figure shows side by side: before, after each method, retrained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cu.metrics.case import Case
from cu.reporting.figures.data import BEFORE, TARGET, FigureData, FigureRow, same_seed
from cu.reporting.figures.outputs import RunRecord
from cu.reporting.figures.types import LacksDataError


@dataclass(frozen=True, eq=False)
class Subject:
    """Models of one kind.

    Attributes:
        label: `original`, a row of the table, or `retrained`.
        row: The row, if it is one.
        sources: For each model a run that it belongs to, and the file of its outputs.
    """

    label: str
    row: FigureRow | None
    sources: tuple[tuple[RunRecord, Path], ...]

    def cases(self, scene: FigureData) -> list[Case]:
        """The outputs of each model."""
        return [scene.once((path, _forgotten(run)), lambda r=run, p=path: r.case(p)) for run, path in self.sources]


def subjects(scene: FigureData, rows: Sequence[FigureRow], one_seed: bool) -> tuple[list[Subject], list[str]]:
    """The original, every row, and the retrained model; and one line on each that has left no outputs.

    Args:
        scene: Whose runs to take.
        rows: The methods to show.
        one_seed: Take one model each, of the same seeds, instead of all.

    Raises:
        LacksDataError: No row has left any outputs.
    """
    chosen, notes = same_seed(scene, rows) if one_seed else ([(row, run) for row in rows for run in row.runs], [])
    found, runs = [], [run for _, run in chosen]
    for row in rows:
        own = tuple((run, run.own_file) for other, run in chosen if other is row)
        kept = tuple((run, path) for run, path in own if path.exists())
        if len(kept) < len(own):
            notes.append(f"{row.label}: {len(own) - len(kept)} of {len(own)} runs kept no predictions.npz")
        if kept:
            found.append(Subject(row.label, row, kept))
    if not found:
        raise LacksDataError("no run of a method kept predictions.npz; make runs with evaluation.keep=all")
    for place, label in ((0, BEFORE), (len(found) + 1, TARGET)):
        try:
            sources = _references(runs, label)
        except LacksDataError as why:
            notes.append(f"{label}: {why}")
            continue
        found.insert(place, Subject(label, None, sources[:1] if one_seed else sources))
    return found, notes


def _references(runs: Sequence[RunRecord], label: str) -> tuple[tuple[RunRecord, Path], ...]:
    distinct = {}
    for run in runs:
        for path in [run.original_file] if label == BEFORE else run.retrained_files:
            distinct.setdefault((path, _forgotten(run)), (run, path))
    return tuple(distinct.values())


def _forgotten(run: RunRecord) -> int:
    return run.result.seeds.forget_seed
