"""The average gap of the means over seeds, beside the mean over seeds of the average gap."""

from __future__ import annotations

import math

import pandas as pd

from cu.reporting.collect import CELL

KEY = "agg/avg_gap_of_means"
COMPONENTS = ("forget_train_acc", "retain_train_acc", "retain_test_acc", "mia/svc_confidence")


def gaps_of_means(stats: pd.DataFrame) -> pd.DataFrame:
    """One row per cell that has all components: the mean of their |mean gap|, in [0, 1], lower is better.

    `agg/avg_gap` takes the absolute value in each run, so that noise between seeds adds to it; here it cancels. Both
    forms are printed in the literature under one name.
    """
    parts = stats.loc[stats["key"].isin(list(COMPONENTS)) & stats["gap"].notna()]
    rows = []
    for cell, group in parts.groupby(CELL, sort=False, dropna=False):
        if len(group) == len(COMPONENTS):
            own = {"key": KEY, "mean": float(group["gap"].abs().mean()), "n": int(group["gap_n"].min())}
            rows.append({**dict(zip(CELL, cell, strict=True)), **own, "direction": "lower", "versions": "1"})
    numbers = ["std", "ci95", "ref", "gap", "gap_std", "gap_ci95", "floor", "original"]
    return pd.DataFrame(rows, columns=stats.columns).assign(**dict.fromkeys(numbers, math.nan), gap_n=0)
