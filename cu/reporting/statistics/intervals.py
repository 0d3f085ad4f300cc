"""What the seeds of a comparison can and cannot say. Replicates are training seeds, never the samples within a run.

Paired differences are tested by t, not by ranks: with five seeds the signed-rank test cannot fall below p = 0.0625.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import ndtri, stdtrit

LEVEL = 0.05


def t_half_width(std: float, n: int, confidence: float = 1 - LEVEL) -> float:
    """Half the width of the two-sided t-interval of a mean; NaN for fewer than two values.

    Args:
        std: Sample standard deviation (ddof = 1) of the values, or of the paired differences.
        n: How many there are.
        confidence: Between 0 and 1.
    """
    if n < 2:
        return math.nan
    return float(stdtrit(n - 1, (1 + confidence) / 2)) * std / math.sqrt(n)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values of a family of tests (Holm 1979), in the given order; NaN is no test and stays NaN."""
    p = np.asarray(p_values, dtype=float)
    adjusted = np.full(len(p), np.nan)
    tests = np.flatnonzero(~np.isnan(p))
    order = tests[np.argsort(p[tests], kind="stable")]
    steps = p[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return adjusted.tolist()


def wilson_interval(successes: int, trials: int, confidence: float = 1 - LEVEL) -> tuple[float, float]:
    """The interval of a proportion within one run (Wilson 1927); (NaN, NaN) without a trial."""
    if trials == 0:
        return math.nan, math.nan
    z, share = float(ndtri((1 + confidence) / 2)), successes / trials
    centre = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z / (1 + z * z / trials) * math.sqrt(share * (1 - share) / trials + (z / (2 * trials)) ** 2)
    return max(0.0, centre - half), min(1.0, centre + half)
