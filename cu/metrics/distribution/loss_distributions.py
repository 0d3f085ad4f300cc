"""How far the losses and margins of forgotten samples are distributed from those under retrained models."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Gt
from numpy.typing import ArrayLike
from scipy.stats import ks_2samp, wasserstein_distance

from cu.metrics import primitives
from cu.metrics.case import Case
from cu.metrics.distribution.divergence import compared
from cu.metrics.drawn import Drawn
from cu.metrics.predictions import Predictions
from cu.metrics.primitives import Values
from cu.metrics.spec import UNDECIDABLE, metric

# The smallest p-value told apart from 0.
SMALLEST_P = 1e-300


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


def permutation_error(log_p: float, permutations: int) -> float:
    """Standard deviation of log10 of a p-value that so many random permutations estimate, by the delta method."""
    p = 10.0**log_p
    return float(np.sqrt((1 - p) / (p * permutations)) / np.log(10)) if p < 1 else 0.0


@metric(keys=("dist/ks_loss_stat",), direction="lower", needs=("retrained",), identical=0.0)
def loss_distance(case: Case, /) -> dict[str, float]:
    """Kolmogorov-Smirnov distance of the losses of forgotten samples to a retrained model's, in [0, 1].

    Lower is better. Averaged over the retrained models. Source: Maini et al. 2024, "TOFU" (forget quality), on losses.
    """
    return {"dist/ks_loss_stat": primitives.mean([distance for distance, _ in _loss_tests(case)])}


@metric(keys=("dist/ks_loss_logp",), direction="higher", needs=("retrained",), identical=0.0)
def loss_log_p(case: Case, /) -> dict[str, float]:
    """log10 of the p-value that belongs to `dist/ks_loss_stat`, in [-300, 0], higher is better.

    Averaged over the retrained models. It falls with the number of samples, and both sides are the same images, so it
    describes and does not test: above log10(0.05) is "not rejected", never "equal".
    """
    return {"dist/ks_loss_logp": primitives.mean([log_p for _, log_p in _loss_tests(case)])}


@metric(keys=("dist/ks_margin_stat", "dist/ks_margin_logp"), needs=("retrained",), margin=UNDECIDABLE, identical=0.0)
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
    for pair in _forgotten(case):
        own, target = (primitives.margin(part.logits, part.label) for part in pair)
        tests.append(paired_kolmogorov_smirnov(own, target, permutations, rng))
    log_p = primitives.mean([log_p for _, log_p in tests])
    return {
        "dist/ks_margin_stat": primitives.mean([distance for distance, _ in tests]),
        "dist/ks_margin_logp": Drawn(log_p, permutation_error(log_p, permutations) / np.sqrt(len(tests))),
    }


@metric(keys=("dist/w1_loss",), direction="lower", needs=("retrained",), identical=0.0)
def loss_transport(case: Case, /) -> dict[str, float]:
    """Wasserstein-1 distance of the losses of forgotten samples to a retrained model's, in nats, >= 0, lower is better.

    Averaged over the retrained models. Unlike the Kolmogorov-Smirnov distance it tells how far, not how many.
    """
    pairs = [(_losses(a), _losses(b)) for a, b in _forgotten(case)]
    return {"dist/w1_loss": primitives.mean([wasserstein_distance(a, b) for a, b in pairs if len(a)])}


def _forgotten(case: Case) -> list[tuple[Predictions, Predictions]]:
    return [compared(case.model, other, "forget_train") for other in case.retrained]


def _loss_tests(case: Case) -> list[tuple[float, float]]:
    return [kolmogorov_smirnov(_losses(a), _losses(b)) for a, b in _forgotten(case)]


def _losses(part: Predictions) -> Values:
    return primitives.loss(part.logits, part.label)
