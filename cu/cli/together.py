"""What several processes, started by torchrun or srun, may be asked to do together: one job."""

from __future__ import annotations

from collections.abc import Sequence

from cu.config.processes import Processes

JOBS = ("train", "unlearn")
SWEEPS = ("-m", "--multirun")


def why_not_together(name: str, words: Sequence[str], own: Processes) -> str | None:
    """Why a command is not for several processes; None if it is, or if there is only this one."""
    if own.count == 1:
        return None
    if name not in JOBS:
        return f"cu-{name} is the work of one process, not of {own.count}: type it without torchrun or srun"
    if set(SWEEPS) & set(words):
        return f"{own.count} processes share out one job, not a sweep: leave out -m, or type the sweep without torchrun"
    return None
