"""MUNBa: forgetting and retaining bargain over every step."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from itertools import count, islice
from typing import Annotated, Literal

import torch
from annotated_types import Gt
from torch import Tensor, nn

from cu.data.batches.pairs import Pair
from cu.data.batches.shuffled import Batch, Redrawn, Stream
from cu.data.types import UnlearningTask
from cu.engine import team
from cu.engine.context import MethodContext
from cu.engine.fit import cross_entropy, fit
from cu.engine.ledger import went_back
from cu.engine.recipe import Recipe
from cu.methods.random_label import random_labels
from cu.models.types import Classifier

OPPOSITE = 1e-3  # floor of 1 + cosine: opposed gradients would make the weights infinite
FALLBACK = (1.0, 0.1)  # weights of the retain and forget loss where there is nothing to bargain about


@dataclass(frozen=True, kw_only=True)
class MUNBa:
    """The Nash bargaining solution of two losses (Wu and Harandi, ICCV 2025).

    Each step minimises a_r CE(retain) + a_u CE(forget, random labels), where a solves GᵀG a = 1/a for the two
    gradients G = (g_r, g_u): the closed form is a = 1 / (‖g‖ sqrt(1 + cos(g_r, g_u))), the sum of the unit gradients
    over sqrt(1 + cos). It does not depend on the losses' scale, so the learning rate alone sets the step. Retain
    batches that are left when the forget set is through are plain steps. Reads both sets; four backward passes a step.

    Attributes:
        recipe: How to descend; an epoch is one pass over the retain set, or over the forget set if that is longer.
        labels: As in `RandomLabel`; the released code draws from all classes.
        bargain_clip_norm: Largest L2 norm of the gradient of a bargained step, which is sqrt(2) wherever the two
            gradients are not opposed; None for no limit. `recipe.clip_norm` holds for plain steps too.
    """

    recipe: Recipe
    labels: Literal["wrong", "any"]
    bargain_clip_norm: Annotated[float, Gt(0)] | None

    def unlearn(self, model: Classifier, task: UnlearningTask, context: MethodContext) -> Classifier:
        """`model` after bargained descent on both sets."""

        def stream(epoch: int | str) -> Stream[Batch | Pair]:
            labels = random_labels(task, self.labels, context.generator(f"random_label/{epoch}"))
            forget = context.batches(task.forget.relabelled(labels), self.recipe)
            return PairedWhilePossible(forget, context.batches(task.retain, self.recipe))

        return fit(model, Redrawn(stream), bargained_loss, self.recipe, context, around_step=self.around_step, state=())

    def around_step(self, model: nn.Module, optimizer: torch.optim.Optimizer, batch: Batch | Pair):
        """Clip the gradient of a bargained step; plain steps are left as they are."""
        if self.bargain_clip_norm is None or isinstance(batch, Batch):
            return nullcontext()
        return clipped(model, self.bargain_clip_norm)


@contextmanager
def clipped(model: nn.Module, norm: float) -> Iterator[None]:
    """A step taken in here has a gradient of at most this L2 norm."""
    nn.utils.clip_grad_norm_(model.parameters(), norm)
    yield


def bargained_loss(model: Classifier, batch: Batch | Pair) -> Tensor:
    """Cross-entropy of a retain batch alone, or of a pair, weighted by `bargain`."""
    if isinstance(batch, Batch):
        return cross_entropy(model, batch)
    losses = cross_entropy(model, batch.retain), cross_entropy(model, batch.forget)
    weights = [w for w in model.parameters() if w.requires_grad]
    went_back(len(batch.retain.labels) + len(batch.forget.labels))
    gradients = (torch.autograd.grad(loss, weights, retain_graph=True, allow_unused=True) for loss in losses)
    retain, forget = (team.averaged(torch.cat([g.flatten() for g in parts if g is not None])) for parts in gradients)
    share_retain, share_forget = bargain(retain, forget)
    return share_retain * losses[0] + share_forget * losses[1]


def bargain(retain: Tensor, forget: Tensor) -> tuple[Tensor | float, Tensor | float]:
    """Weights of the two losses with gradients [P]: positive, and such that neither loss rises to first order."""
    lengths = retain.norm(), forget.norm()
    if not all(torch.isfinite(length) and length > 0 for length in lengths):
        return FALLBACK
    cosine = torch.dot(retain / lengths[0], forget / lengths[1])
    spread = (1 + cosine).clamp(min=OPPOSITE).sqrt()
    return 1 / (lengths[0] * spread), 1 / (lengths[1] * spread)


@dataclass(frozen=True, eq=False)
class PairedWhilePossible:
    """Pairs of one batch of each stream while there are forget batches, then the retain batches that are left."""

    forget: Stream[Batch]
    retain: Stream[Batch]

    def __len__(self) -> int:
        return max(len(self.forget), len(self.retain))

    def epoch(self, index: int | str) -> Iterator[Batch | Pair]:
        """One pass; the retain stream starts again where the forget stream is the longer one."""
        forget = self.forget.epoch(index)
        endless = (batch for lap in count() for batch in self.retain.epoch(f"{index}.{lap}"))
        for retain in islice(endless, len(self)):
            partner = next(forget, None)
            yield retain if partner is None else Pair(partner, retain)
