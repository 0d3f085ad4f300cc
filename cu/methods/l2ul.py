"""L2UL: ascent on the forget set, held in place by its own adversarial images and by what the outputs depend on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Annotated, ClassVar

import torch
from annotated_types import Ge, Gt
from torch import Tensor

from cu.data.batches.extended import ExtendedBatches
from cu.data.batches.pairs import Pair, RetainPairs
from cu.data.types import Split, UnlearningTask
from cu.engine.context import MethodContext
from cu.engine.fit import cross_entropy, fit
from cu.engine.numerics.attack import l2_approach, on_pixels, pixels_of
from cu.engine.numerics.gradients import Weights, trainable
from cu.engine.numerics.importance import output_sensitivity
from cu.engine.predict import SCORING_BATCH
from cu.engine.recipe import Recipe
from cu.methods.types import FORGET_SET, Need
from cu.models.types import Classifier


@dataclass(frozen=True, kw_only=True)
class L2ul:
    """Learning to unlearn (Cha et al., AAAI 2024, arXiv 2301.11578): reads the forget set only.

    Each forget sample x gives adversarial images, which the original takes for a random wrong class: what it knows of
    the other classes is read out of them. Each step minimises, on a forget batch F and a batch A of these images,

        (|A| CE(A, wrong classes) - |F| CE(F)) / (|A| + |F|) + (λ / 2) Σ_i (1 - Ω_i) (θ_i - θ°_i)²,

    with θ° the original and Ω_i in [0, 1] how much its outputs on the forget set depend on weight i, scaled by the
    smallest and largest of each parameter. It ends after the first pass that leaves no forget sample classified right.

    Only forget data passes, so that the running statistics of batch normalisation drift to theirs, as in
    `method=statistics_only`, unless `recipe.batchnorm` is `frozen`.

    Attributes:
        recipe: How to descend; an epoch is one pass over the adversarial images.
        copies: Adversarial images of each forget sample.
        radius: Of the L2 ball around it, in units of the pixel range [0, 1].
        step: Length of a step in there.
        steps: How many.
        rigidity: λ.
    """

    needs: ClassVar[tuple[Need, ...]] = FORGET_SET

    recipe: Recipe
    copies: Annotated[int, Gt(0)]
    radius: Annotated[float, Gt(0)]
    step: Annotated[float, Gt(0)]
    steps: Annotated[int, Gt(0)]
    rigidity: Annotated[float, Ge(0)]

    def unlearn(self, model: Classifier, task: UnlearningTask, context: MethodContext) -> Classifier:
        """`model` after ascent on `task.forget` that ends when nothing of it is known."""
        with context.ledger.preparing():
            images, labels = self.adversarial(model, task.forget, task.num_classes, context)
            freedom = output_sensitivity(model, task.forget, context.hardware)
        fixed = {name: 1 - spread(value) for name, value in freedom.items()}
        start = {name: weight.detach().clone() for name, weight in trainable(model).items()}
        place, size = context.hardware.placement, self.recipe.batch_size
        stream = ExtendedBatches((), images, labels, "forget", size, context.seed, "batches/l2ul", place)
        pairs = RetainPairs(context.batches(task.forget, self.recipe), stream)

        def stop(student: Classifier, step: int, pass_ended: bool) -> bool:
            return pass_ended and context.accuracy(student, task.forget) == 0

        return fit(model, pairs, partial(self.loss, start, fixed), self.recipe, context, after_step=stop, state=())

    def adversarial(
        self, model: Classifier, forget: Split, num_classes: int, context: MethodContext
    ) -> tuple[Tensor, Tensor]:
        """Normalised images float32 [copies n, C, H, W] and the wrong classes int64 [copies n] that they look like."""
        logits, images, classes = on_pixels(model, forget, context.hardware), [], []
        source = context.generator("l2ul/targets")
        for positions in torch.arange(len(forget)).repeat(self.copies).split(SCORING_BATCH):
            pixels, own = pixels_of(forget, positions, context.hardware)
            shift = torch.randint(1, num_classes, (len(positions),), generator=source).to(own)
            targets = (own + shift) % num_classes
            moved = l2_approach(logits, pixels, targets, self.radius, self.step, self.steps)
            images.append(forget.transform.normalize(moved))
            classes.append(targets)
        return torch.cat(images), torch.cat(classes)

    def loss(self, start: Weights, fixed: Weights, model: Classifier, pair: Pair) -> Tensor:
        """The weighted difference of cross-entropies and the price of moving weights."""
        held, lost = len(pair.retain.labels), len(pair.forget.labels)
        difference = held * cross_entropy(model, pair.retain) - lost * cross_entropy(model, pair.forget)
        moved = [(fixed[n] * (w - start[n]).square()).sum() for n, w in trainable(model).items()]
        return difference / (held + lost) + self.rigidity / 2 * torch.stack(moved).sum()


def spread(values: Tensor) -> Tensor:
    """Values scaled to reach from 0 to 1; all 0 if they are equal."""
    low, high = values.min(), values.max()
    return (values - low) / (high - low).clamp(min=torch.finfo(values.dtype).tiny)
