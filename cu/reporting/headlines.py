"""Which metrics a run is told by at its end, and which of their gaps are large."""

from __future__ import annotations

import math

from cu.evaluation.comparison import Comparison
from cu.store.result import RunResult

_ACCURACIES = (
    "forget_train_acc",
    "forget_test_acc",
    "unlearn_score",
    "retain_train_acc",
    "retain_test_acc",
    "test_acc",
)
_CONFUSION = ("ic/error", "ic/fgt")
_CLOSENESS = (
    "mia/svc_confidence",
    "mia/rmia_auc",
    "cmia/gap_nn",
    "probe/linear_forget_test_acc",
    "probe/member_auc",
    "cka/shift",
    "agg/avg_gap",
)
_ELSEWHERE = {
    "class": {"unlearn_score", "test_acc", "probe/member_auc", "mia/rmia_auc"},
    "sample": {"forget_test_acc", "retain_test_acc", "cmia/gap_nn", "probe/linear_forget_test_acc"},
}
_HEADLINES = {
    scenario: [key for key in (*_ACCURACIES, *_CONFUSION, *_CLOSENESS) if key not in without]
    for scenario, without in _ELSEWHERE.items()
}


def headlines(result: RunResult) -> dict[str, Comparison]:
    """The entries worth a line; confusion of two classes is only where their labels were swapped."""
    shown = {k: result.metrics[k] for k in _HEADLINES[result.scenario] if k in result.metrics}
    return {key: entry for key, entry in shown.items() if key not in _CONFUSION or entry.status == "ok"}


def value_of(result: RunResult, key: str, part: str = "value") -> float | None:
    """One number of a metric; None if it is missing."""
    entry = result.metrics.get(key)
    return getattr(entry, part) if entry else None


def exceeds_floor(entry: Comparison) -> bool:
    """Whether a metric's gap is larger than the distance between two retrained models; no floor, no verdict."""
    gap, floor = entry.gap, entry.floor
    return gap is not None and floor is not None and not math.isnan(floor) and abs(gap) > floor
