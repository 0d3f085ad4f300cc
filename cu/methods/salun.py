"""SalUn: random labels, learnt only by the weights that the forget set is most sensitive to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from annotated_types import Gt, Le
from torch import nn

from cu.data.batches.shuffled import Batch
from cu.data.types import UnlearningTask
from cu.engine.context import MethodContext
from cu.engine.fit import cross_entropy, fit
from cu.engine.numerics.importance import importance
from cu.engine.numerics.masking import Mask, largest, step_inside
from cu.engine.recipe import Recipe
from cu.methods.random_label import relabelled_stream
from cu.models.types import Classifier


@dataclass(frozen=True, kw_only=True)
class SalUn:
    """Random labels under a saliency mask (Fan et al., ICLR 2024).

    The mask keeps the floor(ρ P) weights, over all parameters together, with the largest absolute gradient summed
    over the batches of the forget set at the original model. All other weights stay bitwise as they are, weight decay
    included. With ρ = 1 it is `RandomLabel`. Reads both sets.

    Where more than a share 1 - ρ of the weights have no gradient at all, the mask keeps the first of them: so with
    images of 8 pixels, on whose last maps of a single pixel 8 of 9 weights of a 3x3 kernel never act.

    Attributes:
        recipe: How to descend; its batch size also cuts the forget set for the mask.
        saliency: ρ, the share of weights that are free to change, not the share that is pruned.
        order: As in `RandomLabel`; the released code takes CIFAR-10 and SVHN sequentially.
        labels: As in `RandomLabel`; the released code draws from all classes.
        redraw: As in `RandomLabel`.
    """

    recipe: Recipe
    saliency: Annotated[float, Gt(0), Le(1)]
    order: Literal["joint", "sequential"]
    labels: Literal["wrong", "any"]
    redraw: bool

    def unlearn(self, model: Classifier, task: UnlearningTask, context: MethodContext) -> Classifier:
        """`model` trained on `task.retain` and the relabelled `task.forget`, inside the mask."""
        with context.ledger.preparing():
            mask = self.mask(model, task, context)

        def around_step(student: nn.Module, optimizer: torch.optim.Optimizer, batch: Batch):
            return step_inside(mask, student, optimizer)

        stream = relabelled_stream(task, self.recipe, context, self.order, self.labels, self.redraw)
        return fit(model, stream, cross_entropy, self.recipe, context, around_step=around_step, state=())

    def mask(self, model: Classifier, task: UnlearningTask, context: MethodContext) -> Mask:
        """Masks (bool) by parameter, True for salient weights."""
        scores = importance(
            model,
            task.forget,
            "abs_grad_sum",
            context.hardware,
            batch_size=self.recipe.batch_size,
            source=context.generator("saliency"),
        )
        return largest(scores, self.saliency)
