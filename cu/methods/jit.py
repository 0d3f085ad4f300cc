"""JiT: smooth the network around each forget sample, so that nothing about that sample in particular is left."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from annotated_types import Gt
from torch import Tensor

from cu.data.batches.shuffled import Batch, Stream
from cu.data.types import UnlearningTask
from cu.engine.context import MethodContext
from cu.engine.fit import fit
from cu.engine.recipe import Recipe
from cu.methods.types import FORGET_SET, Need
from cu.models.types import Classifier


@dataclass(frozen=True, kw_only=True)
class JustInTime:
    """Just-in-time or Lipschitz unlearning (Foster et al., arXiv 2402.01401): reads only forget images, no label.

    With N noisy copies x' = clip(x + σ N(0, 1)) of each forget sample, clipped to the range of the batch, it minimises

        Σ_x (1 / N) Σ_x' ‖f(x) - f(x')‖₂ / ‖x - x'‖₂

    over the logits f, with f(x') held constant: a local estimate of the network's Lipschitz constant. It is a sum over
    the batch, so the learning rate belongs to the batch size.

    Only forget data passes, so that the running statistics of batch normalisation drift to theirs, as in
    `method=statistics_only`, unless `recipe.batchnorm` is `frozen`.

    Attributes:
        recipe: How to descend; the source takes plain SGD and one pass.
        copies: N.
        noise: σ, in units of normalised pixels; the source takes 0.5 for classes and 0.01 for samples (VGG-16).
    """

    needs: ClassVar[tuple[Need, ...]] = FORGET_SET

    recipe: Recipe
    copies: Annotated[int, Gt(0)]
    noise: Annotated[float, Gt(0)]

    def unlearn(self, model: Classifier, task: UnlearningTask, context: MethodContext) -> Classifier:
        """`model` made smooth around `task.forget`."""
        stream = NoisyBatches(context.batches(task.forget, self.recipe), self.copies, self.noise, context)
        return fit(model, stream, smoothness_loss, self.recipe, context, state=())


@dataclass(frozen=True, eq=False)
class Noisy:
    """A batch, and noisy copies of its images: float32 [N, B, C, H, W]."""

    batch: Batch
    copies: Tensor

    @property
    def counts(self) -> Mapping[str, int]:
        """How many samples came from which split, each counted once."""
        return self.batch.counts


@dataclass(frozen=True, eq=False)
class NoisyBatches:
    """Each batch of a stream with noisy copies of its images, within the range of values that the batch has."""

    batches: Stream[Batch]
    copies: int
    noise: float
    context: MethodContext

    def __len__(self) -> int:
        return len(self.batches)

    def epoch(self, index: int | str) -> Iterator[Noisy]:
        """The pass `index` of the stream, with noise of its own."""
        source = self.context.generator(f"jit/{index}")
        for batch in self.batches.epoch(index):
            noise = torch.randn(self.copies, *batch.images.shape, generator=source).to(batch.images)
            low, high = batch.images.min(), batch.images.max()
            yield Noisy(batch, (batch.images + self.noise * noise).clamp(low, high))


def smoothness_loss(model: Classifier, noisy: Noisy) -> Tensor:
    """Summed over samples and averaged over copies: change of the logits per change of the image."""
    logits, images = model(noisy.batch.images).logits, noisy.batch.images
    total = logits.new_zeros(())
    for copy in noisy.copies:
        with torch.no_grad():
            constant = model(copy).logits
        moved = (images - copy).flatten(1).norm(dim=1).clamp(min=torch.finfo(images.dtype).eps)
        total = total + ((logits - constant).norm(dim=1) / moved).sum()
    return total / len(noisy.copies)
