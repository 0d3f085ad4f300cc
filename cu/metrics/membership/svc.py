"""Membership inference by a support vector machine: the "MIA efficacy" of the sparse-unlearning literature."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Gt
from sklearn.svm import SVC

from cu.metrics import primitives
from cu.metrics.case import Case, Floats, Integers, ModelPredictions, Predictions
from cu.metrics.primitives import Values
from cu.metrics.spec import metric

FEATURES = ("correctness", "confidence", "entropy", "m_entropy", "prob")


def attack_feature(part: Predictions, name: str) -> Values:
    """What the attack sees of each sample: one number [N, 1], or all probabilities [N, C] for `prob`."""
    p = primitives.softmax(part.logits)
    if name == "prob":
        return p
    if name == "correctness":
        values = (primitives.predicted(part.logits) == part.label).astype(np.float64)
    elif name == "confidence":
        values = p[np.arange(len(p)), part.label]
    elif name == "entropy":
        values = primitives.entropy(part.logits)
    else:
        assert name == "m_entropy", name
        values = primitives.modified_entropy(part.logits, part.label)
    return values[:, None]


def non_member_rate(members: Floats, non_members: Floats, target: Floats) -> float:
    """Share of `target` that an SVC trained on members against non-members calls non-members, in [0, 1].

    Args:
        members: float [N, F].
        non_members: float [M, F]; as many as members, or the larger side wins everywhere.
        target: float [T, F].

    Returns:
        The share; NaN if an argument is empty.
    """
    if not min(len(members), len(non_members), len(target)):
        return float("nan")
    member = np.repeat([1, 0], [len(members), len(non_members)])
    machine = SVC(C=3, kernel="rbf", gamma="auto").fit(np.concatenate([members, non_members]), member)
    return float(np.mean(machine.predict(target) == 0))


def attack_rows(case: Case, max_per_side: int) -> tuple[Integers, Integers]:
    """Rows of the retained training and test samples the attack is trained on: random, as many of each."""
    generator = case.generator("mia/svc")
    sides = len(case.model.retain), len(case.model.test_retain)
    size = min(*sides, max_per_side)
    kept, unseen = (primitives.subsample(np.arange(n, dtype=np.int64), size, generator) for n in sides)
    return kept, unseen


def svc_score(model: ModelPredictions, name: str, rows: tuple[Integers, Integers]) -> float:
    """`non_member_rate` of the forgotten samples for one feature; `rows` from `attack_rows`.

    A fit takes longer than most metrics: it is shared with the composites, and with other cases of the same model.
    """

    def rate() -> float:
        parts = model.retain.take(rows[0]), model.test_retain.take(rows[1]), model.forget
        return non_member_rate(*(attack_feature(part, name) for part in parts))

    return model.once(("svc", name, *(part.tobytes() for part in rows)), rate)


@metric(keys=tuple(f"mia/svc_{name}" for name in FEATURES))
def svc_attacks(case: Case, /, *, max_per_side: Annotated[int, Gt(1)]) -> dict[str, float]:
    """Share of forgotten samples an SVC calls non-members, in [0, 1], for each feature.

    The SVC (C 3, RBF kernel, gamma 1 / number of features, unscaled) learns retained training against retained test
    samples: random ones, at most `max_per_side` of each, as many of one as of the other. A retrained model is near 1
    in class scenarios and rather low in sample scenarios, so higher is not better.
    Source: Jia et al. 2023, "Model Sparsity Can Simplify Machine Unlearning" (MIA-efficacy); Song & Mittal 2021.
    """
    rows = attack_rows(case, max_per_side)
    return {f"mia/svc_{name}": svc_score(case.model, name, rows) for name in FEATURES}
