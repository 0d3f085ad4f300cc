"""Batch normalisation of a single value per channel, which a batch of one small image can come to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from cu.engine.compiling import is_compiled


@contextmanager
def lone_values_allowed(model: nn.Module) -> Iterator[None]:
    """Let layers of batch normalisation that get one value per channel use their running statistics for it.

    One value has no variance, and torch refuses to train on it. What such a layer knows is its running statistics;
    they stay as they are. All other layers, and all other batches, are normalised as ever. Compiled models cannot be
    helped: torch's refusal stands.
    """
    if is_compiled(model):
        yield
        return
    norms = [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    switched: list[nn.Module] = []

    def before(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        (values,) = inputs
        if norm.training and values.numel() == values.shape[1]:
            switched.append(norm.eval())

    def after(norm: nn.Module, inputs: tuple[Tensor, ...], output: Any) -> None:
        if norm in switched:
            switched.remove(norm)
            norm.train()

    handles = [hook for norm in norms for hook in hooks(norm, before, after)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def hooks(norm: nn.Module, before: Any, after: Any) -> tuple[Any, Any]:
    """Handles of what runs before and after a layer, the second also where the layer fails."""
    return norm.register_forward_pre_hook(before), norm.register_forward_hook(after, always_call=True)
