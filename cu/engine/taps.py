"""What an encoder's blocks make of a batch on its way through a classifier."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch import Tensor, nn

from cu.engine.compiling import uncompiled
from cu.engine.sharding import whole_batch
from cu.models.types import Classifier

Form = Callable[[nn.Module, Tensor], Tensor]


def blocks_of(model: Classifier) -> list[nn.Module]:
    """The stages of a classifier's way to its head, at least one: what they return, in this order, is what it knows.

    They are the parts of the encoder that have weights, its direct children, but for the last of them: in its place
    stands the encoder as a whole, whose output is what enters the head, with all that follows the last weights
    (pooling, a class token, an erasure). An encoder that only wraps another is looked into.
    """
    return [*weighted_children(model.encoder)[:-1], model.encoder]


def weighted_children(module: nn.Module) -> list[nn.Module]:
    """The children with weights of the first module, from the outside in, that has not just one."""
    children = [child for child in module.children() if any(True for _ in child.parameters())]
    return weighted_children(children[0]) or children if len(children) == 1 else children


def means(block: nn.Module, output: Tensor) -> Tensor:
    """The pooled output [B, D] of a block."""
    return pooled(output, channels_of(block, output))


@contextmanager
def tapped(model: Classifier, form: Form = means) -> Iterator[list[Tensor]]:
    """A list that a forward pass inside fills: what `form` makes of the output of every block, in the order of calls.

    The last entry is what enters the head. Where processes share out the pass, each sees what becomes of the whole
    batch. A compiled model is that no longer: compiled code would call nothing that is hooked into it.
    """
    seen: list[Tensor] = []

    def record(module: nn.Module, inputs: object, output: object) -> None:
        if isinstance(output, Tensor):
            seen.append(whole_batch(form(module, output).float()))

    handles = [block.register_forward_hook(record) for block in blocks_of(uncompiled(model))]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def pooled(output: Tensor, channels: int = 1) -> Tensor:
    """The mean over all places [B, D] of an output whose dimension `channels` is D; a copy of one that has no places.

    Pooling copies: the next block may work in place.
    """
    return output.movedim(channels, 1).flatten(2).mean(2) if output.ndim > 2 else output.clone()


def channels_of(block: nn.Module, output: Tensor) -> int:
    """The dimension of a block's output that holds its channels.

    The last of three, tokens [B, T, D], as in transformers. Of four the second, [B, D, H, W], unless the block says
    otherwise: the last layer norm in it is as long as the last dimension and not as the second, [B, H, W, D], as in
    Swin transformers. Where places in a row are as many as channels this cannot be told, and the second is taken.
    """
    if output.ndim == 3:
        return -1
    lengths = [norm.normalized_shape for norm in block.modules() if isinstance(norm, nn.LayerNorm)]
    last = lengths[-1] if lengths else ()
    told = output.ndim == 4 and last == (output.shape[-1],) and output.shape[1] != output.shape[-1]
    return -1 if told else 1
