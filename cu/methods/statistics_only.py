"""The null baseline that only lets batch normalisation see the forget set."""

from __future__ import annotations

import logging
from copy import deepcopy
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from annotated_types import Ge, Gt
from torch import nn

from cu.data.batches.shuffled import ShuffledBatches
from cu.data.types import UnlearningTask
from cu.engine.context import MethodContext
from cu.engine.lone_values import lone_values_allowed
from cu.methods.types import FORGET_SET, Need
from cu.models.types import Classifier
from cu.seeds import derive_seed

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class StatisticsOnly:
    """Sends the forget set through the network in training mode; no weight moves.

    A null baseline: batches of forget data alone overwrite the running statistics of batch normalisation, by which
    accuracy on the forget set falls although nothing was learned or unlearned. A method that trains on forget batches
    alone and does no better than this measures that drift. A network without batch normalisation stays as it is.

    Attributes:
        epochs: Passes over the forget set.
        batch_size: Samples per batch.
        augment: Whether the training views of the data set are cropped and flipped.
    """

    needs: ClassVar[tuple[Need, ...]] = FORGET_SET

    epochs: Annotated[int, Ge(0)]
    batch_size: Annotated[int, Gt(0)]
    augment: bool

    def check(self, model: Classifier, task: UnlearningTask) -> None:
        """A network without statistics stays as it is, which is said."""
        if not any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in model.modules()):
            log.warning("warning: the network has no batch normalisation: statistics_only leaves it as it was")

    def unlearn(self, model: Classifier, task: UnlearningTask, context: MethodContext) -> Classifier:
        """`model` with other running statistics, those of ascent with learning rate 0."""
        student = deepcopy(model)
        forget = task.forget.augmented(task.forget.transform.augment and self.augment)
        place = context.hardware.placement
        batches = ShuffledBatches((forget,), self.batch_size, context.seed, "batches/forget", place)
        for epoch in range(self.epochs):
            torch.manual_seed(derive_seed(context.seed, f"layers/{epoch}"))
            student.train()
            for batch in batches.epoch(epoch):
                with torch.no_grad(), context.hardware.training_precision(), lone_values_allowed(student):
                    student(batch.images)
                context.ledger.samples.update(batch.counts)
        return student.eval()
