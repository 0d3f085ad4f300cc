"""Which cells of a table are equivalent to retraining, as far as their seeds can tell."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd

from cu.reporting.collect import TABLE, YARDSTICKS
from cu.reporting.formats import scale_of
from cu.reporting.statistics import LEVEL, equivalence_p, holm
from cu.reporting.types import MarginScale

MARK = "≈"


def with_verdicts(stats: pd.DataFrame, margins: Mapping[MarginScale, float]) -> pd.DataFrame:
    """Statistics of cells with two more columns.

    `tost_p` is the p-value of the equivalence test of the paired gap against the margin of the key's scale; NaN where
    retraining is not the target, the scale has no margin, or there are fewer than two seeds. `holm_p` is the same
    after Holm's correction over the methods of a table, for each key; yardsticks claim nothing and have none.
    """
    tost = [_tost(cell, margins) for cell in stats.to_dict("records")]
    judged = stats.assign(tost_p=pd.Series(tost, index=stats.index, dtype=float), holm_p=math.nan)
    methods = judged.loc[~judged["method"].isin(list(YARDSTICKS))]
    for _, family in methods.groupby([*TABLE, "key"], sort=False, dropna=False):
        judged.loc[family.index, "holm_p"] = holm(family["tost_p"].tolist())
    return judged


def _tost(cell: Mapping, margins: Mapping[MarginScale, float]) -> float:
    margin = margins.get(scale_of(cell["key"]))  # type: ignore[call-overload]
    if margin is None or cell["direction"] != "match_retrained":
        return math.nan
    return equivalence_p(cell["gap"], cell["gap_std"], int(cell["gap_n"]), margin)


def is_equivalent(cell: Mapping) -> bool:
    """Whether a cell earns the mark."""
    return cell.get("holm_p", math.nan) < LEVEL


def footnote(margins: Mapping[MarginScale, float]) -> str:
    """What the mark means."""
    within = " or ".join(
        f"{m * 100:g} {'point' if m == 0.01 else 'points'}" if scale == "percent" else f"{m:g}"
        for scale, m in margins.items()
    )
    return (
        f"{MARK} equivalent to retraining: the paired gap is within {within} (two one-sided t-tests over seeds, "
        f"p < {LEVEL:g} after Holm's correction over the methods of the column). A missing mark proves nothing, and a "
        "row that lacks seeds gets none."
    )
