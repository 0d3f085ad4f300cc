"""Whether what was forgotten comes back by itself: training on retained samples alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cu.metrics.case import Case
from cu.metrics.predictions import Floats
from cu.metrics.spec import RATE, metric


@dataclass(frozen=True, eq=False)
class RetainRelearning:
    """What a model that is trained on retained samples alone knows of the forget set on the way.

    Attributes:
        steps: int64 [T], optimizer steps at which accuracy was taken, from 0.
        judged: Accuracy of the judged model on forget samples [O, T], in [0, 1], a row for each order of the batches.
    """

    steps: NDArray[np.int64]
    judged: Floats


@metric(
    keys=("relearn/retain_only_acc", "relearn/retain_only_gain", "relearn/retain_only_max"),
    needs=(RetainRelearning,),
    margin=RATE,
)
def retain_only_relearning(case: Case, /) -> dict[str, float]:
    """Accuracy on forget samples after training on retained samples alone, in [0, 1]; mean over orders of the batches.

    `acc` is that after the last step, `gain` what it is above the accuracy before the first, in [-1, 1], `max` the
    largest on the way. No forget sample is shown: what returns was never gone. The target is the retrained model's
    value. Siddiqui et al., "From Dormant to Deleted", arXiv 2505.22310.
    """
    curves = case.findings[RetainRelearning].judged
    return {
        "relearn/retain_only_acc": float(curves[:, -1].mean()),
        "relearn/retain_only_gain": float((curves[:, -1] - curves[:, 0]).mean()),
        "relearn/retain_only_max": float(curves.max(axis=1).mean()),
    }
