"""Classifier two-sample test: can a classifier tell whose output it sees, the judged or a retrained model's?"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import GroupKFold, cross_val_predict

from cu.metrics.accuracy.class_leakage import retained_logits
from cu.metrics.case import Case
from cu.metrics.drawn import averaged
from cu.metrics.findings import Floats
from cu.metrics.predictions import ModelPredictions, Predictions
from cu.metrics.primitives import auc, log_softmax
from cu.metrics.spec import metric

FOLDS = 5


def paired_two_sample_auc(first: Floats, second: Floats) -> float:
    """AUC of out-of-fold scores of gradient-boosted trees that tell the rows of `second` from those of `first`.

    Lopez-Paz & Oquab 2017. Both versions of an image are in the same fold, so that nothing is learnt about images.

    Args:
        first: Features [n, D].
        second: Features [n, D] of the same images in the same order.

    Returns:
        About 0.5 where the two cannot be told apart; NaN with fewer images than folds (5).
    """
    n = len(first)
    if n < FOLDS:
        return float("nan")
    features, side, image = np.concatenate([first, second]), np.repeat([0, 1], n), np.tile(np.arange(n), 2)
    trees = HistGradientBoostingClassifier(early_stopping=False, random_state=0)  # pyright: ignore[reportArgumentType]
    scores = cross_val_predict(trees, features, side, groups=image, cv=GroupKFold(FOLDS), method="predict_proba")
    score = np.asarray(scores)[:, 1]
    return auc(score[side == 1], score[side == 0])


def _forgotten(case: Case, model: ModelPredictions) -> Predictions:
    return model.test_forget if case.scenario == "class" else model.forget


@metric(keys=("c2st/forget_auc",), direction="lower", needs=("retrained",), version=2, identical=0.5)
def two_sample_test(
    case: Case, /, *, max_samples: Annotated[int, Gt(0)], draws: Annotated[int, Ge(2)]
) -> dict[str, float]:
    """AUC of a classifier that tells the judged from a retrained model by their log-probabilities.

    Mean over retrained models, on forgotten test samples without the columns of the forget classes in class scenarios,
    on forget samples in sample scenarios. Lower is closer to retraining, 0.5 is indistinguishable; two retrained models
    do not reach 0.5, so read it beside `ref`.

    Args:
        case: The judged model and what it is compared with.
        max_samples: At most this many images.
        draws: How many choices of images and of folds are averaged.
    """
    here = _forgotten(case, case.model)

    def draw(number: int) -> dict[str, float]:
        rows = case.generator(f"two_sample/{number}").permutation(len(here))[:max_samples]
        areas = []
        for model in case.retrained:
            there = _forgotten(case, model)
            assert np.array_equal(here.id, there.id), "the models were not scored on the same samples"
            sides = (log_softmax(retained_logits(s.logits[rows], case.forget_classes)) for s in (there, here))
            areas.append(paired_two_sample_auc(*sides))
        return {"c2st/forget_auc": float(np.mean(areas))}

    return averaged(draws, draw)
