"""The processes that work on one job together: what they agree upon and how their gradients meet.

Every process goes through the same steps on the same batches; only the passes through the network are shared out
(`cu.engine.sharding`). Without `join` there is one process, and nothing here does anything.
"""

from __future__ import annotations

import atexit
import gc
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from importlib import import_module
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed, nn

from cu.config.processes import Processes

T = TypeVar("T")
PATIENCE = timedelta(days=30)  # followers wait while the first process judges, or waits for another job's model
FAREWELL = timedelta(seconds=60)  # that the first process gets to write why the job ends
LEFT, OVER = "left", "over"  # what is said outside of collectives: why a process left; the first one has ended
_alone: list[bool] = []
_board: list[Any] = []  # where it is said


class PeerLost(RuntimeError):
    """Another process of this job is gone."""


class Elsewhere(Exception):
    """What went wrong in another process, with the traceback that it had there."""


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
    from torch.distributed.distributed_c10d import PrefixStore
    from torch.distributed.rendezvous import rendezvous

    import_module("torch.distributed.nn.functional")  # later, its defaults would keep this process connected for ever

    with met():
        board, _, _ = next(rendezvous(place, own.rank, own.count, timeout=PATIENCE))
        _board[:] = [PrefixStore("board", board)]
        meeting = PrefixStore("meeting", board)
        distributed.init_process_group(backend, store=meeting, rank=own.rank, world_size=own.count, timeout=PATIENCE)
    if own.rank == 0:
        atexit.register(_end)


def _end() -> None:
    with suppress(RuntimeError):
        _board[0].set(OVER, "")


def leave(reason: str, details: str) -> bool:
    """Leave the job for a reason, if any, and wait until the first process, which fails by that, has ended.

    Returns:
        Whether it has: if not, nobody has told the reason. One that ends sooner takes the others' lives, where
        torchrun watches over them, before the first one has written why.
    """
    try:
        board = _board[0]
        if reason:
            board.compare_set(LEFT, "", f"process {rank()}: {reason}\n{details}")
        distributed.destroy_process_group()
        gc.collect()  # only now connections are closed, and whoever waits for this process hears of it
        board.wait([OVER], FAREWELL)
    except distributed.DistStoreError:
        return False
    except RuntimeError:  # the first one is gone, and the board with it
        return True
    return True


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
        reason, details = why_left()
        if reason:
            raise PeerLost(reason) from Elsewhere(details)
        raise PeerLost("another process of this job ended; type the command again to go on") from error


def why_left() -> tuple[str, str]:
    """The line in which the first process to leave said why, and its traceback; empty if none has said anything."""
    said = ""
    with suppress(RuntimeError):  # who hosted the board is gone
        if _board and _board[0].check([LEFT]):
            said = _board[0].get(LEFT).decode()
    return said.partition("\n")[0], said.partition("\n")[2]


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
