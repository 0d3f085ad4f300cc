"""Rank-one curvature from two gradients, and the solution of the damped linear system it gives."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor

from cu.engine.numerics.filters import Row, joined, read_rows
from cu.engine.numerics.gradients import Weights, trainable
from cu.models.types import Classifier


@dataclass(frozen=True, eq=False)
class Secant:
    """A gradient, and how gradient and weights changed along a short step down it; each by parameter."""

    gradient: Weights
    gradient_change: Weights
    weight_change: Weights

    def factor(self, rows: list[Row]) -> Tensor:
        """The vector u float64 [p] with u uᵀ = Δg Δgᵀ / ‖Δw‖₁ on the weights of `rows`; 0 where the gradient is 0."""
        change = joined(read_rows(self.gradient_change, rows)).double()
        length = joined(read_rows(self.weight_change, rows)).double().abs().sum()
        return change / length.sqrt() if length > 0 else torch.zeros_like(change)


def secant(model: Classifier, gradient: Callable[[Classifier], Weights], step: float) -> Secant:
    """The secant of one gradient step of size `step` from `model`, which stays as it is."""
    start, moved = gradient(model), deepcopy(model)
    with torch.no_grad():
        for name, weight in trainable(moved).items():
            weight.sub_(step * start[name])
    end = gradient(moved)
    return Secant(
        start, {name: end[name] - start[name] for name in start}, {name: -step * start[name] for name in start}
    )


def damped_solve(factors: Tensor, coefficients: Tensor, damping: float, gradient: Tensor) -> Tensor:
    """(Σ_k c_k u_k u_kᵀ + λ I)⁻¹ g for factors u [p, K], coefficients c [K] and a vector g [p]."""
    weighted = coefficients[:, None] * factors.T
    inner = damping * torch.eye(len(coefficients)).to(factors) + weighted @ factors
    return (gradient - factors @ torch.linalg.solve(inner, weighted @ gradient)) / damping
