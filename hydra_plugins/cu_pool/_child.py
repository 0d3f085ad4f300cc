"""The life of one job in its own process."""

from __future__ import annotations

import logging
import multiprocessing
import os
import pickle
import signal
import sys
import traceback
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from threading import Thread
from typing import Any

from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus, run_job, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

from hydra_plugins.cu_pool._slots import Slot

Shared = tuple[HydraContext, DictConfig, TaskFunction]


@dataclass(frozen=True)
class Job:
    """One job of a sweep: its number, its overrides, and the file that takes what it prints."""

    number: int
    overrides: tuple[str, ...]
    log: Path


def live(job: Job, slot: Slot, shared: Shared, channel: Connection) -> None:
    """Body of a job's process: do the job, send its `JobReturn`."""
    print_to(job.log)
    os.environ.update(slot.environment)
    logging.raiseExceptions = False  # as in `cu.cli.commands.command`
    if hasattr(os, "setsid"):
        os.setsid()
    Thread(target=leave_with_parent, daemon=True).start()

    from cu.jobs.preemption import preemptible

    with preemptible():
        channel.send_bytes(pickled(done(job, *shared)))


def done(job: Job, context: HydraContext, config: DictConfig, task_function: TaskFunction) -> JobReturn:
    """Compose the job's config and run it."""
    setup_globals()
    Plugins.instance()
    own = context.config_loader.load_sweep_config(config, list(job.overrides))
    with open_dict(own):
        own.hydra.job.id = f"{own.hydra.job.name}_{job.number}"
        own.hydra.job.num = job.number
    return run_job(
        hydra_context=context,
        config=own,
        task_function=task_function,
        job_dir_key="hydra.sweep.dir",
        job_subdir_key="hydra.sweep.subdir",
    )


def pickled(result: JobReturn) -> bytes:
    """A job's return as bytes that the parent can read, whatever the job raised; its traceback goes to the log."""
    if result.status is JobStatus.FAILED:
        error: Any = result._return_value
        traceback.print_exception(error)
        try:
            pickle.loads(pickle.dumps(error))
        except Exception:  # exceptions of any library, and many cannot be pickled
            result.return_value = RuntimeError(f"{type(error).__name__}: {error}")
    return pickle.dumps(result)


def print_to(log: Path) -> None:
    """Send all that this process prints, and what C libraries print in it, to a file."""
    target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for number in (1, 2):
        os.dup2(target, number)
    os.close(target)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # pyright: ignore[reportAttributeAccessIssue]


def leave_with_parent() -> None:
    """End this process in order when the launcher is gone: nobody would know of it."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)
