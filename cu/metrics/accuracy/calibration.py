"""Whether confidences can be trusted."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Gt

from cu.metrics.case import Case
from cu.metrics.findings import Floats
from cu.metrics.predictions import Integers, Predictions
from cu.metrics.primitives import auc, loss, predicted, softmax
from cu.metrics.rows import rowwise
from cu.metrics.spec import ACCURACY, AUC, NATS, Margin, metric

NAMES = ("ece", "nll", "brier")
MARGINS = {"ece": ACCURACY, "nll": NATS, "brier": Margin(0.01, "squared distance")}


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
    return float(_squared_distances(probabilities, label).mean()) if len(label) else float("nan")


def _squared_distances(probabilities: Floats, label: Integers) -> Floats:
    target = np.eye(probabilities.shape[1])[label]
    return np.square(probabilities - target).sum(axis=1)


@rowwise
def _judged(logits: Floats, label: Integers) -> Floats:
    """Of each sample [n, 3]: the largest probability, whether its class is right, and the distance from the label."""
    p = softmax(logits)
    return np.column_stack([p.max(axis=1), p.argmax(axis=1) == label, _squared_distances(p, label)])


def scores(part: Predictions, bins: int) -> tuple[float, float, float]:
    """Calibration error, negative log-likelihood and Brier score of some samples; NaN without one."""
    nothing = float("nan")
    if not len(part):
        return nothing, nothing, nothing
    confidence, correct, squared = _judged(part.logits, part.label).T.copy()
    error = expected_calibration_error(confidence, correct, bins)
    return error, float(loss(part.logits, part.label).mean()), float(squared.mean())


@metric(keys=tuple(f"calib/retain_test_{name}" for name in NAMES), margin=MARGINS)
def calibration(case: Case, /, *, bins: Annotated[int, Gt(0)]) -> dict[str, float]:
    """Expected calibration error, negative log-likelihood (nats) and Brier score (in [0, 2]) on retained test samples.

    The target is the retrained model's value.

    Args:
        case: The judged model and what it is compared with.
        bins: Number of equal-width confidence bins.
    """
    return _named("retain_test", scores(case.model.test_retain, bins))


@metric(keys=tuple(f"calib/forget_train_{name}" for name in NAMES), scenarios=("sample",), margin=MARGINS)
def forget_calibration(case: Case, /, *, bins: Annotated[int, Gt(0)]) -> dict[str, float]:
    """Expected calibration error, negative log-likelihood (nats) and Brier score (in [0, 2]) on forgotten samples.

    The target is the retrained model's value. A model made to be wrong about single samples loses calibration there
    first. Guo et al. 2017, "On Calibration of Modern Neural Networks".

    Args:
        case: The judged model and what it is compared with.
        bins: Number of equal-width confidence bins.
    """
    return _named("forget_train", scores(case.model.forget, bins))


@metric(keys=("calib/ood_auroc",), scenarios=("class",), margin=AUC)
def out_of_distribution(case: Case, /) -> dict[str, float]:
    """AUROC of low confidence for telling forgotten from retained test samples, in [0, 1].

    The largest probability is the confidence (Hendrycks & Gimpel 2017). To a retrained model the forgotten class is
    out of distribution, and its value is the target: below, the model is still sure of the class; above, forgetting
    shows.
    """
    sides = (case.model.test_forget, case.model.test_retain)
    # Minus the log of the largest probability, as the loss of what was predicted: it does not round to a tie.
    unseen, known = (loss(part.logits, predicted(part.logits)) for part in sides)
    return {"calib/ood_auroc": auc(unseen, known)}


def _named(split: str, values: tuple[float, float, float]) -> dict[str, float]:
    return {f"calib/{split}_{name}": value for name, value in zip(NAMES, values, strict=True)}
