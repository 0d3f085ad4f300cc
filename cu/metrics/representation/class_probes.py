"""More probes of a forgotten class: how many images bring it back, and how well it alone can be told from the rest."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt

from cu.metrics.case import Case
from cu.metrics.drawn import averaged
from cu.metrics.notes import saturated
from cu.metrics.primitives import auc
from cu.metrics.representation.probes import LINEAR_C, few_shot_accuracy, logistic_probe
from cu.metrics.representation.training_rows import stratified_rows, training_pool
from cu.metrics.spec import ACCURACY, AUC, metric

# Ten images are `probe/fewshot10_forget_acc`, part of the default suite.
SHOTS = (1, 5, 50)


@metric(
    keys=tuple(f"probe/fewshot{shots}_forget_acc" for shots in SHOTS), scenarios=("class",), version=2, margin=ACCURACY
)
def few_shot_sweep(
    case: Case,
    /,
    *,
    max_per_class: Annotated[int, Gt(0)],
    draws: Annotated[int, Ge(2)],
) -> dict[str, float]:
    """Accuracy on forgotten test samples of linear probes that saw 1, 5 or 50 images of each forgotten class.

    In [0, 1], mean of draws; the target is the retrained model's value. The fewer images it takes to exceed it, the
    more is hidden.

    Args:
        case: The judged model and what it is compared with.
        max_per_class: At most this many images of every retained class, and fewer where these were over 10,000 in all.
        draws: How many random choices of images are averaged.
    """
    purpose = "probes/few_shot/{}"
    accuracies = [
        few_shot_accuracy(case, shots, max_per_class, draws, case.generator(purpose.format(shots))) for shots in SHOTS
    ]
    return {f"probe/fewshot{shots}_forget_acc": value for shots, value in zip(SHOTS, accuracies, strict=True)}


@metric(keys=("probe/binary_auc",), scenarios=("class",), version=2, margin=AUC)
def binary_probe(case: Case, /, *, max_train: Annotated[int, Gt(0)], draws: Annotated[int, Ge(2)]) -> dict[str, float]:
    """AUC of a linear probe for telling test samples of the forgotten classes from those of the others.

    In [0, 1]; the target is the retrained model's value, well above 0.5 because features transfer. Trained on the
    frozen embeddings of training samples with balanced class weights. NaN where a side is empty.

    Args:
        case: The judged model and what it is compared with.
        max_train: At most about this many training samples, each class in its share.
        draws: How many choices of them are averaged, where there are more.
    """
    embedding, label = training_pool(case)
    sides = (case.model.test_forget, case.model.test_retain)

    def draw(number: int) -> dict[str, float]:
        rows = stratified_rows(label, max_train, case.generator(f"probes/binary/{number}"))
        forgotten = np.isin(label[rows], case.forget_classes)
        if len(np.unique(forgotten)) < 2:
            return {"probe/binary_auc": float("nan")}
        probe = logistic_probe(LINEAR_C, class_weight="balanced").fit(embedding[rows].astype(np.float64), forgotten)
        scores = [probe.decision_function(side.embedding.astype(np.float64)) if len(side) else [] for side in sides]
        return {"probe/binary_auc": saturated(auc(*scores), min(map(len, sides)))}

    return averaged(draws if len(label) > max_train else 1, draw)
