"""Outputs of untrained models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from annotated_types import Gt

from cu.disk.json_lines import JsonLines
from cu.evaluation.cases import by_split
from cu.experiment.audits.context import AuditContext
from cu.experiment.audits.types import AuditFindings
from cu.metrics.distribution.zrf import Initial
from cu.metrics.predictions import ModelPredictions
from cu.models.types import Classifier
from cu.store.checkpoint import EpochCheckpoint
from cu.store.identity import initial_identity


@dataclass(frozen=True, kw_only=True)
class InitialModels:
    """Models with random weights; the same ones for every judged model and every run of a model and a data set.

    Attributes:
        models: How many; several, because the outputs of one depend on its weights.
    """

    provides: ClassVar[type] = Initial

    models: Annotated[int, Gt(0)]

    def examine(self, context: AuditContext) -> AuditFindings:
        """Outputs of seeds 0, 1, ..., whatever the seed of the run."""
        found = Initial(tuple(self.predictions(context, seed) for seed in range(self.models)))
        return AuditFindings(found, (found,) * len(context.references), found)

    def predictions(self, context: AuditContext, seed: int) -> ModelPredictions:
        """One model's outputs on every split."""
        workspace = context.workspace

        def make(checkpoint: EpochCheckpoint, rows: JsonLines) -> tuple[Classifier, Mapping[str, Any]]:
            return workspace.context(seed).new_model("untrained"), {}

        stored = workspace.store.obtain(initial_identity(workspace.original_identity, seed), make)
        return by_split(workspace.scores(stored), context.task)
