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
    """The target of every other method: the original's recipe on the retain set alone.

    It has a seed of its own and is none of the models that outcomes are set against: its gaps are those of an exact
    method, not 0.
    """

    needs: ClassVar[tuple[Need, ...]] = RETAIN_SET

    def unlearn(self, model: Classifier, task: UnlearningTask, context: MethodContext) -> Classifier:
        """A model that never saw `task.forget`."""
        return context.train_from_scratch(task.retain)
