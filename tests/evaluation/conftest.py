"""Simulated retraining: random softmax models that share their data, and the suite that all runs are judged by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from omegaconf import OmegaConf

from cu.config.folder import config_folder
from cu.metrics.case import Case
from cu.metrics.predictions import ModelPredictions, Predictions

CLASSES, WIDTH = 4, 6
SIZES = {"retain": 120, "forget": 40, "val": 60, "test_retain": 80, "test_forget": 30}


class World:
    """Images as points around class centres, and models of one law that see them each in its own way."""

    def __init__(self, scenario: str, seed: int) -> None:
        self.scenario, self.source = scenario, np.random.default_rng(seed)
        last, kept = CLASSES - 1, CLASSES - (scenario == "class")
        forgotten = np.full(200, last) if scenario == "class" else self.source.integers(CLASSES, size=200)
        self.labels = {
            "retain": self.source.integers(kept, size=SIZES["retain"]),
            "forget": forgotten[: SIZES["forget"]],
            "val": self.source.integers(CLASSES, size=SIZES["val"]),
            "test_retain": self.source.integers(kept, size=SIZES["test_retain"]),
            "test_forget": forgotten[: SIZES["test_forget"] if scenario == "class" else 0],
        }
        self.centres = 1.2 * self.source.normal(size=(CLASSES, WIDTH))
        self.points = {name: self.scattered(self.centres[label]) for name, label in self.labels.items()}

    def scattered(self, points: np.ndarray, scale: float = 1.0) -> np.ndarray:
        return points + scale * self.source.normal(size=points.shape)

    def model(self, knows: tuple[str, ...] = ("retain",)) -> ModelPredictions:
        """A model that is surer of the splits it was trained on."""
        weights, view = self.scattered(self.centres, 0.5), self.scattered(np.eye(WIDTH), 0.3)
        bias = self.scattered(np.zeros(CLASSES), 0.3)
        bias[-1] -= 6.0 if self.scenario == "class" and "forget" not in knows else 0.0
        parts = {}
        for number, (name, label) in enumerate(self.labels.items()):
            logits = self.scattered(0.7 * self.points[name] @ weights.T + bias, 0.5)
            logits[np.arange(len(label)), label] += 1.5 if name in knows else 0.0
            ids = np.arange(len(label)) + 1000 * number
            embedding = self.scattered(self.points[name], 0.3) @ view
            parts[name] = Predictions(logits.astype(np.float32), embedding.astype(np.float32), label, ids)
        return ModelPredictions(**parts, head=(weights.astype(np.float32), bias.astype(np.float32)))

    def cost(self) -> dict[str, float]:
        """What training one took, as far as it is up to chance."""
        seconds, memory = self.source.uniform(9, 11), self.source.uniform(90, 110)
        work = {"samples_seen_forget": 0.0, "samples_seen_retain": 1200.0, "steps": 10.0, "flops": 1e6}
        return {"unlearn_seconds": seconds, "prep_seconds": 0.0, "peak_mem_mb": memory, **work}

    def case(self, judged: ModelPredictions, count: int) -> Case:
        """A judged model and so many retrained ones."""
        return Case(
            model=judged,
            retrained=tuple(self.model() for _ in range(count)),
            original=self.model(("retain", "forget")),
            scenario=self.scenario,  # type: ignore[arg-type]
            forget_classes=(CLASSES - 1,) if self.scenario == "class" else (),
            num_classes=CLASSES,
            seed=int(self.source.integers(1000)),
            cost=self.cost(),
            retrained_cost=tuple(self.cost() for _ in range(count)),
        )


@pytest.fixture
def make_world() -> Callable[[str, int], World]:
    """`(scenario, seed) -> World`."""
    return World


@pytest.fixture(scope="session")
def suite() -> Mapping[str, Any]:
    """The metrics of `evaluation=default`, with as few random draws of their own as they allow."""
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        config = OmegaConf.to_container(compose("unlearn", ["evaluation=default"]).evaluation.metrics)
    assert isinstance(config, dict)
    few = {"draws": 2, "permutations": 49}
    nodes = {name: {**node, **{key: few[key] for key in few if key in node}} for name, node in config.items()}
    return {str(name): instantiate(node) for name, node in nodes.items()}
