"""One number for several: to be read beside its components, never instead of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt

from cu.metrics import primitives
from cu.metrics.accuracy.accuracy import accuracy
from cu.metrics.case import Case
from cu.metrics.drawn import Drawn, drawn
from cu.metrics.membership.svc import attack_feature, attack_rows, non_member_rates, svc_attack
from cu.metrics.predictions import ModelPredictions, Predictions
from cu.metrics.primitives import Values
from cu.metrics.spec import Margin, metric

Gaps = Mapping[str, float]


def component_accuracies(model: ModelPredictions) -> dict[str, float]:
    """Accuracies that composites compare, in [0, 1]: on forgotten, retained and retained test samples."""
    parts = {"forget": model.forget, "retain": model.retain, "test": model.test_retain}
    return {name: accuracy(part.logits, part.label) for name, part in parts.items()}


def accuracy_gaps(case: Case) -> dict[str, float]:
    """Absolute difference of each component accuracy to the mean of the retrained models, in [0, 1]."""
    own = component_accuracies(case.model)
    targets = [component_accuracies(model) for model in case.retrained]
    return {name: abs(own[name] - primitives.mean([target[name] for target in targets])) for name in own}


def attack_gap(case: Case, max_per_side: int, draws: int) -> Drawn:
    """Absolute difference of `mia/svc_confidence` to the mean of the retrained models, in [0, 1].

    Every draw compares models by one choice of samples, so that what a choice does to all of them cancels. Of an
    attack that is no better than a coin, too: a composite must not be undefined for that.
    """
    rows = attack_rows(case, max_per_side, draws)
    targets = [svc_attack(model, "confidence", rows).rate for model in case.retrained]
    return distance(svc_attack(case.model, "confidence", rows).rate, targets)


def distance(own: Values, targets: Sequence[Values]) -> Drawn:
    """Absolute difference to the mean of targets, of values in the same draws [draws]."""
    gap = drawn(own - np.mean(targets, axis=0))
    return Drawn(abs(gap), gap.std)


def tug_of_war(gaps: Gaps) -> float:
    """Product of 1 - gap, in [0, 1]; 1 if all gaps are 0."""
    return prod(1 - gap for gap in gaps.values())


def unlearning_score(original_test: float, test: float, delta: float) -> float:
    """(1 - test accuracy lost) / (1 + delta), where delta is what is left to forget; accuracies in [0, 1]."""
    return (1 - (original_test - test)) / (1 + delta)


@metric(keys=("agg/avg_gap", "agg/avg_gap_acc"), direction="lower", needs=("retrained",), version=2, identical=0.0)
def average_gap(
    case: Case, /, *, max_per_side: Annotated[int, Gt(1)], draws: Annotated[int, Ge(2)]
) -> dict[str, float]:
    """Mean absolute gap to the mean of the retrained models, in [0, 1], lower is better.

    Over the accuracies on forgotten, retained and retained test samples and `mia/svc_confidence` (with `max_per_side`
    and `draws`, see there, but also where that attack is at chance); `avg_gap_acc` leaves the attack out. Source: Fan
    et al. 2024, "SalUn" (average gap).
    """
    gaps, attack = list(accuracy_gaps(case).values()), attack_gap(case, max_per_side, draws)
    parts = len(gaps) + 1
    average = Drawn(sum([*gaps, attack]) / parts, attack.std / parts)
    return {"agg/avg_gap": average, "agg/avg_gap_acc": sum(gaps) / len(gaps)}


def held_out(case: Case, model: ModelPredictions) -> Predictions:
    """Validation samples of retained classes."""
    return model.val.take(~np.isin(model.val.label, case.forget_classes))


def validation_accuracies(case: Case, model: ModelPredictions) -> dict[str, float]:
    """The accuracies of `agg/avg_gap`, in [0, 1], with validation samples in the place of test samples."""
    parts = {"forget": model.forget, "retain": model.retain, "val": held_out(case, model)}
    return {name: accuracy(part.logits, part.label) for name, part in parts.items()}


def validation_attack(case: Case, model: ModelPredictions, max_per_side: int, draws: int) -> Values:
    """Shares of forgotten samples that the confidence attack calls non-members [draws], in [0, 1].

    As `mia/svc_confidence`, with validation samples in the place of test samples, and all of them if they are few.
    """
    unseen, forget = held_out(case, model), attack_feature(model.forget, "confidence")
    size, rates = min(len(model.retain), len(unseen), max_per_side), []
    for number in range(draws):
        rng = case.generator(f"agg/val_gap/{number}")
        sides = [part.take(rng.permutation(len(part))[:size]) for part in (model.retain, unseen)]
        members, strangers = (attack_feature(part, "confidence") for part in sides)
        rates += non_member_rates(members, strangers, [forget])
    return np.array(rates)


@metric(keys=("agg/val_gap",), direction="lower", needs=("retrained",), version=2, identical=0.0)
def validation_gap(
    case: Case, /, *, max_per_side: Annotated[int, Gt(1)], draws: Annotated[int, Ge(2)]
) -> dict[str, float]:
    """`agg/avg_gap` without a look at test data, for choosing settings: in [0, 1], lower is better.

    Mean absolute gap to the mean of the retrained models over the accuracies on forgotten, retained and validation
    samples (of retained classes) and the confidence attack of `mia/svc_confidence`, trained on at most `max_per_side`
    retained against as many validation samples; mean of `draws` choices of them. NaN without validation samples.
    """
    own = validation_accuracies(case, case.model)
    targets = [validation_accuracies(case, model) for model in case.retrained]
    gaps = [abs(own[name] - primitives.mean([target[name] for target in targets])) for name in own]
    attacks = [validation_attack(case, model, max_per_side, draws) for model in (case.model, *case.retrained)]
    attack = distance(attacks[0], attacks[1:])
    parts = len(gaps) + 1
    return {"agg/val_gap": Drawn(sum([*gaps, attack]) / parts, attack.std / parts)}


@metric(keys=("agg/tow", "agg/tow_mia"), direction="higher", needs=("retrained",), version=2, identical=1.0)
def tugs_of_war(
    case: Case, /, *, max_per_side: Annotated[int, Gt(1)], draws: Annotated[int, Ge(2)]
) -> dict[str, float]:
    """Tug of war: product of 1 - gap to the mean of the retrained models, in [0, 1], higher is better.

    Over the accuracies on forgotten, retained and retained test samples; `tow_mia` has `mia/svc_confidence` (with
    `max_per_side` and `draws`, see there) in place of the first. Source: Zhao et al. 2024, "What Makes Unlearning Hard
    and What to Do About It".
    """
    gaps, attack = accuracy_gaps(case), attack_gap(case, max_per_side, draws)
    others = tug_of_war({**gaps, "forget": 0.0})
    return {"agg/tow": tug_of_war(gaps), "agg/tow_mia": Drawn(others * (1 - attack), others * attack.std)}


@metric(keys=("agg/aus",), needs=("original",), version=2, margin=Margin(0.01, "score"))
def adaptive_unlearning_score(case: Case, /) -> dict[str, float]:
    """Adaptive unlearning score: retained test accuracy kept, over 1 + what is left to forget, in [0, 2].

    What is left is the test accuracy on forgotten classes in class scenarios, as in the authors' code, and in sample
    scenarios the distance of the accuracy on forgotten samples to the test accuracy. The authors read higher as
    better; a model that beats the retrained one did not necessarily forget better. NaN without test samples of the
    forgotten classes. Source: Cotogni et al. 2023, "DUCK".
    """
    assert case.original is not None
    own = component_accuracies(case.model)
    before = accuracy(case.original.test_retain.logits, case.original.test_retain.label)
    forgotten = accuracy(case.model.test_forget.logits, case.model.test_forget.label)
    delta = forgotten if case.scenario == "class" else abs(own["test"] - own["forget"])
    return {"agg/aus": unlearning_score(before, own["test"], delta)}
