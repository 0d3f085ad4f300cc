"""Processes that work on one job: under torchrun, or told by their environment alone, as srun does it."""

import socket
from pathlib import Path

import pytest

HERE = Path(__file__).parent
TORCHRUN = ["-m", "torch.distributed.run", "--nproc_per_node=2", "--master_port=0", "--rdzv_backend=c10d"]


@pytest.fixture(scope="module")
def single(lasting_python):
    """`(*words, **environment) -> Popen`: a process that works alone unless its environment says otherwise."""

    def begin(*words, **env):
        return lasting_python(*words, path=(HERE.parent, HERE), foreign="SLURM,WANDB,TORCHELASTIC", **env)

    return begin


@pytest.fixture(scope="module")
def torchrun(single):
    """`(*words) -> Popen`: two processes that work together."""
    return lambda *words: single(*TORCHRUN, *words)


@pytest.fixture(scope="module")
def two_of(single):
    """`(*words) -> [Popen, Popen]`: two that work together, each of which one can look at by itself."""

    def begin(*words):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1]), "WORLD_SIZE": "2"}
        return [single(*words, **place, RANK=str(rank), LOCAL_RANK=str(rank)) for rank in range(2)]

    return begin
