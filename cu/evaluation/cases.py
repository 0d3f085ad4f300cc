"""What is judged: a model's outputs, cut into the splits of a task."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from cu.data.types import UnlearningTask
from cu.engine.outputs import SPLITS
from cu.metrics.predictions import ModelPredictions, Predictions


def by_split(arrays: Mapping[str, np.ndarray], task: UnlearningTask) -> ModelPredictions:
    """Scores of the whole data set, cut into the splits of a task by sample id."""
    whole = {name: whole_split(arrays, name) for name in (*SPLITS, "removed") if f"{name}/label" in arrays}
    forgotten = np.isin(whole["test"].label, task.forget_classes)
    return ModelPredictions(
        retain=of_ids(whole["train"], task.retain.ids.cpu().numpy()),
        forget=of_ids(whole["train"], task.forget.ids.cpu().numpy()),
        val=whole["val"],
        test_retain=whole["test"].take(~forgotten),
        test_forget=whole["test"].take(forgotten),
        removed=whole.get("removed"),
        head=(arrays["head/weight"], arrays["head/bias"]) if "head/weight" in arrays else None,
    )


def whole_split(arrays: Mapping[str, np.ndarray], name: str) -> Predictions:
    """The scores of one split of the data set; its features, unless it was scored before these were kept."""
    embedding = arrays[f"{name}/embedding"].astype(np.float32)
    features = embedding if arrays.get("head/sees_embedding", False) else arrays.get(f"{name}/features")
    return Predictions(
        arrays[f"{name}/logits"],
        embedding,
        arrays[f"{name}/label"],
        arrays[f"{name}/id"],
        features if features is None or features is embedding else features.astype(np.float32),
    )


def of_ids(predictions: Predictions, ids: np.ndarray) -> Predictions:
    """The predictions of these sample ids, in the order of `ids`."""
    order = np.argsort(predictions.id, kind="stable")
    found = order[np.searchsorted(predictions.id, ids, sorter=order).clip(max=len(order) - 1)]
    if not np.array_equal(predictions.id[found], ids):
        raise ValueError("some samples of the task have no prediction")
    return predictions.take(found)
