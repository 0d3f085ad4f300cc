"""Member prediction rates: the membership inference of the contrastive unlearning paper."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Gt
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from cu.metrics import primitives
from cu.metrics.case import Case, Floats, Integers, Predictions
from cu.metrics.primitives import Values
from cu.metrics.spec import metric

LOSS_LIMIT = 100.0
RATES = ("forget", "retain", "difference", "unseen")


def attack_features(part: Predictions) -> Values:
    """Probabilities in descending order and the loss, clipped to 100: [N, C + 1]."""
    p = -np.sort(-primitives.softmax(part.logits), axis=1)
    loss = np.minimum(primitives.loss(part.logits, part.label), LOSS_LIMIT)
    return np.column_stack([p, loss])


def fit_attack(members: Floats, non_members: Floats) -> Pipeline:
    """Logistic regression on standardised features; both sides [N, F] of the same size."""
    attack = make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000))
    return attack.fit(np.concatenate([members, non_members]), np.repeat([1, 0], [len(members), len(non_members)]))


def member_rate(attack: Pipeline, features: Floats) -> float:
    """Share of samples the attack calls members, in [0, 1]; NaN without samples."""
    return primitives.mean(attack.predict(features)) if len(features) else float("nan")


def halves(case: Case, max_per_side: int) -> tuple[Integers, Integers, Integers, Integers]:
    """Random disjoint rows: known and held-out retained samples, known and held-out retained test samples."""
    generator = case.generator("mia/member_rate")
    kept = generator.permutation(len(case.model.retain))
    unseen = generator.permutation(len(case.model.test_retain))
    size = min(len(kept) // 2, len(unseen) // 2, max_per_side)
    return kept[:size], kept[size : 2 * size], unseen[:size], unseen[size : 2 * size]


@metric(keys=tuple(f"mia/member_rate_{name}" for name in RATES))
def member_rates(case: Case, /, *, max_per_side: Annotated[int, Gt(1)]) -> dict[str, float]:
    """Share of samples that an attack on the model's outputs calls members of the training set, in [0, 1].

    The attack is trained on retained training against retained test samples, at most `max_per_side` of each, and
    judged on samples it has not seen: `forget` is forgotten samples, `retain` other retained training samples,
    `difference` is retain minus forget in [-1, 1]. `unseen` is the control: other test samples, and in class scenarios
    the test samples of the forgotten classes, without which `forget` cannot be told from the effect of the class.

    Even a retrained model has a high `forget` rate (61.77 % in the paper, 96.41 % on retained samples), so neither 0
    nor 1 is the target. Source: arXiv 2401.10458, section 5.1; the paper does not name the classifier, this is a
    logistic regression on the sorted probabilities and the loss.
    """
    known, held_out, known_unseen, held_out_unseen = halves(case, max_per_side)
    rates = dict.fromkeys(RATES, float("nan"))
    if len(known):
        kept, unseen = attack_features(case.model.retain), attack_features(case.model.test_retain)
        attack = fit_attack(kept[known], unseen[known_unseen])
        control = attack_features(case.model.test_forget) if case.scenario == "class" else unseen[held_out_unseen]
        forget, retain = member_rate(attack, attack_features(case.model.forget)), member_rate(attack, kept[held_out])
        values = (forget, retain, retain - forget, member_rate(attack, control))
        rates = dict(zip(RATES, values, strict=True))
    return {f"mia/member_rate_{name}": rate for name, rate in rates.items()}
