"""Whether an original and its retrained models are what a user takes them for, told from their accuracies."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from cu.metrics.case import ModelPredictions, Predictions
from cu.metrics.rows import rowwise

FEWEST = 20  # samples below which nothing is said
ERRORS = 4.0  # standard errors that a difference must have
APART = 0.05  # difference in accuracy from which gaps show two recipes instead of forgetting
ONE_CLASS = 0.9  # share of predictions from which a model is said to know one answer
LEARNED = 0.7  # accuracy in another class order from which it is no accident
NORMALISATION = "mean and std (dataset.mean, dataset.std), image size, or a checkpoint that was never trained"


@rowwise
def answers(logits: np.ndarray) -> np.ndarray:
    """The class [n] of the largest logit; also of a model that diverged, which is to be doubted and not refused."""
    return logits.argmax(axis=1)


def doubts(
    original: ModelPredictions, retrained: Sequence[ModelPredictions], class_names: Sequence[str], recipe: str
) -> list[str]:
    """One line for each reason not to believe what will be measured; none if there is none.

    Args:
        original: Before anything is forgotten.
        retrained: The references.
        class_names: By index.
        recipe: Name of the recipe by which references are trained, for messages.
    """
    lines = [line] if (line := original_doubt(original, class_names)) else []
    for number, model in enumerate(retrained):
        if not lines and (line := reference_doubt(original, model, number, recipe)):
            return [line]
    return lines


def original_doubt(original: ModelPredictions, class_names: Sequence[str]) -> str | None:
    """Why the original may not be the model that it is taken for; None if nothing speaks against it."""
    seen = original.retain
    if len(seen) < FEWEST:
        return None
    said = answers(seen.logits)
    table = np.zeros((seen.logits.shape[1],) * 2, dtype=np.int64)
    np.add.at(table, (seen.label, said), 1)
    rows, columns = linear_sum_assignment(-table)
    accuracy, matched = np.trace(table) / len(seen), table[rows, columns].sum() / len(seen)
    numbers = f"the original's accuracy is {spoken(accuracies(original))}"
    if matched > LEARNED and matched - accuracy > 0.3:
        places = {int(column): int(row) for row, column in zip(rows, columns, strict=True)}
        order = ",".join(class_names[places[i]] for i in range(len(class_names)))
        return (
            f"{numbers}; with its outputs in another order it is {matched:.1%} on retained images: "
            f"the checkpoint's class order is another, it seems to be [{order}]"
        )
    chance = np.bincount(seen.label).max() / len(seen)
    if accuracy > chance + ERRORS * math.sqrt(chance * (1 - chance) / len(seen)):
        return None
    share = np.bincount(said).max() / len(seen)
    answer = f", and it says {class_names[int(np.bincount(said).argmax())]} to {share:.0%} of images"
    return f"{numbers}, which is chance{answer if share > ONE_CLASS else ''}; likely causes: {NORMALISATION}"


def reference_doubt(original: ModelPredictions, model: ModelPredictions, number: int, recipe: str) -> str | None:
    """Why the gap to a retrained model would show more than forgetting; None if both are alike where both learned."""
    ours, theirs = original.test_retain, model.test_retain
    if len(ours) < FEWEST:
        return None
    a, b = hits(ours), hits(theirs)
    error = math.sqrt(float(np.square(a - b).mean()) / len(a))  # of paired samples
    if abs(a.mean() - b.mean()) <= max(APART, ERRORS * error):
        return None
    return (
        f"reference {number} has an accuracy of {b.mean():.1%} on retained test images, the original {a.mean():.1%}: "
        f"gaps to it will show the training (recipe={recipe}) rather than forgetting; train it as the original was "
        "(recipe.epochs, recipe.optimizer.lr, ...) or give your own by reference.checkpoints=[FILE]"
    )


def accuracies(model: ModelPredictions) -> dict[str, float]:
    """Fractions in [0, 1] by split; empty splits left out."""
    parts = {"retain": model.retain, "forget": model.forget, "test": model.test}
    return {name: float(hits(part).mean()) for name, part in parts.items() if len(part)}


def hits(predictions: Predictions) -> np.ndarray:
    """1.0 where a sample is classified as labelled, else 0.0; float64 [N]."""
    return (answers(predictions.logits) == predictions.label).astype(np.float64)


def spoken(values: Mapping[str, float]) -> str:
    """Accuracies as one reads them."""
    return ", ".join(f"{value:.1%} on {name}" for name, value in values.items())
