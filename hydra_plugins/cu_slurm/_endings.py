"""Why a Slurm job ended that could not say so itself."""

from __future__ import annotations

import os
from pathlib import Path

from cu.jobs.processes import death
from cu.jobs.status import JobState
from hydra_plugins.cu_slurm._queue import Entry
from hydra_plugins.cu_slurm._settings import Settings
from hydra_plugins.cu_slurm._task import OUT_OF_TIME

PREEMPTED = 143


def why(entry: Entry | None, settings: Settings, log: Path) -> tuple[JobState, str]:
    """How a job counts, and why it ended.

    Args:
        entry: The job in the queue; None if Slurm remembers it no more.
        settings: What was asked for.
        log: What it printed.
    """
    if entry is None and not log.exists():  # of an array's jobs that wait, a cancelled one is forgotten at once
        return "preempted", "cancelled in Slurm before it began"
    if entry is None:
        return "failed", "gone from Slurm's queue without a word"
    code = os.waitstatus_to_exitcode(entry.status) if entry.status else 0
    limit = f"out of time (hydra.launcher.timeout_min={settings.timeout_min})"
    words: dict[str, tuple[JobState, str]] = {
        "CANCELLED": ("preempted", "cancelled in Slurm"),
        "DEADLINE": ("preempted", "Slurm's deadline passed"),
        "NODE_FAIL": ("preempted", "its node failed"),
        "BOOT_FAIL": ("failed", "its node did not boot"),
        "OUT_OF_MEMORY": ("failed", f"out of memory (hydra.launcher.mem_gb={settings.mem_gb})"),
        "PREEMPTED": ("preempted", "preempted by another Slurm job"),
        "TIMEOUT": ("preempted", limit),
    }
    if entry.state in words:
        return words[entry.state]
    if code == OUT_OF_TIME:
        return "preempted", f"{limit}, {settings.max_num_timeout} times queued again"
    if code == PREEMPTED:
        return "preempted", "told to end (SIGTERM)"
    return "failed", mistake_in(log) or death(code)


def mistake_in(log: Path) -> str | None:
    """The last line of a log, if it is an error that the job's process said before the job began."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    return lines[-1].removeprefix("error: ") if lines and lines[-1].startswith("error: ") else None
