"""How well a share of images can be known at all, however well a few models agree on it."""

from __future__ import annotations

from cu.reporting.collect.images import is_difference


def known_variance(key: str, value: float, images: int | None) -> float:
    """Variance of a metric's value that comes from the number of images behind it; 0 if that is no bound.

    A difference d of two shares of n images may be that of (1 + d) / 2 and (1 - d) / 2, of which it is least certain:
    its variance is that of the share (1 + d) / 2 of 2 n images, times four. That holds for an advantage, which is twice
    such a share less one, too.
    """
    if is_difference(key):
        return 4 * binomial_variance((1 + value) / 2, 2 * (images or 0))
    return binomial_variance(value, images)


def binomial_variance(share: float, trials: int | None) -> float:
    """Variance of a share of `trials` images, with two added to either side (Agresti & Coull 1998); 0 if unknown."""
    if not trials or not 0 <= share <= 1:
        return 0.0
    shrunk = (share * trials + 2) / (trials + 4)
    return shrunk * (1 - shrunk) / trials
