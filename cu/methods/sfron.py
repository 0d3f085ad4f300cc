"""SFRon: saliency-masked adaptive ascent on the forget set between ordinary steps on the retain set."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from itertools import count
from typing import Annotated

import torch
from annotated_types import Ge, Gt
from torch import Tensor, nn
from torch.nn import functional as F

from cu.data.batches.shuffled import Batch, Stream
from cu.data.types import UnlearningTask
from cu.engine.context import MethodContext
from cu.engine.fit import cross_entropy, fit
from cu.engine.numerics.importance import importance
from cu.engine.numerics.masking import Mask, step_inside
from cu.engine.recipe import Recipe
from cu.models.types import Classifier


@dataclass(frozen=True, kw_only=True)
class SFRon:
    """Saliency forgetting in the remain-preserving manifold online (Huang et al., NeurIPS 2024).

    Before every k-th of T retain steps, one forget step ascends a_s Σ_i w_i ℓ_i with w_i = ℓ_i^-λ / Σ_j ℓ_j^-λ held
    constant and a_s = a (1 + cos(π s / T)) / 2, inside the mask I_forget / I_retain >= γ of mean squared batch
    gradients at the original. Both kinds of steps share one optimizer, but a forget step leaves weights and momentum
    outside the mask as they are, which the released code does not ensure. The interpolation with earlier weights,
    off in that code, is left out. Reads both sets.

    Attributes:
        recipe: How to descend; `epochs` are passes over the retain set, and T is the number of their batches.
            Its cosine falls once per pass, not once per step as in the released code.
        ascent: a, in units of the loss; 0 leaves ordinary fine-tuning without forget steps.
        adaptivity: λ; higher gives the samples that are remembered best more weight, 0 all the same.
        every: k, retain steps per forget step.
        saliency_ratio: γ; 0 masks nothing.
        forget_clip_norm: Largest L2 norm of the gradient of a forget step; `recipe.clip_norm` holds for both kinds.
    """

    recipe: Recipe
    ascent: Annotated[float, Ge(0)]
    adaptivity: Annotated[float, Ge(0)]
    every: Annotated[int, Gt(0)]
    saliency_ratio: Annotated[float, Ge(0)]
    forget_clip_norm: Annotated[float, Gt(0)]

    def unlearn(self, model: Classifier, task: UnlearningTask, context: MethodContext) -> Classifier:
        """`model` after T retain steps and T / k forget steps."""
        if self.ascent == 0:
            return fit(model, context.batches(task.retain, self.recipe), cross_entropy, self.recipe, context, state=())
        with context.ledger.preparing():
            mask = self.mask(model, task, context)

        def around_step(student: nn.Module, optimizer: torch.optim.Optimizer, batch: Batch | Ascent):
            return self.forget_step(mask, student, optimizer) if isinstance(batch, Ascent) else nullcontext()

        forget, retain = context.batches(task.forget, self.recipe), context.batches(task.retain, self.recipe)
        stream = Interleaved(forget, retain, self.every, self.ascent, self.recipe.epochs)
        return fit(model, stream, self.loss, self.recipe, context, around_step=around_step, state=())

    def loss(self, model: Classifier, batch: Batch | Ascent) -> Tensor:
        """Cross-entropy of a retain batch, or minus the weighted cross-entropies of a forget batch."""
        if isinstance(batch, Batch):
            return cross_entropy(model, batch)
        losses = F.cross_entropy(model(batch.batch.images).logits, batch.batch.labels, reduction="none")
        return -batch.scale * (adaptive_weights(losses.detach(), self.adaptivity) * losses).sum()

    def mask(self, model: Classifier, task: UnlearningTask, context: MethodContext) -> Mask:
        """Masks (bool) by parameter, True where the forget set's importance is at least γ times the retain set's."""
        ours, theirs = (
            importance(
                model,
                split,
                "grad2_batch",
                context.hardware,
                batch_size=self.recipe.batch_size,
                source=context.generator(f"sfron/{split.name}"),
            )
            for split in (task.forget, task.retain)
        )
        return {name: (ours[name] + 1e-15) / (theirs[name] + 1e-15) >= self.saliency_ratio for name in ours}

    @contextmanager
    def forget_step(self, mask: Mask, model: nn.Module, optimizer: torch.optim.Optimizer) -> Iterator[None]:
        """Mask, then clip, the gradient of a step taken in here."""
        with step_inside(mask, model, optimizer):
            nn.utils.clip_grad_norm_(model.parameters(), self.forget_clip_norm)
            yield


def adaptive_weights(losses: Tensor, adaptivity: float) -> Tensor:
    """Weights [B] that sum to 1 and fall with the loss [B] as its power -`adaptivity`."""
    # The softmax of logarithms is the ratio of powers, without overflow where a loss is 0.
    return F.softmax(-adaptivity * losses.clamp(min=1e-12).log(), dim=0)


@dataclass(frozen=True, eq=False)
class Ascent:
    """A forget batch and the factor a_s of its loss."""

    batch: Batch
    scale: float

    @property
    def counts(self):
        """How many samples came from which split."""
        return self.batch.counts


@dataclass(frozen=True, eq=False)
class Interleaved:
    """All retain batches of a pass, each `every`-th of all passes together preceded by a forget batch, and the first.

    Attributes:
        forget: Gone through again and again within a pass.
        retain: Gone through once per pass.
        every: Retain batches per forget batch, counted on from pass to pass.
        ascent: Factor of the first forget batch; it falls as half a cosine to 0 at the end of the last pass.
        epochs: Number of passes.
    """

    forget: Stream[Batch]
    retain: Stream[Batch]
    every: int
    ascent: float
    epochs: int

    def __len__(self) -> int:
        """Batches per pass on average, rounded up; learning rates are scheduled by `length`."""
        epochs = max(1, self.epochs)
        return math.ceil(sum(map(self.length, range(epochs))) / epochs)

    def length(self, index: int | str) -> int:
        """Batches of one pass: those of the retain set, and every pass its own number of forget batches."""
        start = int(index) * len(self.retain)
        end = start + len(self.retain)
        return len(self.retain) + math.ceil(end / self.every) - math.ceil(start / self.every)

    def epoch(self, index: int | str) -> Iterator[Batch | Ascent]:
        """The batches of pass `index`."""
        endless = (batch for lap in count() for batch in self.forget.epoch(f"{index}.{lap}"))
        total = self.epochs * len(self.retain)
        for step, batch in enumerate(self.retain.epoch(index), start=int(index) * len(self.retain)):
            if step % self.every == 0:
                yield Ascent(next(endless), self.ascent * (1 + math.cos(math.pi * step / total)) / 2)
            yield batch
