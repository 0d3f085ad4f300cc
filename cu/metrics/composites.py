"""One number for several: to be read beside its components, never instead of them."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Annotated

import numpy as np
from annotated_types import Gt

from cu.metrics import primitives
from cu.metrics.accuracy.accuracy import accuracy
from cu.metrics.case import Case, ModelPredictions, Predictions
from cu.metrics.membership.svc import attack_feature, attack_rows, non_member_rate, svc_score
from cu.metrics.spec import metric

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


def attack_gap(case: Case, max_per_side: int) -> float:
    """Absolute difference of `mia/svc_confidence` to the mean of the retrained models, in [0, 1]."""
    rows = attack_rows(case, max_per_side)
    targets = [svc_score(model, "confidence", rows) for model in case.retrained]
    return abs(svc_score(case.model, "confidence", rows) - primitives.mean(targets))


def tug_of_war(gaps: Gaps) -> float:
    """Product of 1 - gap, in [0, 1]; 1 if all gaps are 0."""
    return prod(1 - gap for gap in gaps.values())


def unlearning_score(original_test: float, test: float, delta: float) -> float:
    """(1 - test accuracy lost) / (1 + delta), where delta is what is left to forget; accuracies in [0, 1]."""
    return (1 - (original_test - test)) / (1 + delta)


@metric(keys=("agg/avg_gap", "agg/avg_gap_acc"), direction="lower", needs=("retrained",), identical=0.0)
def average_gap(case: Case, /, *, max_per_side: Annotated[int, Gt(1)]) -> dict[str, float]:
    """Mean absolute gap to the mean of the retrained models, in [0, 1], lower is better.

    Over the accuracies on forgotten, retained and retained test samples and `mia/svc_confidence` (with
    `max_per_side`, see there); `avg_gap_acc` leaves the attack out. Source: Fan et al. 2024, "SalUn" (average gap).
    """
    gaps = list(accuracy_gaps(case).values())
    attack = attack_gap(case, max_per_side)
    return {"agg/avg_gap": sum([*gaps, attack]) / (len(gaps) + 1), "agg/avg_gap_acc": sum(gaps) / len(gaps)}


def held_out(case: Case, model: ModelPredictions) -> Predictions:
    """Validation samples of retained classes."""
    return model.val.take(~np.isin(model.val.label, case.forget_classes))


def validation_components(case: Case, model: ModelPredictions, max_per_side: int) -> dict[str, float]:
    """The four parts of `agg/avg_gap`, in [0, 1], with validation samples in the place of test samples."""
    unseen, rng = held_out(case, model), case.generator("agg/val_gap")
    size = min(len(model.retain), len(unseen), max_per_side)
    members, strangers = (part.take(rng.permutation(len(part))[:size]) for part in (model.retain, unseen))
    confidences = (attack_feature(part, "confidence") for part in (members, strangers, model.forget))
    parts = {"forget": model.forget, "retain": model.retain, "val": unseen}
    accuracies = {name: accuracy(part.logits, part.label) for name, part in parts.items()}
    return {**accuracies, "attack": non_member_rate(*confidences)}


@metric(keys=("agg/val_gap",), direction="lower", needs=("retrained",), identical=0.0)
def validation_gap(case: Case, /, *, max_per_side: Annotated[int, Gt(1)]) -> dict[str, float]:
    """`agg/avg_gap` without a look at test data, for choosing settings: in [0, 1], lower is better.

    Mean absolute gap to the mean of the retrained models over the accuracies on forgotten, retained and validation
    samples (of retained classes) and the confidence attack of `mia/svc_confidence`, trained on at most `max_per_side`
    retained against as many validation samples. NaN without validation samples.
    """
    own = validation_components(case, case.model, max_per_side)
    targets = [validation_components(case, model, max_per_side) for model in case.retrained]
    gaps = [abs(own[name] - primitives.mean([target[name] for target in targets])) for name in own]
    return {"agg/val_gap": sum(gaps) / len(gaps)}


@metric(keys=("agg/tow", "agg/tow_mia"), direction="higher", needs=("retrained",), identical=1.0)
def tugs_of_war(case: Case, /, *, max_per_side: Annotated[int, Gt(1)]) -> dict[str, float]:
    """Tug of war: product of 1 - gap to the mean of the retrained models, in [0, 1], higher is better.

    Over the accuracies on forgotten, retained and retained test samples; `tow_mia` has `mia/svc_confidence` (with
    `max_per_side`, see there) in place of the first. Source: Zhao et al. 2024, "What Makes Unlearning Hard and What to
    Do About It".
    """
    gaps = accuracy_gaps(case)
    return {
        "agg/tow": tug_of_war(gaps),
        "agg/tow_mia": tug_of_war({**gaps, "forget": attack_gap(case, max_per_side)}),
    }


@metric(keys=("agg/aus",), needs=("original",))
def adaptive_unlearning_score(case: Case, /) -> dict[str, float]:
    """Adaptive unlearning score: retained test accuracy kept, over 1 + what is left to forget, in [0, 2].

    What is left is the accuracy on forgotten samples in class scenarios, and its distance to the test accuracy in
    sample scenarios. The original authors read higher as better; a model that beats the retrained one did not
    necessarily forget better. Source: Cotogni et al. 2023, "DUCK".
    """
    assert case.original is not None
    own = component_accuracies(case.model)
    before = accuracy(case.original.test_retain.logits, case.original.test_retain.label)
    delta = own["forget"] if case.scenario == "class" else abs(own["test"] - own["forget"])
    return {"agg/aus": unlearning_score(before, own["test"], delta)}
