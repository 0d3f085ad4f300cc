"""What follows an encoder: from features to logits, and which vector counts as the embedding."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from cu.models.types import Output

HeadKind = Literal["projection", "linear"]

# A direction is undefined at zero length. Shorter vectors keep their length divided by this, which bounds the
# gradient there at 1e6; PyTorch's own 1e-12 lets one dead sample throw the weights 1e12 away.
SHORTEST = 1e-6


class ProjectionHead(nn.Module):
    """Projection onto the unit sphere, then a linear classifier of the non-negative part.

    features -> Linear -> ReLU -> Linear -> L2 normalisation -> **embedding** -> ReLU -> Linear -> logits.
    The embedding is float32 [B, dim], signed and of unit length: the vector *before* the last ReLU, which works
    on a copy. Every prediction passes through it; no classifier sees the features themselves.

    Source: the released code of Lee et al., "Contrastive Unlearning" (arXiv 2401.10458), whose ReLU works in place
    and thereby also clips the vectors that its contrastive loss sees; here they stay signed.

    Attributes:
        classifier: The last linear layer, [num_classes, dim]; its input is ReLU(embedding).
    """

    def __init__(self, in_features: int, num_classes: int, dim: int) -> None:
        super().__init__()
        self.projector = nn.Sequential(
            nn.Linear(in_features, in_features), nn.ReLU(inplace=True), nn.Linear(in_features, dim)
        )
        self.classifier = nn.Linear(dim, num_classes)

    def forward(self, features: Tensor) -> Output:
        """Logits [B, C] and unit embedding [B, dim] of features [B, in_features]."""
        embedding = F.normalize(self.projector(features), dim=1, eps=SHORTEST)
        return Output(self.classifier(F.relu(embedding)), embedding)


class LinearHead(nn.Module):
    """A linear classifier of the features, as in the published ResNets.

    The embedding is the features themselves, float32 [B, in_features], of any length.

    Attributes:
        classifier: The only layer, [num_classes, in_features]; its input is the embedding.
    """

    def __init__(self, in_features: int, num_classes: int) -> None:
        super().__init__()
        self.classifier = nn.Linear(in_features, num_classes)

    def forward(self, features: Tensor) -> Output:
        """Logits [B, C] and embedding [B, in_features] of features [B, in_features]."""
        return Output(self.classifier(features), features)


def build_head(kind: HeadKind, in_features: int, num_classes: int, dim: int) -> ProjectionHead | LinearHead:
    """The head named `kind`; `dim` is the size of a projection and means nothing to a linear head."""
    if kind == "linear":
        return LinearHead(in_features, num_classes)
    return ProjectionHead(in_features, num_classes, dim)
