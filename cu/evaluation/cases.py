"""What is judged: a model's outputs, cut into the splits of a task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cu.data.types import UnlearningTask
from cu.engine.outputs import SPLITS
from cu.metrics.predictions import ModelPredictions, Predictions
from cu.metrics.rows import NotKept, Rows

LARGE = 1 << 25  # bytes in float32 from which outputs are read piece by piece


def by_split(arrays: Mapping[str, np.ndarray], task: UnlearningTask) -> ModelPredictions:
    """Scores of the whole data set, cut into the splits of a task by sample id."""
    return divided(arrays, task.retain.ids.cpu().numpy(), task.forget.ids.cpu().numpy(), task.forget_classes)


def divided(
    arrays: Mapping[str, np.ndarray], retain: np.ndarray, forget: np.ndarray, forget_classes: Sequence[int]
) -> ModelPredictions:
    """Scores of the whole data set, cut by the sample ids [n] of the retain and of the forget set."""
    whole = {name: whole_split(arrays, name) for name in (*SPLITS, "removed") if f"{name}/label" in arrays}
    forgotten = np.isin(whole["test"].label, forget_classes)
    return ModelPredictions(
        retain=of_ids(whole["train"], retain),
        forget=of_ids(whole["train"], forget),
        val=whole["val"],
        test_retain=whole["test"].take(~forgotten),
        test_forget=whole["test"].take(forgotten),
        removed=whole.get("removed"),
        head=(arrays["head/weight"], arrays["head/bias"]) if "head/weight" in arrays else None,
    )


def whole_split(arrays: Mapping[str, np.ndarray], name: str) -> Predictions:
    """The scores of one split of the data set; its features, unless it was scored before these were kept."""
    embedding: Any = floats(arrays[f"{name}/embedding"]) if f"{name}/embedding" in arrays else NotKept()
    features = arrays.get(f"{name}/features")
    return Predictions(
        floats(arrays[f"{name}/logits"]),
        embedding,
        arrays[f"{name}/label"],
        arrays[f"{name}/id"],
        embedding if arrays.get("head/sees_embedding", False) else features if features is None else floats(features),
    )


def floats(array: np.ndarray) -> Any:
    """An array [N, D] in float32; as `Rows`, which are read when they are needed, if it is large."""
    return Rows(array, np.arange(len(array))) if 4 * array.size >= LARGE else array.astype(np.float32, copy=False)


def of_ids(predictions: Predictions, ids: np.ndarray) -> Predictions:
    """The predictions of these sample ids, in the order of `ids`."""
    order = np.argsort(predictions.id, kind="stable")
    found = order[np.searchsorted(predictions.id, ids, sorter=order).clip(max=len(order) - 1)]
    if not np.array_equal(predictions.id[found], ids):
        raise ValueError("some samples of the task have no prediction")
    return predictions.take(found)
