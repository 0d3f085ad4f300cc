"""Membership inference by one attacker for all samples: can forgotten samples be told from unseen ones?

Non-members are always class-matched: against test samples of other classes even a retrained model is "attacked"
perfectly, because the attack reads the class and not the membership.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from cu.metrics import primitives
from cu.metrics.case import Case, Predictions
from cu.metrics.primitives import Values
from cu.metrics.spec import metric

LOSS_LIMIT = 100.0
FOLDS = 10


def member_scores(part: Predictions) -> dict[str, Values]:
    """Statistics [N] by name, each larger for samples that look more like members.

    The probability of the label and the margin rank samples exactly as the loss does, so they are left out.
    """
    return {
        "loss": -primitives.loss(part.logits, part.label),
        "entropy": -primitives.entropy(part.logits),
        "mentropy": -primitives.modified_entropy(part.logits, part.label),
    }


def logistic_attack(members: ArrayLike, non_members: ArrayLike, generator: np.random.Generator) -> tuple[float, float]:
    """Accuracy and AUC of a logistic regression on one feature, out of fold, on balanced sides.

    Args:
        members: Feature of the members [N].
        non_members: Feature of the non-members [M]; the larger side is subsampled.
        generator: Draws the subsample and the folds.

    Returns:
        Accuracy and AUC in [0, 1]; NaN with fewer than two samples on a side.
    """
    a, b = primitives.balanced(np.asarray(members, dtype=float), np.asarray(non_members, dtype=float), generator)
    folds = min(FOLDS, len(a))
    if folds < 2:
        return float("nan"), float("nan")
    feature, member = np.concatenate([a, b])[:, None], np.repeat([1, 0], len(a))
    cv = StratifiedKFold(folds, shuffle=True, random_state=int(generator.integers(2**31)))
    attack = LogisticRegression(max_iter=1000)
    scores = np.asarray(cross_val_predict(attack, feature, member, cv=cv, method="decision_function"))
    accuracy = float(np.mean((scores > 0) == (member == 1)))
    return accuracy, primitives.auc(scores[member == 1], scores[member == 0])


@metric(keys=("mia/logreg_acc", "mia/logreg_auc"))
def logistic_loss_attack(case: Case, /) -> dict[str, float]:
    """Ten-fold logistic regression on the loss, forgotten against class-matched unseen samples, in [0, 1].

    The loss is clipped to +-100. 0.5 is expected of a retrained model. The fit hides the direction of a leak:
    read `mia/loss_auc` beside it. Source: NeurIPS 2023 unlearning challenge, with the class matching of SCRUB.
    """
    forget, unseen = case.model.forget, case.matched_non_members()
    members, non_members = (
        np.clip(primitives.loss(part.logits, part.label), -LOSS_LIMIT, LOSS_LIMIT) for part in (forget, unseen)
    )
    accuracy, area = logistic_attack(members, non_members, case.generator("mia/logreg"))
    return {"mia/logreg_acc": accuracy, "mia/logreg_auc": area}


@metric(keys=("mia/loss_auc", "mia/entropy_auc", "mia/mentropy_auc", "mia/pop_worst_auc", "mia/loss_tpr@0.01"))
def population_attacks(case: Case, /) -> dict[str, float]:
    """ROC of one statistic, forgotten against class-matched unseen samples, in [0, 1].

    The AUCs are signed: above 0.5 forgotten samples look like members, below 0.5 they were forgotten too visibly.
    `pop_worst_auc` is the largest two-sided one; a maximum is above 0.5 even by chance, so compare it with the
    retrained models. The false-positive rate has a resolution of 1 / number of unseen samples.
    """
    members, non_members = member_scores(case.model.forget), member_scores(case.matched_non_members())
    areas = {f"mia/{name}_auc": primitives.auc(members[name], non_members[name]) for name in members}
    worst = max(primitives.two_sided_auc(members[name], non_members[name]) for name in members)
    rate = primitives.tpr_at_fpr(members["loss"], non_members["loss"], 0.01)
    return {**areas, "mia/pop_worst_auc": worst, "mia/loss_tpr@0.01": rate}


@metric(keys=("mia/retain_auc",))
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
