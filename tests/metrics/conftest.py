"""Synthetic cases: fixtures that return builders. Arrays are read-only, so a metric that edits its input fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from cu.metrics.case import Case
from cu.metrics.predictions import ModelPredictions, Predictions

SPLITS = ("retain", "forget", "val", "test_retain", "test_forget")
COST = {
    "unlearn_seconds": 3.0,
    "prep_seconds": 1.0,
    "samples_seen_forget": 500.0,
    "samples_seen_retain": 2000.0,
    "steps": 20.0,
    "peak_mem_mb": 100.0,
    "flops": 6e6,
    "retrain_seconds_per_sample": 0.01,
}


def build_predictions(logits: Any, label: Any, first_id: int = 0, embedding: Any = None) -> Predictions:
    z, y = np.array(logits, dtype=np.float32), np.array(label, dtype=np.int64)
    e = np.zeros((len(y), 2), dtype=np.float32) if embedding is None else np.array(embedding, dtype=np.float32)
    arrays = (z, e, y, np.arange(first_id, first_id + len(y), dtype=np.int64))
    for array in arrays:
        array.setflags(write=False)
    return Predictions(*arrays)


def build_labels(scenario: str, num_classes: int, sizes: dict[str, int]) -> dict[str, Any]:
    """Labels by split, the same for every model; the last class is the forgotten one in class scenarios."""
    rng = np.random.default_rng(12345)
    kept = num_classes - 1 if scenario == "class" else num_classes
    labels = {name: rng.integers(kept, size=sizes[name]) for name in ("retain", "test_retain")}
    labels["val"] = rng.integers(num_classes, size=sizes["val"])
    if scenario == "class":
        return {**labels, **{n: np.full(sizes[n], num_classes - 1) for n in ("forget", "test_forget")}}
    return {**labels, "forget": rng.integers(num_classes, size=sizes["forget"]), "test_forget": np.empty(0, int)}


def build_model(
    scenario: str = "sample",
    *,
    boost: dict[str, float] | None = None,
    noise: float = 1.0,
    seed: int = 0,
    num_classes: int = 4,
    sizes: dict[str, int] | None = None,
) -> ModelPredictions:
    """Normal logits of scale `noise`, plus `boost[split]` on the label's; a negative boost makes it wrong."""
    rng = np.random.default_rng(seed)
    count = {"retain": 600, "forget": 200, "val": 100, "test_retain": 400, "test_forget": 150, **(sizes or {})}
    known = {"retain": 5.0, "forget": 2.0, "val": 2.0, "test_retain": 2.0, "test_forget": 2.0, **(boost or {})}
    if scenario == "class" and boost is None:
        known |= {"forget": -9.0, "test_forget": -9.0}
    labels = build_labels(scenario, num_classes, count)
    parts = {}
    for i, name in enumerate(SPLITS):
        y = labels[name]
        z = noise * rng.normal(size=(len(y), num_classes))
        z[np.arange(len(y)), y] += known[name]
        parts[name] = build_predictions(z, y, first_id=100_000 * i, embedding=rng.normal(size=(len(y), 8)))
    head = (rng.normal(size=(num_classes, 8)).astype(np.float32), np.zeros(num_classes, np.float32))
    return ModelPredictions(**parts, head=head)


def build_case(
    scenario: str = "sample",
    *,
    model: ModelPredictions | None = None,
    retrained: int | tuple[ModelPredictions, ...] = 1,
    num_classes: int = 4,
    seed: int = 0,
    **settings: Any,
) -> Case:
    """A case with everything a metric may need; `settings` go to `build_model`, for the judged model only if given."""
    shape = {"num_classes": num_classes, "sizes": settings.pop("sizes", None)}
    if isinstance(retrained, int):
        retrained = tuple(build_model(scenario, seed=100 + k, **shape) for k in range(retrained))
    everything = dict.fromkeys(SPLITS, 5.0)
    return Case(
        model=model or build_model(scenario, **shape, **settings),
        retrained=retrained,
        original=build_model(scenario, boost={**everything, "test_retain": 2.0}, seed=50, **shape),
        scenario=scenario,  # type: ignore[arg-type]
        forget_classes=(num_classes - 1,) if scenario == "class" else (),
        num_classes=num_classes,
        seed=seed,
        cost=COST,
        retrained_cost=({**COST, "unlearn_seconds": 40.0, "prep_seconds": 0.0},) * len(retrained),
    )


@pytest.fixture
def make_predictions() -> Callable[..., Predictions]:
    """`(logits, label, first_id=0, embedding=None) -> Predictions`."""
    return build_predictions


@pytest.fixture
def make_model() -> Callable[..., ModelPredictions]:
    """`(scenario="sample", *, boost, noise, seed, num_classes, sizes) -> ModelPredictions`."""
    return build_model


@pytest.fixture
def make_case() -> Callable[..., Case]:
    """`(scenario="sample", *, model, retrained=1, num_classes=4, seed=0, boost, noise, sizes) -> Case`."""
    return build_case
