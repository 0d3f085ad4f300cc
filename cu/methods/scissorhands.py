"""Scissorhands: trim the connections that the forget set is most sensitive to, then repair."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor

from cu.data.batches.pairs import Pair, RetainPairs
from cu.data.types import UnlearningTask
from cu.engine.context import MethodContext
from cu.engine.fit import cross_entropy, fit
from cu.engine.freezing import last_layers
from cu.engine.numerics.gradients import mean_gradient, trainable
from cu.engine.numerics.masking import Mask, largest
from cu.engine.recipe import Recipe
from cu.models.types import Classifier


@dataclass(frozen=True, kw_only=True)
class Scissorhands:
    """Scrubbing by connection sensitivity (Wu and Harandi, ECCV 2024, arXiv 2401.06187).

    The share `trim` of the weights of the last layers with the largest |g θ|, g the gradient of the forget set's
    cross-entropy at the original (SNIP's sensitivity), start anew. Then, for every retain batch with one forget batch,
    CE(retain) - λ CE(forget) is minimised. The paper takes g from one batch, here from all; its projection of
    gradients onto the cone of ten stored ones, which the released code has as an option, is left out.

    Attributes:
        recipe: How to descend; an epoch is one pass over the retain set.
        trim: Share of the weights of these layers that start anew.
        layers: How many convolutions and linear layers may be trimmed, counted from the output, with the normalisation
            that follows them.
        forget_weight: λ.
    """

    recipe: Recipe
    trim: Annotated[float, Ge(0), Le(1)]
    layers: Annotated[int, Gt(0)]
    forget_weight: Annotated[float, Ge(0)]

    def unlearn(self, model: Classifier, task: UnlearningTask, context: MethodContext) -> Classifier:
        """`model` trimmed and repaired."""
        with context.ledger.preparing():
            trimmed = self.mask(model, task, context)
        start, fresh = deepcopy(model), dict(context.new_model("scissorhands").named_parameters())
        with torch.no_grad():
            for name, weight in start.named_parameters():
                if name in trimmed:
                    weight.copy_(torch.where(trimmed[name], fresh[name], weight))
        pairs = RetainPairs(context.batches(task.forget, self.recipe), context.batches(task.retain, self.recipe))
        return fit(start, pairs, self.loss, self.recipe, context, state=())

    def mask(self, model: Classifier, task: UnlearningTask, context: MethodContext) -> Mask:
        """Masks (bool) of the weights that start anew, by parameter, over the chosen layers together."""
        chosen, weights = set(last_layers(model, self.layers)), trainable(model)
        gradient = mean_gradient(model, task.forget, context.hardware)
        own = [name for name in weights if name.rpartition(".")[0] in chosen]
        return largest({name: (gradient[name] * weights[name].detach()).abs() for name in own}, self.trim)

    def loss(self, model: Classifier, pair: Pair) -> Tensor:
        """Cross-entropy of the retain batch minus λ times that of the forget batch."""
        return cross_entropy(model, pair.retain) - self.forget_weight * cross_entropy(model, pair.forget)
