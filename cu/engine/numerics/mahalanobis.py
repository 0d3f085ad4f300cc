"""Class-wise distributions of embeddings, and squared Mahalanobis distances from them.

Source: Bonato, Cotogni and Sabetta, "Is Retain Set All You Need in Machine Unlearning?" (ECCV 2024), after FeCAM.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

SMALLEST = 1e-4  # added before the power: its slope at 0 would be infinite


@dataclass(frozen=True, eq=False)
class ClassDistributions:
    """Means and inverse correlations of the transformed embeddings of each class.

    Attributes:
        classes: Which classes, int64 [K].
        means: Unit vectors, float32 [K, D].
        inverses: Of the correlation matrices, float32 [K, D, D].
        power: Of the transformation.
    """

    classes: Tensor
    means: Tensor
    inverses: Tensor
    power: float

    def distances(self, embedding: Tensor) -> Tensor:
        """Squared distances [B, K] of embeddings [B, D] from each class."""
        difference = F.normalize(transformed(embedding, self.power), dim=1)[:, None] - self.means
        return torch.einsum("bkd,kde,bke->bk", difference, self.inverses, difference)


def class_distributions(embedding: Tensor, labels: Tensor, power: float, shrinkage: float) -> ClassDistributions:
    """Distributions of embeddings [N, D] by their labels [N], of each class that has at least two of them.

    Covariances are shrunk, S + γ V₁ I + γ V₂ (1 - I) with V₁ and V₂ the means on and off the diagonal (zeros left
    out), twice in a row, and scaled to correlations before they are inverted.
    """
    classes = [label for label in labels.unique() if int((labels == label).sum()) > 1]
    parts = [transformed(embedding[labels == label], power) for label in classes]
    correlations = [correlation(shrunk(shrunk(part.T.cov(), shrinkage), shrinkage)) for part in parts]
    return ClassDistributions(
        torch.stack(classes) if classes else labels[:0],
        torch.stack([F.normalize(part.mean(0), dim=0) for part in parts]) if parts else embedding[:0],
        torch.stack([torch.linalg.pinv(c.double(), hermitian=True).float() for c in correlations])
        if parts
        else embedding.new_zeros(0, embedding.shape[1], embedding.shape[1]),
        power,
    )


def transformed(embedding: Tensor, power: float) -> Tensor:
    """Tukey's transformation of the non-negative part, which makes skewed features more normal."""
    return (embedding.clamp(min=0) + SMALLEST) ** power


def shrunk(covariance: Tensor, amount: float) -> Tensor:
    """The covariance [D, D] with a share of its mean variance and of its mean covariance added."""
    identity = torch.eye(len(covariance)).to(covariance)
    off = covariance * (1 - identity)
    mean_off = off.sum() / (off != 0).sum().clamp(min=1)
    return covariance + amount * (covariance.diagonal().mean() * identity + mean_off * (1 - identity))


def correlation(covariance: Tensor) -> Tensor:
    """The covariance scaled to a diagonal of ones; a feature that never varies is left uncorrelated."""
    deviation = covariance.diagonal().clamp(min=torch.finfo(covariance.dtype).tiny).sqrt()
    return covariance / deviation[:, None] / deviation[None, :]
