"""Distance of a student's predictions from a teacher's."""

from __future__ import annotations

from typing import Literal

from torch import Tensor
from torch.nn import functional as F


def distillation_loss(
    student_logits: Tensor,
    teacher_logits: Tensor,
    temperature: float,
    *,
    reduction: Literal["batchmean", "mean"],
    scale: bool,
) -> Tensor:
    """KL(teacher || student) of the softmax of logits divided by `temperature`; 0 where they agree, else positive.

    Args:
        student_logits: Float32 or float64 [B, C].
        teacher_logits: Same dtype [B, C]; -inf means that a class has no probability.
        temperature: Divides both logits, positive.
        reduction: `batchmean` averages over samples; `mean` over samples and classes, which is C times smaller.
        scale: Whether to multiply by the squared temperature, which keeps gradients of one size at all temperatures.

    Returns:
        Scalar of the logits' dtype; lower is closer.

    Source: Hinton et al., "Distilling the Knowledge in a Neural Network" (arXiv 1503.02531), section 2.
    """
    target = (teacher_logits / temperature).softmax(1)
    loss = F.kl_div((student_logits / temperature).log_softmax(1), target, reduction="batchmean")
    if reduction == "mean":
        loss = loss / student_logits.shape[1]
    return loss * temperature**2 if scale else loss
