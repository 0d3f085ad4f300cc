"""Runs to cells: what the seeds of one method on one data set say together, and which of them are missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from cu.reporting.collect import CELL, SEEDS, STATES, TABLE, Collection
from cu.reporting.equivalence import with_verdicts
from cu.reporting.gap_of_means import gaps_of_means
from cu.reporting.statistics import t_half_width
from cu.reporting.types import MarginScale

Seeds = tuple[int, int, int]

COUNTS = [*STATES, "missing"]
RETRAINED, ORIGINAL = "retrained (reference)", "original (before)"


@dataclass(frozen=True)
class Cells:
    """Aggregated runs.

    Attributes:
        stats: One row per cell and metric key: `mean`, `std` (ddof=1, NaN for one seed), `n`, `ci95` (half the width
            of the 95 % t-interval of the mean), mean `ref`; of the `gap` (paired: run by run) mean, `gap_std`, `gap_n`
            and `gap_ci95`; mean `floor`, mean `original`, `direction`, `reasons` (why values are missing), `versions`
            (of the formula), `tost_p` and `holm_p` (see `cu.reporting.equivalence`).
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


def aggregate(
    collection: Collection,
    seeds: Sequence[int] | None,
    methods: Sequence[str] | None,
    margins: Mapping[MarginScale, float],
) -> Cells:
    """Group runs into cells.

    Args:
        collection: The runs to show.
        seeds: The values of `seed` every cell should have; null: those that any run of the same data set, model and
            scenario has.
        methods: The methods every table should have; null: those that are there.
        margins: By scale, the largest gap to retraining that does not matter.
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
    stats = _statistics(collection.values, [*CELL, "key"])
    means = gaps_of_means(stats)
    return Cells(
        stats=with_verdicts(pd.concat([stats, means], ignore_index=True) if len(means) else stats, margins),
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
        gap_n=("gap", "count"),
        floor=("floor", "mean"),
        original=("original", "mean"),
        direction=("direction", "first"),
    )
    for place, ci95, std, n in ((3, "ci95", "std", "n"), (8, "gap_ci95", "gap_std", "gap_n")):
        widths = [t_half_width(s, int(k)) for s, k in zip(stats[std], stats[n], strict=True)]
        stats.insert(place, ci95, pd.Series(widths, index=stats.index, dtype=float))
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
