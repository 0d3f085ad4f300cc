"""Gradient ascent on the forget set, known as NegGrad."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from cu.data.batches.shuffled import Batch
from cu.data.types import UnlearningTask
from cu.engine.context import MethodContext
from cu.engine.fit import cross_entropy, fit
from cu.engine.recipe import Recipe
from cu.methods.types import FORGET_SET, Need
from cu.models.types import Classifier


@dataclass(frozen=True, kw_only=True)
class GradientAscent:
    """Maximises cross-entropy on the forget set and reads nothing else (Golatkar et al., CVPR 2020).

    The loss is unbounded: `recipe.clip_norm` and few epochs keep it from destroying the model.

    Batches of forget data alone move the running statistics of batch normalisation, in the released code too, and with
    them all answers: `method=statistics_only` is that by itself, `recipe.batchnorm=frozen` is the method without it.
    """

    needs: ClassVar[tuple[Need, ...]] = FORGET_SET

    recipe: Recipe

    def unlearn(self, model: Classifier, task: UnlearningTask, context: MethodContext) -> Classifier:
        """`model` after ascent on `task.forget`."""
        return fit(
            model, context.batches(task.forget, self.recipe), negated_cross_entropy, self.recipe, context, state=()
        )


def negated_cross_entropy(model: Classifier, batch: Batch) -> Tensor:
    """Minus the mean cross-entropy of a batch."""
    return -cross_entropy(model, batch)
