"""AMUN: fine-tune on the forget set's own adversarial examples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from annotated_types import Gt
from torch import Tensor

from cu.data.batches.extended import ExtendedBatches
from cu.data.types import ScenarioKind, Split, UnlearningTask
from cu.engine.context import MethodContext
from cu.engine.fit import cross_entropy, fit
from cu.engine.numerics.attack import doubling_attack, on_pixels, pixels_of, predicted
from cu.engine.predict import SCORING_BATCH
from cu.engine.recipe import Recipe
from cu.errors import ConfigError
from cu.methods.types import BOTH_SETS, FORGET_SET, Need
from cu.models.types import Classifier


@dataclass(frozen=True, kw_only=True)
class AMUN:
    """Adversarial machine unlearning (Ebrahimpour-Boroojeny, Sundaram and Chandrasekaran, ICML 2025).

    For each forget sample, the nearest image that the original model classifies otherwise is looked for in L2 balls
    of radius ε, 2ε, 4ε, ..., and enters training with that wrong class as its label. The forget samples themselves
    stay in with their true labels: confidence in them falls to that in unseen samples, not below. That is no way to
    erase a class, so the method is meant for samples. Adversarial images are not augmented. Where the labels are what
    must be forgotten (`scenario=confusion`), it teaches them again, unless `data` is `adversarial`.

    Attributes:
        recipe: How to descend.
        data: What is trained on: `all`, forget, adversarial and retain samples; `no_retain`, the first two;
            `adversarial`, those alone.
        radius: First ε, in units of the pixel range [0, 1] (L2 norm over the whole image); steps are a tenth of it.
        steps: Largest number of steps in each ball.
    """

    scenarios: ClassVar[tuple[ScenarioKind, ...]] = ("sample",)

    recipe: Recipe
    data: Literal["all", "no_retain", "adversarial"]
    radius: Annotated[float, Gt(0)]
    steps: Annotated[int, Gt(0)]

    @property
    def needs(self) -> tuple[Need, ...]:
        """Both sets, or the forget set alone."""
        return BOTH_SETS if self.data == "all" else FORGET_SET

    def unlearn(self, model: Classifier, task: UnlearningTask, context: MethodContext) -> Classifier:
        """`model` trained further on adversarial examples of `task.forget`."""
        with context.ledger.preparing():
            images, labels = self.adversarial(model, task.forget, context)
        kept = {"all": (task.forget, task.retain), "no_retain": (task.forget,), "adversarial": ()}[self.data]
        if not kept and not len(labels):
            raise ConfigError("method.data=adversarial finds no adversarial example; try no_retain or all")
        stream = ExtendedBatches(
            splits=tuple(s.augmented(s.transform.augment and self.recipe.augment) for s in kept),
            images=images,
            labels=labels,
            counted_as="forget",
            size=self.recipe.batch_size,
            seed=context.seed,
            purpose="batches/amun",
            placement=context.hardware.placement,
        )
        return fit(model, stream, cross_entropy, self.recipe, context, state=())

    def adversarial(self, model: Classifier, forget: Split, context: MethodContext) -> tuple[Tensor, Tensor]:
        """Normalised adversarial images float32 [M, C, H, W] and their predicted classes int64 [M].

        M is the number of forget samples less those that no ball holds an adversarial example of.
        """
        logits, images, classes = on_pixels(model, forget, context.hardware), [], []
        for positions in torch.arange(len(forget)).split(SCORING_BATCH):
            pixels, labels = pixels_of(forget, positions, context.hardware)
            moved, radius = doubling_attack(logits, pixels, labels, self.radius, self.steps)
            found = moved[radius.isfinite()]
            images.append(forget.transform.normalize(found))
            classes.append(predicted(logits, found))
        return torch.cat(images), torch.cat(classes)
