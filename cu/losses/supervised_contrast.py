"""The supervised contrastive loss."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def supervised_contrastive_loss(embedding: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """Draws samples of one class together and apart from all others.

    With s_ij the cosine similarity over `temperature` and P_i the other samples of anchor i's class, the mean over
    anchors that have one of

        - 1 / |P_i| sum_{p in P_i} [ s_ip - log sum_{a != i} exp(s_ia) ].

    It is computed in the precision of its inputs, whatever autocast says.

    Args:
        embedding: float32 or float64 [B, D], of any length.
        labels: int64 [B].
        temperature: Divides the similarities, positive.

    Returns:
        Scalar of the embeddings' dtype; lower is more collapsed. 0 where no anchor has another of its class.

    Source: Khosla et al., "Supervised Contrastive Learning" (NeurIPS 2020), equation 2.
    """
    with torch.autocast(device_type=embedding.device.type, enabled=False):
        unit = F.normalize(embedding, dim=1)
        similarity = unit @ unit.T / temperature
    own = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    same = (labels[:, None] == labels[None, :]) & ~own
    # Finite: a single sample would have a row of nothing but -inf, whose gradients are NaN.
    log_share = similarity - similarity.masked_fill(own, torch.finfo(similarity.dtype).min).logsumexp(1, keepdim=True)
    count = same.sum(1)
    per_anchor = -log_share.masked_fill(~same, 0).sum(1) / count.clamp(min=1)
    return per_anchor.sum() / (count > 0).sum().clamp(min=1)
