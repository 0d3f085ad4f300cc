"""A forward pass shared out among processes: each takes its slice of the batch, and all see the outputs of the whole.

Losses stay as they are: they read the outputs of the whole batch in every process, negatives and all. The gradient that
flows back into the outputs is that of the whole loss; each process passes on that of its own slice, times the number
of processes, so that the mean of all parameter gradients is the gradient of one process, whatever the sizes of slices.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook

from cu.engine import team
from cu.models.types import Classifier, Output

log = logging.getLogger(__name__)
LEAST = 2  # samples of a slice; smaller batches go through every process whole
_flying: list[tuple[int, int]] = []  # samples of the whole and of the slice, while a shared pass goes on
_passes: Counter[str] = Counter()


def bounds(total: int, size: int) -> list[tuple[int, int]]:
    """(start, stop) of the slice of each process, as equal as can be.

    >>> bounds(7, 2), bounds(5, 3)
    ([(0, 3), (3, 7)], [(0, 1), (1, 3), (3, 5)])
    """
    return [(rank * total // size, (rank + 1) * total // size) for rank in range(size)]


@contextmanager
def shared_out(model: nn.Module) -> Iterator[None]:
    """Inside, the passes of every classifier are shared out, unless `model` is one that cannot be."""
    if team.size() == 1 or not divides(model):
        yield
        return
    norms = [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    handles = register_module_forward_pre_hook(own_slice), register_module_forward_hook(whole_output, always_call=True)
    for norm in norms:
        setattr(norm, "forward", partial(synchronised, norm))  # noqa: B010
    try:
        yield
    finally:
        _flying.clear()
        for norm in norms:
            del norm.forward
        for handle in handles:
            handle.remove()


def divides(model: nn.Module) -> bool:
    """Whether passes of a model may be shared out: a subclass of classifiers has to say so itself."""
    return type(model) is Classifier or bool(vars(type(model)).get("divides"))


def passes() -> int:
    """How many passes of this process have been shared out."""
    return _passes["shared out"]


@contextmanager
def told_if_whole(name: str) -> Iterator[None]:
    """Around work of that name: say so if several processes shared out none of its passes."""
    before = passes()
    yield
    if team.size() > 1 and passes() == before:
        log.info("%s works whole in every process: %d are no faster than one", name, team.size())


def own_slice(module: nn.Module, inputs: tuple[Any, ...]) -> Any:
    """Before a classifier's pass: the slice of this process, which remembers how many images there were."""
    if not isinstance(module, Classifier) or len(inputs[0]) < LEAST * team.size():
        return None
    start, stop = bounds(len(inputs[0]), team.size())[team.rank()]
    piece = inputs[0][start:stop]
    piece.whole = len(inputs[0])
    _flying.append((piece.whole, len(piece)))
    _passes["shared out"] += 1
    return (piece,)


def whole_output(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> Any:
    """After it: the outputs of all slices."""
    if not isinstance(module, Classifier) or not hasattr(inputs[0], "whole"):
        return None
    _flying.pop()
    if output is None:  # the pass failed
        return None
    logits, embedding = (Gathered.apply(part, inputs[0].whole) for part in output[:2])
    same = output.features is output.embedding
    return Output(logits, embedding, embedding if same else _gathered(output.features, inputs[0].whole))


def whole_batch(piece: Tensor) -> Tensor:
    """What a layer made of the slice [b, D] of a pass that goes on, of the whole [B, D]; as it is if none is shared."""
    return Gathered.apply(piece, _flying[-1][0]) if _flying else piece  # type: ignore[return-value]


def _gathered(features: Tensor | None, whole: int) -> Tensor | None:
    return None if features is None else Gathered.apply(features, whole)  # type: ignore[return-value]


class Gathered(torch.autograd.Function):
    """Slices [b, D] of all processes as the whole [B, D]."""

    @staticmethod
    def forward(ctx: Any, piece: Tensor, whole: int) -> Tensor:
        """All slices, in order."""
        ctx.slice = bounds(whole, team.size())[team.rank()]
        sizes = [stop - start for start, stop in bounds(whole, team.size())]
        padded = piece.new_zeros(max(sizes), *piece.shape[1:])
        padded[: len(piece)] = piece
        parts = [torch.empty_like(padded) for _ in sizes]
        with team.met():
            distributed.all_gather(parts, padded)
        return torch.cat([part[:n] for part, n in zip(parts, sizes, strict=True)])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        """That of the own slice, times the number of processes; see the top of this file."""
        start, stop = ctx.slice
        return gradients[0][start:stop] * team.size(), None


class Summed(torch.autograd.Function):
    """The sum over all processes, of values and of gradients."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        """Of the values."""
        return summed(values)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        """Of the gradients."""
        return summed(gradients[0])


def summed(values: Tensor) -> Tensor:
    """The sum over all processes; no gradient flows."""
    total = values.detach().clone().contiguous()
    with team.met():
        distributed.all_reduce(total)
    return total


def synchronised(norm: Any, values: Tensor) -> Tensor:
    """What a layer of batch normalisation makes of a slice [b, C, ...] by the statistics of the whole batch."""
    if not norm.training or not _flying:
        return type(norm).forward(norm, values)
    x, dims = values.float(), [0, *range(2, values.ndim)]
    whole, own = _flying[-1]
    count = round(values.numel() / values.shape[1] * whole / own)
    shape = (1, -1, *[1] * (values.ndim - 2))
    mean = Summed.apply(x.sum(dims)) / count  # type: ignore[operator]
    centred = x - mean.view(shape)
    variance = Summed.apply(centred.square().sum(dims)) / count  # type: ignore[operator]
    if norm.track_running_stats:
        with torch.no_grad():
            norm.num_batches_tracked.add_(1)
            rate = 1 / float(norm.num_batches_tracked) if norm.momentum is None else norm.momentum
            # As in torch's own layer, a smaller batch's gradient, still to come, must not mind that these change.
            norm.running_mean.data.lerp_(mean, rate)
            norm.running_var.data.lerp_(variance * (count / (count - 1)), rate)
    scale = torch.rsqrt(variance + norm.eps) * (1 if norm.weight is None else norm.weight)
    made = centred * scale.view(shape) + (0 if norm.bias is None else norm.bias.view(shape))
    return made.to(values.dtype)
