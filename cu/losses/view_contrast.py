"""Contrast between two views of the same images."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def view_contrastive_loss(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """Pulls the two views of an image together and pushes views of different images apart, whatever their classes.

    With s_ij the cosine similarity of first view i and second view j divided by `temperature`:

        - mean_i log softmax_j(s_ij) at j = i  -  mean_j log softmax_i(s_ij) at i = j.

    The two directions are added, not averaged. It is computed in the precision of its inputs, whatever autocast says.

    Args:
        first: Embeddings of the first views, float32 or float64 [B, D], of any length.
        second: Embeddings of the second views of the same images in the same order, [B, D].
        temperature: Divides the similarities, positive.

    Returns:
        Non-negative scalar of the embeddings' dtype; lower tells images apart better. 0 for a single image.

    Source: Khalil et al., "CoUn" (arXiv 2509.16391), its contrastive term; InfoNCE of van den Oord et al.
    (arXiv 1807.03748) in both directions.
    """
    with torch.autocast(device_type=first.device.type, enabled=False):
        similarity = F.normalize(first, dim=1) @ F.normalize(second, dim=1).T / temperature
    own = torch.arange(len(first), device=first.device)
    return F.cross_entropy(similarity, own) + F.cross_entropy(similarity.T, own)
