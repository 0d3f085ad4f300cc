"""Exact unlearning: train again without the forget set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from cu.data.types import UnlearningTask
from cu.engine.context import MethodContext
from cu.methods.types import RETAIN_SET, Need
from cu.models.types import Classifier


@dataclass(frozen=True, kw_only=True)
class Retrain:
    """The target of every other method: the original's recipe and seed on the retain set alone.

    It is the same model that serves as the first reference, trained once; its gaps are 0 by construction.
    """

    needs: ClassVar[tuple[Need, ...]] = RETAIN_SET

    def unlearn(self, model: Classifier, task: UnlearningTask, context: MethodContext) -> Classifier:
        """A model that never saw `task.forget`."""
        return context.train_from_scratch(task.retain)
