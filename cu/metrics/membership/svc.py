"""Membership inference by a support vector machine: the "MIA efficacy" of the sparse-unlearning literature."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, NamedTuple

import numpy as np
from annotated_types import Ge, Gt
from sklearn.svm import SVC

from cu.metrics import primitives
from cu.metrics.case import Case
from cu.metrics.drawn import drawn
from cu.metrics.findings import Floats
from cu.metrics.membership.attacker import Halves, draw_halves, held_out_samples, unless_at_chance
from cu.metrics.notes import saturated
from cu.metrics.predictions import ModelPredictions, Predictions
from cu.metrics.primitives import Values
from cu.metrics.spec import RATE, UNDECIDABLE, metric

FEATURES = ("correctness", "confidence", "entropy", "m_entropy", "prob")


class Attack(NamedTuple):
    """What an attack finds in each draw of the samples it learns from.

    Attributes:
        rate: Share of forgotten samples called non-members [draws].
        held_out: Balanced accuracy on retained training and test samples it has not seen [draws].
    """

    rate: Values
    held_out: Values


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


def non_member_rates(members: Floats, non_members: Floats, targets: Sequence[Floats]) -> list[float]:
    """Share of each target that an SVC trained on members against non-members calls non-members, in [0, 1].

    Args:
        members: float [N, F].
        non_members: float [M, F]; as many as members, or the larger side wins everywhere.
        targets: float [T, F] each.

    Returns:
        The shares; NaN where an argument is empty.
    """
    if not min(len(members), len(non_members)):
        return [float("nan")] * len(targets)
    member = np.repeat([1, 0], [len(members), len(non_members)])
    machine = SVC(C=3, kernel="rbf", gamma="auto").fit(np.concatenate([members, non_members]), member)
    return [primitives.mean(machine.predict(target) == 0) if len(target) else float("nan") for target in targets]


def attack_rows(case: Case, max_per_side: int, draws: int) -> list[Halves]:
    """Rows of the retained training and test samples the attack is trained on and tested on."""
    return draw_halves(case, "mia/svc", (len(case.model.retain), len(case.model.test_retain)), max_per_side, draws)


def svc_attack(model: ModelPredictions, name: str, rows: Sequence[Halves]) -> Attack:
    """The attack on the forgotten samples by one feature; `rows` from `attack_rows`.

    A fit takes longer than most metrics: it is shared with the composites, and with other cases of the same model.
    """

    def attack() -> Attack:
        forget = attack_feature(model.forget, name)

        def once(r: Halves) -> tuple[float, float]:
            parts = (model.retain.take(r.held_out), model.test_retain.take(r.held_out_others))
            held_out = [attack_feature(part, name) for part in parts]
            known = (model.retain.take(r.known), model.test_retain.take(r.known_others))
            members, others = (attack_feature(part, name) for part in known)
            rate, missed, right = non_member_rates(members, others, [forget, *held_out])
            return rate, (1 - missed + right) / 2

        return Attack(*np.array([once(r) for r in rows]).T)

    return model.once(("svc", name, *(side.tobytes() for r in rows for side in r)), attack)


@metric(
    keys=tuple(f"mia/svc_{name}{end}" for name in FEATURES for end in ("", "_heldout")),
    version=2,
    margin={"": RATE, "heldout": UNDECIDABLE},
)
def svc_attacks(
    case: Case, /, *, max_per_side: Annotated[int, Gt(1)], draws: Annotated[int, Ge(2)]
) -> dict[str, float]:
    """Share of forgotten samples an SVC calls non-members, in [0, 1], for each feature.

    The SVC (C 3, RBF kernel, gamma 1 / number of features, unscaled) learns retained training against retained test
    samples: random ones, at most `max_per_side` of each and at most half of them, as many of one as of the other; mean
    of `draws` such choices. `_heldout` is its balanced accuracy on others of these: an attack that is no better than a
    coin there says nothing about forgotten samples, and its share is n/a. A retrained model is near 1 in class
    scenarios and rather low in sample scenarios, so higher is not better.
    Source: Jia et al. 2023, "Model Sparsity Can Simplify Machine Unlearning" (MIA-efficacy); Song & Mittal 2021.
    """
    rows, values = attack_rows(case, max_per_side, draws), {}
    samples = held_out_samples(rows)
    for name in FEATURES:
        found = svc_attack(case.model, name, rows)
        rate, held_out = drawn(found.rate), drawn(found.held_out)
        share = saturated(unless_at_chance(rate, held_out, samples), len(case.model.forget), low=0.0)
        values |= {f"mia/svc_{name}": share, f"mia/svc_{name}_heldout": held_out}
    return values
