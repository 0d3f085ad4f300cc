"""COLA: collapse the retained classes in the features, then align the classifier with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Gt
from torch import Tensor

from cu.data.batches.shuffled import Batch
from cu.data.types import Split, UnlearningTask
from cu.engine.context import MethodContext
from cu.engine.fit import cross_entropy, fit
from cu.engine.predict import predict
from cu.engine.recipe import Recipe
from cu.losses.supervised_contrast import supervised_contrastive_loss
from cu.methods.types import BOTH_SETS, RETAIN_SET, Need, require_features
from cu.models.types import Classifier


@dataclass(frozen=True, kw_only=True)
class Cola:
    """Collapse and align (Jeon et al., arXiv 2405.17878).

    Collapse: the supervised contrastive loss of the features that enter the head, on the retain set. What was learnt of
    the forget set alone is forgotten as the retained classes draw together. Align: cross-entropy of the whole network
    on the retain set. With `forget_aware` (COLA+) the forget set takes part in the collapse, each sample with the class
    that the original finds likeliest besides its own (in class scenarios: among the classes that stay), so that it is
    drawn into retained clusters.

    Attributes:
        collapse: How to descend in the first stage.
        align: How to descend in the second.
        temperature: Of the contrastive loss.
        forget_aware: COLA+ instead of COLA, which never reads the forget set.
    """

    collapse: Recipe
    align: Recipe
    temperature: Annotated[float, Gt(0)]
    forget_aware: bool

    @property
    def needs(self) -> tuple[Need, ...]:
        """The retain set, and the forget set only if it takes part."""
        return BOTH_SETS if self.forget_aware else RETAIN_SET

    def check(self, model: Classifier, task: UnlearningTask) -> None:
        """There are features to collapse."""
        require_features("method=cola", model)

    def unlearn(self, model: Classifier, task: UnlearningTask, context: MethodContext) -> Classifier:
        """`model` after both stages."""
        splits: tuple[Split, ...] = (task.retain,)
        if self.forget_aware:
            with context.ledger.preparing():
                splits = (task.retain, pseudo_labelled(model, task, context))
        batches = context.batches(splits, self.collapse)
        collapsed = fit(model, batches, self.collapsing, self.collapse, context, name="collapsing", state=())
        kept = context.batches(task.retain, self.align)
        return fit(collapsed, kept, cross_entropy, self.align, context, name="aligning", state=())

    def collapsing(self, model: Classifier, batch: Batch) -> Tensor:
        """The supervised contrastive loss of the features of a batch."""
        return supervised_contrastive_loss(model(batch.images).encoded, batch.labels, self.temperature)


def pseudo_labelled(model: Classifier, task: UnlearningTask, context: MethodContext) -> Split:
    """The forget set labelled with the class that the model finds likeliest of those that are neither own nor gone."""
    logits = predict(model, task.forget, context.hardware).logits.clone()
    logits[torch.arange(len(logits)), task.forget.labels.cpu()] = -torch.inf
    if len(task.forget_classes) < task.num_classes:
        logits[:, list(task.forget_classes)] = -torch.inf
    return task.forget.relabelled(logits.argmax(1).to(task.forget.labels.device))
