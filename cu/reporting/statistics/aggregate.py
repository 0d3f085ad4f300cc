"""Runs to cells: what the seeds of one method on one data set say together, and which of them are missing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from cu.reporting.collect.runs import CELL, TABLE, Collection
from cu.reporting.statistics.completeness import completeness
from cu.reporting.statistics.gap_of_means import gaps_of_means
from cu.reporting.statistics.replicates import half_width
from cu.reporting.statistics.types import COLUMNS, NAN, Seeds, Statistic

RETRAINED, ORIGINAL = "retrained (reference)", "original (before)"


@dataclass(frozen=True)
class Cells:
    """Aggregated runs.

    Attributes:
        stats: One per cell and metric key.
        counts: One row per cell: number of `expected` seeds and of runs in each state.
        holes: One row per run that is not finished: cell, seeds, `state`, `reason`. A seed that others of the same
            data set, model and scenario have, and this cell has not, is `missing`.
        references: Like `stats`, of the retrained and original models that the runs were compared with; the spread of
            the retrained ones is that between single models.
    """

    stats: tuple[Statistic, ...]
    counts: pd.DataFrame
    holes: pd.DataFrame
    references: tuple[Statistic, ...]

    def long_form(self) -> pd.DataFrame:
        """Counts and statistics in one table; a cell without a finished run keeps one row, without a key."""
        stats = pd.DataFrame([[getattr(s, name) for name in COLUMNS] for s in self.stats], columns=COLUMNS)
        long = self.counts.merge(stats, on=CELL, how="left")
        return long.assign(n=long["n"].fillna(0).astype(int))


def aggregate(collection: Collection, seeds: Sequence[int] | None, methods: Sequence[str] | None) -> Cells:
    """Group runs into cells.

    Args:
        collection: The runs to show.
        seeds: The values of `seed` every cell should have; null: those that any run of the same data set, model and
            scenario has.
        methods: The methods every table should have; null: those that are there.
    """
    counts, holes = completeness(collection.runs, seeds, methods)
    values = collection.values
    stats = [_statistic(cell, own) for cell, own in _groups(values, [*CELL, "key"])]
    return Cells(
        stats=(*stats, *gaps_of_means(stats)), counts=counts, holes=holes, references=tuple(_references(values))
    )


def _groups(values: pd.DataFrame, by: list[str]) -> Iterable[tuple[tuple, list[Any]]]:
    """Rows by what they have in common, in the order in which it is met."""
    found: dict[tuple, list[Any]] = {}
    for row, name in zip(
        values.itertuples(index=False), values.loc[:, by].itertuples(index=False, name=None), strict=True
    ):
        found.setdefault(name, []).append(row)
    return found.items()


def _statistic(cell: tuple, rows: list[Any]) -> Statistic:
    values, gaps = ({_seeds(r): v for r in rows if not math.isnan(v := getattr(r, name))} for name in ("value", "gap"))
    compared = [r for r in rows if not math.isnan(r.gap)]
    images = [int(r.images) for r in rows if r.images is not None and r.images == r.images]
    counted = [int(r.references) for r in compared]
    name: dict[str, Any] = dict(zip([*CELL, "key"], cell, strict=True))
    means: dict[str, Any] = {part: _mean(getattr(r, part) for r in rows) for part in ("floor", "original", "margin")}
    return Statistic(
        **name,
        **_moments(values, "mean", "std", "n", "ci95"),
        ref=_mean(r.ref for r in rows),
        ref_std=_pooled([r.ref_std for r in compared], counted),
        **_moments(gaps, "gap", "gap_std", "gap_n", "gap_ci95"),
        **_moments({seeds: abs(gap) for seeds, gap in gaps.items()}, "abs_gap", None, None, "abs_gap_ci95"),
        **means,
        direction=rows[0].direction,
        references=min(counted, default=0),
        images=min(images, default=0),
        reasons=_joined(_reason(r) for r in rows if r.status != "ok"),
        versions=_joined(r.version for r in rows),
        notes=_joined(r.note for r in rows),
        gaps=gaps,
        stds={_seeds(r): r.ref_std for r in compared},
        counts={_seeds(r): int(r.references) for r in compared},
    )


def _moments(values: Mapping[Seeds, float], mean: str, std: str | None, n: str | None, ci95: str) -> dict[str, Any]:
    with np.errstate(all="ignore"):  # absurd numbers give infinite ones
        own = np.array(list(values.values()), dtype=float)
        spread = float(own.std(ddof=1)) if len(own) > 1 else NAN
        found = {mean: float(own.mean()) if len(own) else NAN, ci95: half_width(values)}
    return {**found, **({std: spread} if std else {}), **({n: len(own)} if n else {})}


def _mean(values: Iterable[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return math.fsum(v / len(known) for v in known) if known else NAN


def _pooled(stds: Sequence[float], counts: Sequence[int]) -> float:
    known = [(s, k - 1) for s, k in zip(stds, counts, strict=True) if not math.isnan(s) and k > 1]
    freedom = sum(f for _, f in known)
    return math.hypot(*(s * math.sqrt(f / freedom) for s, f in known)) if freedom else NAN


def _joined(texts: Iterable[object]) -> str | None:
    return "; ".join(sorted({str(t) for t in texts if t is not None and t == t} - {""})) or None


def _reason(row: Any) -> str:
    """Why a value is missing: of one that is undefined, what the metric says of itself."""
    return row.note if row.status == "undefined" and isinstance(row.note, str) and row.note else row.status


def _seeds(row: Any) -> tuple[int, int, int]:
    return (int(row.seed), int(row.forget_seed), int(row.method_seed))


def _references(values: pd.DataFrame) -> Iterable[Statistic]:
    """The models the runs were compared with: once per forget set and seed, however many methods share them."""
    parts = []
    for method, source in ((RETRAINED, "ref"), (ORIGINAL, "original")):
        once = values.loc[values[source].notna()].drop_duplicates([*TABLE, "seed", "forget_seed", "key"])
        gap = once[source] - once["ref"] if method == ORIGINAL else NAN
        told = {"value": once[source], "gap": gap, "status": "ok", "version": None, "note": None, "original": NAN}
        parts.append(once.assign(method=method, setting="", **told))
    for cell, rows in (group for part in parts for group in _groups(part[parts[0].columns], [*CELL, "key"])):
        own = _statistic(cell, rows)
        yield own if own.method == ORIGINAL else _single_models(own, rows)


def _single_models(retrained: Statistic, rows: list[Any]) -> Statistic:
    """With the spread between single models, which that of their means would hide; of one per run both are the same."""
    spread = _pooled([r.ref_std for r in rows], [int(r.references) for r in rows])
    return retrained if math.isnan(spread) else replace(retrained, std=spread, ref_std=spread)
