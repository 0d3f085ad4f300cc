"""NoT: flip the sign of a layer, then fine-tune."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from annotated_types import Ge

from cu.data.types import UnlearningTask
from cu.engine.context import MethodContext
from cu.engine.fit import cross_entropy, fit
from cu.engine.freezing import weighted_layers
from cu.engine.recipe import Recipe
from cu.errors import ConfigError
from cu.methods.types import RETAIN_SET, Need
from cu.models.types import Classifier


@dataclass(frozen=True, kw_only=True)
class Negation:
    """Weight negation and fine-tuning on the retain set (Khalil et al., "NoT", CVPR 2025).

    Right after the negation the model is near chance: it needs epochs enough to recover.

    Attributes:
        recipe: How to descend.
        layers: Which convolutions and linear layers to negate, counted from the input from 0. Weights only: biases
            and normalisation keep their signs.
    """

    needs: ClassVar[tuple[Need, ...]] = RETAIN_SET

    recipe: Recipe
    layers: tuple[Annotated[int, Ge(0)], ...]

    def check(self, model: Classifier, task: UnlearningTask) -> None:
        """The network has these layers."""
        negated(model, self.layers)

    def unlearn(self, model: Classifier, task: UnlearningTask, context: MethodContext) -> Classifier:
        """`model` negated and trained further without ever reading `task.forget`."""
        start = negated(model, self.layers)
        return fit(start, context.batches(task.retain, self.recipe), cross_entropy, self.recipe, context, state=())


def negated(model: Classifier, layers: Sequence[int]) -> Classifier:
    """A copy of `model` with the weights of some layers negated, each once however often it is named.

    Raises:
        ConfigError: There is no layer of such a number.
    """
    copy = deepcopy(model)
    found = weighted_layers(copy)
    if layers and max(layers) >= len(found):
        raise ConfigError(f"method.layers: there is no layer {max(layers)}; they run from 0 to {len(found) - 1}")
    with torch.no_grad():
        for position in set(layers):
            found[position].get_parameter("weight").neg_()
    return copy
