"""Forgetting that shows: forgotten samples that stand out by how uncertain the model became about them."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge
from numpy.typing import ArrayLike
from scipy.stats import wasserstein_distance

from cu.metrics import primitives
from cu.metrics.case import Case
from cu.metrics.distribution.divergence import compared
from cu.metrics.distribution.loss_distributions import kolmogorov_smirnov
from cu.metrics.drawn import averaged
from cu.metrics.notes import saturated
from cu.metrics.primitives import Values
from cu.metrics.spec import AUC, RATE, metric


def tail_rate(values: ArrayLike, reference: ArrayLike) -> float:
    """Share of `values` above the 99th percentile of `reference`, in [0, 1]; NaN if empty.

    Of samples that are alike 0.01 for many, more for few: about 0.02 of 100 and 0.05 of 20, whose 99th percentile lies
    below that of their source.
    """
    a, b = np.asarray(values, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    return primitives.mean(a > np.quantile(b, 0.99)) if b.size else float("nan")


@metric(keys=("streisand/entropy_auc",), version=2, margin=AUC)
def entropy_visibility(case: Case, /, *, draws: Annotated[int, Ge(2)]) -> dict[str, float]:
    """AUC of the entropy, forgotten against class-matched unseen samples, in [0, 1].

    Above 0.5 the model is less certain of forgotten samples than of unseen ones. Entropies at temperature 1. In sample
    scenarios the mean of `draws` choices of unseen samples.
    """
    forgotten = primitives.entropy(case.model.forget.logits)

    def draw(number: int) -> dict[str, float]:
        unseen = primitives.entropy(case.matched_non_members(draw=number).logits)
        area = primitives.auc(forgotten, unseen)
        return {"streisand/entropy_auc": saturated(area, min(len(forgotten), len(unseen)), low=0.0)}

    return averaged(case.non_member_draws(draws), draw)


@metric(keys=("streisand/tail_rate",), needs=("retrained",), margin=RATE)
def entropy_tail(case: Case, /) -> dict[str, float]:
    """Share of forgotten samples with more entropy than 99 % of them have under a retrained model, in [0, 1].

    Averaged over the retrained models. Read it beside theirs: of many samples 0.01 is expected, of 20 it is 0.05.
    """
    return {"streisand/tail_rate": primitives.mean([tail_rate(a, b) for a, b in _entropies(case)])}


@metric(keys=("streisand/entropy_w1", "streisand/entropy_ks"), direction="lower", needs=("retrained",), identical=0.0)
def entropy_distance(case: Case, /) -> dict[str, float]:
    """Distances of the entropies of forgotten samples to a retrained model's, averaged over these; lower is better.

    `w1` is the Wasserstein-1 distance in nats, in [0, ln C]; `ks` the Kolmogorov-Smirnov distance, in [0, 1].
    """
    pairs = [(a, b) for a, b in _entropies(case) if len(a)]
    return {
        "streisand/entropy_w1": primitives.mean([wasserstein_distance(a, b) for a, b in pairs]),
        "streisand/entropy_ks": primitives.mean([kolmogorov_smirnov(a, b)[0] for a, b in pairs]),
    }


@metric(keys=("streisand/pred_share_max",), scenarios=("class",), margin=RATE)
def prediction_share(case: Case, /) -> dict[str, float]:
    """Largest share of the forgotten samples that is given one and the same class, in [0, 1]; NaN without a sample.

    A method that relabels a class sends all of it to one place; retraining spreads it over the classes it resembles.
    """
    answers = primitives.predicted(case.model.forget.logits)
    share = np.bincount(answers).max() / len(answers) if len(answers) else float("nan")
    return {"streisand/pred_share_max": float(share)}


def _entropies(case: Case) -> list[tuple[Values, Values]]:
    pairs = [compared(case.model, other, "forget_train") for other in case.retrained]
    return [(primitives.entropy(a.logits), primitives.entropy(b.logits)) for a, b in pairs]
