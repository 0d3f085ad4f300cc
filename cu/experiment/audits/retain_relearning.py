"""Train models on retained samples alone and watch whether they find back to what they forgot."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from typing import Annotated, ClassVar, Literal

import numpy as np
import torch
from annotated_types import Ge, Gt
from torch import nn

from cu.engine.progress import eta_log
from cu.experiment.audits.context import AuditContext
from cu.experiment.audits.relearning import RelearningAudit
from cu.experiment.audits.types import AuditFindings
from cu.metrics.relearning.retain_only import RetainRelearning


@dataclass(frozen=True, kw_only=True)
class RetainRelearningAudit:
    """Fine-tune copies of models on the retain set, on identical batches, and look at their accuracy on the forget set.

    Of the unlearned model, of each retrained model and of the original; off every clock. Siddiqui et al., "From Dormant
    to Deleted", arXiv 2505.22310. The attributes are those of `RelearningAudit`.
    """

    provides: ClassVar[type] = RetainRelearning

    optimizer: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]
    batch_size: Annotated[int, Gt(0)]
    batchnorm: Literal["train", "frozen"]
    max_steps: Annotated[int, Gt(0)]
    every: Annotated[int, Gt(0)]
    orders: Annotated[int, Ge(1)]

    def examine(self, context: AuditContext) -> AuditFindings:
        """Accuracy on forget samples by steps, of every model by itself."""
        training = RelearningAudit(**{field.name: getattr(self, field.name) for field in fields(self)})
        models = [context.unlearned(), *context.references, context.original]
        finished, found = eta_log("retain_relearning", len(models)), []
        for stored in models:
            curves = training.curves(context, stored, retain_only=True)
            found.append(RetainRelearning(np.array(training.looks), curves))
            finished()
        unlearned, *references, original = found
        return AuditFindings(unlearned, tuple(references), original)
