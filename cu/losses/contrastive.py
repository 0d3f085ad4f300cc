"""The contrastive unlearning loss."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor


def contrastive_unlearning_loss(
    anchors: Tensor,
    anchor_labels: Tensor,
    remain: Tensor,
    remain_labels: Tensor,
    temperature: float,
    *,
    reduction: Literal["sum", "mean"] = "sum",
    push_weight: Literal["equation", "released"] = "equation",
) -> Tensor:
    """Pushes samples to forget away from remaining samples of their own class and pulls them towards the others.

    With s_ij = <z_i, z_j> / temperature, P_i the remaining samples of anchor i's class and N_i all others, anchor i
    contributes

        logsumexp_{p in P_i} s_ip - mean_{a in N_i} s_ia    where its class has remaining samples (equation 5),
        log |N_i| - mean_{a in N_i} s_ia                    where it has none (equation 6; log |N_i| is a constant),
        0                                                   where N_i is empty.

    Nothing is normalised here: embeddings enter as given. Gradients flow into anchors and remaining samples alike and
    are finite wherever the similarities are. Lower means better forgetting; the loss has no lower bound of its own.
    It is computed in the precision of its inputs, whatever autocast says.

    Args:
        anchors: Embeddings to forget, float32 or float64 [B, D].
        anchor_labels: Their classes, int64 [B].
        remain: Embeddings to keep, same dtype [R, D].
        remain_labels: Their classes, int64 [R].
        temperature: Divides the similarities, positive.
        reduction: `sum` over anchors (the equations), or their `mean` (the released code).
        push_weight: Weight of the logsumexp: 1 (`equation`) or R / |N_i| (`released`: that code subtracts it once for
            each of the R remaining samples but divides by |N_i|). `released` with `mean` has the released code's
            gradients; the values differ by constants.

    Returns:
        Scalar of the embeddings' dtype.

    Source: Lee et al., "Contrastive Unlearning" (arXiv 2401.10458), equations 5 and 6, and its released code.
    """
    with torch.autocast(device_type=anchors.device.type, enabled=False):
        similarity = anchors @ remain.T / temperature
    same = anchor_labels[:, None] == remain_labels[None, :]
    num_same = same.sum(dim=1)
    num_other = len(remain_labels) - num_same
    others = num_other.clamp(min=1).to(similarity.dtype)

    pull = similarity.masked_fill(same, 0).sum(dim=1) / others
    # A row of nothing but -inf has NaN gradients: rows without a sample of their class stay as they are, unused.
    push = similarity.masked_fill(~same & (num_same > 0)[:, None], -torch.inf).logsumexp(dim=1)
    if push_weight == "released":
        push = push * (len(remain_labels) / others)
    per_anchor = torch.where(num_same > 0, push, others.log()) - pull
    total = torch.where(num_other > 0, per_anchor, 0).sum()
    return total / max(len(anchors), 1) if reduction == "mean" else total
