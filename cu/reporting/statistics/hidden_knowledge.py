"""A head that denies what the embedding still knows: forgetting that is not there."""

from __future__ import annotations

import math
from collections.abc import Mapping

from cu.reporting.statistics.intervals import LEVEL, holm
from cu.reporting.statistics.precision import known_variance
from cu.reporting.statistics.replicates import spreads
from cu.reporting.statistics.types import Statistic
from cu.reporting.statistics.verdicts import far_p

HEAD = "forget_test_acc"
# Of the embedding first; then of what enters the head, and of every block of the encoder where an audit looked.
INSIDE = (
    "probe/linear_forget_test_acc",
    "probe/fewshot10_forget_acc",
    "cka/forget_to_original",
    "probe/knn20_forget_test_acc",
    "probe/ncm_forget_test_acc",
    "probe_h/linear_forget_test_acc",
    "probe_h/fewshot10_forget_acc",
    "cka_h/forget_to_original",
    "probe_h/knn20_forget_test_acc",
    "probe_h/ncm_forget_test_acc",
    *(f"probe/layer{depth}_linear_forget_test_acc" for depth in range(1, 6)),
)


def exposing_key(stats: Mapping[str, Statistic], margin: float) -> str | None:
    """The key that shows that a method still knows what its head denies; None if the head denies nothing or is right.

    The head is no more accurate on forgotten classes than a retrained one's, by more than the margin and the noise
    floor; and inside, a probe or CKA lies on the original's side of retraining, nearer to the original, and further
    than chance would put more than 5 % of retrained models in any of those known (Holm). A representation that is the
    embedding once more does not count twice.

    Args:
        stats: Of one row, by key.
        margin: Accuracy on forgotten test samples this far above the retrained model's counts as forgotten.
    """
    head = stats.get(HEAD)
    # NaN compares as False: what is unknown accuses nobody.
    if head is None or not head.gap <= max(margin, 0.0 if math.isnan(head.floor) else head.floor):
        return None
    inside = [key for key in INSIDE if key in stats and not _repeats(stats, key)]
    chances = holm([toward_original_p(stats[key]) for key in inside])
    found = (k for k, p in zip(inside, chances, strict=True) if p < LEVEL and _nearer_to_original(stats[k]))
    return next(found, None)


def toward_original_p(stat: Statistic) -> float:
    """How rarely a retrained model would lie so far on the original's side."""
    if math.isnan(stat.original) or stat.original == stat.ref:
        return math.nan
    side = 1 if stat.original > stat.ref else -1
    return far_p(*spreads(stat), known_variance(stat.key, stat.ref, stat.images), side)


def _repeats(stats: Mapping[str, Statistic], key: str) -> bool:
    plain = stats.get(key.replace("_h/", "/", 1))
    return "_h/" in key and plain is not None and (plain.mean, plain.gaps) == (stats[key].mean, stats[key].gaps)


def _nearer_to_original(stat: Statistic) -> bool:
    return abs(stat.mean - stat.original) < abs(stat.mean - stat.ref)
