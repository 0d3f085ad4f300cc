"""DELETE: the original's own opinion without the class that must go."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor

from cu.data.batches.shuffled import Batch
from cu.data.types import ScenarioKind, UnlearningTask
from cu.engine.context import MethodContext
from cu.engine.fit import fit
from cu.engine.freezing import frozen_teacher
from cu.engine.recipe import Recipe
from cu.losses.distillation import distillation_loss
from cu.methods.types import FORGET_SET, Need
from cu.models.types import Classifier


@dataclass(frozen=True, kw_only=True)
class Delete:
    """Decoupled distillation to erase (Zhou et al., CVPR 2025): reads the forget set only.

    The target of a forget sample is the frozen original's softmax with the true class's logit removed: its
    probability goes to the other classes in proportion to what they had. It minimises KL(target || student),
    averaged over samples, at temperature 1.

    Batches of forget data alone move the running statistics of batch normalisation, in the released code too, and with
    them all answers: `method=statistics_only` is that by itself, `recipe.batchnorm=frozen` is the method without it.
    """

    scenarios: ClassVar[tuple[ScenarioKind, ...]] = ("class",)
    needs: ClassVar[tuple[Need, ...]] = FORGET_SET

    recipe: Recipe

    def unlearn(self, model: Classifier, task: UnlearningTask, context: MethodContext) -> Classifier:
        """`model` distilled on `task.forget`."""
        batches = context.batches(task.forget, self.recipe)
        return fit(model, batches, partial(erasing_loss, frozen_teacher(model)), self.recipe, context, state=())


def erasing_loss(teacher: Classifier, student: Classifier, batch: Batch) -> Tensor:
    """Distance of a batch's predictions from the teacher's without the true class."""
    with torch.no_grad():
        wanted = without_class(teacher(batch.images).logits, batch.labels)
    return distillation_loss(student(batch.images).logits, wanted, 1.0, reduction="batchmean", scale=False)


def without_class(logits: Tensor, labels: Tensor) -> Tensor:
    """Logits [B, C] with that of each row's label [B] at -inf: softmax gives it exactly 0."""
    return logits.scatter(1, labels[:, None], -torch.inf)
