"""Boundary expand: teach the forget set an extra class, then cut that class off."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from cu.data.types import UnlearningTask
from cu.engine.context import MethodContext
from cu.engine.fit import cross_entropy, fit
from cu.engine.recipe import Recipe
from cu.methods.types import Need, needing
from cu.models.last_layer import last_layer
from cu.models.types import Classifier


@dataclass(frozen=True, kw_only=True)
class BoundaryExpand:
    """Trains on the forget set labelled with a shadow class C, whose row is then removed (Chen et al., CVPR 2023).

    The last layer gets one more row (Xavier-normal weights, zero bias); the whole network minimises CE(f(x), C) over
    the forget set; rows 0 to C-1 remain. Reads the forget set only. Without the cut, as in some public code, the
    forgotten samples would look unlearned just because they are assigned to a class that does not exist.

    Batches of forget data alone move the running statistics of batch normalisation, in the released code too, and with
    them all answers: `method=statistics_only` is that by itself, `recipe.batchnorm=frozen` is the method without it.

    Attributes:
        recipe: How to descend.
    """

    needs: ClassVar[tuple[Need, ...]] = needing("forget data", "a linear last layer")

    recipe: Recipe

    def unlearn(self, model: Classifier, task: UnlearningTask, context: MethodContext) -> Classifier:
        """`model` after training with the shadow class, with as many outputs as before."""
        widened = self.widened(model, context.generator("shadow"))
        shadow = task.forget.relabelled(torch.full_like(task.forget.labels, task.num_classes))
        return pruned(fit(widened, context.batches(shadow, self.recipe), cross_entropy, self.recipe, context, state=()))

    @staticmethod
    def widened(model: Classifier, source: torch.Generator) -> Classifier:
        """A copy of `model` with one more output."""
        layer = last_layer(model)
        row = torch.empty(1, layer.in_features)
        # Xavier's deviation is that of the widened layer, of which the row is a part.
        row.normal_(0, (2 / (layer.in_features + layer.out_features + 1)) ** 0.5, generator=source)
        weight = torch.cat([layer.weight.detach(), row.to(layer.weight)])
        bias = None if layer.bias is None else torch.cat([layer.bias.detach(), layer.bias.new_zeros(1)])
        return with_last_layer(deepcopy(model), weight, bias)


def pruned(model: Classifier) -> Classifier:
    """`model` itself without its last output."""
    layer = last_layer(model)
    return with_last_layer(model, layer.weight.detach()[:-1], None if layer.bias is None else layer.bias.detach()[:-1])


def with_last_layer(model: Classifier, weight: Tensor, bias: Tensor | None) -> Classifier:
    """`model` itself with a last layer of these weights [C, D] and biases [C]."""
    old = last_layer(model)
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias is not None, device=weight.device, dtype=weight.dtype)
    layer.weight = nn.Parameter(weight.clone(), old.weight.requires_grad)
    if bias is not None:
        layer.bias = nn.Parameter(bias.clone(), old.bias.requires_grad)
    model.head.set_submodule("classifier", layer.train(old.training))
    return model
