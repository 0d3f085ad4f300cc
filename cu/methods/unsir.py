"""UNSIR: impair the forgotten classes with noise that maximises their loss, then repair the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from annotated_types import Ge, Gt
from torch import Tensor
from torch.nn import functional as F

from cu.data.batches.extended import ExtendedBatches
from cu.data.types import ScenarioKind, Split, UnlearningTask
from cu.engine.context import MethodContext
from cu.engine.fit import cross_entropy, fit
from cu.engine.freezing import frozen_teacher
from cu.engine.recipe import Recipe
from cu.methods.types import RETAIN_SET, Need
from cu.models.types import Classifier


@dataclass(frozen=True, kw_only=True)
class Unsir:
    """Reads not one forget sample: noise stands for the forgotten classes (Tarun et al., TNNLS 2023, 2111.08947).

    For each forgotten class c a batch z of noise images minimises -CE(f(z), c) + `noise_penalty` * mean ||z||².
    Impair: cross-entropy on the noise, mixed with some retain samples.
    Repair: cross-entropy on those retain samples alone.

    Noise is learned on the frozen model in evaluation mode: in training mode noise alone would rewrite the
    statistics of batch normalisation. Its time is booked as preparation.

    Attributes:
        impair: How to descend on noise and retain samples together.
        repair: How to descend on retain samples.
        noise_size: Noise images per forgotten class.
        noise_per_retain: Noise images of each forgotten class per retain sample in an epoch of `impair`; the released
            code means 20 copies of 256 images for 8,000 samples, but its loop makes 20 copies of 3 images. Each image
            comes as often as any other, up to one; at least one comes.
        noise_labels: What noise is labelled with in `impair`: `own`, the class it was made for, or `first`, class 0
            whatever that class is, as in the released notebook.
        noise_steps: Adam steps on the noise.
        noise_lr: Adam's learning rate, in units of normalised pixels.
        noise_penalty: Weight of the noise's squared L2 norm, averaged over images.
        retain_per_class: Retain samples drawn from each class, as far as there are so many.
    """

    scenarios: ClassVar[tuple[ScenarioKind, ...]] = ("class",)
    needs: ClassVar[tuple[Need, ...]] = RETAIN_SET

    impair: Recipe
    repair: Recipe
    noise_size: Annotated[int, Gt(0)]
    noise_per_retain: Annotated[float, Gt(0)]
    noise_labels: Literal["own", "first"]
    noise_steps: Annotated[int, Ge(0)]
    noise_lr: Annotated[float, Gt(0)]
    noise_penalty: Annotated[float, Ge(0)]
    retain_per_class: Annotated[int, Gt(0)]

    def unlearn(self, model: Classifier, task: UnlearningTask, context: MethodContext) -> Classifier:
        """`model` impaired, then repaired."""
        with context.ledger.preparing():
            noise, labels = self.noise(model, task, context)
        retain = some_of_each_class(task.retain, self.retain_per_class, context.generator("unsir/retain"))
        samples = context.batches(retain, self.impair)
        copies = max(1, round(self.noise_per_retain * len(retain)))  # without noise there would be nothing to impair
        chosen = torch.arange(copies * len(task.forget_classes)) % len(labels)
        mixed = ExtendedBatches(
            samples.splits,
            noise[chosen],
            labels[chosen] if self.noise_labels == "own" else torch.zeros_like(labels[chosen]),
            counted_as="noise",
            size=samples.size,
            seed=context.seed,
            purpose="batches/noise+retain",
            placement=samples.placement,
        )
        impaired = fit(model, mixed, cross_entropy, self.impair, context, name="impairing", state=())
        return fit(
            impaired,
            context.batches(retain, self.repair),
            cross_entropy,
            self.repair,
            context,
            name="repairing",
            state=(),
        )

    def noise(self, model: Classifier, task: UnlearningTask, context: MethodContext) -> tuple[Tensor, Tensor]:
        """Noise float32 [n, C, H, W], n = `noise_size` per forgotten class, and the class int64 [n] of each, in turn.

        Batches of all classes descend together: in evaluation mode, and under Adam, that is one by one.
        """
        place = context.hardware.placement
        labels = torch.tensor(task.forget_classes, device=place.device).repeat(self.noise_size)
        shape = (len(labels), *task.retain.images.shape[1:])
        noise = place.put(torch.randn(shape, generator=context.generator("unsir/noise"))).requires_grad_()
        frozen, optimizer = frozen_teacher(model), torch.optim.Adam([noise], self.noise_lr)
        for _ in range(self.noise_steps):
            with context.hardware.training_precision():
                gain = F.cross_entropy(frozen(noise).logits, labels)
            optimizer.zero_grad()
            (self.noise_penalty * noise.square().flatten(1).sum(1).mean() - gain).backward()
            optimizer.step()
        return noise.detach(), labels


def some_of_each_class(split: Split, count: int, source: torch.Generator) -> Split:
    """At most `count` random samples of each class of a split; `source` lives on the CPU."""
    order = torch.randperm(len(split), generator=source)
    labels = split.labels.cpu()[order]
    chosen = torch.cat([order[labels == label][:count] for label in labels.unique()])
    return split.subset(chosen.to(split.rows.device))
