"""NegGrad+: descent on the retain set and ascent on the forget set in one loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt, Le
from torch import Tensor

from cu.data.batches.pairs import Pair, RetainPairs
from cu.data.types import UnlearningTask
from cu.engine.context import MethodContext
from cu.engine.fit import cross_entropy, fit
from cu.engine.recipe import Recipe
from cu.models.types import Classifier


@dataclass(frozen=True, kw_only=True)
class NegGradPlus:
    """Weighs ordinary training against ascent, step by step (Kurmanji et al., NeurIPS 2023, arXiv 2302.09880).

    Every retain batch meets one forget batch, in forward passes of their own:

        retain_weight * CE(retain batch) - (1 - retain_weight) * CE(forget batch).

    The ascent is unbounded, and a small forget set comes many times per epoch: once per
    n_forget / `forget_batch_size` steps.

    Attributes:
        recipe: How to descend; an epoch is one pass over the retain set.
        retain_weight: The paper's β (other papers put their coefficient on the forget term); 1 is fine-tuning.
        forget_batch_size: Samples per forget batch; None for the recipe's.
    """

    recipe: Recipe
    retain_weight: Annotated[float, Ge(0), Le(1)]
    forget_batch_size: Annotated[int, Gt(0)] | None

    def unlearn(self, model: Classifier, task: UnlearningTask, context: MethodContext) -> Classifier:
        """`model` after `recipe.epochs` passes over `task.retain`, each batch with one of `task.forget`."""
        pairs = RetainPairs(
            context.batches(task.forget, self.recipe, self.forget_batch_size), context.batches(task.retain, self.recipe)
        )
        return fit(model, pairs, self.loss, self.recipe, context, state=())

    def loss(self, model: Classifier, pair: Pair) -> Tensor:
        """The weighted difference; forget images are not even looked at if their weight is 0."""
        if self.retain_weight == 1:
            return cross_entropy(model, pair.retain)
        retain, forget = cross_entropy(model, pair.retain), cross_entropy(model, pair.forget)
        return self.retain_weight * retain - (1 - self.retain_weight) * forget
