"""Fine-tuning on the retain set: forgetting by neglect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from cu.data.types import UnlearningTask
from cu.engine.context import MethodContext
from cu.engine.fit import cross_entropy, fit
from cu.engine.recipe import Recipe
from cu.methods.types import RETAIN_SET, Need
from cu.models.types import Classifier


@dataclass(frozen=True, kw_only=True)
class FineTune:
    """Cross-entropy on the retain set only (Golatkar et al., CVPR 2020; Warnecke et al., NDSS 2023)."""

    needs: ClassVar[tuple[Need, ...]] = RETAIN_SET

    recipe: Recipe

    def unlearn(self, model: Classifier, task: UnlearningTask, context: MethodContext) -> Classifier:
        """`model` trained further without ever reading `task.forget`."""
        return fit(model, context.batches(task.retain, self.recipe), cross_entropy, self.recipe, context, state=())
