"""Zero-retrain forgetting (ZRF): how close predictions on the forget set are to those of untrained models."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cu.metrics.case import Case
from cu.metrics.predictions import Floats, ModelPredictions
from cu.metrics.primitives import jensen_shannon, softmax
from cu.metrics.spec import Margin, metric


@dataclass(frozen=True, eq=False)
class Initial:
    """What an audit leaves: outputs of models with random weights, never trained."""

    models: tuple[ModelPredictions, ...]


def zero_retrain_forgetting(probabilities: Floats, untrained: Floats) -> float:
    """1 - mean Jensen-Shannon divergence (bits) from randomly initialised models (Chundawat et al. 2023, eq. 4).

    The true Jensen-Shannon divergence, hence in [0, 1]; numbers made with the released code, which computes something
    else, are not comparable. Only meaningful beside the retrained model's: above it is over-forgetting.

    Args:
        probabilities: [n, C] of the judged model on the forget set.
        untrained: [S, n, C] of S randomly initialised models on the same images; several make it steady.

    Returns:
        1 where the judged model predicts as untrained ones do, mean over S; NaN without a sample.
    """
    if not len(probabilities):
        return float("nan")
    return 1 - float(np.mean([jensen_shannon(probabilities, other) for other in untrained]))


@metric(keys=("dist/zrf",), needs=(Initial,), margin=Margin(0.02, "bits"))
def zrf(case: Case, /) -> dict[str, float]:
    """Zero-retrain forgetting of the judged model on the forget set.

    The target is the retrained models' value; more random than that is over-forgetting.
    """
    untrained = np.stack([softmax(model.forget.logits) for model in case.findings[Initial].models])
    return {"dist/zrf": zero_retrain_forgetting(softmax(case.model.forget.logits), untrained)}
