"""Which method of a table comes closest to retraining, if the data can tell."""

from __future__ import annotations

import math
from collections.abc import Mapping


def closest(gaps: Mapping[str, float], floor: float) -> str | None:
    """The name with the smallest absolute gap, if it leads every other by more than the noise floor.

    Fewer than two names with a gap, or a tie within the floor (NaN counts as 0): nobody.
    """
    ranked = sorted((abs(gap), name) for name, gap in gaps.items() if not math.isnan(gap))
    margin = 0.0 if math.isnan(floor) else floor
    if len(ranked) < 2 or ranked[1][0] - ranked[0][0] <= margin + 1e-12:
        return None
    return ranked[0][1]
