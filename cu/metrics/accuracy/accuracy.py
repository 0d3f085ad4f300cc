"""How often the model is right on each split, and how that compares across classes."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge

from cu.metrics import primitives
from cu.metrics.case import Case
from cu.metrics.drawn import Drawn, drawn
from cu.metrics.findings import Floats
from cu.metrics.predictions import Integers, ModelPredictions, Predictions
from cu.metrics.spec import ACCURACY, NATS, RATE, metric

SPLITS = ("forget_train", "retain_train", "retain_test", "forget_test", "test", "val")


def accuracy(logits: Floats, label: Integers) -> float:
    """Share of samples whose largest logit is the label's, in [0, 1]; NaN without samples."""
    return primitives.mean(primitives.predicted(logits) == label)


def recalls(logits: Floats, label: Integers) -> dict[int, float]:
    """Accuracy within each class that has samples, by class.

    A class that is predicted but has no samples does not count: it would drag the average down for a label that cannot
    be right.
    """
    right = primitives.predicted(logits) == label
    return {int(c): primitives.mean(right[label == c]) for c in np.unique(label)}


def neighbor_class(probabilities: Floats, excluded: tuple[int, ...]) -> int:
    """The class outside `excluded` with the largest mean of `probabilities` [N, C], N > 0."""
    share = np.asarray(probabilities, dtype=np.float64).mean(axis=0)
    share[list(excluded)] = -np.inf
    return int(share.argmax())


def splits(model: ModelPredictions) -> dict[str, Predictions]:
    """The model's predictions under the names that metric keys use."""
    parts = (model.forget, model.retain, model.test_retain, model.test_forget, model.test, model.val)
    return dict(zip(SPLITS, parts, strict=True))


@metric(keys=tuple(f"{name}_acc" for name in SPLITS), margin=ACCURACY)
def split_accuracies(case: Case, /) -> dict[str, float]:
    """Accuracy on every split, in [0, 1]; NaN on an empty one.

    The target is the retrained model: in class scenarios it has 0 on forgotten classes, in sample scenarios it does on
    forgotten samples what it does on the test set.
    """
    return {f"{name}_acc": accuracy(part.logits, part.label) for name, part in splits(case.model).items()}


@metric(keys=tuple(f"{name}_loss" for name in SPLITS), margin=NATS)
def split_losses(case: Case, /) -> dict[str, float]:
    """Mean cross-entropy on every split, in nats, >= 0; NaN on an empty one."""
    parts = splits(case.model).items()
    return {f"{name}_loss": primitives.mean(primitives.loss(part.logits, part.label)) for name, part in parts}


@metric(
    keys=("retain_test_worst_class_acc", "retain_test_macro_acc"),
    margin={"worst_class_acc": RATE, "macro_acc": ACCURACY},
)
def class_accuracies(case: Case, /) -> dict[str, float]:
    """Worst and average accuracy over the retained classes of the test set, in [0, 1]."""
    by_class = list(recalls(case.model.test_retain.logits, case.model.test_retain.label).values())
    return {
        "retain_test_worst_class_acc": min(by_class, default=float("nan")),
        "retain_test_macro_acc": primitives.mean(by_class),
    }


@metric(keys=("unlearn_score",), scenarios=("sample",), version=2, margin=ACCURACY)
def unlearn_score(case: Case, /, *, draws: Annotated[int, Ge(2)]) -> dict[str, float]:
    """Distance of the accuracy on forgotten samples to that on class-matched test samples, in [0, 1].

    Not exactly 0 for a retrained model: with 500 forgotten samples its standard error is about 0.016. Mean of `draws`
    choices of the test samples, taken before the distance.
    """
    forget, parts = case.model.forget, [case.matched_non_members(draw=number) for number in range(draws)]
    unseen = drawn([accuracy(part.logits, part.label) for part in parts])
    return {"unlearn_score": Drawn(abs(accuracy(forget.logits, forget.label) - unseen), unseen.std)}


@metric(keys=("retain_neighbor_acc",), needs=("retrained",), scenarios=("class",), margin=RATE)
def neighbor_accuracy(case: Case, /) -> dict[str, float]:
    """Test accuracy of the retained class most like the forgotten one, in [0, 1].

    The neighbour is where the retrained models put most probability on test samples of the forgotten class. With
    several forgotten classes each has its own, and the accuracies are averaged.
    """
    by_class = recalls(case.model.test_retain.logits, case.model.test_retain.label)
    found = []
    for forgotten in case.forget_classes:
        seen = [model.test_forget for model in case.retrained]
        rows = np.concatenate([primitives.softmax(part.logits)[part.label == forgotten] for part in seen])
        if len(rows):
            found.append(by_class.get(neighbor_class(rows, case.forget_classes), float("nan")))
    return {"retain_neighbor_acc": primitives.mean(found)}


@metric(keys=("retain_worst_class_drop",), needs=("original",), margin=RATE)
def worst_class_drop(case: Case, /) -> dict[str, float]:
    """Largest loss of test accuracy of a retained class against the original model, in [-1, 1]; below 0 none lost.

    An average hides a class that pays for all. The target is the retrained model: classes like the forgotten one tend
    to gain once it is gone.
    """
    assert case.original is not None
    before, after = (recalls(m.test_retain.logits, m.test_retain.label) for m in (case.original, case.model))
    return {"retain_worst_class_drop": max((before[c] - after[c] for c in before), default=float("nan"))}
