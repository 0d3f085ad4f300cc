"""How far the number of samples alone leaves the AUC of an attack open."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge
from numpy.typing import ArrayLike
from scipy.special import ndtri
from scipy.stats import rankdata

from cu.metrics import primitives
from cu.metrics.case import Case
from cu.metrics.drawn import averaged
from cu.metrics.spec import UNDECIDABLE, metric

CONFIDENCE = 0.95


def delong_interval(members: ArrayLike, non_members: ArrayLike) -> tuple[float, float]:
    """The 95 % interval of an AUC, cut to [0, 1] (DeLong et al. 1988); NaN with fewer than two scores on a side.

    Args:
        members: Scores [n] that should be higher.
        non_members: Scores [m]. Ties count as half.
    """
    a, b = np.asarray(members, dtype=np.float64), np.asarray(non_members, dtype=np.float64)
    if min(a.size, b.size) < 2:
        return float("nan"), float("nan")
    ranks = rankdata(np.concatenate([a, b]))
    # Of each score: the share of the other side that it is ordered rightly against.
    above = (ranks[: a.size] - rankdata(a)) / b.size
    below = 1 - (ranks[a.size :] - rankdata(b)) / a.size
    error = np.sqrt(above.var(ddof=1) / a.size + below.var(ddof=1) / b.size)
    centre, half = above.mean(), ndtri((1 + CONFIDENCE) / 2) * error
    return float(max(0.0, centre - half)), float(min(1.0, centre + half))


@metric(keys=("mia/loss_auc_low", "mia/loss_auc_high"), version=2, margin=UNDECIDABLE)
def loss_auc_interval(case: Case, /, *, draws: Annotated[int, Ge(2)]) -> dict[str, float]:
    """The 95 % interval of `mia/loss_auc` within this run, in [0, 1]: what other samples might have given.

    It says nothing about other seeds, and a gap to the retrained models is judged by the noise floor. In sample
    scenarios the mean of `draws` choices of unseen samples.
    """

    def draw(number: int) -> dict[str, float]:
        sides = (case.model.forget, case.matched_non_members(draw=number))
        low, high = delong_interval(*(-primitives.loss(part.logits, part.label) for part in sides))
        return {"mia/loss_auc_low": low, "mia/loss_auc_high": high}

    return averaged(case.non_member_draws(draws), draw)
