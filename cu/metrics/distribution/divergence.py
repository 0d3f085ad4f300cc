"""How far the model's outputs are from those of retrained models, sample by sample."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cu.metrics import primitives
from cu.metrics.case import Case
from cu.metrics.findings import Floats
from cu.metrics.predictions import ModelPredictions, Predictions
from cu.metrics.rows import rowwise
from cu.metrics.spec import metric

SPLITS = ("forget_train", "retain_test", "forget_test")


def compared(model: ModelPredictions, other: ModelPredictions, split: str) -> tuple[Predictions, Predictions]:
    """The same split under two models; raises ValueError unless both hold the same samples in the same order."""
    attribute = {"forget_train": "forget", "retain_test": "test_retain", "forget_test": "test_forget"}[split]
    a, b = getattr(model, attribute), getattr(other, attribute)
    if not np.array_equal(a.id, b.id):
        raise ValueError(f"{split}: two models can only be compared on the same samples in the same order")
    return a, b


def agreement(logits: Floats, other: Floats) -> float:
    """Share of samples with the same predicted class, in [0, 1]; logits [N, C]."""
    return primitives.mean(primitives.predicted(logits) == primitives.predicted(other))


def js_distance(logits: Floats, other: Floats) -> float:
    """Mean Jensen-Shannon divergence of the predicted distributions in bits, in [0, 1]; logits [N, C]."""
    rows = rowwise(lambda a, b: primitives.jensen_shannon(primitives.softmax(a), primitives.softmax(b)))
    return primitives.mean(rows(logits, other))


def activation_distance(logits: Floats, other: Floats) -> float:
    """Mean Euclidean distance of the predicted distributions, in [0, sqrt 2]; logits [N, C]."""
    rows = rowwise(lambda a, b: np.linalg.norm(primitives.softmax(a) - primitives.softmax(b), axis=1))
    return primitives.mean(rows(logits, other))


def activation_distance_l1(logits: Floats, other: Floats) -> float:
    """Mean L1 distance of the predicted distributions, in [0, 2], twice the total variation; logits [N, C]."""
    rows = rowwise(lambda a, b: np.abs(primitives.softmax(a) - primitives.softmax(b)).sum(axis=1))
    return primitives.mean(rows(logits, other))


def kl_divergence(logits: Floats, target: Floats) -> float:
    """Mean KL(target || predicted) in nats, >= 0; logits [N, C]. A class that only the target expects costs much."""
    return primitives.mean(_kl_rows(logits, target))


@rowwise
def _kl_rows(logits: Floats, target: Floats) -> Floats:
    log_p, log_q = primitives.log_softmax(target), primitives.log_softmax(logits)
    return (np.exp(log_p) * (log_p - log_q)).sum(axis=1)


@metric(keys=tuple(f"agree/{split}" for split in SPLITS), direction="higher", needs=("retrained",), identical=1.0)
def agreements(case: Case, /) -> dict[str, float]:
    """Share of samples on which the model and a retrained one predict the same class, in [0, 1], higher is better.

    Averaged over the retrained models. Two retrained models agree on less than all samples: that is the ceiling.
    """
    return {f"agree/{split}": _average(case, split, agreement) for split in SPLITS}


@metric(
    keys=(*(f"dist/js_{split}" for split in SPLITS), "dist/act_l2_forget_train"),
    direction="lower",
    needs=("retrained",),
    identical=0.0,
)
def output_distances(case: Case, /) -> dict[str, float]:
    """Distances of predicted distributions to those of retrained models, averaged over these; lower is better.

    `js` is the Jensen-Shannon divergence in bits, in [0, 1] (not its square root); `act_l2` the Euclidean distance, in
    [0, sqrt 2]. Source of the latter: Chundawat et al. 2023, "Can Bad Teaching Induce Forgetting?".
    """
    distances = {f"dist/js_{split}": _average(case, split, js_distance) for split in SPLITS}
    return {**distances, "dist/act_l2_forget_train": _average(case, "forget_train", activation_distance)}


@metric(
    keys=(*(f"dist/kl_{split}" for split in SPLITS), *(f"dist/act_l1_{split}" for split in SPLITS)),
    direction="lower",
    needs=("retrained",),
    identical=0.0,
)
def further_output_distances(case: Case, /) -> dict[str, float]:
    """More distances of predicted distributions to those of retrained models, averaged over these; lower is better.

    `kl` is KL(retrained || model) in nats, >= 0; `act_l1` the L1 distance, in [0, 2]. Source of the latter: Kurmanji
    et al. 2023, "Towards Unbounded Machine Unlearning" (released code).
    """
    divergences = {f"dist/kl_{split}": _average(case, split, kl_divergence) for split in SPLITS}
    return {**divergences, **{f"dist/act_l1_{s}": _average(case, s, activation_distance_l1) for s in SPLITS}}


def _average(case: Case, split: str, distance: Callable[[Floats, Floats], float]) -> float:
    pairs = [compared(case.model, other, split) for other in case.retrained]
    return primitives.mean([distance(a.logits, b.logits) for a, b in pairs])
