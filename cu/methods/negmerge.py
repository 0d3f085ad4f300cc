"""NegMerge: subtract what several models that learned the forget set further agree upon."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import torch
from annotated_types import Ge, Gt, MinLen
from torch import Tensor

from cu.data.batches.shuffled import ShuffledBatches
from cu.data.types import UnlearningTask
from cu.engine.context import MethodContext
from cu.engine.fit import cross_entropy, fit
from cu.engine.numerics.gradients import trainable
from cu.engine.recipe import Recipe
from cu.methods.types import FORGET_SET, Need
from cu.models.types import Classifier


@dataclass(frozen=True, kw_only=True)
class NegMerge:
    """Sign-consensual weight merging (Kim, Han and Choe, ICML 2025, arXiv 2410.05583): reads the forget set only.

    K models are fine-tuned from the original θ on the forget set, each in its own way. Where the signs of all their
    task vectors θ_k - θ agree, θ moves by minus `scale` times the mean of these vectors; all else stays, and so do the
    statistics of batch normalisation. The paper varies augmentation, learning rate and other settings; here it is the
    number of epochs and the order of samples.

    Attributes:
        recipe: How to descend, but for its epochs.
        epochs: Of each of the K models; one that stays as it was would agree with none.
        scale: λ; 0 leaves the original.
    """

    needs: ClassVar[tuple[Need, ...]] = FORGET_SET

    recipe: Recipe
    epochs: Annotated[tuple[Annotated[int, Gt(0)], ...], MinLen(1)]
    scale: Annotated[float, Ge(0)]

    def unlearn(self, model: Classifier, task: UnlearningTask, context: MethodContext) -> Classifier:
        """`model` minus what its fine-tuned copies agree upon."""
        start = {name: weight.detach().clone() for name, weight in trainable(model).items()}
        vectors: list[dict[str, Tensor]] = []
        for number, epochs in enumerate(self.epochs):
            batches = replace(context.batches(task.forget, self.recipe), purpose=f"batches/negmerge/{number}")
            tuned = self.tuned(model, batches, epochs, context)
            vectors.append({name: weight.detach() - start[name] for name, weight in trainable(tuned).items()})
        moved = deepcopy(model).eval()
        with torch.no_grad():
            for name, weight in trainable(moved).items():
                weight.sub_(agreed([vector[name] for vector in vectors]), alpha=self.scale)
        return moved

    def tuned(self, model: Classifier, batches: ShuffledBatches, epochs: int, context: MethodContext) -> Classifier:
        """A copy of `model` that has learned the forget set further."""
        return fit(
            model, batches, cross_entropy, replace(self.recipe, epochs=epochs), context, name="fine-tuning", state=()
        )


def agreed(vectors: Sequence[Tensor]) -> Tensor:
    """The mean of vectors of one shape where all their entries have the same sign, 0 elsewhere."""
    stacked = torch.stack(list(vectors))
    same = (stacked > 0).all(0) | (stacked < 0).all(0)
    return torch.where(same, stacked.mean(0), 0)
