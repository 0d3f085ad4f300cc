"""One job of a sweep, and what happens in its own process, whoever starts that."""

from __future__ import annotations

import logging
import os
import pickle
import sys
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus, run_job, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, open_dict

Shared = tuple[HydraContext, DictConfig, TaskFunction]


@dataclass(frozen=True)
class Job:
    """One job of a sweep: its number, its overrides, and the file that takes what it prints."""

    number: int
    overrides: tuple[str, ...]
    log: Path


def live(job: Job, environment: Mapping[str, str], shared: Shared, send: Callable[[bytes], None]) -> int:
    """Body of a job's process: do the job and send its pickled `JobReturn`; returns the exit code.

    The process should end with it at once: threads that do not end and what libraries do at the end keep nobody
    waiting.
    """
    os.environ.update(environment)
    logging.raiseExceptions = False  # as in `cu.cli.commands.command`
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # pyright: ignore[reportAttributeAccessIssue]

    from cu.cli.streams import closed_pipes_ignored
    from cu.jobs.preemption import preemptible

    code = 1
    try:
        with preemptible(), closed_pipes_ignored():
            send(pickled(done(job, *shared)))
            code = 0
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 1
    except BaseException:
        traceback.print_exc()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # closed by the job
            stream.flush()
    return code


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
