"""Which columns a table has, and which of those asked for nobody reports."""

from __future__ import annotations

import difflib

import pandas as pd

from cu.reporting.collect.runs import TABLE, Collection
from cu.reporting.types import Report

# Made of others: see `cu.reporting.statistics.gap_of_means`.
GAP_OF_MEANS = "agg/avg_gap_of_means"
DISTANCE = "agg/distance_in_floors"  # see `cu.reporting.tables.distance`
GAP_PARTS = ("forget_train_acc", "retain_train_acc", "retain_test_acc", "mia/svc_confidence")


def missing_columns(collection: Collection, report: Report) -> list[str]:
    """The chosen columns that no run reports, in at most one line, with the keys that may have been meant."""
    keys = set(collection.values["key"])
    known = sorted(keys | {GAP_OF_MEANS} if keys.issuperset(GAP_PARTS) else keys)
    kinds = dict.fromkeys(scenario_kind(group) for _, group in collection.runs.groupby(TABLE))
    wanted = dict.fromkeys(column.key for kind in kinds for column in report.columns_for(kind))
    unknown = [key for key in wanted if key not in known and key != DISTANCE]
    if not unknown or not known:
        return []
    return ["report.columns: no run reports " + ", ".join(key + _guess(key, known) for key in unknown)]


def _guess(key: str, known: list[str]) -> str:
    close = difflib.get_close_matches(key, known, n=3, cutoff=0.8)
    return f" (did you mean {' or '.join(close)}?)" if close else ""


def scenario_kind(runs: pd.DataFrame) -> str:
    """Whether these runs forget `class`es or `sample`s; where none finished, by the name of the scenario."""
    kinds = runs["kind"].dropna().unique()
    return str(kinds[0]) if len(kinds) else "class" if str(runs["scenario"].iloc[0]).startswith("class") else "sample"
