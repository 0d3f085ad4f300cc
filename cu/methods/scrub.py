"""SCRUB: disobey the original on what must be forgotten, obey it on the rest."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Gt
from torch import Tensor, nn
from torch.nn import functional as F

from cu.data.batches.shuffled import ShuffledBatches
from cu.data.batches.tagged import Tagged
from cu.data.types import Split, UnlearningTask
from cu.engine.context import MethodContext
from cu.engine.fit import fit
from cu.engine.freezing import frozen_teacher
from cu.engine.recipe import Recipe
from cu.errors import ConfigError
from cu.losses.distillation import distillation_loss
from cu.methods.types import BOTH_SETS, Need
from cu.models.types import Classifier

log = logging.getLogger(__name__)
Part = Literal["max", "min"]


@dataclass(frozen=True, kw_only=True)
class Scrub:
    """Alternating distillation from the frozen original (Kurmanji et al., NeurIPS 2023, arXiv 2302.09880).

    With KL_T = T² KL(original || student) at temperature T, each of the first `max_epochs` epochs starts with a max
    pass over the forget set that minimises -KL_T; every epoch has a min pass over the retain set that minimises
    `retain_weight` * CE + `distillation_weight` * KL_T. One optimizer does both.

    Student and original agree at first, where KL_T has no gradient: batch normalisation by the batch (or dropout)
    is what makes the first max pass move at all. Where `recipe.batchnorm` is `frozen`, it stalls.

    Attributes:
        recipe: How to descend; an epoch is one pass over the retain set, after the max pass if it has one.
        max_epochs: Epochs with a max pass.
        forget_batch_size: Samples per forget batch; many small batches ascend further than few large ones.
        temperature: T.
        retain_weight: γ, of cross-entropy in min passes.
        distillation_weight: α, of KL_T in min passes.
        rewind: Return the epoch whose error on the forget set is closest to the final student's error on unseen data
            like it, the earliest of several: validation samples of the classes that the forget set has. SCRUB+R. As
            in the released code the original is not one of them. `scrub/epoch` of the log says which it was. Errors
            under labels that were swapped (`scenario=confusion`) are not like those on unseen data: leave it off there.
    """

    recipe: Recipe
    max_epochs: Annotated[int, Ge(0)]
    forget_batch_size: Annotated[int, Gt(0)]
    temperature: Annotated[float, Gt(0)]
    retain_weight: Annotated[float, Ge(0)]
    distillation_weight: Annotated[float, Ge(0)]
    rewind: bool

    @property
    def needs(self) -> tuple[Need, ...]:
        """Both sets, and validation data to rewind by."""
        unseen = Need("validation data", "method.rewind=true", "method.rewind to false")
        return (*BOTH_SETS, unseen) if self.rewind else BOTH_SETS

    def check(self, model: Classifier, task: UnlearningTask) -> None:
        """Rewinding has samples to compare with; a first max pass that cannot move is said."""
        if self.rewind:
            held_out_like_forget(task)
        if self.max_epochs and not differs_in_training(model, self.recipe):
            log.warning(
                "warning: scrub's first max pass stands still: student and original agree, and no batch normalisation "
                "or dropout tells them apart; the second begins where the first min pass ends"
            )

    def unlearn(self, model: Classifier, task: UnlearningTask, context: MethodContext) -> Classifier:
        """The student after its last epoch, or the one that `rewind` goes back to."""
        batches = MaxThenMin(
            context.batches(task.forget, self.recipe, self.forget_batch_size),
            context.batches(task.retain, self.recipe),
            self.max_epochs,
            self.recipe.epochs,
        )
        loss = partial(self.loss, frozen_teacher(model))
        if not self.rewind:
            return fit(model, batches, loss, self.recipe, context, state=())
        held_out, students = held_out_like_forget(task), Students(model)
        ends = {context.ledger.steps + steps for steps in accumulate(map(batches.length, range(self.recipe.epochs)))}

        def keep(student: Classifier, step: int, _: bool) -> bool:
            if step in ends:
                students.keep(student)
            return False

        final = fit(model, batches, loss, self.recipe, context, after_step=keep, state=[students])
        errors = [1 - context.accuracy(student, task.forget) for student in students.kept]
        if not errors:
            return final
        chosen = closest(errors, 1 - context.accuracy(final, held_out))
        context.log({"scrub/epoch": chosen + 1}, context.ledger.steps)
        return students.kept[chosen]

    def loss(self, teacher: Classifier, student: Classifier, tagged: Tagged[Part]) -> Tensor:
        """-KL_T of a max batch, `retain_weight` * CE + `distillation_weight` * KL_T of a min batch."""
        with torch.no_grad():
            wanted = teacher(tagged.batch.images).logits
        logits = student(tagged.batch.images).logits
        distance = distillation_loss(logits, wanted, self.temperature, reduction="batchmean", scale=True)
        if tagged.tag == "max":
            return -distance
        return self.retain_weight * F.cross_entropy(logits, tagged.batch.labels) + self.distillation_weight * distance


class Students:
    """Copies of a student on its way, in evaluation mode.

    Attributes:
        kept: In the order that they were kept.
    """

    def __init__(self, model: Classifier) -> None:
        self.kept: list[Classifier] = []
        self._example = model

    def keep(self, student: Classifier) -> None:
        """Keep a copy."""
        self.kept.append(deepcopy(student).eval())

    def get_state(self) -> list[dict[str, Tensor]]:
        """The weights of all."""
        return [student.state_dict() for student in self.kept]

    def set_state(self, state: Sequence[dict[str, Tensor]]) -> None:
        """Those of the state, and no others."""
        self.kept = []
        for weights in state:
            self.keep(self._example)
            self.kept[-1].load_state_dict(weights)


@dataclass(frozen=True, eq=False)
class MaxThenMin:
    """All forget batches, in the first `max_epochs` of `epochs` passes only, then all retain batches."""

    forget: ShuffledBatches
    retain: ShuffledBatches
    max_epochs: int
    epochs: int

    def length(self, index: int | str) -> int:
        """Batches of one pass."""
        return len(self.retain) + (len(self.forget) if int(index) < self.max_epochs else 0)

    def __len__(self) -> int:
        """Batches per pass on average, rounded up; learning rates are scheduled by `length`."""
        epochs = max(1, self.epochs)
        return -(-sum(map(self.length, range(epochs))) // epochs)

    def epoch(self, index: int | str) -> Iterator[Tagged[Part]]:
        """The batches of one pass, tagged by their part."""
        if int(index) < self.max_epochs:
            for batch in self.forget.epoch(index):
                yield Tagged(batch, "max")
        for batch in self.retain.epoch(index):
            yield Tagged(batch, "min")


def held_out_like_forget(task: UnlearningTask) -> Split:
    """Validation samples of the classes that the forget set has, whatever the scenario is called."""
    classes = task.forget.labels.unique().to(task.val.labels.device)
    chosen = task.val.subset(torch.isin(task.val.labels, classes))
    if len(chosen) == 0:
        raise ConfigError(
            "method.rewind=true finds no val samples of the forget set's classes to compare with; "
            "set dataset.val_fraction above 0, or method.rewind to false"
        )
    return chosen


def differs_in_training(model: nn.Module, recipe: Recipe) -> bool:
    """Whether a network answers otherwise in training mode: by batch normalisation that is not frozen, or dropout."""
    normalised = recipe.batchnorm == "train" and any(
        isinstance(module, nn.modules.batchnorm._BatchNorm) for module in model.modules()
    )
    return normalised or any(
        isinstance(module, nn.modules.dropout._DropoutNd) and module.p > 0 for module in model.modules()
    )


def closest(errors: Sequence[float], reference: float) -> int:
    """Position of the error closest to a reference, the first of several."""
    return min(range(len(errors)), key=lambda position: abs(errors[position] - reference))
