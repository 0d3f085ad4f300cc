"""Whether what was forgotten comes back by itself: training on retained samples alone."""

from __future__ import annotations

from cu.metrics.case import Case
from cu.metrics.spec import RATE, metric


@metric(
    keys=("relearn/retain_only_acc", "relearn/retain_only_gain", "relearn/retain_only_max"),
    needs=("retain_relearning",),
    margin=RATE,
)
def retain_only_relearning(case: Case, /) -> dict[str, float]:
    """Accuracy on forget samples after training on retained samples alone, in [0, 1]; mean over orders of the batches.

    `acc` is that after the last step, `gain` what it is above the accuracy before the first, in [-1, 1], `max` the
    largest on the way. No forget sample is shown: what returns was never gone. The target is the retrained model's
    value. Siddiqui et al., "From Dormant to Deleted", arXiv 2505.22310.
    """
    assert case.retain_relearning is not None
    curves = case.retain_relearning.judged
    return {
        "relearn/retain_only_acc": float(curves[:, -1].mean()),
        "relearn/retain_only_gain": float((curves[:, -1] - curves[:, 0]).mean()),
        "relearn/retain_only_max": float(curves.max(axis=1).mean()),
    }
