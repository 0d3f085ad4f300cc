"""Whether what earlier requests removed stays forgotten."""

from __future__ import annotations

import numpy as np

from cu.metrics import primitives
from cu.metrics.case import Case, Predictions
from cu.metrics.spec import ACCURACY, AUC, metric


def class_wise_auc(members: Predictions, others: Predictions) -> float:
    """Chance that a member has a lower loss than another sample of its class, ties counted half.

    Classes count by their members; those without another sample do not count. NaN if none counts.
    """
    total, weight = 0.0, 0
    for label in np.unique(members.label):
        own, theirs = (-primitives.loss(p.logits, p.label)[p.label == label] for p in (members, others))
        if len(theirs):
            total += len(own) * primitives.auc(own, theirs)
            weight += len(own)
    return total / weight if weight else float("nan")


@metric(
    keys=("removed_acc", "mia/removed_auc"),
    needs=("removed",),
    margin={"removed_acc": ACCURACY, "mia/removed_auc": AUC},
)
def still_forgotten(case: Case, /) -> dict[str, float]:
    """Accuracy on samples that earlier requests removed, and how well their loss tells them from test samples.

    Both in [0, 1]. The target is the retrained model, which saw none of them: the area under the curve of its loss
    against test samples of the same class is near 0.5. A model that was trained on them again is above it.
    """
    removed, test = case.model.removed, case.model.test
    assert removed is not None
    right = primitives.predicted(removed.logits) == removed.label
    return {"removed_acc": primitives.mean(right), "mia/removed_auc": class_wise_auc(removed, test)}
