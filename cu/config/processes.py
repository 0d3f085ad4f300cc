"""How many processes work on this job together, as `torchrun` or Slurm's `srun` tell each of them."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Processes:
    """This process among those of its job.

    Attributes:
        count: Of the job.
        rank: Of this one, from 0; the first one leads.
        local_rank: Among those on this machine, from 0: it chooses the GPU.
        address: Host of the first one; empty for one process.
        port: Where it listens.
    """

    count: int = 1
    rank: int = 0
    local_rank: int = 0
    address: str = ""
    port: int = 0


def processes(environment: Mapping[str, str] = os.environ) -> Processes:
    """What the environment says; one process where it says nothing."""
    if "TORCHELASTIC_RUN_ID" in environment or {"RANK", "WORLD_SIZE", "LOCAL_RANK"} <= environment.keys():
        return _several(environment, ("WORLD_SIZE", "RANK", "LOCAL_RANK"), "127.0.0.1", 29500)
    if int(environment.get("SLURM_STEP_NUM_TASKS", "1")) > 1:  # a step of srun; a batch script is no step
        names = ("SLURM_STEP_NUM_TASKS", "SLURM_PROCID", "SLURM_LOCALID")
        job, step = (int(environment.get(name, "0")) for name in ("SLURM_JOB_ID", "SLURM_STEP_ID"))
        host = first_host(environment.get("SLURM_STEP_NODELIST", "127.0.0.1"))
        return _several(environment, names, host, 20000 + (31 * job + step) % 40000)
    return Processes()


def _several(environment: Mapping[str, str], names: tuple[str, str, str], host: str, port: int) -> Processes:
    count, rank, local_rank = (int(environment[name]) for name in names)
    if count == 1:
        return Processes()
    address, chosen = environment.get("MASTER_ADDR", host), int(environment.get("MASTER_PORT", port))
    return Processes(count, rank, local_rank, address, chosen)


def first_host(nodes: str) -> str:
    """The first name of a Slurm list of nodes.

    >>> first_host("gpu[03-07,9],login"), first_host("a1,b2")
    ('gpu03', 'a1')
    """
    found = re.match(r"([^\[,]+)(?:\[([^\],-]+))?", nodes)
    return "".join(part for part in found.groups() if part) if found else nodes
