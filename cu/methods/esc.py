"""ESC: the directions along which the forget set's features are longest are erased."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from annotated_types import Ge, Lt
from torch import Tensor, nn

from cu.data.types import Split, UnlearningTask
from cu.engine.context import MethodContext
from cu.engine.predict import predict
from cu.methods.types import FORGET_SET, Need
from cu.models.types import Classifier


@dataclass(frozen=True, kw_only=True)
class Esc:
    """Erasing space concept (Lee et al., CVPR 2025, arXiv 2504.02199); nothing is trained.

    With U the left singular vectors of the forget set's features [D, n], in the order of their singular values, and U_P
    those without the first `share` of them, every feature vector h that enters the head becomes U_P U_P' h. The
    network keeps its weights and gets the projection as a last part of the encoder.

    Attributes:
        share: Of the D directions that are erased, rounded down, but at least one.
    """

    needs: ClassVar[tuple[Need, ...]] = FORGET_SET

    share: Annotated[float, Ge(0), Lt(1)]

    def unlearn(self, model: Classifier, task: UnlearningTask, context: MethodContext) -> Classifier:
        """A copy of `model` without the forget set's first directions."""
        directions = singular_directions(model, task.forget, context)
        kept = directions[:, erased_count(self.share, len(directions)) :]
        return erased(model, kept @ kept.T)

    def framed(self, model: Classifier, weights: Mapping[str, Tensor]) -> Classifier:
        """`model` with the erasure that stored weights have."""
        return with_erasure_of(weights, model)


def erased_count(share: float, size: int) -> int:
    """How many of so many directions are a share of them: rounded down, but at least one."""
    return max(1, int(share * size))


class Erasure(nn.Module):
    """Multiplies features [B, D] by a matrix [D, D], part of the state."""

    matrix: Tensor

    def __init__(self, matrix: Tensor) -> None:
        super().__init__()
        self.register_buffer("matrix", matrix)

    def forward(self, features: Tensor) -> Tensor:
        """Features [B, D] with what the matrix leaves of them."""
        return features @ self.matrix.to(features)


def singular_directions(model: Classifier, split: Split, context: MethodContext) -> Tensor:
    """Left singular vectors float32 [D, D] of the features of a split, the longest direction first, on the device."""
    with context.ledger.preparing():
        features = predict(model, split, context.hardware).features.double()
        directions, _, _ = torch.linalg.svd(features.T @ features)
    return directions.float().to(context.hardware.device)


def erased(model: Classifier, matrix: Tensor) -> Classifier:
    """A copy of `model` whose features are multiplied by a matrix before they enter the head; after an earlier one."""
    copy = deepcopy(model)
    if isinstance(earlier := getattr(copy.encoder, "erasure", None), Erasure):
        earlier.matrix = earlier.matrix @ matrix
    elif isinstance(copy.encoder, nn.Sequential):
        copy.encoder.add_module("erasure", Erasure(matrix))
    else:
        copy.encoder = nn.Sequential(OrderedDict(whole=copy.encoder, erasure=Erasure(matrix)))
    return copy.eval()


def with_erasure_of(weights: Mapping[str, Tensor], model: Classifier) -> Classifier:
    """`model` with an erasure, still of zeros, if stored weights have one."""
    stored = weights.get("encoder.erasure.matrix")
    return model if stored is None else erased(model, torch.zeros_like(stored, device=next(model.parameters()).device))
