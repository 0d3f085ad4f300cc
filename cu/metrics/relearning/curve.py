"""How much of a forgotten class comes back when only the last linear layer is touched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Le
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from cu.metrics.case import Case
from cu.metrics.drawn import drawn
from cu.metrics.findings import Floats
from cu.metrics.predictions import Predictions
from cu.metrics.representation.geometry import unit_rows
from cu.metrics.representation.probes import LINEAR_C
from cu.metrics.representation.training_rows import few_shot_rows
from cu.metrics.rows import PIECE, pieces
from cu.metrics.spec import ACCURACY, metric

Head = tuple[Floats, Floats]
Doubles = NDArray[np.float64]
SHOTS = 5

# Logits scored in reduced precision differ from a float64 product by well under this share of the largest logit.
HEAD_TOLERANCE = 0.05


def head_reads_relu(embedding: Floats, logits: Floats, head: Head, columns: list[int]) -> bool | None:
    """Whether the linear head sees the ReLU of the embedding (True) or the embedding itself (False).

    Args:
        embedding: [n, D'].
        logits: [n, C].
        head: Weight [C, D] and bias [C].
        columns: The classes whose logits must be reproduced (largest absolute error).

    Returns:
        The choice that reproduces the logits; None if neither does: the embedding is not the input of the head.
    """
    weight, bias = (part.astype(np.float64)[columns] for part in head)
    raw, wanted = embedding.astype(np.float64), logits.astype(np.float64)[:, columns]
    if not wanted.size or raw.shape[1] != weight.shape[1]:
        return None
    errors = [float(np.abs(x @ weight.T + bias - wanted).max()) for x in (raw, np.maximum(raw, 0))]
    return errors[1] < errors[0] if min(errors) <= HEAD_TOLERANCE * np.abs(wanted).max() else None


def with_prototypes(head: Head, prototypes: dict[int, Doubles], mix: float) -> tuple[Doubles, Doubles]:
    """The head after each class's row has been moved towards its prototype.

    Row c becomes mix * w + (1 - mix) * row, w the prototype's direction at the mean length of the rows of
    the other classes; its bias becomes 0. Cosine form of the prototypical relearning attack (Ha, Park & Yoon 2026).

    Args:
        head: Weight [C, D] and bias [C].
        prototypes: Mean features [D] by class.
        mix: In (0, 1]; 1 replaces the row.
    """
    weight, bias = (part.astype(np.float64) for part in head)
    others = np.delete(weight, list(prototypes), axis=0)
    length = np.linalg.norm(others, axis=1).mean()
    for c, prototype in prototypes.items():
        weight[c] = mix * length * unit_rows(prototype[None])[0] + (1 - mix) * weight[c]
        bias[c] = 0
    return weight, bias


def _rewritten_accuracy(
    part: Predictions, relu: bool, head: Head, rewritten: Sequence[Head], classes: list[int]
) -> list[float]:
    """Accuracies of heads that differ from `head` in the rows of some classes only, whose other logits are shared."""
    if not len(part):
        return [float("nan")] * len(rewritten)
    right, (weight, bias) = np.zeros(len(rewritten)), (array.astype(np.float64) for array in head)
    for cut in pieces(len(part), max(part.embedding.shape[1], part.logits.shape[1])):
        features = _features(part.take(np.arange(len(part))[cut]), relu)
        logits = features @ weight.T + bias
        for number, (new_weight, new_bias) in enumerate(rewritten):
            logits[:, classes] = features @ new_weight[classes].T + new_bias[classes]
            right[number] += (logits.argmax(axis=1) == part.label[cut]).sum()
    return list(right / len(part))


def _head_reads_relu(case: Case) -> bool | None:
    model = case.model
    assert model.head is not None
    # The forget columns may have been masked after the head, which is what these attacks are to see through.
    columns = np.setdiff1d(np.arange(len(model.head[1])), case.forget_classes).tolist()
    # All samples of a small model; of a large one as many as fit, which show it as well.
    most = max(1, PIECE // max(model.forget.embedding.shape[1], model.forget.logits.shape[1]))
    embedding = np.concatenate([model.forget.embedding[:most], model.test_retain.embedding[:most]])
    logits = np.concatenate([model.forget.logits[:most], model.test_retain.logits[:most]])
    return head_reads_relu(embedding, logits, model.head, columns)


def _features(split: Predictions, relu: bool) -> Doubles:
    embedding = split.embedding.astype(np.float64)
    return np.maximum(embedding, 0) if relu else embedding


@metric(
    keys=("relearn/proto5_forget_test_acc", "relearn/proto5_retain_test_acc"),
    needs=("head",),
    scenarios=("class",),
    margin=ACCURACY,
)
def prototype_relearning(
    case: Case, /, *, mix: Annotated[float, Gt(0), Le(1)], draws: Annotated[int, Ge(2)]
) -> dict[str, float]:
    """Test accuracies after 5 training images of each forgotten class have been written into the head as a prototype.

    Mean over draws of the images. The target is the retrained model's value, which is above 0 too. NaN where the
    embedding is not the input of the head, or where no forget sample exists.

    Args:
        case: The judged model and what it is compared with.
        mix: Weight of the prototype against the row the head has already.
        draws: How many random choices of images are averaged.
    """
    model, nothing, relu = case.model, float("nan"), _head_reads_relu(case)
    if relu is None or not len(model.forget):
        return {"relearn/proto5_forget_test_acc": nothing, "relearn/proto5_retain_test_acc": nothing}
    assert model.head is not None
    shown, label, rng = _features(model.forget, relu), model.forget.label, case.generator("relearning/prototypes")
    heads, classes = [], np.unique(label).tolist()
    for _ in range(draws):
        rows = few_shot_rows(label, case.forget_classes, SHOTS, SHOTS, rng)
        prototypes = {int(c): shown[rows[label[rows] == c]].mean(axis=0) for c in classes}
        heads.append(with_prototypes(model.head, prototypes, mix))
    tests = (model.test_forget, model.test_retain)
    forget, retain = (np.array(_rewritten_accuracy(part, relu, model.head, heads, classes)) for part in tests)
    return {"relearn/proto5_forget_test_acc": drawn(forget), "relearn/proto5_retain_test_acc": drawn(retain)}


@metric(keys=("relearn/head_forget_test_acc",), needs=("head",), scenarios=("class",), margin=ACCURACY)
def head_recovery(
    case: Case,
    /,
    *,
    shots: Annotated[int, Gt(0)],
    max_per_class: Annotated[int, Gt(0)],
    draws: Annotated[int, Ge(2)],
) -> dict[str, float]:
    """Accuracy on forgotten test samples after the head alone was fitted anew, a few forget images among the retained.

    Unlike the few-shot probe it works on what the deployed head sees, with one scale for all features. Mean over draws
    of the images. The target is the retrained model's value. NaN where the embedding is not the input of the head.

    Args:
        case: The judged model and what it is compared with.
        shots: Images of each forgotten class.
        max_per_class: At most this many images of every retained class, and fewer where these were over 10,000 in all.
        draws: How many random choices of images are averaged.
    """
    model, relu = case.model, _head_reads_relu(case)
    label = np.concatenate([model.retain.label, model.forget.label])
    if relu is None or not len(model.forget) or len(np.unique(label)) < 2:
        return {"relearn/head_forget_test_acc": float("nan")}
    features = np.concatenate([_features(model.retain, relu), _features(model.forget, relu)])
    scale = np.sqrt(np.square(features).mean()) or 1.0
    test, rng = _features(model.test_forget, relu) / scale, case.generator("relearning/head")
    accuracy = []
    for _ in range(draws):
        rows = few_shot_rows(label, case.forget_classes, shots, max_per_class, rng)
        fit = LogisticRegression(C=LINEAR_C, tol=1e-3, max_iter=2000).fit(features[rows] / scale, label[rows])
        accuracy.append(float((fit.predict(test) == model.test_forget.label).mean()) if len(test) else float("nan"))
    return {"relearn/head_forget_test_acc": drawn(accuracy)}
