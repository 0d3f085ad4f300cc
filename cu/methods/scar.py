"""SCAR: forget embeddings move into the distribution of the nearest wrong class while predictions are distilled."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Annotated

import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor

from cu.data.batches.pairs import Pair, PairedBatches
from cu.data.types import Split, UnlearningTask
from cu.engine.context import MethodContext
from cu.engine.fit import fit
from cu.engine.freezing import frozen_teacher
from cu.engine.numerics.mahalanobis import ClassDistributions, class_distributions
from cu.engine.predict import predict
from cu.engine.recipe import Recipe
from cu.errors import ConfigError
from cu.losses.distillation import distillation_loss
from cu.models.types import Classifier


@dataclass(frozen=True, kw_only=True)
class Scar:
    """Selective distillation of Bonato, Cotogni and Sabetta (ECCV 2024, arXiv 2404.12922).

    Each forget sample is given, once and at the original, the wrong class whose distribution of retain embeddings is
    nearest by the Mahalanobis distance d. Each step minimises `forget_weight` mean d(embedding, that class) on a forget
    batch plus `retain_weight` KL(original || student) on a retain batch. In class scenarios the original's logits of
    the forgotten classes are first set to the smallest of the batch. The embedding is that which the last layer sees,
    rectified, then raised to a power.

    The paper distils on a surrogate set of other images, so as to need no retain set while it descends. None comes with
    a task here: the retain set stands for it. Left out are the released code's weights by class in sample scenarios.

    Attributes:
        recipe: How to descend; an epoch is one pass over the forget set.
        retain_batches: Retain batches, and steps, per forget batch.
        forget_weight: λ₁.
        retain_weight: λ₂.
        temperature: Divides the original's logits.
        power: δ of Tukey's transformation.
        shrinkage: γ of the covariances, on and off the diagonal.
        stop_accuracy: Ends unlearning after a pass that leaves accuracy on the forget set below this; None for never.
    """

    recipe: Recipe
    retain_batches: Annotated[int, Gt(0)]
    forget_weight: Annotated[float, Ge(0)]
    retain_weight: Annotated[float, Ge(0)]
    temperature: Annotated[float, Gt(0)]
    power: Annotated[float, Gt(0), Le(1)]
    shrinkage: Annotated[float, Ge(0)]
    stop_accuracy: Annotated[float, Ge(0), Le(1)] | None

    def check(self, model: Classifier, task: UnlearningTask) -> None:
        """Every forget sample has a wrong class to go to: a distribution takes two samples."""
        classes, counts = task.retain.labels.unique(return_counts=True)
        own = task.forget.labels[:, None] == classes[counts > 1]
        if own.all(1).any():
            raise ConfigError("method=scar finds no wrong class with two retain samples for some forget sample")

    def unlearn(self, model: Classifier, task: UnlearningTask, context: MethodContext) -> Classifier:
        """`model` after at most `recipe.epochs` passes over `task.forget`."""
        with context.ledger.preparing():
            distributions, moved = self.targets(model, task, context)
        pairs = PairedBatches(
            context.batches(moved, self.recipe),
            context.batches(task.retain, self.recipe),
            self.retain_batches,
            "random",
        )
        loss = partial(self.loss, frozen_teacher(model), distributions, torch.tensor(task.forget_classes).long())

        def stop(student: Classifier, step: int, pass_ended: bool) -> bool:
            if self.stop_accuracy is None or not pass_ended:
                return False
            return context.accuracy(student, task.forget) < self.stop_accuracy

        return fit(model, pairs, loss, self.recipe, context, after_step=stop, state=())

    def targets(
        self, model: Classifier, task: UnlearningTask, context: MethodContext
    ) -> tuple[ClassDistributions, Split]:
        """Where retain embeddings are, and the forget set labelled by the position of each sample's class in there."""
        device = context.hardware.device
        kept, lost = (predict(model, split, context.hardware).embedding for split in (task.retain, task.forget))
        known = class_distributions(kept.to(device), task.retain.labels.to(device), self.power, self.shrinkage)
        self.check(model, task)
        own = task.forget.labels.to(device)[:, None] == known.classes
        nearest = known.distances(lost.to(device)).masked_fill(own, torch.inf).argmin(1)
        return known, task.forget.relabelled(nearest)

    def loss(
        self, teacher: Classifier, known: ClassDistributions, gone: Tensor, student: Classifier, pair: Pair
    ) -> Tensor:
        """Weighted sum of the distance of the forget batch and the distillation loss of the retain batch."""
        distances = known.distances(student(pair.forget.images).embedding)
        forget = distances.gather(1, pair.forget.labels[:, None]).mean()
        with torch.no_grad():
            wanted = teacher(pair.retain.images).logits
            wanted[:, gone.to(wanted.device)] = wanted.min()
        logits = student(pair.retain.images).logits
        # Only the original's logits are tempered.
        retain = distillation_loss(logits, wanted / self.temperature, 1.0, reduction="batchmean", scale=False)
        return self.forget_weight * forget + self.retain_weight * retain
