"""How many images go through models, forwards and backwards, and what one of them costs in operations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch._C import _functorch  # pyright: ignore[reportAttributeAccessIssue]
from torch.nn import functional as F
from torch.nn.modules.module import register_module_forward_hook
from torch.utils.flop_counter import FlopCounterMode

from cu.models.types import Classifier

Count = Callable[[int, bool], None]


@contextmanager
def counting(count: Count) -> Iterator[None]:
    """Call `count(images, whether a backward pass follows)` for every forward pass of a classifier inside.

    Wherever gradients are recorded, a backward pass is taken to follow. Teachers, looks at the accuracy, attacks and
    per-sample gradients all go through here, whoever calls the model.
    """

    def after(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        if isinstance(module, Classifier):
            count(getattr(inputs[0], "whole", None) or images_in(inputs[0]), output.logits.requires_grad)

    handle = register_module_forward_hook(after)
    try:
        yield
    finally:
        handle.remove()


def images_in(batch: Tensor) -> int:
    """Images of a batch [B, ...]; also of one that stands for many under `torch.func.vmap`."""
    whole = batch
    while _functorch.is_functorch_wrapped_tensor(whole):
        whole = _functorch.get_unwrapped(whole)
    return len(batch) * whole.numel() // max(1, batch.numel())


class Flops(NamedTuple):
    """Floating-point operations of one image: a multiplication and an addition are two."""

    forward: int
    backward: int


def flops_per_image(model: Classifier, shape: tuple[int, ...]) -> Flops:
    """Operations of matrix products and convolutions of a forward and of a backward pass to all weights.

    A method that trains some layers only takes less than the second.

    Args:
        model: Left as it is.
        shape: Of one image, [C, H, W].
    """
    copy = deepcopy(model).cpu().float().requires_grad_(True).eval()
    images = torch.zeros(1, *shape)
    with FlopCounterMode(display=False) as forward:
        logits = copy(images).logits
    loss = F.cross_entropy(logits, torch.zeros(1, dtype=torch.long))
    with FlopCounterMode(display=False) as backward:
        loss.backward()
    return Flops(forward.get_total_flops(), backward.get_total_flops())
