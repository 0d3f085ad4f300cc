"""How far forget samples are from weighted targets in one representation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from cu.losses.discrepancy import median_distance, probe_r2, sliced_wasserstein2, weighted_mmd2
from cu.methods.matching_target import balanced_weights, joined

Match = Literal["plain", "weighted", "per_class"]
DistanceName = Literal["mmd", "sliced_wasserstein", "adversarial_probe"]

DIRECTIONS = 64  # of sliced Wasserstein distances
USUAL = 0.1  # what a relative distance counts for at the original, near what it is there for one class of ten
LEAST = 1e-3  # of the original's distances: nearer samples than these are not told from the targets


@dataclass(frozen=True, eq=False)
class Depth:
    """A representation in which forget samples are matched.

    Attributes:
        weight: Of its distance.
        share: Of the original's distance, what shall remain of it.
        there: Of a batch, [batch, D], which forget samples begin.
    """

    weight: float
    share: float
    there: Tensor


@dataclass(frozen=True)
class Distance:
    """A distance of points from targets, each class weighing what the points are taken for.

    Attributes:
        match: `weighted` by class; `plain`, all targets weigh the same; `per_class`, one distance for the points of
            each class they are taken for, in their shares.
        name: Of the distance.
        widths: Of the MMD's kernels, in median distances of the targets.
    """

    match: Match
    name: DistanceName
    widths: tuple[float, ...]

    def __call__(self, x: Tensor, shares: Tensor, y: Tensor, labels: Tensor, source: torch.Generator) -> Tensor:
        """The distance of points [n, D] from targets [m, D].

        Args:
            x: The points.
            shares: The classes that the points are taken for, [n, C], of sum 1 each.
            y: The targets.
            labels: Their classes [m].
            source: Of random directions.
        """
        # With the points in it the unit would grow as these push each other away, and they would go on without end.
        unit = median_distance(y)
        if self.match == "per_class":
            taken, total = shares.argmax(1), x.sum() * 0
            for c in taken.unique():
                own, there = taken == c, labels == c
                if there.any():
                    even = there[there] / there.sum()
                    total = total + own.float().mean() * self.measured(x[own], y[there], even, unit, source)
            return total
        weights = balanced_weights(shares, labels) if self.match == "weighted" else None
        even = torch.full_like(y[:, 0], 1 / len(y))
        return self.measured(x, y, even if weights is None else weights, unit, source)

    def measured(self, x: Tensor, y: Tensor, weights: Tensor, unit: Tensor, source: torch.Generator) -> Tensor:
        """The chosen distance of points from weighted targets; `unit` is the square of that of the widths."""
        if self.name == "mmd":
            return weighted_mmd2(x, y, weights, self.widths, unit)
        if self.name == "adversarial_probe":
            return probe_r2(x, y, weights)
        directions = F.normalize(torch.randn(DIRECTIONS, x.shape[1], generator=source), dim=1).to(x)
        return sliced_wasserstein2(x, y, weights, directions)


def among_retained(
    distance: Distance,
    now: Sequence[Depth],
    before: Sequence[Depth],
    relative: bool,
    shares: Tensor,
    labels: Tensor,
    source: torch.Generator,
) -> Tensor:
    """How far the distances of forget samples from retained ones, which are constants, are from what shall remain.

    Args:
        distance: What is measured at each depth.
        now: Of the model: the forget samples, then the retained ones.
        before: Of the original, for the same images.
        relative: Distances count relative to the original's, as if that were `USUAL`; it is taken for `LEAST` at least.
        shares: The classes that the forget samples are taken for, [n, C].
        labels: Of the retained samples.
        source: Of random directions.

    Returns:
        The weighted sum of absolute differences; 0 where every distance is its share of the original's.
    """
    size, total = len(shares), shares.new_zeros(())

    def apart(there: Tensor) -> Tensor:
        return distance(there[:size], shares, there[size:].detach(), labels, source)

    for depth, then in zip(now, before, strict=True):
        original = apart(then.there)
        value = (apart(depth.there) - depth.share * original).abs()
        total = total + depth.weight * (value * USUAL / original.clamp(min=LEAST) if relative else value)
    return total


def like_held_out(
    distance: Distance,
    now: Sequence[Depth],
    logits: Tensor,
    labels: Tensor,
    unseen_labels: Tensor,
    source: torch.Generator,
) -> Tensor:
    """The weighted distances of forget samples from held-out ones of their classes, jointly with label and margin.

    Args:
        distance: What is measured at each depth.
        now: Of the model: the forget samples, any others, then the held-out ones, which are taken as constants.
        logits: Of all of them [batch, C].
        labels: Of the forget samples.
        unseen_labels: Of the held-out samples.
        source: Of random directions.
    """
    size, unseen = len(labels), len(unseen_labels)
    shares, total = F.one_hot(labels, logits.shape[1]).to(logits), logits.new_zeros(())
    for depth in now:
        x, y = depth.there[:size], depth.there[-unseen:].detach()
        x, y = joined(x, logits[:size], labels, y, logits[-unseen:].detach(), unseen_labels)
        total = total + depth.weight * distance(x, shares, y, unseen_labels, source)
    return total
