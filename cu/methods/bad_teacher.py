"""Bad teacher: what must be forgotten is taught by a network that knows nothing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Literal

import torch
from annotated_types import Gt, Le
from torch import Tensor

from cu.data.batches.shuffled import Batch
from cu.data.types import Split, UnlearningTask
from cu.engine.context import MethodContext
from cu.engine.fit import fit
from cu.engine.freezing import frozen_teacher
from cu.engine.recipe import Recipe
from cu.losses.distillation import distillation_loss
from cu.models.types import Classifier


@dataclass(frozen=True, kw_only=True)
class BadTeacher:
    """Distils forget samples from a random network and retain samples from the original, shuffled together.

    It minimises KL(teacher || student), each sample with its own teacher; no label is used. Both teachers are frozen
    and in evaluation mode. The random teacher's high entropy gives the forgotten away (the Streisand effect).

    Source: Chundawat et al., "Can Bad Teaching Induce Forgetting?" (AAAI 2023, arXiv 2205.08096) and its code.

    Attributes:
        recipe: How to descend; an epoch is one pass over the forget set and the drawn part of the retain set.
        temperature: Divides the logits of teachers and student; the loss is not scaled back by its square.
        retain_fraction: Part of the retain set that is drawn, once, and used.
        reduction: `mean` over samples and classes, as the released code; `batchmean` over samples, C times larger.
    """

    recipe: Recipe
    temperature: Annotated[float, Gt(0)]
    retain_fraction: Annotated[float, Gt(0), Le(1)]
    reduction: Literal["mean", "batchmean"]

    def unlearn(self, model: Classifier, task: UnlearningTask, context: MethodContext) -> Classifier:
        """`model` distilled on `task.forget` and a part of `task.retain`."""
        retain = drawn(task.retain, self.retain_fraction, context.generator("bad_teacher/retain"))
        # Labels say which teacher speaks: 1 the bad one, 0 the good one.
        flagged = (
            task.forget.relabelled(torch.ones_like(task.forget.labels)),
            retain.relabelled(torch.zeros_like(retain.labels)),
        )
        good, bad = frozen_teacher(model), frozen_teacher(context.new_model("bad_teacher"))
        return fit(
            model, context.batches(flagged, self.recipe), partial(self.loss, good, bad), self.recipe, context, state=()
        )

    def loss(self, good: Classifier, bad: Classifier, student: Classifier, batch: Batch) -> Tensor:
        """Distance from the teacher that each sample's flag names."""
        wanted = taught_logits(good, bad, batch)
        return distillation_loss(
            student(batch.images).logits, wanted, self.temperature, reduction=self.reduction, scale=False
        )


def taught_logits(good: Classifier, bad: Classifier, batch: Batch) -> Tensor:
    """Logits [B, C] of the bad teacher where `batch.labels` is 1, of the good one where it is 0; no gradient."""
    with torch.no_grad():
        return torch.where(batch.labels.bool()[:, None], bad(batch.images).logits, good(batch.images).logits)


def drawn(split: Split, fraction: float, source: torch.Generator) -> Split:
    """A random part of a split, at least one sample; `source` lives on the CPU."""
    count = max(1, round(fraction * len(split)))
    return split.subset(torch.randperm(len(split), generator=source)[:count].to(split.rows.device))
