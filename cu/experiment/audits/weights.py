"""Where models lie in weight space, and the loss on the way from one to the other."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import torch
from annotated_types import Ge, Gt
from torch import Tensor, nn

from cu.data.types import Split
from cu.engine.predict import predict
from cu.engine.progress import eta_log
from cu.experiment.audits.context import AuditContext
from cu.experiment.audits.relearning import drawn
from cu.experiment.audits.types import AuditFindings
from cu.metrics import primitives
from cu.metrics.findings import Segment, Weights
from cu.metrics.weights.connectivity import l2_distance
from cu.models.types import Classifier
from cu.seeds import generator
from cu.store.models import StoredModel, load_into

Tensors = Mapping[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class WeightAudit:
    """Walk from every model to the original and to the retrained ones in a straight line (Frankle et al. 2020).

    The statistics of batch normalisation are estimated anew at every point, without which any two models would be
    parted by a ridge that is theirs alone.

    Attributes:
        points: Of each line at which the loss is taken, both ends included.
        max_samples: Retained training samples that the loss is a mean over, drawn at random.
    """

    provides: ClassVar[type] = Weights

    points: Annotated[int, Ge(3)]
    max_samples: Annotated[int, Gt(1)]

    def examine(self, context: AuditContext) -> AuditFindings:
        """Lines from the unlearned, the original and the retrained models to all others."""
        source = generator(context.forget_seed, "weights/samples")
        split = drawn(context.task.retain, self.max_samples, source)
        unlearned, original, references = context.unlearned(), context.original, context.references
        finished = eta_log("weights", len(references) + 2)

        nowhere = Segment(np.nan, np.full(self.points, np.nan))  # a model does not face itself

        def seen(stored: StoredModel) -> Weights:
            lines = [self.segment(context, stored, r, split) if r is not stored else nowhere for r in references]
            finished()
            return Weights(self.segment(context, stored, original, split), tuple(lines))

        return AuditFindings(seen(unlearned), tuple(map(seen, references)), seen(original))

    def segment(self, context: AuditContext, first: StoredModel, second: StoredModel, split: Split) -> Segment:
        """The line between two stored models; there is none between networks of different form."""
        model, other = context.load(first), context.load(second)
        names = [name for name, _ in model.named_parameters()]
        # Copies: the model itself walks the line.
        start, end = ({k: v.detach().cpu().clone() for k, v in m.state_dict().items()} for m in (model, other))
        if {n: v.shape for n, v in start.items()} != {n: v.shape for n, v in end.items()}:
            return Segment(math.nan, np.full(self.points, math.nan))
        l2 = l2_distance([start[n].float().numpy() for n in names], [end[n].float().numpy() for n in names])
        losses = []
        for share in np.linspace(0, 1, self.points):
            load_into(model, between(start, end, float(share)), "a point between two models")
            estimate_statistics(model, split, context)
            logits = predict(model, split, context.workspace.hardware).logits.numpy()
            losses.append(primitives.mean(primitives.loss(logits, split.labels.cpu().numpy())))
        return Segment(l2, np.array(losses))


def between(first: Tensors, second: Tensors, share: float) -> dict[str, Tensor]:
    """The point at `share` of the way; what is no floating-point number is the first model's."""
    return {
        name: torch.lerp(value, second[name], share) if value.is_floating_point() else value.clone()
        for name, value in first.items()
    }


def estimate_statistics(model: Classifier, split: Split, context: AuditContext) -> None:
    """Set the running statistics of batch normalisation to those of the samples; other layers are left as they are."""
    layers = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.track_running_stats]
    if not layers:
        return
    momenta = [layer.momentum for layer in layers]
    hardware = context.workspace.hardware
    model.eval()
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # the plain mean over batches
        layer.train()
    with torch.no_grad(), hardware.scoring():
        for rows in torch.arange(len(split)).chunk(max(1, round(len(split) / 250))):
            model(split.eval_view(rows, hardware.placement))
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
    model.eval()
