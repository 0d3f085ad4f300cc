"""How far the model's outputs are from those of retrained models, sample by sample."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import numpy as np
from annotated_types import Gt
from numpy.typing import ArrayLike
from scipy.stats import ks_2samp

from cu.metrics import primitives
from cu.metrics.primitives import Values
from cu.metrics.types import Case, Floats, ModelPredictions, Predictions, metric

SPLITS = ("forget_train", "retain_test", "forget_test")
# The smallest p-value told apart from 0.
SMALLEST_P = 1e-300


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
    return primitives.mean(primitives.jensen_shannon(primitives.softmax(logits), primitives.softmax(other)))


def activation_distance(logits: Floats, other: Floats) -> float:
    """Mean Euclidean distance of the predicted distributions, in [0, sqrt 2]; logits [N, C]."""
    return primitives.mean(np.linalg.norm(primitives.softmax(logits) - primitives.softmax(other), axis=1))


def kolmogorov_smirnov(values: ArrayLike, other: ArrayLike) -> tuple[float, float]:
    """Two-sample Kolmogorov-Smirnov distance in [0, 1] and log10 of its p-value in [-300, 0]; NaN if empty."""
    a, b = np.asarray(values, dtype=np.float64), np.asarray(other, dtype=np.float64)
    if not a.size or not b.size:
        return float("nan"), float("nan")
    distance, p_value = np.asarray(ks_2samp(a, b), dtype=np.float64)
    return float(distance), float(np.log10(max(p_value, SMALLEST_P)))


def paired_kolmogorov_smirnov(
    values: ArrayLike, other: ArrayLike, permutations: int, generator: np.random.Generator
) -> tuple[float, float]:
    """Kolmogorov-Smirnov distance of two statistics of the same samples, and log10 of a p-value that knows they are.

    Under the hypothesis that the two models are exchangeable, each sample's two values can be swapped: the p-value is
    (1 + swaps at least as distant) / (1 + permutations), the test of `scipy.stats.permutation_test` for samples.

    Args:
        values: Statistic [n] under the first model.
        other: The same [n] of the same samples under the second.
        permutations: Random swaps; the smallest p-value is 1 / (1 + permutations).
        generator: Draws them.

    Returns:
        Distance in [0, 1], and log10 p in [-log10(1 + permutations), 0]; NaN if empty.
    """
    pair = np.stack([np.asarray(values, dtype=np.float64), np.asarray(other, dtype=np.float64)])
    n = pair.shape[1]
    if not n:
        return float("nan"), float("nan")
    pooled = pair.ravel()
    order = np.argsort(pooled, kind="stable")
    # The distance is read where the pooled value changes: only there have all ties been counted on both sides.
    ends = np.append(np.diff(pooled[order]) > 0, True)
    sample, side = order % n, np.where(order < n, 1, -1)

    def distance(swap: Values) -> int:
        return int(np.abs(np.cumsum(side * swap[sample])[ends]).max())

    observed = distance(np.ones(n, dtype=np.int64))
    swaps = (2 * generator.integers(2, size=n) - 1 for _ in range(permutations))
    as_far = sum(distance(swap) >= observed for swap in swaps)
    return observed / n, float(np.log10((1 + as_far) / (1 + permutations)))


@metric(keys=tuple(f"agree/{split}" for split in SPLITS), direction="higher", needs=("retrained",))
def agreements(case: Case, /) -> dict[str, float]:
    """Share of samples on which the model and a retrained one predict the same class, in [0, 1], higher is better.

    Averaged over the retrained models. Two retrained models agree on less than all samples: that is the ceiling.
    """
    return {f"agree/{split}": _average(case, split, agreement) for split in SPLITS}


@metric(
    keys=(*(f"dist/js_{split}" for split in SPLITS), "dist/act_l2_forget_train"),
    direction="lower",
    needs=("retrained",),
)
def output_distances(case: Case, /) -> dict[str, float]:
    """Distances of predicted distributions to those of retrained models, averaged over these; lower is better.

    `js` is the Jensen-Shannon divergence in bits, in [0, 1] (not its square root); `act_l2` the Euclidean distance, in
    [0, sqrt 2]. Source of the latter: Chundawat et al. 2023, "Can Bad Teaching Induce Forgetting?".
    """
    distances = {f"dist/js_{split}": _average(case, split, js_distance) for split in SPLITS}
    return {**distances, "dist/act_l2_forget_train": _average(case, "forget_train", activation_distance)}


@metric(keys=("dist/ks_loss_stat",), direction="lower", needs=("retrained",))
def loss_distance(case: Case, /) -> dict[str, float]:
    """Kolmogorov-Smirnov distance of the losses of forgotten samples to a retrained model's, in [0, 1].

    Lower is better. Averaged over the retrained models. Source: Maini et al. 2024, "TOFU" (forget quality), on losses.
    """
    return {"dist/ks_loss_stat": primitives.mean([distance for distance, _ in _loss_tests(case)])}


@metric(keys=("dist/ks_loss_logp",), direction="higher", needs=("retrained",))
def loss_log_p(case: Case, /) -> dict[str, float]:
    """log10 of the p-value that belongs to `dist/ks_loss_stat`, in [-300, 0], higher is better.

    Averaged over the retrained models. It falls with the number of samples, and both sides are the same images, so it
    describes and does not test: above log10(0.05) is "not rejected", never "equal".
    """
    return {"dist/ks_loss_logp": primitives.mean([log_p for _, log_p in _loss_tests(case)])}


@metric(keys=("dist/ks_margin_stat", "dist/ks_margin_logp"), needs=("retrained",))
def margin_distance(case: Case, /, *, permutations: Annotated[int, Gt(0)]) -> dict[str, float]:
    """Kolmogorov-Smirnov distance of the margins of forgotten samples to a retrained model's, with a paired p-value.

    Averaged over the retrained models, whose own values are the target. The distance is that of the losses, because
    the loss falls with the margin: `dist/ks_loss_stat` again. The p-value is another: it takes into account that both
    models saw the same images. Source: Maini et al. 2024, "TOFU" (forget quality), on margins.

    Args:
        case: The judged model and what it is compared with.
        permutations: Random swaps; log10 p is in [-log10(1 + permutations), 0].
    """
    rng, tests = case.generator("divergence/margins"), []
    for other in case.retrained:
        own, target = (primitives.margin(p.logits, p.label) for p in compared(case.model, other, "forget_train"))
        tests.append(paired_kolmogorov_smirnov(own, target, permutations, rng))
    return {
        "dist/ks_margin_stat": primitives.mean([distance for distance, _ in tests]),
        "dist/ks_margin_logp": primitives.mean([log_p for _, log_p in tests]),
    }


def _average(case: Case, split: str, distance: Callable[[Floats, Floats], float]) -> float:
    pairs = [compared(case.model, other, split) for other in case.retrained]
    return primitives.mean([distance(a.logits, b.logits) for a, b in pairs])


def _loss_tests(case: Case) -> list[tuple[float, float]]:
    pairs = [compared(case.model, other, "forget_train") for other in case.retrained]
    return [kolmogorov_smirnov(_losses(a), _losses(b)) for a, b in pairs]


def _losses(part: Predictions) -> Values:
    return primitives.loss(part.logits, part.label)
