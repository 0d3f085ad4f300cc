"""Fine-tuning under a sparsity penalty: what is small is forgotten first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from annotated_types import Ge
from torch import Tensor

from cu.config.contradictions import require_consistent
from cu.data.batches.tagged import Tagged, TaggedBatches
from cu.data.types import UnlearningTask
from cu.engine.context import MethodContext
from cu.engine.fit import cross_entropy, fit
from cu.engine.recipe import Recipe
from cu.methods.types import RETAIN_SET, Need
from cu.models.types import Classifier


@dataclass(frozen=True, kw_only=True)
class L1Sparse:
    """Cross-entropy on the retain set plus γ times the L1 norm of all weights (Jia et al., NeurIPS 2023).

    The norm covers every parameter, those of normalisation and biases included. Subgradient steps make weights
    small, not exactly 0: count sparsity by a threshold.

    Attributes:
        recipe: How to descend.
        penalty: γ of the first epoch, per unit of the L1 norm; 0 is fine-tuning.
        decay: Of γ over the penalised epochs: `linear` from γ towards 0, or `constant`.
        plain_epochs: Last epochs without penalty; at most `recipe.epochs`.
    """

    needs: ClassVar[tuple[Need, ...]] = RETAIN_SET

    recipe: Recipe
    penalty: Annotated[float, Ge(0)]
    decay: Literal["linear", "constant"]
    plain_epochs: Annotated[int, Ge(0)]

    def contradictions(self, at: str) -> Iterator[str]:
        """Plain epochs are among all epochs."""
        if self.plain_epochs > self.recipe.epochs:
            yield f"{at}.plain_epochs must be at most {at}.recipe.epochs={self.recipe.epochs}"

    def unlearn(self, model: Classifier, task: UnlearningTask, context: MethodContext) -> Classifier:
        """`model` trained further, and made sparser, without ever reading `task.forget`."""
        require_consistent(self)
        batches = TaggedBatches(context.batches(task.retain, self.recipe), self.penalty_of)
        return fit(model, batches, penalised_cross_entropy, self.recipe, context, state=())

    def penalty_of(self, epoch: int | str) -> float:
        """γ of an epoch, counted from 0: γ (1 - epoch / penalised epochs) under `linear` decay."""
        penalised = self.recipe.epochs - self.plain_epochs
        if int(epoch) >= penalised:
            return 0.0
        return self.penalty * (1 - int(epoch) / penalised) if self.decay == "linear" else self.penalty


def penalised_cross_entropy(model: Classifier, tagged: Tagged[float]) -> Tensor:
    """Mean cross-entropy plus the batch's tag times the L1 norm of all parameters."""
    loss = cross_entropy(model, tagged.batch)
    if tagged.tag == 0:
        return loss
    return loss + tagged.tag * torch.stack([weight.abs().sum() for weight in model.parameters()]).sum()
