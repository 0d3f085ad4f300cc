"""Whether confidences can be trusted."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Gt

from cu.metrics.primitives import loss, softmax
from cu.metrics.types import Case, Floats, Integers, metric

KEYS = ("calib/retain_test_ece", "calib/retain_test_nll", "calib/retain_test_brier")


def expected_calibration_error(confidence: Floats, correct: Floats, bins: int) -> float:
    """Mean over samples of |accuracy - mean confidence| within equal-width bins (Guo et al. 2017, eq. 5).

    Bins are open below and closed above. A perfectly calibrated model does not reach 0 with finitely many samples (15
    bins: about 0.04 at 1,000 samples, 0.0125 at 10,000).

    Args:
        confidence: Probability of the predicted class, [n], in [0, 1].
        correct: Whether the prediction was right, [n].
        bins: Number of bins.

    Returns:
        In [0, 1], lower is better; NaN without a sample.
    """
    if not len(confidence):
        return float("nan")
    which = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    difference = np.bincount(which, weights=correct.astype(np.float64) - confidence, minlength=bins)
    return float(np.abs(difference).sum() / len(confidence))


def brier_score(probabilities: Floats, label: Integers) -> float:
    """Mean squared distance of probabilities [n, C] from the one-hot label, in [0, 2]; NaN if empty."""
    if not len(label):
        return float("nan")
    target = np.eye(probabilities.shape[1])[label]
    return float(np.square(probabilities - target).sum(axis=1).mean())


@metric(keys=KEYS)
def calibration(case: Case, /, *, bins: Annotated[int, Gt(0)]) -> dict[str, float]:
    """Expected calibration error, negative log-likelihood (nats) and Brier score (in [0, 2]) on retained test samples.

    The target is the retrained model's value.

    Args:
        case: The judged model and what it is compared with.
        bins: Number of equal-width confidence bins.
    """
    test = case.model.test_retain
    if not len(test):
        return dict.fromkeys(KEYS, float("nan"))
    probabilities = softmax(test.logits)
    correct = probabilities.argmax(axis=1) == test.label
    values = (
        expected_calibration_error(probabilities.max(axis=1), correct, bins),
        float(loss(test.logits, test.label).mean()),
        brier_score(probabilities, test.label),
    )
    return dict(zip(KEYS, values, strict=True))
