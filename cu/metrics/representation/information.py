"""How much of 'is it forgotten?' every stage of an encoder can tell, beside the original and the retrained models."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Gt
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from cu.metrics.case import Case
from cu.metrics.findings import DEPTHS, Floats, Stages
from cu.metrics.folds import paired_folds
from cu.metrics.predictions import Integers, ModelPredictions
from cu.metrics.spec import Margin, metric

# Fixed, because an estimator is an instrument: numbers of different runs must come from the same one.
COMPONENTS = 12
FOLDS = 5
# Unless the original tells so much more than retraining, in nats, nothing can be said on their scale. With 900 samples
# on a side in 16 to 64 dimensions, draws of the same normal densities spread by up to 0.017 around what they tell, so
# the difference of two models by up to 0.024: this is twice that. Fewer samples spread more, 300 by 0.036.
SMALLEST = 0.05


def binary_information(first: Floats, second: Floats, generator: np.random.Generator) -> float:
    """Mutual information in nats of a representation and the side it comes from, both sides equally likely.

    ln 2 minus the cross-entropy of out-of-fold predictions (5 folds) of a logistic regression on at most 12 principal
    components, standardised, their squares and products: the variational lower bound of Barber and Agakov (2003), tight
    up to estimation error where both sides are normal in these components. At most ln 2; unrelated sides give about 0
    and a little less: 0.03 of 900 samples a side, 0.1 to 0.2 of 300.

    Args:
        first: [n, D].
        second: [m, D].
        generator: Decides the folds.

    Returns:
        NaN with fewer than 10 samples on a side.
    """
    if min(len(first), len(second)) < 2 * FOLDS:
        return float("nan")
    x = np.concatenate([first, second]).astype(np.float64)
    side = np.repeat([0, 1], [len(first), len(second)])
    weight = np.where(side, 0.5 / len(second), 0.5 / len(first))
    entropy = np.zeros(len(x))
    for known, judged in paired_folds(np.zeros(len(x), dtype=np.int64), side, FOLDS, generator):
        chance = _classifier(x[known], side[known]).predict_proba(x[judged])
        entropy[judged] = -np.log(np.clip(chance[np.arange(len(judged)), side[judged]], 1e-12, None))
    return float(np.log(2) - (weight * entropy).sum())


def _classifier(x: NDArray[np.float64], side: Integers):
    components = min(COMPONENTS, x.shape[1], len(x) - 1)
    regression = LogisticRegression(C=1.0, class_weight="balanced", tol=1e-3, max_iter=2000)
    products = PolynomialFeatures(2, include_bias=False)
    reduced = PCA(components, svd_solver="full")
    return make_pipeline(reduced, StandardScaler(), products, StandardScaler(), regression).fit(x, side)


def difference_index(judged: Floats, original: Floats, retrained: Floats) -> Floats:
    """(judged - retrained) / (original - retrained) of informations by depth [L], and last that of their sums [L + 1].

    0 at retraining and 1 at the original; NaN unless the original tells at least `SMALLEST` more than retraining. Where
    retraining tells more, the sign would turn and less left would count as more. Such depths are no part of the sums,
    which are NaN if there is no other.
    """
    up, span = judged - retrained, original - retrained
    told = span >= SMALLEST
    up, span, told = np.append(up, up[told].sum()), np.append(span, span[told].sum()), np.append(told, told.any())
    return np.divide(up, span, out=np.full(len(up), np.nan), where=told)


def _informations(case: Case, stages: tuple[ModelPredictions, ...], most: int) -> Floats:
    def at(depth: int, model: ModelPredictions) -> float:
        rng = case.generator(f"information/{depth}")
        forget, retain = model.forget.embedding, model.retain.embedding
        size = min(len(forget), len(retain), most)
        rows = [rng.permutation(len(side))[:size] for side in (forget, retain)]
        key = ("information", case.seed, depth, most)
        return model.once(key, lambda: binary_information(forget[rows[0]], retain[rows[1]], rng))

    return np.array([at(depth, model) for depth, model in enumerate(stages)])


@metric(
    keys=(*(f"idi/layer{depth}" for depth in range(1, DEPTHS + 1)), "idi/sum"),
    needs=(Stages, "retrained"),
    scenarios=("class",),
    version=2,
    identical=0.0,
    margin=Margin(0.05, "share of the way from retraining to the original"),
)
def information_difference(case: Case, /, *, max_samples: Annotated[int, Gt(9)]) -> dict[str, float]:
    """Information difference index (IDI) at five depths of the encoder and in sum.

    How much the pooled output of a block tells of whether a training sample is of the forgotten classes, on a scale on
    which the retrained models (their mean) are 0 and the original is 1; below 0 more is gone than retraining leaves.
    NaN at depths where the original tells less than 0.05 nats more than retraining, and the sum is that of the others.
    `binary_information` is the estimator; the paper has a variational one with a trained critic (InfoNCE).

    Source: Jeon et al., "An Information Theoretic Evaluation Metric For Strong Unlearning" (arXiv 2405.17878).

    Args:
        case: The judged model and what it is compared with.
        max_samples: At most this many forget samples and as many retained ones; of a few hundred it says little.
    """
    found = case.findings[Stages]
    judged, original = (_informations(case, one, max_samples) for one in (found.judged, found.original))
    retrained = np.mean([_informations(case, one, max_samples) for one in found.retrained], axis=0)
    names = (*(f"layer{depth}" for depth in range(1, DEPTHS + 1)), "sum")
    index = difference_index(judged, original, retrained)
    return {f"idi/{name}": float(value) for name, value in zip(names, index, strict=True)}
