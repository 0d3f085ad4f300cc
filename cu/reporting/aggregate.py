"""Runs to cells: what the seeds of one method on one data set say together, and which of them are missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from cu.reporting.collect import CELL, SEEDS, STATES, TABLE, Collection

Seeds = tuple[int, int, int]

COUNTS = [*STATES, "missing"]
RETRAINED, ORIGINAL = "retrained (reference)", "original (before)"


@dataclass(frozen=True)
class Cells:
    """Aggregated runs.

    Attributes:
        stats: One row per cell and metric key: `mean`, `std` (ddof=1, NaN for one seed), `n`, `half_width` of the 95 %
            t-interval of the mean, mean `ref`, mean and std of the `gap` (paired: run by run), mean `floor`, mean
            `original`, `direction`, `reasons` (why values are missing), `versions` (of the formula).
        counts: One row per cell: number of `expected` seeds and of runs in each state.
        holes: One row per run that is not finished: cell, seeds, `state`, `reason`. A seed that others of the same
            data set, model and scenario have, and this cell has not, is `missing`.
        references: Like `stats`, of the retrained and original models that the runs were compared with.
    """

    stats: pd.DataFrame
    counts: pd.DataFrame
    holes: pd.DataFrame
    references: pd.DataFrame

    def long_form(self) -> pd.DataFrame:
        """Counts and statistics in one table; a cell without a finished run keeps one row, without a key."""
        long = self.counts.merge(self.stats, on=CELL, how="left")
        return long.assign(n=long["n"].fillna(0).astype(int))


def aggregate(collection: Collection, seeds: Sequence[int] | None, methods: Sequence[str] | None) -> Cells:
    """Group runs into cells.

    Args:
        collection: The runs to show.
        seeds: The values of `seed` every cell should have; null: those that any run of the same data set, model and
            scenario has.
        methods: The methods every table should have; null: those that are there.
    """
    runs = collection.runs
    cells = runs.loc[:, CELL].drop_duplicates()
    if methods is not None:
        tables = cells.loc[:, TABLE].drop_duplicates()
        asked = tables.merge(pd.DataFrame({"method": list(methods)}), how="cross").merge(
            cells.loc[:, [*TABLE, "method"]], how="left", indicator=True
        )
        absent = asked.loc[asked["_merge"] == "left_only"].drop(columns="_merge").assign(setting="")
        cells = pd.concat([cells, absent], ignore_index=True)
    counts, holes = _completeness(cells, runs, seeds)
    return Cells(
        stats=_statistics(collection.values, [*CELL, "key"]),
        counts=counts,
        holes=holes,
        references=_references(collection.values),
    )


def _statistics(values: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    groups = values.groupby(by, sort=False)
    stats = groups.agg(
        mean=("value", "mean"),
        std=("value", "std"),
        n=("value", "count"),
        ref=("ref", "mean"),
        gap=("gap", "mean"),
        gap_std=("gap", "std"),
        floor=("floor", "mean"),
        original=("original", "mean"),
        direction=("direction", "first"),
    )
    stats.insert(3, "half_width", stdtrit(np.maximum(stats["n"] - 1, 1), 0.975) * stats["std"] / np.sqrt(stats["n"]))
    stats["reasons"] = _joined(values.loc[values["status"] != "ok"], by, "status").reindex(stats.index)
    stats["versions"] = _joined(values, by, "version").reindex(stats.index)
    return stats.reset_index()


def _joined(values: pd.DataFrame, by: list[str], column: str) -> pd.Series:
    distinct = values[[*by, column]].dropna().astype({column: str}).drop_duplicates().sort_values(column, kind="stable")
    return distinct.groupby(by, sort=False)[column].agg("; ".join)


def _references(values: pd.DataFrame) -> pd.DataFrame:
    """The models the runs were compared with: once per forget set and seed, however many methods share them."""
    parts = []
    for method, source in ((RETRAINED, "ref"), (ORIGINAL, "original")):
        seen = values.loc[values.loc[:, source].notna()]
        once = seen.groupby([*TABLE, "seed", "forget_seed", "key"], sort=False, dropna=False, as_index=False).agg(
            value=(source, "mean"), ref=("ref", "mean"), floor=("floor", "mean"), direction=("direction", "first")
        )
        once["gap"] = once["value"] - once["ref"] if method == ORIGINAL else float("nan")
        parts.append(once.assign(method=method, setting="", status="ok", version=None, original=float("nan")))
    return _statistics(pd.concat([p for p in parts if len(p)] or parts, ignore_index=True), [*CELL, "key"])


def _completeness(
    cells: pd.DataFrame, runs: pd.DataFrame, seeds: Sequence[int] | None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    expected = {name: _expected(group, seeds) for name, group in runs.groupby(TABLE[:3])}
    by_cell = dict(list(runs.groupby(CELL)))
    counts, holes = [], []
    for cell in cells.to_dict("records"):
        name = tuple(cell[level] for level in CELL)
        own = by_cell[name] if name in by_cell else runs.iloc[:0]
        wanted, there = expected[name[:3]], set(_seeds(own))
        missing = [s for s in wanted if s not in there]
        states = own.loc[:, "state"].value_counts()
        counts.append(
            {
                **cell,
                "expected": max(len(wanted), len(own)),
                **{s: int(states.get(s) or 0) for s in STATES},
                "missing": len(missing),
            }
        )
        broken = own.loc[own["state"] != "finished"]
        holes += [{**cell, **dict(zip(SEEDS, s, strict=True)), "state": "missing", "reason": "no run"} for s in missing]
        holes += [
            {**cell, **{s: run[s] for s in SEEDS}, "state": run["state"], "reason": run["error"]}
            for run in broken.to_dict("records")
        ]
    return (
        pd.DataFrame(counts, columns=[*CELL, "expected", *COUNTS]),
        pd.DataFrame(holes, columns=[*CELL, *SEEDS, "state", "reason"]),
    )


def _expected(runs: pd.DataFrame, seeds: Sequence[int] | None) -> list[Seeds]:
    seen = sorted(set(_seeds(runs)))
    if seeds is None:
        return seen
    return [match for seed in seeds for match in ([s for s in seen if s[0] == seed] or [(seed, seed, seed)])]


def _seeds(runs: pd.DataFrame) -> list[Seeds]:
    return list(runs.loc[:, SEEDS].dropna().astype(int).itertuples(index=False, name=None))
