"""KL divergence of margins (KLoM): per example, between its margins under retrained and under unlearned models.

Georgiev et al. 2025, "Attribute-to-Delete". Margins are logit-scaled confidences. Lower is better, and two groups of
retrained models do not reach 0: set their value beside it, and with fewer than 50 models use the Gaussian form.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import rel_entr

from cu.metrics.findings import Floats

Doubles = NDArray[np.float64]

LARGEST_MARGIN = 100.0


def histogram_divergence(retrained: Floats, unlearned: Floats, *, bins: int = 20, smallest: float = 1e-5) -> Doubles:
    """KL(retrained || unlearned) [n] in nats, of histograms with equal bins between the joint minimum and maximum.

    Args:
        retrained: Margins [N_r, n], clipped to +-100 here.
        unlearned: Margins [N_u, n].
        bins: Number of bins; a value has no meaning without it.
        smallest: Mass that an empty unlearned bin gets where the retrained one is not empty.

    Returns:
        In [0, -ln(smallest)] up to renormalisation.
    """
    p_values, q_values = _clipped(retrained), _clipped(unlearned)
    low = np.minimum(p_values.min(axis=0), q_values.min(axis=0))
    width = np.maximum(p_values.max(axis=0), q_values.max(axis=0)) - low
    p, q = (_histogram(values, low, width, bins) for values in (p_values, q_values))
    q = np.where((p > 0) & (q < smallest), smallest, q)
    return rel_entr(p, q / q.sum(axis=1, keepdims=True)).sum(axis=1)


def gaussian_divergence(retrained: Floats, unlearned: Floats) -> Doubles:
    """KL(retrained || unlearned) [n] in nats, of normal distributions with the groups' means and variances (ddof 1).

    Args:
        retrained: Margins [N_r, n], N_r >= 2, clipped to +-100 here.
        unlearned: Margins [N_u, n], N_u >= 2.

    Returns:
        At least 0; inf where one group is constant and the other differs.
    """
    p, q = _clipped(retrained), _clipped(unlearned)
    if min(len(p), len(q)) < 2:
        raise ValueError("the Gaussian form needs at least 2 models per group")
    shift, p_var, q_var = p.mean(axis=0) - q.mean(axis=0), p.var(axis=0, ddof=1), q.var(axis=0, ddof=1)
    # Rounding in the mean of equal numbers is no spread.
    p_var, q_var = np.where(np.ptp(p, axis=0) == 0, 0, p_var), np.where(np.ptp(q, axis=0) == 0, 0, q_var)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = (np.log(q_var / p_var) + (p_var + shift**2) / q_var - 1) / 2
    same = (p_var == 0) & (q_var == 0) & (p[0] == q[0])
    return np.where((p_var > 0) & (q_var > 0), np.maximum(value, 0), np.where(same, 0.0, np.inf))


def summary(divergence: Floats, prefix: str) -> dict[str, float]:
    """Mean, median and 95th percentile over examples, as `{prefix}_mean`, `{prefix}_median`, `{prefix}_p95`."""
    if not len(divergence):
        return {f"{prefix}_{name}": float("nan") for name in ("mean", "median", "p95")}
    return {
        f"{prefix}_mean": float(np.mean(divergence)),
        f"{prefix}_median": float(np.median(divergence)),
        # An observed value, because interpolation next to inf gives NaN.
        f"{prefix}_p95": float(np.percentile(divergence, 95, method="higher")),
    }


def _clipped(margins: Floats) -> Doubles:
    if np.isnan(margins).any():
        raise ValueError("a margin is NaN")
    return np.clip(margins.astype(np.float64), -LARGEST_MARGIN, LARGEST_MARGIN)


def _histogram(values: Doubles, low: Doubles, width: Doubles, bins: int) -> Doubles:
    """Shares [n, bins] of the rows of values [N, n]; the last bin is closed, so that the maximum is counted."""
    position = np.divide(values - low, width, out=np.zeros_like(values), where=width > 0)
    which = np.minimum((position * bins).astype(np.int64), bins - 1)
    n = values.shape[1]
    flat = np.bincount((which + np.arange(n) * bins).ravel(), minlength=n * bins)
    return flat.reshape(n, bins) / len(values)
