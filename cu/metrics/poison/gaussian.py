"""Whether noise that training images were poisoned with has left its trace in the model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from cu.metrics import primitives
from cu.metrics.case import Case
from cu.metrics.findings import Floats
from cu.metrics.spec import UNDECIDABLE, Margin, metric

FALSE_ALARM = 0.01


@dataclass(frozen=True, eq=False)
class Poison:
    """Gaussian poisoning scores [n] of the forget samples under the judged model."""

    scores: Floats


def gaussian_scores(noise: Floats, slope: Floats, epsilon: float) -> NDArray[np.float64]:
    """Score [n] of each poisoned sample: its noise along the direction in which the model grows surer of its label.

    Normal with mean 0 and variance 1, exactly, for a model that does not depend on the noise, whatever its gradients:
    they are taken at the clean image and scaled to length 1. Above 0 where the noise was learnt.

    Args:
        noise: What was added to each image, of independent N(0, epsilon^2) numbers [n, ...].
        slope: Gradient of the margin of the label by the clean image [n, ...].
        epsilon: Above 0.

    Returns:
        0 where the gradient is 0.
    """
    n = len(noise)
    x, g = noise.reshape(n, -1).astype(np.float64), slope.reshape(n, -1).astype(np.float64)
    g = g / np.maximum(np.abs(g).max(axis=1, keepdims=True, initial=0.0), np.finfo(np.float64).tiny)
    length = np.linalg.norm(g, axis=1)
    return np.divide((x * g).sum(axis=1), epsilon * length, out=np.zeros(n), where=length > 0)


@metric(
    keys=("poison/gaussian_score", "poison/tpr@0.01"),
    needs=(Poison,),
    scenarios=("sample",),
    margin={"gaussian_score": Margin(0.1, "standard deviations"), "tpr@0.01": UNDECIDABLE},
)
def gaussian_poisoning(case: Case, /) -> dict[str, float]:
    """Gaussian poisoning score: mean correlation of the forgotten noise with the model, and how often it is seen.

    The score is 0 for a retrained model, with a standard error of 1 / sqrt(forget samples), in units of the spread of a
    single sample's; above 0 the model still depends on noise that only the forget set had. `tpr@0.01` is the share of
    samples above what 1 % exceed without a trace. Needs `scenario=poison`. Pawelczyk et al., "Machine Unlearning Fails
    to Remove Data Poisoning Attacks", ICLR 2025 (arXiv 2406.17216); of the margin, whose gradient has the direction of
    the loss's and does not vanish for certain predictions.
    """
    scores = case.findings[Poison].scores
    seen = scores > -ndtri(FALSE_ALARM)
    return {"poison/gaussian_score": primitives.mean(scores), "poison/tpr@0.01": primitives.mean(seen)}
