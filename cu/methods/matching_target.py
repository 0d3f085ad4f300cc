"""What `contrastive_matching` matches forget samples with: weights of targets, and coordinates of all of them."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def masked_shares(logits: Tensor, gone: tuple[int, ...]) -> Tensor:
    """Predictions [n, C] from logits [n, C] with the classes `gone` masked out: P(c | x) / P(not gone | x)."""
    masked = logits.clone()
    masked[:, list(gone)] = -torch.inf
    return masked.softmax(1)


def denial(logits: Tensor, gone: tuple[int, ...]) -> Tensor:
    """Mean of -log P(none of the classes `gone`) by logits [n, C]; at least 0."""
    masked = logits.index_fill(1, torch.tensor(gone, device=logits.device), -torch.inf)
    return (logits.logsumexp(1) - masked.logsumexp(1)).mean()


def turned(embedding: Tensor, before: Tensor) -> Tensor:
    """How far embeddings [n, D] have turned from what they were: mean of 1 - cos, in [0, 2]."""
    return (1 - F.cosine_similarity(embedding, before, dim=1)).mean()


def balanced_weights(shares: Tensor, labels: Tensor) -> Tensor:
    """Weights [m] of targets with which each class weighs its mean share, as far as the batch has samples of it.

    Args:
        shares: [n, C], rows of sum 1.
        labels: Of the targets, int64 [m].

    Returns:
        Of sum 1; even where none of the classes with a share is there.
    """
    counts = torch.bincount(labels, minlength=shares.shape[1])
    weights = (shares.mean(0) / counts.clamp(min=1))[labels]
    total = weights.sum()
    return torch.where(total > 0, weights / total.clamp(min=torch.finfo(weights.dtype).tiny), 1 / len(labels))


def joined(
    x: Tensor, x_logits: Tensor, x_labels: Tensor, y: Tensor, y_logits: Tensor, y_labels: Tensor
) -> tuple[Tensor, Tensor]:
    """Points and targets as (representation, label, margin), each of the three scaled to the spread of the targets.

    A Gaussian kernel of these is the product of the kernels of the three. Representations are divided by the root mean
    square distance of the targets from their mean, margins log(p / (1 - p)) of the label by their standard deviation;
    labels become unit vectors.

    Args:
        x: Points [n, D], with their logits [n, C] and labels [n].
        x_logits: See `x`.
        x_labels: See `x`.
        y: Targets [m, D], with their logits [m, C] and labels [m].
        y_logits: See `y`.
        y_labels: See `y`.

    Returns:
        [n, D + C + 1] and [m, D + C + 1].
    """
    classes = x_logits.shape[1]
    length = (y - y.mean(0)).square().sum(1).mean().sqrt().clamp(min=1e-6)
    margins = [label_margin(logits, labels) for logits, labels in ((x_logits, x_labels), (y_logits, y_labels))]
    spread = (margins[1] - margins[1].mean()).square().mean().sqrt().clamp(min=1e-6)
    sides = zip((x, y), (x_labels, y_labels), margins, strict=True)
    first, second = (
        torch.cat([part / length, F.one_hot(labels, classes).to(part), (margin / spread)[:, None]], dim=1)
        for part, labels, margin in sides
    )
    return first, second


def label_margin(logits: Tensor, labels: Tensor) -> Tensor:
    """log(p / (1 - p)) of the label [n]: its logit minus the log-sum-exp of all others."""
    own = F.one_hot(labels, logits.shape[1]).bool()
    return logits[own] - logits.masked_fill(own, -torch.inf).logsumexp(1)
