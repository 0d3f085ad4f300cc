"""Optimizer steps that may change only some of the weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction

import torch
from torch import Tensor, nn

from cu.engine.numerics.gradients import flat, unflat

Mask = Mapping[str, Tensor]


def largest(scores: Mapping[str, Tensor], fraction: float) -> dict[str, Tensor]:
    """Masks (bool) by name, True for the floor(`fraction` P) largest of all P scores; ties go to the first."""
    if not scores:
        return {}  # no vector is made of no tensors
    ranked = flat(scores).argsort(descending=True, stable=True)
    mask = torch.zeros(len(ranked), dtype=torch.bool, device=ranked.device)
    mask[ranked[: int(Fraction(str(fraction)) * len(ranked))]] = True
    return unflat(mask, scores)


@contextmanager
def step_inside(mask: Mask, model: nn.Module, optimizer: torch.optim.Optimizer) -> Iterator[None]:
    """Let an optimizer step taken in here leave every weight outside `mask` bitwise as it was.

    Masked gradients alone would not do: weight decay and the momentum of earlier steps go on moving such weights. So
    the weights and the optimizer's own tensors (momentum, second moments) are put back outside the mask.

    Args:
        mask: bool tensors by parameter name, True where a weight may change; parameters without one are free.
        model: Its gradients are there already; those outside the mask are set to 0 before the step.
        optimizer: Holds the model's parameters.
    """
    limited = {weight: mask[name] for name, weight in model.named_parameters() if name in mask}
    weights = {weight: weight.detach().clone() for weight in limited}
    states = {w: {key: value.clone() for key, value in moments(optimizer, w).items()} for w in limited}
    for weight, allowed in limited.items():
        if weight.grad is not None:
            weight.grad.masked_fill_(~allowed, 0)
    yield
    with torch.no_grad():
        for weight, allowed in limited.items():
            weight.copy_(torch.where(allowed, weight, weights[weight]))
            for key, value in moments(optimizer, weight).items():
                before = states[weight].get(key, torch.zeros_like(value))
                value.copy_(torch.where(allowed, value, before))


def moments(optimizer: torch.optim.Optimizer, weight: nn.Parameter) -> dict[str, Tensor]:
    """What the optimizer remembers per entry of a weight; nothing before its first step."""
    state = optimizer.state.get(weight, {})
    return {k: v for k, v in state.items() if isinstance(v, Tensor) and v.shape == weight.shape and v.ndim}
