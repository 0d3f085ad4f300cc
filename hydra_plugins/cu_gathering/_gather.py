"""The one loop of all launchers: each job of a sweep is heard of by itself, when and however it ends."""

from __future__ import annotations

import logging
import pickle
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from hydra.core.utils import JobReturn, JobStatus, configure_log, filter_overrides

from cu.cli.hydra_job import is_grid
from cu.jobs.job import JobFailed
from cu.jobs.status import EXIT_CODES, JobState
from cu.jobs.sweep_status import mark_dead, read_status
from hydra_plugins.cu_gathering._job import Job, Shared

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Ending:
    """How a job's process ended.

    Attributes:
        job: Which job.
        returned: Its pickled `JobReturn`; empty if it did not live to send one.
        reason: Why it did not.
        state: How a job counts that did not.
        began: When the job's process began, by the monotonic clock; None if it never had one.
    """

    job: Job
    returned: bytes = b""
    reason: str = ""
    state: JobState = "failed"
    began: float | None = None


class Engine(Protocol):
    """Where jobs run."""

    def begin(self, jobs: Sequence[Job]) -> str:
        """Take the jobs of a batch; returns what is to be said about them.

        Raises:
            ConfigError: They can never run; none of them was started.
        """
        ...

    def ended(self) -> Iterable[Ending]:
        """Wait until some jobs have ended, or for a moment."""
        ...

    def stop(self, tell: Callable[[Ending], None]) -> None:
        """The sweep is stopped: end what runs and tell of each that was ended, or say how to end it."""
        ...


class Gathering:
    """Hands batches of jobs to an engine and gathers how they end."""

    def __init__(self, engine: Engine, shared: Shared) -> None:
        self.engine, self.hydra = engine, shared[1].hydra
        self.folder = sweep_folder(shared)
        self.returns: dict[int, JobReturn] = {}
        self.names: dict[int, str] = {}

    def run(self, job_overrides: Sequence[Sequence[str]], first: int) -> list[JobReturn]:
        """Run all jobs; returns how each ended, in their order. It may be called again, for further jobs."""
        configure_log(self.hydra.hydra_logging, self.hydra.verbose)
        jobs = [Job(n, tuple(words), self.folder / f"{n}.log") for n, words in enumerate(job_overrides, first)]
        self.names = distinctions(job_overrides, first)
        self.returns = {}
        try:
            about = self.engine.begin(jobs)
            self.folder.mkdir(parents=True, exist_ok=True)
            log.info("%d jobs, %s; what they print: %s", len(jobs), about, self.folder / "*.log")
            while len(self.returns) < len(jobs):
                for ending in self.engine.ended():
                    self.finish(ending, len(jobs))
        except BaseException:
            self.engine.stop(self.mark_dead)
            raise
        return [self.returns[job.number] for job in jobs]

    def finish(self, ending: Ending, total: int) -> None:
        """Take a job's return, or note its death."""
        job = ending.job
        if not ending.returned:
            self.mark_dead(ending)
        self.returns[job.number] = pickle.loads(ending.returned) if ending.returned else self.dead_job_return(job)
        self.tell(ending, total)

    def mark_dead(self, ending: Ending) -> None:
        """Note the end of a job that could not do so itself."""
        job = ending.job
        mark_dead(self.folder, job.number, ending.reason, job.overrides, job.log, state=ending.state)

    def dead_job_return(self, job: Job) -> JobReturn:
        """The return of a job that did not live to send one; for sweepers that read values, it failed."""
        state, reason = read_status(self.folder, job.number)
        result = JobReturn(overrides=list(job.overrides), status=JobStatus.COMPLETED)
        if not is_grid(self.hydra):
            result.status = JobStatus.FAILED
            result.return_value = JobFailed(state, reason or state, job.log)
        return result

    def tell(self, ending: Ending, total: int) -> None:
        """One line about how a job ended."""
        number = ending.job.number
        state, reason = read_status(self.folder, number)
        about = f": {reason}" if reason and EXIT_CODES[state] else ""
        word = "failed" if state == "invalid_config" else state
        took = "" if ending.began is None else f", {time.monotonic() - ending.began:.0f} s"
        log.info("[%d/%d] #%d %s%s: %s%s", len(self.returns), total, number, word, took, self.names[number], about)


def sweep_folder(shared: Shared) -> Path:
    """Where the sweep keeps its notes and what its jobs print."""
    return Path(str(shared[1].hydra.sweep.dir)).absolute()


def distinctions(job_overrides: Sequence[Sequence[str]], first: int) -> dict[int, str]:
    """The overrides of each job that not all jobs share; all of them if there is only one job."""
    shared = set.intersection(*map(set, job_overrides)) if len(job_overrides) > 1 else set()
    named = [[w for w in filter_overrides(words) if w not in shared] for words in job_overrides]
    return {number: " ".join(words) for number, words in enumerate(named, first)}
