"""All outputs of a model on a data set: one forward pass per split for all metrics."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from cu.data.types import ImageData, Split
from cu.engine.fit import Diverged
from cu.engine.hardware import Hardware
from cu.engine.predict import predict
from cu.metrics.rows import pieces
from cu.models.types import Classifier

SPLITS = ("train", "val", "test")

# Largest error of a feature that is stored in float16, as a share of its standard deviation.
LOST_SPREAD = 1e-3


def score(model: Classifier, data: ImageData, hardware: Hardware) -> dict[str, np.ndarray]:
    """All outputs of a model on train, val, test and what was removed, as flat arrays ready for one `.npz` file.

    Embeddings are kept in float16 where nothing that metrics read is lost, and files halve. Features are kept where
    they are not the embedding; `head/sees_embedding` says whether they are.
    """
    arrays: dict[str, np.ndarray] = {}
    same = True
    for name in (*SPLITS, "removed"):
        split: Split | None = getattr(data, name)
        if split is None:
            continue
        scores = predict(model, split, hardware)
        arrays[f"{name}/logits"] = scores.logits.numpy()
        arrays[f"{name}/embedding"] = halved(scores.embedding.numpy())
        if scores.features is not scores.embedding:
            same, arrays[f"{name}/features"] = False, halved(scores.features.numpy())
        arrays[f"{name}/label"] = split.labels.cpu().numpy()
        arrays[f"{name}/id"] = split.ids.cpu().numpy()
    arrays["head/sees_embedding"] = np.array(same)
    last = getattr(model.head, "classifier", None)
    if last is not None:
        arrays["head/weight"] = last.weight.detach().float().cpu().numpy()
        arrays["head/bias"] = last.bias.detach().float().cpu().numpy()
    return arrays


def shows_features(arrays: Mapping[str, np.ndarray]) -> bool:
    """Whether a score says what enters the head; those of earlier versions do not."""
    return "head/sees_embedding" in arrays


def logits_of(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A score without embeddings and features, a small part of it where embeddings are wide."""
    return {name: array for name, array in arrays.items() if name.endswith(("/logits", "/label", "/id"))}


def require_finite_logits(arrays: Mapping[str, np.ndarray]) -> None:
    """Raise `Diverged` unless all logits of a score are finite: methods that do not descend may blow up, too."""
    logits = [array for name, array in arrays.items() if name.endswith("/logits")]
    if bad := sum(int((~np.isfinite(array)).any(axis=1).sum()) for array in logits):
        raise Diverged(f"{bad} of {sum(map(len, logits))} samples have logits of inf or NaN; try smaller steps")


def has_embeddings(arrays: Mapping[str, np.ndarray]) -> bool:
    """Whether a score is whole."""
    return "train/embedding" in arrays


def halved(embedding: np.ndarray) -> np.ndarray:
    """An embedding [N, D] in float16, unless that is too coarse or too small for it.

    Too coarse for features with a large offset and a small spread, which is what metrics read: float16 has 11 bits, of
    which an offset of 1000 leaves 0.1 none. Too small for the numbers of a wrecked model.
    """
    if not len(embedding):
        return embedding.astype(np.float16)
    cuts = list(pieces(*embedding.shape))
    if max(np.abs(embedding[cut]).max(initial=0) for cut in cuts) > np.finfo(np.float16).max:
        return embedding
    half, count = embedding.astype(np.float16), len(embedding)
    # Piece by piece, since a copy in float64 would be twice as large as the embedding.
    lost = [np.square(half[cut].astype(np.float32) - embedding[cut], dtype=np.float64).sum(0) for cut in cuts]
    middle = np.sum([embedding[cut].sum(0, dtype=np.float64) for cut in cuts], axis=0) / count
    spread = [np.square(embedding[cut] - middle).sum(0) for cut in cuts]
    return half if np.all(np.sum(lost, axis=0) <= LOST_SPREAD**2 * np.sum(spread, axis=0)) else embedding
