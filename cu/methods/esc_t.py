"""ESC-T: which entries of the forget set's directions are erased is learnt."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import torch
from annotated_types import Ge, Lt
from torch import Tensor, nn
from torch.nn import functional as F

from cu.data.batches.shuffled import Batch
from cu.data.types import UnlearningTask
from cu.engine.context import MethodContext
from cu.engine.fit import fit
from cu.engine.recipe import Recipe
from cu.methods.esc import erased, singular_directions, with_erasure_of
from cu.methods.types import FORGET_SET, Need
from cu.models.types import Classifier

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class EscT:
    """The trained form of erasing space concept (Lee et al., CVPR 2025, arXiv 2504.02199).

    All weights stay. A mask M [D, D], of ones at first, ascends the cross-entropy of those forget samples that are
    still classified as labelled by features (U M)(U M)' h (entrywise U M; U as in `esc`), is held in [0, 1] and at the
    end is 1 where it is above `threshold`, else 0. It ends after the pass that leaves no sample right. A mask that is 1
    everywhere leaves the model as it was.

    Attributes:
        recipe: How the mask descends; an epoch is one pass over the forget set.
        threshold: In [0, 1).
    """

    needs: ClassVar[tuple[Need, ...]] = FORGET_SET

    recipe: Recipe
    threshold: Annotated[float, Ge(0), Lt(1)]

    def unlearn(self, model: Classifier, task: UnlearningTask, context: MethodContext) -> Classifier:
        """A copy of `model` without what the mask hides."""
        directions = singular_directions(model, task.forget, context)
        start = Masked(deepcopy(model).eval().requires_grad_(False), directions)

        def stop(student: Classifier, step: int, pass_ended: bool) -> bool:
            return pass_ended and context.accuracy(student, task.forget) == 0

        batches = context.batches(task.forget, self.recipe)
        student = fit(start, batches, self.loss, self.recipe, context, after_step=stop, around_step=bounded, state=())
        assert isinstance(student, Masked)
        kept = student.mask.detach() > self.threshold
        if kept.all():
            log.warning(
                "warning: esc_t leaves the weights as they were: nothing is erased, since no entry of the mask fell to "
                "method.threshold=%s; raise it, or train the mask for longer",
                self.threshold,
            )
            return deepcopy(model).eval()
        remaining = directions * kept
        return erased(model, remaining @ remaining.T)

    def framed(self, model: Classifier, weights: Mapping[str, Tensor]) -> Classifier:
        """`model` with the erasure that stored weights have, if any."""
        return with_erasure_of(weights, model)

    def loss(self, model: Classifier, batch: Batch) -> Tensor:
        """Minus the mean cross-entropy of the samples that are still right; 0 if there are none."""
        logits = model(batch.images).logits
        right = (logits.argmax(1) == batch.labels).to(logits)
        losses = F.cross_entropy(logits, batch.labels, reduction="none")
        return -(losses * right).sum() / right.sum().clamp(min=1)


class Masked(Classifier):
    """A frozen classifier whose features pass (U M)(U M)', M the only parameter that trains.

    Training mode changes nothing but M: the network stays in evaluation mode.
    """

    divides: ClassVar[bool] = True
    directions: Tensor

    def __init__(self, model: Classifier, directions: Tensor) -> None:
        super().__init__(Features(model.encoder, directions), model.head)

    @property
    def mask(self) -> Tensor:
        """M [D, D]."""
        return self.encoder.get_parameter("mask")

    def train(self, mode: bool = True) -> Masked:
        """Leaves the layers in evaluation mode."""
        super().train(False)
        self.training = mode
        return self


class Features(nn.Module):
    """An encoder and the projection of its features by masked directions."""

    directions: Tensor

    def __init__(self, encoder: nn.Module, directions: Tensor) -> None:
        super().__init__()
        self.encoder, self.mask = encoder, nn.Parameter(torch.ones_like(directions))
        self.register_buffer("directions", directions)

    def forward(self, images: Tensor) -> Tensor:
        """Projected features [B, D] of images."""
        kept = self.directions * self.mask
        features = self.encoder(images).float()
        with torch.autocast(device_type=features.device.type, enabled=False):
            return features @ kept @ kept.T


@contextmanager
def bounded(model: nn.Module, optimizer: torch.optim.Optimizer, batch: Any) -> Iterator[None]:
    """After the optimizer's step, the mask is cut to [0, 1]."""
    yield
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.clamp_(0, 1)
