"""Which samples an embedding map shows, the same for every model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cu.metrics.predictions import Predictions

MOST = 300
FORGOTTEN_SHARE = 0.25


@dataclass(frozen=True, eq=False)
class MapSamples:
    """Samples [N], forgotten ones last, so that they are drawn on top.

    Attributes:
        split: `train` or `test`, str [N].
        id: int64 [N].
        label: int64 [N].
        forgotten: bool [N]: forgotten training samples, and in class scenarios test samples of the class.
    """

    split: np.ndarray
    id: np.ndarray
    label: np.ndarray
    forgotten: np.ndarray

    def embedding(self, train: Predictions, test: Predictions) -> np.ndarray:
        """The embeddings [N, D] of these samples, from the outputs of any model."""
        found = np.empty((len(self.id), train.embedding.shape[1]), dtype=np.float32)
        for name, part in (("train", train), ("test", test)):
            own = self.split == name
            found[own] = part.embedding[_rows(part, self.id[own])]
        return found


def _rows(part: Predictions, ids: np.ndarray) -> np.ndarray:
    order = np.argsort(part.id, kind="stable")
    return order[np.searchsorted(part.id, ids, sorter=order)]


def choose(
    train: Predictions, test: Predictions, forget_ids: np.ndarray, forget_classes: tuple[int, ...], most: int = MOST
) -> MapSamples:
    """At most `most` samples: every class alike, half of each seen in training and half not.

    In sample scenarios a quarter are forgotten training samples and the rest is chosen so among the others.
    """
    rng = np.random.default_rng(0)
    forgotten = np.isin(train.id, forget_ids)
    classes = np.unique(np.concatenate([train.label, test.label]))
    found: list[tuple[str, Predictions, np.ndarray]] = []
    if not forget_classes:
        rows = np.flatnonzero(forgotten)
        chosen = np.sort(rng.permutation(rows)[: max(1, int(FORGOTTEN_SHARE * most))])
        found.append(("train", train, chosen))
        most -= len(chosen)
    each = max(1, most // max(1, len(classes)) // 2)
    for c in classes:
        kept = (train.label == c) & (~forgotten | np.isin(train.label, forget_classes))
        for name, part, own in (("train", train, kept), ("test", test, test.label == c)):
            found.append((name, part, np.sort(rng.permutation(np.flatnonzero(own))[:each])))
    split = np.concatenate([np.repeat(name, len(rows)) for name, _, rows in found])
    ids = np.concatenate([part.id[rows] for _, part, rows in found])
    label = np.concatenate([part.label[rows] for _, part, rows in found])
    gone = np.isin(label, forget_classes) if forget_classes else (split == "train") & np.isin(ids, forget_ids)
    order = np.argsort(gone, kind="stable")
    return MapSamples(split[order], ids[order], label[order], gone[order])
