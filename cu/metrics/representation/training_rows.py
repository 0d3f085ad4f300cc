"""Which training samples probes learn from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cu.metrics.capped import of_classes
from cu.metrics.case import Case
from cu.metrics.findings import Floats
from cu.metrics.predictions import Integers
from cu.metrics.rows import joined

# Fixed, because a probe is an instrument: numbers of different runs must come from the same one.
FEW_SHOT_TRAIN = 10_000
FEW_SHOT_VALUES = 5_200_000  # samples times dimensions


def stratified_rows(label: Integers, most: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """At most about `most` positions, every class in its share and with at least one sample."""
    share = min(1.0, most / max(len(label), 1))
    rows = []
    for c in np.unique(label):
        members = np.flatnonzero(label == c)
        rows.append(rng.choice(members, size=max(1, round(share * len(members))), replace=False))
    return np.sort(np.concatenate(rows)) if rows else np.empty(0, dtype=np.int64)


def few_shot_rows(
    label: Integers, few: tuple[int, ...], shots: int, most: int, rng: np.random.Generator, width: int = 1
) -> NDArray[np.int64]:
    """Positions of at most `shots` samples of each class of `few` and at most `most` of every other.

    Where classes are many, `most` is lowered to keep about 10,000 samples in all, and about 5,200,000 numbers of
    embeddings of `width` dimensions.
    """
    classes = np.unique(label).tolist()
    in_all = min(FEW_SHOT_TRAIN, FEW_SHOT_VALUES // max(1, width))
    most = min(most, max(1, in_all // max(len(classes), 1)))
    rows = [rng.permutation(np.flatnonzero(label == c))[: shots if c in few else most] for c in classes]
    return np.sort(np.concatenate(rows)) if rows else np.empty(0, dtype=np.int64)


def training_pool(case: Case, classes: Integers | None = None) -> tuple[Floats, Integers]:
    """Embeddings and true labels of all training samples, kept and forgotten; of some classes if they are given."""
    retain, forget = case.model.retain, case.model.forget
    if classes is not None and len(classes) < case.num_classes:
        retain, forget = of_classes(retain, classes), of_classes(forget, classes)
    return joined(retain.embedding, forget.embedding), np.concatenate([retain.label, forget.label])
