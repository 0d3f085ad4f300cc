"""Member prediction rates: the membership inference of the contrastive unlearning paper."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from cu.metrics import primitives
from cu.metrics.capped import CAPPED_DRAWS, capped_note, with_note
from cu.metrics.case import Case
from cu.metrics.drawn import drawn
from cu.metrics.findings import Floats
from cu.metrics.membership.attacker import Halves, draw_halves, held_out_samples, unless_at_chance
from cu.metrics.notes import saturated
from cu.metrics.predictions import Predictions
from cu.metrics.primitives import Values
from cu.metrics.spec import RATE, UNDECIDABLE, metric

LOSS_LIMIT = 100.0
MAX_OUTPUTS = 100
RATES = ("forget", "retain", "difference", "unseen")


def attack_features(part: Predictions, most: int = MAX_OUTPUTS) -> Values:
    """The `most` largest probabilities in descending order and the loss, clipped to 100: [N, min(C, most) + 1]."""
    p = -np.sort(-primitives.softmax(part.logits), axis=1)[:, :most]
    loss = np.minimum(primitives.loss(part.logits, part.label), LOSS_LIMIT)
    return np.column_stack([p, loss])


def fit_attack(members: Floats, non_members: Floats) -> Pipeline:
    """Logistic regression on standardised features; both sides [N, F] of the same size."""
    attack = make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000))
    return attack.fit(np.concatenate([members, non_members]), np.repeat([1, 0], [len(members), len(non_members)]))


def member_rate(attack: Pipeline, features: Floats) -> float:
    """Share of samples the attack calls members, in [0, 1]; NaN without samples."""
    return primitives.mean(attack.predict(features)) if len(features) else float("nan")


def attack_rows(case: Case, max_per_side: int, draws: int) -> list[Halves]:
    """Rows of the retained training and test samples the attack is trained on and tested on."""
    sides = len(case.model.retain), len(case.model.test_retain)
    return draw_halves(case, "mia/member_rate", sides, max_per_side, draws)


def rates(case: Case, rows: Halves, parts: dict[str, Values], most: int = MAX_OUTPUTS) -> dict[str, float]:
    """The rates of one attack and its `heldout` accuracy; `parts` are the `attack_features` of what is forgotten."""
    if not len(rows.known):
        return dict.fromkeys((*RATES, "heldout"), float("nan"))
    sides = (case.model.retain, rows.known, rows.held_out), (case.model.test_retain, *rows[2:])
    attack = fit_attack(*(attack_features(part.take(known), most) for part, known, _ in sides))
    retain, others = (member_rate(attack, attack_features(part.take(own), most)) for part, _, own in sides)
    forget = member_rate(attack, parts["forget"])
    control = member_rate(attack, parts["test_forget"]) if case.scenario == "class" else others
    values = (forget, retain, retain - forget, control, (retain + 1 - others) / 2)
    return dict(zip((*RATES, "heldout"), values, strict=True))


@metric(
    keys=tuple(f"mia/member_rate_{name}" for name in (*RATES, "heldout")),
    version=2,
    margin={"": RATE, "heldout": UNDECIDABLE},
)
def member_rates(
    case: Case,
    /,
    *,
    max_per_side: Annotated[int, Gt(1)],
    draws: Annotated[int, Ge(2)],
    max_outputs: Annotated[int, Ge(2)],
) -> dict[str, float]:
    """Share of samples that an attack on the model's outputs calls members of the training set, in [0, 1].

    The attack is trained on retained training against retained test samples, at most `max_per_side` of each, and
    judged on samples it has not seen: `forget` is forgotten samples, `retain` other retained training samples,
    `difference` is retain minus forget in [-1, 1]. `unseen` is the control: other test samples, and in class scenarios
    the test samples of the forgotten classes, without which `forget` cannot be told from the effect of the class.
    Means of `draws` choices of what it is trained on. `heldout` is its balanced accuracy on retained training and test
    samples it has not seen: where that is no better than a coin, its rates are n/a.

    Even a retrained model has a high `forget` rate (61.77 % in the paper, 96.41 % on retained samples), so neither 0
    nor 1 is the target. Source: arXiv 2401.10458, section 5.1; the paper does not name the classifier, this is a
    logistic regression on the sorted probabilities and the loss. Of more than `max_outputs` classes, it sees that many
    probabilities, the largest, and learns from at most 3 choices of samples.
    """
    draws = draws if case.num_classes <= max_outputs else min(draws, CAPPED_DRAWS)
    rows, model = attack_rows(case, max_per_side, draws), case.model
    parts = {name: attack_features(getattr(model, name), max_outputs) for name in ("forget", "test_forget")}
    found = [rates(case, r, parts, max_outputs) for r in rows]
    means = {name: drawn([one[name] for one in found]) for name in found[0]}
    samples, held_out = held_out_samples(rows), means["heldout"]
    values = {name: unless_at_chance(means[name], held_out, samples) for name in RATES}
    values["forget"] = saturated(values["forget"], len(model.forget), low=0.0)
    named = {f"mia/member_rate_{name}": value for name, value in {**values, "heldout": held_out}.items()}
    return with_note(named, capped_note(max_outputs, case.num_classes, "probabilities"))
