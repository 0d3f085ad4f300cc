"""All outputs of a model on a data set: one forward pass per split for all metrics."""

from __future__ import annotations

import numpy as np

from cu.data.types import ImageData, Split
from cu.engine.hardware import Hardware
from cu.engine.predict import predict
from cu.models.types import Classifier

SPLITS = ("train", "val", "test")


def score(model: Classifier, data: ImageData, hardware: Hardware) -> dict[str, np.ndarray]:
    """All outputs of a model on train, val and test, as flat arrays ready for one `.npz` file.

    Embeddings are kept in float16 where they fit: metrics on them do not depend on the lost digits, and files halve.
    """
    arrays: dict[str, np.ndarray] = {}
    for name in SPLITS:
        split: Split = getattr(data, name)
        scores = predict(model, split, hardware)
        arrays[f"{name}/logits"] = scores.logits.numpy()
        arrays[f"{name}/embedding"] = halved(scores.embedding.numpy())
        arrays[f"{name}/label"] = split.labels.cpu().numpy()
        arrays[f"{name}/id"] = split.ids.cpu().numpy()
    last = getattr(model.head, "classifier", None)
    if last is not None:
        arrays["head/weight"] = last.weight.detach().float().cpu().numpy()
        arrays["head/bias"] = last.bias.detach().float().cpu().numpy()
    return arrays


def halved(embedding: np.ndarray) -> np.ndarray:
    """An embedding in float16, unless a number in it is too large for that, as those of a wrecked model may be."""
    return embedding.astype(np.float16) if np.abs(embedding).max(initial=0) <= np.finfo(np.float16).max else embedding
