"""The null baseline that only hides the forgotten classes."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from cu.data.types import ScenarioKind, UnlearningTask
from cu.engine.context import MethodContext
from cu.methods.types import Need
from cu.models.types import Classifier, Output

# Finite: with minus infinity, p log p and differences of logits become NaN.
MASKED_LOGIT = -1e4


@dataclass(frozen=True, kw_only=True)
class LogitMask:
    """Overwrites the logits of the forgotten classes after the last layer and changes nothing else.

    A null baseline: accuracy on the forgotten classes is 0 although every weight and every embedding is the
    original's. An evaluation in which it looks good does not measure unlearning.
    """

    scenarios: ClassVar[tuple[ScenarioKind, ...]] = ("class",)
    needs: ClassVar[tuple[Need, ...]] = ()

    def unlearn(self, model: Classifier, task: UnlearningTask, context: MethodContext) -> Classifier:
        """A copy of `model` that never answers with one of `task.forget_classes`."""
        hidden = torch.zeros(task.num_classes, dtype=torch.bool, device=next(model.parameters()).device)
        hidden[list(task.forget_classes)] = True
        return masked(deepcopy(model), hidden).eval()

    def framed(self, model: Classifier, weights: Mapping[str, Tensor]) -> Classifier:
        """`model` with the masked head that stored weights have."""
        return masked(model, torch.zeros_like(weights["head.hidden"], device=next(model.parameters()).device))


def masked(model: Classifier, hidden: Tensor) -> Classifier:
    """`model` with a head that hides classes."""
    model.head = MaskedHead(model.head, hidden)
    return model


class MaskedHead(nn.Module):
    """A head whose logits are overwritten where `hidden` (bool [C]); the embedding passes unchanged.

    The mask is part of the state, so that weights saved with it cannot be taken for those of an unmasked model.
    """

    hidden: Tensor

    def __init__(self, head: nn.Module, hidden: Tensor) -> None:
        super().__init__()
        self.unmasked = head
        self.register_buffer("hidden", hidden)

    @property
    def classifier(self) -> nn.Module:
        """The last layer as it is stored, unmasked: what anybody who holds the weights can read."""
        return self.unmasked.get_submodule("classifier")

    def forward(self, features: Tensor) -> Output:
        """Masked logits [B, C] and the embedding [B, D] of features [B, D']."""
        output: Output = self.unmasked(features)
        return output._replace(logits=output.logits.masked_fill(self.hidden, MASKED_LOGIT))
