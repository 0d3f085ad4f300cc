"""Boundary shrink: give the forget set to the neighbours across the decision boundary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from annotated_types import Gt, Le
from torch import Tensor

from cu.data.types import Split, UnlearningTask
from cu.engine.context import MethodContext
from cu.engine.fit import cross_entropy, fit
from cu.engine.numerics.attack import fgsm, on_pixels, pixels_of
from cu.engine.predict import SCORING_BATCH
from cu.engine.recipe import Recipe
from cu.errors import ConfigError
from cu.methods.types import FORGET_SET, Need
from cu.models.types import Classifier


@dataclass(frozen=True, kw_only=True)
class BoundaryShrink:
    """Relabels each forget sample x with the nearest wrong class and trains on that (Chen et al., CVPR 2023).

    x' = clip(x + ε sign ∇_x CE(f(x), y), 0, 1) at the original model, ŷ = argmax f(x'); then CE(f(x), ŷ) is minimised
    on the unperturbed x. Reads the forget set only. Labels are found once, on plain views: the original stays as it
    is, so every epoch would find the same ones. The paper's optional curvature term is left
    out, and so is the rounding of x' to 1/255.

    Batches of forget data alone move the running statistics of batch normalisation, in the released code too, and with
    them all answers: `method=statistics_only` is that by itself, `recipe.batchnorm=frozen` is the method without it.

    Attributes:
        recipe: How to descend. Nothing holds the retain set: a learning rate that is a little too high costs it.
        epsilon: ε, in units of the pixel range [0, 1].
        failed: Label of a sample that is still classified correctly at x': `runner_up`, the most likely wrong class
            there; `keep`, its own label, which then is taught again (the released code); `drop`, none, it is left out.
    """

    needs: ClassVar[tuple[Need, ...]] = FORGET_SET

    recipe: Recipe
    epsilon: Annotated[float, Gt(0), Le(1)]
    failed: Literal["runner_up", "keep", "drop"]

    def unlearn(self, model: Classifier, task: UnlearningTask, context: MethodContext) -> Classifier:
        """`model` trained on `task.forget` under the labels of its neighbours."""
        with context.ledger.preparing():
            relabelled = self.relabelled(model, task.forget, context)
        return fit(model, context.batches(relabelled, self.recipe), cross_entropy, self.recipe, context, state=())

    def relabelled(self, model: Classifier, forget: Split, context: MethodContext) -> Split:
        """The forget set under its new labels."""
        labels = self.neighbours(model, forget, context).to(forget.labels.device)
        moved = labels != forget.labels
        if self.failed != "drop":
            return forget.relabelled(labels)
        if not moved.any():
            raise ConfigError(
                f"method.failed=drop leaves nothing to train on: no attack succeeded at method.epsilon={self.epsilon}; "
                "raise it, or set method.failed=runner_up"
            )
        return forget.relabelled(labels).subset(moved)

    def neighbours(self, model: Classifier, forget: Split, context: MethodContext) -> Tensor:
        """Classes int64 [n_forget] across the boundary; the true class where the attack fails and `failed` keeps it."""
        logits, found = on_pixels(model, forget, context.hardware), []
        for positions in torch.arange(len(forget)).split(SCORING_BATCH):
            pixels, labels = pixels_of(forget, positions, context.hardware)
            attacked = fgsm(logits, pixels, labels, self.epsilon)
            with torch.no_grad():
                said = logits(attacked)
            found.append(runner_up(said, labels) if self.failed == "runner_up" else said.argmax(1))
        return torch.cat(found)


def runner_up(logits: Tensor, labels: Tensor) -> Tensor:
    """The most likely class int64 [B] of logits [B, C] other than the label."""
    return logits.scatter(1, labels[:, None], -torch.inf).argmax(1)
