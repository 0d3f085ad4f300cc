"""Verdicts on a method, each with a stated error rate: wrong in at most 5 % of the cases it must not be given in.

Replicates are training seeds; what runs of one seed say is averaged first (`replicates`). Whatever needs a spread needs
two retrained models per seed and two seeds; with fewer there is no verdict, NaN. A proportion of n images cannot be
known better than its binomial error, however well a few models agree; where no spread is seen and none is known from a
number of images, there is no verdict either.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from scipy.special import stdtr

FEWEST = 2  # runs, and retrained models per run
# Retrained models do not differ by a normal law: with a spread a quarter larger and at most four degrees of freedom the
# error rates hold for the tails of a t of 5 and the skew of a gamma of 4 too.
TAILS, MOST_FREEDOM = 1.25, 4


def single_model_variance(stds: Sequence[float], counts: Sequence[int]) -> tuple[float, int]:
    """Variance between retrained models, pooled over runs, and its degrees of freedom.

    Args:
        stds: Sample standard deviation (ddof = 1) of the retrained models of each run.
        counts: Number of retrained models of each run.
    """
    freedom = sum(k - 1 for k in counts)
    return sum((k - 1) * s * s for s, k in zip(stds, counts, strict=True)) / max(freedom, 1), freedom


def far_p(
    gaps: Sequence[float],
    stds: Sequence[float],
    counts: Sequence[int],
    least: float = 0.0,
    side: Literal[-1, 0, 1] = 0,
) -> float:
    """How rarely fresh retrained models in the method's place would be as far from the others: a t-test.

    The gap of one more model to the mean of K others has the variance s2 (1 + 1 / K), with s2 that between retrained
    models, pooled over runs.

    Args:
        gaps: Signed gap of each run.
        stds: Sample standard deviation of the retrained models of each run.
        counts: Their number K.
        least: The least variance that a single model's value can be known to have, by its number of images.
        side: 0 for both sides, 1 (-1) if only values above (below) count.
    """
    if len(gaps) < FEWEST or min(counts) < FEWEST:
        return math.nan
    variance, freedom = single_model_variance(stds, counts)
    error = TAILS * math.sqrt(max(variance, least) * sum(1 + 1 / k for k in counts)) / len(gaps)
    mean = math.fsum(gaps) / len(gaps)
    if not error > 1e-12 * max(1.0, abs(mean)):
        return math.nan
    t, freedom = mean / error, min(freedom, MOST_FREEDOM)
    return float(2 * stdtr(freedom, -abs(t)) if side == 0 else stdtr(freedom, -side * t))


def equivalence_p(gaps: Sequence[float], margin: float, finite: float = 0.0) -> float:
    """The p-value of two one-sided t-tests (TOST; Schuirmann 1987): small means equivalent within the margin.

    The hypothesis that is rejected is |expected gap| >= margin. "Not significantly different" is not "equal"; this is.

    Args:
        gaps: Signed gap of each run.
        margin: The largest gap that does not matter, above 0, declared before looking.
        finite: Variance of the gap that comes from the number of images; it does not shrink with runs that share them.
    """
    n = len(gaps)
    if n < FEWEST:
        return math.nan
    mean, between = math.fsum(gaps) / n, float(np.var(gaps, ddof=1)) / n
    error = math.sqrt(between + finite)
    if not error > 1e-12 * max(abs(mean), margin):
        return math.nan
    return float(stdtr(n - 1, -(margin - abs(mean)) / error))


def closer_p(near: Sequence[float], far: Sequence[float], least: float = 0.0) -> float:
    """How rarely two equally close methods, the nearer of which was chosen, are as far apart: a paired t-test.

    Args:
        near: |gap| of the method that is nearer on average, by run.
        far: |gap| of another method in the same runs.
        least: The least variance that a difference can be known to have.
    """
    n = len(near)
    if n < FEWEST:
        return math.nan
    differences = np.subtract(far, near)
    error = math.sqrt(max(float(differences.var(ddof=1)), least) / n)
    mean = float(differences.mean())
    if not error > 1e-12 * max(1.0, abs(mean)):
        return math.nan
    return min(1.0, float(2 * stdtr(n - 1, -mean / error)))
