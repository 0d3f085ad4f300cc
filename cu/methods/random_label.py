"""Random labels for the forget set, true labels for the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from cu.data.batches.shuffled import Batch, Chained, Redrawn, Stream
from cu.data.types import UnlearningTask
from cu.engine.context import MethodContext
from cu.engine.fit import cross_entropy, fit
from cu.engine.recipe import Recipe
from cu.models.types import Classifier


@dataclass(frozen=True, kw_only=True)
class RandomLabel:
    """Trains on wrong labels for what must be forgotten (Golatkar et al., CVPR 2020; Graves et al., AAAI 2021).

    Where labels were swapped (`scenario=confusion`), `wrong` means other than those: other wrong ones, mostly.

    Attributes:
        recipe: How to descend.
        order: `joint` shuffles forget and retain together; `sequential` takes all forget batches first in each
            epoch, then all retain batches.
        labels: `wrong` never draws the true label nor a forgotten class; `any` draws uniformly from all classes,
            which keeps the true label with probability 1/C as several public codes do.
        redraw: Whether labels are drawn anew every epoch.
    """

    recipe: Recipe
    order: Literal["joint", "sequential"]
    labels: Literal["wrong", "any"]
    redraw: bool

    def unlearn(self, model: Classifier, task: UnlearningTask, context: MethodContext) -> Classifier:
        """`model` trained on `task.retain` and on the relabelled `task.forget`."""
        stream = relabelled_stream(task, self.recipe, context, self.order, self.labels, self.redraw)
        return fit(model, stream, cross_entropy, self.recipe, context, state=())


def relabelled_stream(
    task: UnlearningTask,
    recipe: Recipe,
    context: MethodContext,
    order: Literal["joint", "sequential"],
    labels: Literal["wrong", "any"],
    redraw: bool,
) -> Stream[Batch]:
    """Batches of the relabelled forget set and of the retain set; see `RandomLabel` for the settings."""

    def stream(epoch: int | str) -> Stream[Batch]:
        source = context.generator(f"random_label/{epoch if redraw else 'fixed'}")
        forget = task.forget.relabelled(random_labels(task, labels, source))
        if order == "joint":
            return context.batches((forget, task.retain), recipe)
        return Chained((context.batches(forget, recipe), context.batches(task.retain, recipe)))

    return Redrawn(stream)


def random_labels(task: UnlearningTask, kind: Literal["wrong", "any"], source: torch.Generator) -> Tensor:
    """Labels int64 [n_forget] in [0, C): uniform over the allowed classes of each sample; see `RandomLabel.labels`."""
    labels = task.forget.labels.cpu()
    allowed = torch.ones(len(labels), task.num_classes)
    if kind == "wrong":
        allowed[:, list(task.forget_classes)] = 0
        allowed[torch.arange(len(labels)), labels] = 0
        if not allowed.any(1).all():
            allowed = torch.ones_like(allowed)
            allowed[torch.arange(len(labels)), labels] = 0
    return torch.multinomial(allowed, 1, generator=source).squeeze(1).to(task.forget.labels.device)
