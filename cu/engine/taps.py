"""What an encoder's blocks make of a batch on its way through a classifier."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn

from cu.engine.compiling import uncompiled
from cu.engine.sharding import whole_batch
from cu.models.types import Classifier


def blocks_of(model: Classifier) -> list[nn.Module]:
    """The direct children of the encoder that have weights; the encoder itself if there are none."""
    children = [child for child in model.encoder.children() if any(True for _ in child.parameters())]
    return children or [model.encoder]


@contextmanager
def tapped(model: Classifier) -> Iterator[list[Tensor]]:
    """A list that a forward pass inside fills: the pooled output [B, D] of every block, in the order of the calls.

    Where processes share out the pass, each sees what becomes of the whole batch. A compiled model is that no longer:
    compiled code would call nothing that is hooked into it.
    """
    seen: list[Tensor] = []

    def record(module: nn.Module, inputs: object, output: object) -> None:
        if isinstance(output, Tensor):
            # Pooling copies: the next block may work in place.
            seen.append(whole_batch(pooled(output).float()))

    handles = [block.register_forward_hook(record) for block in blocks_of(uncompiled(model))]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def pooled(output: Tensor) -> Tensor:
    """The mean over all places [B, D] of an output [B, D, ...]; a copy of one that has none."""
    return output.flatten(2).mean(2) if output.ndim > 2 else output.clone()
