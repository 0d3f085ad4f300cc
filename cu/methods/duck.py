"""DUCK: forget embeddings move to the nearest wrong class centroid while the retain set is trained on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Annotated

import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor
from torch.nn import functional as F

from cu.data.batches.pairs import Pair, PairedBatches
from cu.data.types import Split, UnlearningTask
from cu.engine.context import MethodContext
from cu.engine.fit import fit
from cu.engine.predict import predict
from cu.engine.recipe import Recipe
from cu.models.types import Classifier


@dataclass(frozen=True, kw_only=True)
class Duck:
    """Distance-based unlearning via centroid kinematics (Cotogni et al., arXiv 2312.02052).

    Centroids are the mean embeddings of the retain samples of each class at the original. Each forget sample is given,
    once and at the original, the nearest centroid of another class by cosine distance. Each step minimises
    `forget_weight` mean (1 - cos(embedding, that centroid)) on a forget batch plus `retain_weight` cross-entropy of
    logits / T on a retain batch. The released code takes centroids from ten batches, here from the whole retain set,
    and halves its learning rate at milestones, which is left to `recipe`.

    Attributes:
        recipe: How to descend; an epoch is one pass over the forget set.
        retain_batches: Retain batches, and steps, per forget batch.
        forget_weight: λ₁.
        retain_weight: λ₂.
        temperature: T.
        stop_accuracy: Ends unlearning after a pass that leaves accuracy on the forget set below this; None for never.
    """

    recipe: Recipe
    retain_batches: Annotated[int, Gt(0)]
    forget_weight: Annotated[float, Ge(0)]
    retain_weight: Annotated[float, Ge(0)]
    temperature: Annotated[float, Gt(0)]
    stop_accuracy: Annotated[float, Ge(0), Le(1)] | None

    def unlearn(self, model: Classifier, task: UnlearningTask, context: MethodContext) -> Classifier:
        """`model` after at most `recipe.epochs` passes over `task.forget`."""
        with context.ledger.preparing():
            centroids, moved = targets(model, task, context)
        pairs = PairedBatches(
            context.batches(moved, self.recipe),
            context.batches(task.retain, self.recipe),
            self.retain_batches,
            "random",
        )

        def stop(student: Classifier, step: int, pass_ended: bool) -> bool:
            if self.stop_accuracy is None or not pass_ended:
                return False
            return context.accuracy(student, task.forget) < self.stop_accuracy

        return fit(model, pairs, partial(self.loss, centroids), self.recipe, context, after_step=stop, state=())

    def loss(self, centroids: Tensor, model: Classifier, pair: Pair) -> Tensor:
        """Weighted sum; labels of the forget batch are rows of `centroids` [K, D]."""
        cosine = F.cosine_similarity(model(pair.forget.images).embedding, centroids[pair.forget.labels], dim=1)
        logits = model(pair.retain.images).logits / self.temperature
        return self.forget_weight * (1 - cosine).mean() + self.retain_weight * F.cross_entropy(
            logits, pair.retain.labels
        )


def targets(model: Classifier, task: UnlearningTask, context: MethodContext) -> tuple[Tensor, Split]:
    """Unit centroids [K, D] of the retained classes, and the forget set labelled by the row that each sample goes to.

    A sample whose own class is the only one that is retained goes to that class.
    """
    kept, lost = (predict(model, split, context.hardware).embedding for split in (task.retain, task.forget))
    labels = task.retain.labels.cpu()
    classes = labels.unique()
    centroids = F.normalize(torch.stack([kept[labels == label].mean(0) for label in classes]), dim=1)
    own = task.forget.labels.cpu()[:, None] == classes
    nearest = (F.normalize(lost, dim=1) @ centroids.T).masked_fill(own, -torch.inf).argmax(1)
    return centroids.to(context.hardware.device), task.forget.relabelled(nearest)
