"""Membership inference by one attacker for all samples: can forgotten samples be told from unseen ones?

Non-members are always class-matched: against test samples of other classes even a retrained model is "attacked"
perfectly, because the attack reads the class and not the membership.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge
from numpy.typing import ArrayLike
from sklearn.linear_model import LogisticRegression

from cu.metrics import primitives
from cu.metrics.case import Case
from cu.metrics.drawn import averaged
from cu.metrics.folds import paired_folds
from cu.metrics.notes import saturated, tpr_at
from cu.metrics.predictions import Integers, Predictions
from cu.metrics.primitives import Values
from cu.metrics.spec import AUC, RATE, UNDECIDABLE, metric

LOSS_LIMIT = 100.0
FOLDS = 5


def member_scores(part: Predictions) -> dict[str, Values]:
    """Statistics [N] by name, each larger for samples that look more like members.

    The probability of the label and the margin rank samples exactly as the loss does, so they are left out.
    """
    return {
        "loss": -primitives.loss(part.logits, part.label),
        "entropy": -primitives.entropy(part.logits),
        "mentropy": -primitives.modified_entropy(part.logits, part.label),
    }


def logistic_attack(
    members: ArrayLike, non_members: ArrayLike, labels: tuple[Integers, Integers], generator: np.random.Generator
) -> tuple[float, float]:
    """Accuracy and AUC of a logistic regression on one feature, out of fold, on balanced sides.

    Args:
        members: Feature of the members [N].
        non_members: Feature of the non-members [M]; the larger side is subsampled.
        labels: Classes of the members [N] and of the non-members [M]; folds have both sides in the same shares.
        generator: Draws the subsample and the folds.

    Returns:
        Accuracy and AUC in [0, 1]; NaN with fewer than two samples on a side.
    """
    first, second = (
        np.column_stack([np.asarray(values, dtype=np.float64), label])
        for values, label in zip((members, non_members), labels, strict=True)
    )
    a, b = primitives.balanced(first, second, generator)
    folds = min(FOLDS, len(a))
    if folds < 2:
        return float("nan"), float("nan")
    feature, label = np.concatenate([a, b])[:, :1], np.concatenate([a, b])[:, 1].astype(np.int64)
    member, scores = np.repeat([1, 0], len(a)), np.empty(2 * len(a))
    for known, judged in paired_folds(label, member, folds, generator):
        attack = LogisticRegression(max_iter=1000).fit(feature[known], member[known])
        scores[judged] = attack.decision_function(feature[judged])
    accuracy = float(np.mean((scores > 0) == (member == 1)))
    return accuracy, primitives.auc(scores[member == 1], scores[member == 0])


@metric(keys=("mia/logreg_acc", "mia/logreg_auc"), version=2, margin={"acc": RATE, "auc": AUC})
def logistic_loss_attack(case: Case, /, *, draws: Annotated[int, Ge(2)]) -> dict[str, float]:
    """Five-fold logistic regression on the loss, forgotten against class-matched unseen samples, in [0, 1].

    The loss is clipped to +-100. 0.5 is expected of a retrained model. The fit hides the direction of a leak:
    read `mia/loss_auc` beside it. Mean of `draws` choices of unseen samples and folds; the accuracy is out of fold.
    Source: NeurIPS 2023 unlearning challenge, with the class matching of SCRUB.
    """
    forget = case.model.forget

    def draw(number: int) -> dict[str, float]:
        unseen = case.matched_non_members(draw=number)
        members, others = (
            np.minimum(primitives.loss(part.logits, part.label), LOSS_LIMIT) for part in (forget, unseen)
        )
        rng = case.generator(f"mia/logreg/{number}")
        accuracy, area = logistic_attack(members, others, (forget.label, unseen.label), rng)
        return {"mia/logreg_acc": accuracy, "mia/logreg_auc": area}

    return averaged(draws, draw)


@metric(
    keys=("mia/loss_auc", "mia/entropy_auc", "mia/mentropy_auc", "mia/pop_worst_auc", "mia/loss_tpr@0.01"),
    version=2,
    margin={"auc": AUC, "tpr@0.01": UNDECIDABLE},
)
def population_attacks(case: Case, /, *, draws: Annotated[int, Ge(2)]) -> dict[str, float]:
    """ROC of one statistic, forgotten against class-matched unseen samples, in [0, 1].

    The AUCs are signed: above 0.5 forgotten samples look like members, below 0.5 they were forgotten too visibly.
    `pop_worst_auc` is the largest two-sided one; a maximum is above 0.5 even by chance, so compare it with the
    retrained models. The false-positive rate has a resolution of 1 / number of unseen samples. In sample scenarios the
    mean of `draws` choices of unseen samples.
    """
    members = member_scores(case.model.forget)

    def draw(number: int) -> dict[str, float]:
        unseen = case.matched_non_members(draw=number)
        non_members, samples = member_scores(unseen), min(len(unseen), len(case.model.forget))
        areas = {f"mia/{name}_auc": primitives.auc(members[name], non_members[name]) for name in members}
        areas["mia/pop_worst_auc"] = max(primitives.two_sided_auc(members[n], non_members[n]) for n in members)
        rate = tpr_at(members["loss"], non_members["loss"], 0.01)
        return {**{key: saturated(area, samples, low=0.0) for key, area in areas.items()}, "mia/loss_tpr@0.01": rate}

    return averaged(case.non_member_draws(draws), draw)


@metric(keys=("mia/retain_auc",), margin=AUC)
def retained_privacy(case: Case, /) -> dict[str, float]:
    """AUC of the negated loss, retained training samples against retained test samples, in [0, 1].

    Unlearning can expose the samples that were kept; it should not lie above the retrained models'.
    Source: Hayes et al. 2025, "Inexact Unlearning Needs More Careful Evaluations to Avoid a False Sense of Privacy".
    """
    kept, unseen = case.model.retain, case.model.test_retain
    area = primitives.auc(
        -primitives.loss(kept.logits, kept.label),
        -primitives.loss(unseen.logits, unseen.label),
    )
    return {"mia/retain_auc": area}
