"""Outputs of untrained models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from annotated_types import Gt

from cu.audits.scene import Scene
from cu.audits.types import Findings
from cu.evaluation import by_split
from cu.fingerprint import initial_identity
from cu.metrics.spec import Need
from cu.metrics.types import ModelPredictions
from cu.models.types import Classifier
from cu.store.checkpoint import EpochCheckpoint
from cu.store.files import JsonLines


@dataclass(frozen=True, kw_only=True)
class InitialModels:
    """Models with random weights; the same ones for every judged model and every run of a model and a data set.

    Attributes:
        models: How many; several, because the outputs of one depend on its weights.
    """

    provides: ClassVar[Need] = "initial"

    models: Annotated[int, Gt(0)]

    def examine(self, scene: Scene) -> Findings:
        """Outputs of seeds 0, 1, ..., whatever the seed of the run."""
        found = tuple(self.predictions(scene, seed) for seed in range(self.models))
        return Findings(found, (found,) * len(scene.references), found)

    def predictions(self, scene: Scene, seed: int) -> ModelPredictions:
        """One model's outputs on every split."""
        bench = scene.bench

        def make(checkpoint: EpochCheckpoint, rows: JsonLines) -> tuple[Classifier, Mapping[str, Any]]:
            return bench.run(seed).new_model("untrained"), {}

        stored = bench.store.obtain(initial_identity(bench.plan.original, seed), make)
        return by_split(bench.scores(stored), scene.task)
