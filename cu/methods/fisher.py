"""Fisher forgetting: noise where the retain set does not feel it."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from annotated_types import Ge, Gt

from cu.data.types import UnlearningTask
from cu.engine.context import MethodContext
from cu.engine.numerics.gradients import Weights, trainable
from cu.engine.numerics.importance import importance
from cu.methods.types import Need, needing
from cu.models.last_layer import last_layer
from cu.models.types import Classifier


@dataclass(frozen=True, kw_only=True)
class Fisher:
    """Adds noise inversely to the retain set's Fisher information (Golatkar et al., "Eternal Sunshine", CVPR 2020).

    With F the diagonal Fisher information of one retain sample, each weight becomes θ + sqrt(v) N(0, 1), where
    v = α min(1/F, 10³) (10² in the last layer), averaged over the inputs of each row, times 10 in the last layer and
    in vectors (normalisation, biases). In class scenarios the last layer's rows of the forgotten classes are drawn
    from N(0, 10⁻³) instead: they are erased even at `scale` 0. Reads the retain set only; no training.

    Attributes:
        scale: α; the noise's standard deviation grows with its square root. It belongs to the per-sample Fisher
            information: public codes that square gradients of batches need another one.
        samples: How many retain samples, drawn at random, estimate F, at a backward pass per class each, or per
            drawn label where classes are more than 100; None for all.
    """

    needs: ClassVar[tuple[Need, ...]] = needing("retain data", "a linear last layer")

    scale: Annotated[float, Ge(0)]
    samples: Annotated[int, Gt(0)] | None

    def unlearn(self, model: Classifier, task: UnlearningTask, context: MethodContext) -> Classifier:
        """`model` with noise on its weights."""
        with context.ledger.preparing():
            chosen = torch.randperm(len(task.retain), generator=context.generator("fisher/samples"))[: self.samples]
            retain = task.retain.subset(chosen.to(task.retain.rows.device))
            source = context.generator("fisher/order")
            information = importance(
                model, retain, "fisher_model_labels", context.hardware, batch_size=len(retain), source=source
            )
        noisy = deepcopy(model).eval()
        mean, variance = self.distribution(noisy, information, task.forget_classes)
        source = context.generator("fisher/noise")
        with torch.no_grad():
            for name, weight in trainable(noisy).items():
                noise = torch.randn(weight.shape, generator=source).to(weight)
                weight.copy_(mean[name] + variance[name].sqrt() * noise)
        return noisy

    def distribution(
        self, model: Classifier, information: Weights, forget_classes: tuple[int, ...]
    ) -> tuple[Weights, Weights]:
        """Means and variances of the new weights, by parameter."""
        last = set(last_layer(model).parameters())
        means, variances = {}, {}
        for name, weight in trainable(model).items():
            mean = weight.detach().clone()
            variance = self.scale * (1 / (information[name] + 1e-8)).clamp(max=1e2 if weight in last else 1e3)
            if variance.ndim > 1:
                variance = variance.mean(1, keepdim=True).expand_as(variance).clone()
            if weight in last:
                mean[list(forget_classes)], variance[list(forget_classes)] = 0, 1e-4
            means[name], variances[name] = mean, variance * (10 if weight in last or weight.ndim == 1 else 1)
        return means, variances
