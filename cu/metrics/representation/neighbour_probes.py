"""What the nearest training samples still know of a forgotten class."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt

from cu.metrics.case import Case
from cu.metrics.drawn import averaged
from cu.metrics.findings import Floats
from cu.metrics.predictions import Integers
from cu.metrics.remembered import remembered
from cu.metrics.representation.geometry import unit_rows
from cu.metrics.representation.training_rows import stratified_rows, training_pool
from cu.metrics.spec import ACCURACY, metric

# Fixed, because a probe is an instrument: numbers of different runs must come from the same one.
NEIGHBOURS = 20
NEIGHBOUR_TEMPERATURE = 0.07
CHUNK = 128  # queries at a time


def knn_classify(bank: Floats, bank_label: Integers, query: Floats, *, k: int, temperature: float) -> Integers:
    """Labels [n] by a vote of the k nearest rows of `bank` by cosine, each with weight exp(cosine / temperature).

    Wu et al. 2018, section 3.4. A tie goes to the smaller label.

    Args:
        bank: [m, D], m >= 1.
        bank_label: [m].
        query: [n, D].
        k: Number of voters, cut to m.
        temperature: Above 0; smaller lets the nearest decide.
    """
    classes, index = np.unique(bank_label, return_inverse=True)
    unit_bank, unit_query, k = unit_rows(bank), unit_rows(query), min(k, len(bank))
    votes = np.zeros((len(query), len(classes)))
    for start in range(0, len(query), CHUNK):
        # Small and in place: with a bank of 10,000, fresh memory would cost more than the product itself.
        distance = unit_query[start : start + CHUNK] @ unit_bank.T
        np.negative(distance, out=distance)
        nearest = np.argpartition(distance, k - 1, axis=1)[:, :k]
        weight = np.exp((-np.take_along_axis(distance, nearest, axis=1) - 1) / temperature)
        row = np.repeat(np.arange(start, start + len(distance)), k)
        np.add.at(votes, (row, index[nearest].ravel()), weight.ravel())
    return classes[votes.argmax(axis=1)]


def nearest_class_mean(bank: Floats, bank_label: Integers, query: Floats) -> Integers:
    """Labels [n] of the nearest (Euclidean) class mean, all of it among unit embeddings."""
    unit_bank, unit_query = unit_rows(bank), unit_rows(query)
    classes = np.unique(bank_label)
    means = np.stack([unit_bank[bank_label == c].mean(axis=0) for c in classes])
    distance = np.square(means).sum(axis=1) - 2 * unit_query @ means.T
    return classes[distance.argmin(axis=1)]


@metric(
    keys=("probe/knn20_forget_test_acc", "probe/ncm_forget_test_acc"), scenarios=("class",), version=2, margin=ACCURACY
)
@remembered
def neighbour_probes(
    case: Case, /, *, max_train: Annotated[int, Gt(0)], draws: Annotated[int, Ge(2)]
) -> dict[str, float]:
    """Accuracy on forgotten test samples by nearest training samples and by nearest class means.

    The 20 nearest by cosine vote with temperature 0.07 (Wu et al. 2018). The target is the retrained model's value.

    Args:
        case: The judged model and what it is compared with.
        max_train: At most about this many training samples, each class in its share.
        draws: How many choices of them are averaged, where there are more.
    """
    embedding, label = training_pool(case)
    test = case.model.test_forget

    def draw(number: int) -> dict[str, float]:
        rows = stratified_rows(label, max_train, case.generator(f"probes/neighbours/{number}"))
        if not (len(test) and len(rows)):
            return {"probe/knn20_forget_test_acc": float("nan"), "probe/ncm_forget_test_acc": float("nan")}
        bank, known = embedding[rows], label[rows]
        knn = knn_classify(bank, known, test.embedding, k=NEIGHBOURS, temperature=NEIGHBOUR_TEMPERATURE)
        mean = nearest_class_mean(bank, known, test.embedding)
        return {
            "probe/knn20_forget_test_acc": float((knn == test.label).mean()),
            "probe/ncm_forget_test_acc": float((mean == test.label).mean()),
        }

    return averaged(draws if len(label) > max_train else 1, draw)
