"""The forgetting score of the NeurIPS 2023 unlearning challenge: per-example privacy between two groups of models.

Triantafillou et al. 2024, "Are we making progress in unlearning?". 1 is out of reach: two groups drawn from one
distribution do not reach it either, so set the score of retrained against retrained models beside it.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cu.metrics.findings import Floats

Doubles = NDArray[np.float64]
Rule = Literal["threshold", "interval"]

DELTA = 1e-5
LARGEST_EPSILON = 50.0
BUCKET = 0.5
NARROW = 0.01
REACH = 2.0


def forgetting_epsilon(
    unlearned: Floats, retrained: Floats, *, delta: float = DELTA, rules: tuple[Rule, ...] = ("threshold", "interval")
) -> Doubles:
    """How well the best attack tells unlearned from retrained models by one example's statistic.

    Decisions are enumerated exactly, one for every way to split the observed values, not on a grid of thresholds:
    O(n N log N) for thresholds, O(n N^2) for intervals.

    Args:
        unlearned: Statistic (logit-scaled confidence) [N_u, n] of n forget examples under N_u unlearned models.
        retrained: The same [N_r, n] under retrained models.
        delta: Of (epsilon, delta)-closeness.
        rules: The attacker's decision rules. `threshold` calls large values the group of the larger median,
            `interval` calls what lies in an interval about the group of the smaller range that group.

    Returns:
        Epsilon [n] in [0, 50], lower is better; 50 where the groups separate; NaN where no rule gives an estimate.
    """
    if not (np.isfinite(unlearned).all() and np.isfinite(retrained).all()):
        raise ValueError("a statistic is not finite")
    columns = zip(unlearned.T.astype(np.float64), retrained.T.astype(np.float64), strict=True)
    return np.array([_example_epsilon(u, r, delta, rules) for u, r in columns])


def _example_epsilon(u: Doubles, r: Doubles, delta: float, rules: tuple[Rule, ...]) -> float:
    narrow, wide = sorted((u, r), key=lambda values: float(np.ptp(values)))
    if np.ptp(wide) > 0 and np.ptp(narrow) / np.ptp(wide) < NARROW:
        return LARGEST_EPSILON
    if np.ptp(wide) == 0 and u[0] == r[0]:
        return 0.0
    found = []
    if "threshold" in rules:
        low, high = sorted((r, u), key=lambda values: float(np.median(values)))
        found.append(_best_epsilon(*_threshold_errors(low, high), len(low), len(high), delta))
    if "interval" in rules:
        found.append(_best_epsilon(*_interval_errors(wide, narrow), len(wide), len(narrow), delta))
    known = [epsilon for epsilon in found if not np.isnan(epsilon)]
    return min(max(known), LARGEST_EPSILON) if known else float("nan")


def _counts_up_to(values: Doubles, at: Doubles, side: Literal["left", "right"]) -> NDArray[np.int64]:
    return np.searchsorted(np.sort(values), at, side=side).astype(np.int64)


def _threshold_errors(negative: Doubles, positive: Doubles) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """False positives and false negatives (counts) of `value >= t` for every observed t."""
    at = np.unique(np.concatenate([negative, positive]))
    return len(negative) - _counts_up_to(negative, at, "left"), _counts_up_to(positive, at, "left")


def _interval_errors(negative: Doubles, positive: Doubles) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """False positives and false negatives (counts) of `l <= value <= r`, for every way to split the observed values.

    As in the challenge the interval must fit the positive group: its right end within `REACH` of their maximum, its
    length within `REACH` of their range. Without that, the many intervals find differences by chance alone.
    """
    at = np.unique(np.concatenate([negative, positive]))
    first, last = np.triu_indices(len(at))
    before, after = np.append(-np.inf, at[:-1])[first], np.append(at[1:], np.inf)[last]
    # Ends may lie anywhere in the gaps around the values at[first] ... at[last].
    top, length = positive.max(), np.ptp(positive)
    fits = (at[last] <= top + REACH) & (after > top - REACH)
    fits &= np.maximum(at[last], top - REACH) - at[first] <= length + REACH
    fits &= np.minimum(after, top + REACH) - before > length - REACH
    first, last = first[fits], last[fits]
    inside = [
        _counts_up_to(values, at, "right")[last] - _counts_up_to(values, at, "left")[first]
        for values in (negative, positive)
    ]
    return inside[0], len(positive) - inside[1]


def _best_epsilon(
    false_positives: NDArray[np.int64], false_negatives: NDArray[np.int64], negatives: int, positives: int, delta: float
) -> float:
    """Largest epsilon over decisions given by error counts; NaN if none survives.

    A decision with exactly one error rate at 0 estimates nothing and is dropped; with both at 0 the groups separate.
    """
    if ((false_positives == 0) & (false_negatives == 0)).any():
        return float("inf")
    kept = (false_positives > 0) & (false_negatives > 0)
    if not kept.any():
        return float("nan")
    fpr, fnr = false_positives[kept] / negatives, false_negatives[kept] / positives
    # A rate of 1 leaves 1 - delta - rate negative: that side bounds nothing.
    smallest = np.finfo(np.float64).tiny
    one = np.log(np.maximum(1 - delta - fpr, smallest)) - np.log(fnr)
    other = np.log(np.maximum(1 - delta - fnr, smallest)) - np.log(fpr)
    return float(max(0.0, one.max(), other.max()))


def example_scores(epsilon: Floats, runs: int) -> Doubles:
    """Score [n] of each example: 2^-k for the k-th bucket of epsilon (width 0.5), 0 beyond what `runs` can resolve.

    Args:
        epsilon: [n], see `forgetting_epsilon`; NaN stays NaN.
        runs: Models per group, at least 2.

    Returns:
        In [0, 1], higher is better.
    """
    if runs < 2:
        raise ValueError(f"a forgetting score needs at least 2 runs per group, got {runs}")
    bucket = np.floor(epsilon / BUCKET)
    resolved = BUCKET * (bucket + 1) <= np.ceil(np.log(runs - 1))
    return np.where(np.isnan(epsilon), np.nan, np.where(resolved, 2.0**-bucket, 0.0))


def forgetting_score(unlearned: Floats, retrained: Floats, *, delta: float = DELTA) -> dict[str, float]:
    """Summary over examples of epsilon and its score; arguments as in `forgetting_epsilon`.

    Returns:
        `dist/eps_score` in [0, 1], higher is better; `dist/eps_mean`, `dist/eps_median` and `dist/eps_p95` in [0, 50],
        lower is better; `dist/eps_undefined`, the share of examples without an estimate, which the others leave out.
        All but the last are NaN if no example has an estimate.
    """
    epsilon = forgetting_epsilon(unlearned, retrained, delta=delta)
    known = epsilon[~np.isnan(epsilon)]
    undefined = 1 - len(known) / len(epsilon) if len(epsilon) else float("nan")
    if not len(known):
        names = ("score", "mean", "median", "p95")
        return {**{f"dist/eps_{name}": float("nan") for name in names}, "dist/eps_undefined": undefined}
    return {
        "dist/eps_score": float(example_scores(known, min(len(unlearned), len(retrained))).mean()),
        "dist/eps_mean": float(known.mean()),
        "dist/eps_median": float(np.median(known)),
        "dist/eps_p95": float(np.percentile(known, 95)),
        "dist/eps_undefined": undefined,
    }


def challenge_score(
    score: float,
    retain_acc: ArrayLike,
    retain_acc_retrained: ArrayLike,
    test_acc: ArrayLike,
    test_acc_retrained: ArrayLike,
) -> float:
    """Forgetting score times the ratios of mean retain and mean test accuracy to those of retrained models.

    Args:
        score: `dist/eps_score`.
        retain_acc: Retain accuracy of each unlearned model, [N_u].
        retain_acc_retrained: The same of each retrained model, [N_r].
        test_acc: Test accuracy of each unlearned model, [N_u].
        test_acc_retrained: The same of each retrained model, [N_r].

    Returns:
        At least 0, higher is better; NaN where a retrained accuracy is 0.
    """
    groups = (retain_acc, retain_acc_retrained, test_acc, test_acc_retrained)
    retain, retain_target, test, test_target = (float(np.mean(np.asarray(values, dtype=float))) for values in groups)
    if not (retain_target > 0 and test_target > 0):
        return float("nan")
    return score * (retain / retain_target) * (test / test_target)
