"""The processes that work on one job together: what they agree upon and how their gradients meet.

Every process goes through the same steps on the same batches; only the passes through the network are shared out
(`cu.engine.sharding`). Without `join` there is one process, and nothing here does anything.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

import torch
from torch import Tensor, distributed, nn

from cu.config.processes import Processes

T = TypeVar("T")
PATIENCE = timedelta(days=30)  # followers wait while the first process judges, or waits for another job's model
_alone: list[bool] = []


class PeerLost(RuntimeError):
    """Another process of this job is gone."""


def join(own: Processes) -> None:
    """Meet the other processes of the job, once."""
    if own.count == 1 or distributed.is_initialized():
        return
    backend = "gloo"
    if torch.cuda.is_available():
        torch.cuda.set_device(own.local_rank)
        backend = "cpu:gloo,cuda:nccl"
    # torchrun keeps a store at the address itself: env:// is told so
    place = "env://" if "TORCHELASTIC_RUN_ID" in os.environ else f"tcp://{own.address}:{own.port}"
    with met():
        distributed.init_process_group(backend, place, rank=own.rank, world_size=own.count, timeout=PATIENCE)


def size() -> int:
    """How many processes work together."""
    together = not _alone and distributed.is_available() and distributed.is_initialized()
    return distributed.get_world_size() if together else 1


def rank() -> int:
    """The number of this one, from 0."""
    return 0 if size() == 1 else distributed.get_rank()


def leads() -> bool:
    """Whether this process writes, logs and judges."""
    return rank() == 0


@contextmanager
def alone() -> Iterator[None]:
    """Inside, this process works as if there were no others."""
    _alone.append(True)
    try:
        yield
    finally:
        _alone.pop()


@contextmanager
def met() -> Iterator[None]:
    """Around what needs all processes."""
    try:
        yield
    except RuntimeError as error:
        raise PeerLost("another process of this job ended; type the command again to go on") from error


def shared(make: Callable[[], T]) -> T:
    """What the first process makes, in all of them."""
    if size() == 1:
        return make()
    content = [make() if leads() else None]
    with met():
        distributed.broadcast_object_list(content, 0)
    return content[0]  # type: ignore[return-value]


def agreed(wish: bool, device: str | torch.device) -> bool:
    """What the first process wishes."""
    if size() == 1:
        return wish
    word = torch.tensor([int(wish)], device=device)
    with met():
        distributed.broadcast(word, 0)
    return bool(word.item())


def averaged(values: Tensor) -> Tensor:
    """The mean over all processes."""
    if size() == 1:
        return values
    total = values.detach().clone()
    with met():
        distributed.all_reduce(total)
    return total / size()


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Give all processes the mean of their gradients, in place."""
    if size() == 1:
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    if gradients:
        mean = averaged(torch.cat([g.reshape(-1) for g in gradients]))
        for gradient, part in zip(gradients, mean.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(part.view_as(gradient))


def start_alike(model: nn.Module) -> None:
    """Give all processes the weights and buffers of the first one."""
    if size() > 1:
        with met():
            for value in model.state_dict().values():
                distributed.broadcast(value, 0)
