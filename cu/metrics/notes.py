"""What a number cannot show, said beside it: that it is at the end of its scale, or at another rate than its name."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from cu.metrics import primitives
from cu.metrics.drawn import Drawn, noted


def saturated(value: float, samples: int, *, low: float | None = None, high: float | None = 1.0) -> float:
    """The value, with a note if it is at an end of its scale, where it cannot tell models from each other any more.

    Args:
        value: In [low, high].
        samples: How many it is a mean over, on its smaller side; within half a sample of an end is at the end.
        low: The lower end; None if being there says something.
        high: The upper end, likewise.
    """
    ends = [end for end in (low, high) if end is not None and samples and abs(value - end) < 0.5 / samples]
    if not ends:
        return value
    note = f"saturated: {samples} samples cannot tell it from {ends[0]:g}"
    return Drawn(value, getattr(value, "std", 0.0), noted(value) or note)


def tpr_at(members: ArrayLike, non_members: ArrayLike, alpha: float) -> float:
    """`primitives.tpr_at_fpr`, with a note where few non-members make it a rate at another false-positive rate."""
    rate, others = primitives.tpr_at_fpr(members, non_members, alpha), np.asarray(non_members).size
    attained = primitives.attained_fpr(non_members, alpha)
    if np.isnan(rate) or abs(attained - alpha) <= 0.1 * alpha:
        return rate
    return Drawn(rate, note=f"at a false-positive rate of {round(attained * others)} of {others}, not {alpha:g}")
