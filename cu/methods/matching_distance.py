"""How far forget samples are from weighted targets in one representation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from cu.losses.discrepancy import probe_r2, sliced_wasserstein2, weighted_mmd2
from cu.methods.matching_target import balanced_weights

Match = Literal["plain", "weighted", "per_class"]
DistanceName = Literal["mmd", "sliced_wasserstein", "adversarial_probe"]

DIRECTIONS = 64  # of sliced Wasserstein distances


@dataclass(frozen=True)
class Distance:
    """A distance of points from targets, each class weighing what the points are taken for.

    Attributes:
        match: `weighted` by class; `plain`, all targets weigh the same; `per_class`, one distance for the points of
            each class they are taken for, in their shares.
        name: Of the distance.
        widths: Of the MMD's kernels, in median distances.
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
        if self.match == "per_class":
            taken, total = shares.argmax(1), x.sum() * 0
            for c in taken.unique():
                own, there = taken == c, labels == c
                if there.any():
                    even = there[there] / there.sum()
                    total = total + own.float().mean() * self.measured(x[own], y[there], even, source)
            return total
        weights = balanced_weights(shares, labels) if self.match == "weighted" else None
        even = torch.full_like(y[:, 0], 1 / len(y))
        return self.measured(x, y, even if weights is None else weights, source)

    def measured(self, x: Tensor, y: Tensor, weights: Tensor, source: torch.Generator) -> Tensor:
        """The chosen distance of points from weighted targets."""
        if self.name == "mmd":
            return weighted_mmd2(x, y, weights, self.widths)
        if self.name == "adversarial_probe":
            return probe_r2(x, y, weights)
        directions = F.normalize(torch.randn(DIRECTIONS, x.shape[1], generator=source), dim=1).to(x)
        return sliced_wasserstein2(x, y, weights, directions)
