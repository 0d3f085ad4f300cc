"""CT: the kernels of every convolution are transposed, then fine-tuning brings the rest back."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from cu.data.types import UnlearningTask
from cu.engine.context import MethodContext
from cu.engine.fit import cross_entropy, fit
from cu.engine.recipe import Recipe
from cu.methods.types import RETAIN_SET, Need
from cu.models.types import Classifier


@dataclass(frozen=True, kw_only=True)
class ConvTranspose:
    """Convolution transpose, fifth in the NeurIPS 2023 unlearning challenge; it never looks at what must be forgotten.

    Height and width of each two-dimensional kernel change places, which is as if all images had been seen along the
    other diagonal; then the network is fine-tuned on the retain set. Kernels of 1x1 stay as they are, and of kernels
    that are not square none can be transposed.

    Source: Cadet et al., "Deep Unlearn" (arXiv 2410.01276), which describes the entry.

    Attributes:
        recipe: How to descend; the entry has few epochs.
    """

    needs: ClassVar[tuple[Need, ...]] = RETAIN_SET

    recipe: Recipe

    def unlearn(self, model: Classifier, task: UnlearningTask, context: MethodContext) -> Classifier:
        """`model` transposed and trained further without ever reading `task.forget`."""
        batches = context.batches(task.retain, self.recipe)
        return fit(transposed(model), batches, cross_entropy, self.recipe, context, state=())


def transposed(model: Classifier) -> Classifier:
    """A copy of `model` whose square kernels [.., K, K] are transposed."""
    copy = deepcopy(model)
    with torch.no_grad():
        for module in copy.modules():
            if isinstance(module, nn.Conv2d) and module.kernel_size[0] == module.kernel_size[1]:
                module.weight.copy_(module.weight.transpose(2, 3).clone())
    return copy
