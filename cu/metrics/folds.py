"""Folds in which every class has as many members as non-members, as far as their numbers allow."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cu.metrics.predictions import Integers


def paired_folds(
    label: Integers, member: Integers, folds: int, generator: np.random.Generator
) -> Iterator[tuple[Integers, Integers]]:
    """Training and test rows of each fold, stratified jointly by class and membership.

    Folds stratified by membership alone have, by chance, more members than non-members of a class here and fewer
    there. What is learnt from the others then points the wrong way, and the pooled scores of noise lie below an AUC of
    0.5. Rows of a class are dealt in turn, members and non-members from the same fold on, which differs by class.

    Args:
        label: [n].
        member: [n], 0 or 1.
        folds: How many, at least 2 and at most n.
        generator: Decides who is dealt first.
    """
    fold, start = np.empty(len(label), dtype=np.int64), 0
    for c in np.unique(label):
        sides = [np.flatnonzero((label == c) & (member == side)) for side in (0, 1)]
        for rows in sides:
            fold[generator.permutation(rows)] = (start + np.arange(len(rows))) % folds
        start += max(map(len, sides))
    for number in range(folds):
        yield np.flatnonzero(fold != number), np.flatnonzero(fold == number)
