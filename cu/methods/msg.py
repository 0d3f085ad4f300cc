"""MSG: the weights on which forgetting and retaining agree start anew and learn fast, the others slowly."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge, Le
from torch import nn

from cu.data.batches.shuffled import Batch
from cu.data.types import UnlearningTask
from cu.engine.context import MethodContext
from cu.engine.fit import cross_entropy, fit
from cu.engine.numerics.gradients import Weights, mean_gradient
from cu.engine.numerics.masking import Mask, largest
from cu.engine.recipe import Recipe
from cu.models.types import Classifier


@dataclass(frozen=True, kw_only=True)
class MaskedSmallGradients:
    """Masked small gradients: second in the NeurIPS 2023 unlearning challenge, first in a benchmark of eighteen.

    Where ∇CE(retain) and ∇CE(forget) differ least, a weight tells the two sets apart least: of each convolution the
    share `reset` of weights with the smallest |∇CE(retain) - ∇CE(forget)| at the original gets new random values. Then
    the network is fine-tuned on the retain set, all other weights of convolutions with `kept_gradient` of their
    gradient. As many retain samples as there are forget samples, drawn at random, give the retain set's gradient.

    Source: Cadet et al., "Deep Unlearn" (arXiv 2410.01276), which describes the entry. New weights come from the
    network's own initialisation (the entry: Kaiming normal), gradients from evaluation mode and means over samples
    (the entry: training mode and sums over batches), the learning rate from `recipe` (the entry: a rise and fall by
    epochs). A network without convolutions resets its linear layers, all but the last.

    Attributes:
        recipe: How to descend.
        reset: Share of the weights of each convolution that start anew.
        kept_gradient: Factor of the gradients of the convolutions' other weights; 1 is fine-tuning after the reset.
    """

    recipe: Recipe
    reset: Annotated[float, Ge(0), Le(1)]
    kept_gradient: Annotated[float, Ge(0), Le(1)]

    def unlearn(self, model: Classifier, task: UnlearningTask, context: MethodContext) -> Classifier:
        """`model` with some weights learned anew from `task.retain`."""
        with context.ledger.preparing():
            anew = self.mask(model, task, context)
        start, fresh = deepcopy(model), dict(context.new_model("msg").named_parameters())
        with torch.no_grad():
            for name, weight in start.named_parameters():
                if name in anew:
                    weight.copy_(torch.where(anew[name], fresh[name], weight))

        def around_step(student: nn.Module, optimizer: torch.optim.Optimizer, batch: Batch):
            return damped(student, anew, self.kept_gradient)

        batches = context.batches(task.retain, self.recipe)
        return fit(start, batches, cross_entropy, self.recipe, context, around_step=around_step, state=())

    def mask(self, model: Classifier, task: UnlearningTask, context: MethodContext) -> Mask:
        """Masks (bool) of the weights that start anew, by parameter."""
        drawn = torch.randperm(len(task.retain), generator=context.generator("msg/retain"))[: len(task.forget)]
        retain = task.retain.subset(drawn.to(task.retain.rows.device))
        keep, lose = (mean_gradient(model, split, context.hardware) for split in (retain, task.forget))
        agreement = {name: -(keep[name] - lose[name]).abs() for name in filter_weights(model) if name in keep}
        return {name: mask for name in agreement for mask in largest({name: agreement[name]}, self.reset).values()}


def filter_weights(model: nn.Module) -> list[str]:
    """Names of the weights of all convolutions, or of the linear layers before the last where there is none."""
    convolutions = [path for path, module in model.named_modules() if isinstance(module, nn.modules.conv._ConvNd)]
    linear = [path for path, module in model.named_modules() if isinstance(module, nn.Linear)]
    return [f"{path}.weight" for path in convolutions or linear[:-1]]


@contextmanager
def damped(model: nn.Module, free: Mask, factor: float) -> Iterator[None]:
    """A step taken in here sees only `factor` of the gradient outside `free`; parameters without a mask see it all."""
    gradients: Weights = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    for name, allowed in free.items():
        if name in gradients:
            gradients[name].mul_(torch.where(allowed, 1.0, factor))
    yield
