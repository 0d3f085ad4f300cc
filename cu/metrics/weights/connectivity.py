"""How far apart two models lie in weight space, and whether a ridge of loss lies between them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from cu.metrics import primitives
from cu.metrics.case import Case
from cu.metrics.findings import Floats, Weights
from cu.metrics.spec import NATS, UNDECIDABLE, metric


def l2_distance(first: Iterable[Floats], second: Iterable[Floats]) -> float:
    """Euclidean distance of two lists of arrays of equal shapes, all entries together."""
    squares = (np.square(a.astype(np.float64) - b).sum() for a, b in zip(first, second, strict=True))
    return float(np.sqrt(sum(squares)))


def loss_barrier(losses: Floats) -> float:
    """Height of the losses on an evenly divided segment above the line between its ends (Frankle et al. 2020).

    Args:
        losses: [T] from one end to the other, T >= 2.

    Returns:
        At least 0, in the unit of the losses; 0 where the segment lies in a convex valley.
    """
    values = np.asarray(losses, dtype=np.float64)
    return float((values - np.linspace(values[0], values[-1], len(values))).max())


@metric(
    keys=("weights/l2_to_original", "weights/barrier_to_original"),
    needs=(Weights,),
    margin={"l2_to_original": UNDECIDABLE, "barrier_to_original": NATS},
)
def to_original(case: Case, /) -> dict[str, float]:
    """L2 distance of the weights to the original's, and the barrier of the loss (nats) on the segment between them.

    Both >= 0; the loss is that on retained training samples. The target is the retrained model's value, which is far
    away and behind a barrier. A model that is near and connected has kept the original's basin, from which forgotten
    knowledge tends to come back (Siddiqui et al., arXiv 2505.22310).
    """
    segment = case.findings[Weights].to_original
    return {"weights/l2_to_original": segment.l2, "weights/barrier_to_original": loss_barrier(segment.losses)}


@metric(
    keys=("weights/l2_to_retrain", "weights/barrier_to_retrain"),
    direction="lower",
    needs=(Weights, "retrained"),
    identical=0.0,
)
def to_retrained(case: Case, /) -> dict[str, float]:
    """L2 distance of the weights to the retrained models', and the barrier of the loss (nats) between; mean over them.

    Lower is closer to retraining; two retrained models do not reach 0, so read it beside `ref`.
    """
    segments = case.findings[Weights].to_retrained
    return {
        "weights/l2_to_retrain": primitives.mean([segment.l2 for segment in segments]),
        "weights/barrier_to_retrain": primitives.mean([loss_barrier(segment.losses) for segment in segments]),
    }
