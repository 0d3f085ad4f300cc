"""Start jobs as slots become free, hear how each ends, and end all of them when the sweep is stopped."""

from __future__ import annotations

import logging
import multiprocessing
import pickle
import signal
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, JobStatus, configure_log, filter_overrides

from cu.cli.hydra_job import is_grid
from cu.jobs.job import JobFailed
from cu.jobs.status import EXIT_CODES
from cu.jobs.sweep_status import mark_dead, read_status
from hydra_plugins.cu_pool._child import Job, Shared, live
from hydra_plugins.cu_pool._slots import Settings, Slot

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Running:
    """A job that has a process."""

    job: Job
    slot: Slot
    process: BaseProcess
    channel: Connection
    since: float = field(default_factory=time.monotonic)


class Pool:
    """A few processes at a time, one job each."""

    def __init__(self, slots: Sequence[Slot], settings: Settings, shared: Shared) -> None:
        self.free, self.width = deque(slots), len(slots)
        self.settings, self.shared = settings, shared
        self.hydra = shared[1].hydra
        self.folder = Path(str(self.hydra.sweep.dir))
        self.running: dict[Connection, Running] = {}
        self.returns: dict[int, JobReturn] = {}
        self.names: dict[int, str] = {}

    def run(self, job_overrides: Sequence[Sequence[str]], first: int) -> list[JobReturn]:
        """Run all jobs; returns how each ended, in their order."""
        configure_log(self.hydra.hydra_logging, self.hydra.verbose)
        self.folder.mkdir(parents=True, exist_ok=True)
        jobs = [Job(n, tuple(words), self.folder / f"{n}.log") for n, words in enumerate(job_overrides, first)]
        self.names = distinctions(job_overrides, first)
        log.info("%d jobs, %d at once; what they print: %s", len(jobs), self.width, self.folder / "*.log")
        waiting = deque(jobs)
        try:
            while waiting or self.running:
                while waiting and self.free:
                    self.start(waiting.popleft(), self.free.popleft())
                for channel in wait(list(self.running)):
                    self.finish(self.running[channel], len(jobs))  # pyright: ignore[reportArgumentType]
        except BaseException:
            self.stop()
            raise
        return [self.returns[job.number] for job in jobs]

    def start(self, job: Job, slot: Slot) -> None:
        """Give a job its process."""
        here, there = multiprocessing.Pipe(duplex=False)
        process = forks(self.settings.preload).Process(
            target=live, args=(job, slot, self.shared, there), name=f"#{job.number}"
        )
        process.start()
        there.close()  # so that the channel ends with the job's process
        self.running[here] = Running(job, slot, process, here)

    def finish(self, running: Running, total: int) -> None:
        """Take a job's return, or note its death, and free its slot."""
        try:
            result = pickle.loads(running.channel.recv_bytes())
        except (EOFError, OSError):
            result = None
        running.process.join(self.settings.seconds_to_close)
        if running.process.is_alive():  # it has said all, and hangs in what libraries do at the end
            running.process.kill()
            running.process.join()
        del self.running[running.channel]
        running.channel.close()
        self.free.append(running.slot)
        job = running.job
        if result is None:
            mark_dead(self.folder, job.number, death(running.process.exitcode), job.overrides, job.log)
            result = self.dead_job_return(job)
        self.returns[job.number] = result
        self.tell(running, total)

    def dead_job_return(self, job: Job) -> JobReturn:
        """The return of a job that did not live to send one; for sweepers that read values, it failed."""
        state, reason = read_status(self.folder, job.number)
        result = JobReturn(overrides=list(job.overrides), status=JobStatus.COMPLETED)
        if not is_grid(self.hydra):
            result.status = JobStatus.FAILED
            result.return_value = JobFailed(state, reason or state, job.log)
        return result

    def tell(self, running: Running, total: int) -> None:
        """One line about how a job ended."""
        state, reason = read_status(self.folder, running.job.number)
        seconds = time.monotonic() - running.since
        about = f": {reason}" if reason and EXIT_CODES[state] else ""
        words = self.names[running.job.number]
        word = "failed" if state == "invalid_config" else state
        log.info(
            "[%d/%d] #%d %s, %.0f s: %s%s", len(self.returns), total, running.job.number, word, seconds, words, about
        )

    def stop(self) -> None:
        """End what is running in order, and what does not end in time without."""
        for running in self.running.values():
            running.process.terminate()
        deadline = time.monotonic() + self.settings.seconds_to_close
        try:
            for running in self.running.values():
                running.process.join(max(0.0, deadline - time.monotonic()))
        finally:  # a second Ctrl-C cuts the waiting short
            for running in self.running.values():
                running.process.kill()
                running.process.join()
                job = running.job
                mark_dead(self.folder, job.number, "the sweep was stopped", job.overrides, job.log, state="preempted")


def distinctions(job_overrides: Sequence[Sequence[str]], first: int) -> dict[int, str]:
    """The overrides of each job that not all jobs share; all of them if there is only one job."""
    shared = set.intersection(*map(set, job_overrides)) if len(job_overrides) > 1 else set()
    named = [[w for w in filter_overrides(words) if w not in shared] for words in job_overrides]
    return {number: " ".join(words) for number, words in enumerate(named, first)}


def forks(preload: Sequence[str]) -> Any:
    """How processes are made: forked from one that has the imports every job needs, where the system can."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["hydra_plugins.cu_pool._preload", *preload])
    return context


def death(code: int | None) -> str:
    """What an exit code says of a process that said nothing itself."""
    if code is not None and code < 0:
        try:
            name = f" ({signal.Signals(-code).name})"
        except ValueError:
            name = ""
        hint = ", perhaps for lack of memory" if -code == getattr(signal, "SIGKILL", None) else ""
        return f"killed by signal {-code}{name}{hint}"
    return f"ended with exit code {code}"
