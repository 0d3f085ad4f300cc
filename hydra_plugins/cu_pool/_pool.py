"""Start jobs as slots become free, hear how each ends, and end all of them when the sweep is stopped."""

from __future__ import annotations

import logging
import pickle
import socket
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, JobStatus, configure_log, filter_overrides

from cu.cli.hydra_job import is_grid
from cu.jobs.job import JobFailed
from cu.jobs.processes import SECONDS_TO_KILL, death
from cu.jobs.status import EXIT_CODES
from cu.jobs.sweep_status import mark_dead, read_status
from hydra_plugins.cu_pool._child import Job, Shared
from hydra_plugins.cu_pool._guard import END, KILL
from hydra_plugins.cu_pool._server import Server
from hydra_plugins.cu_pool._slots import Settings, Slot

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Running:
    """A job that has a process."""

    job: Job
    slot: Slot
    guard: socket.socket
    since: float = field(default_factory=time.monotonic)


class Pool:
    """A few processes at a time, one job each."""

    def __init__(self, slots: Sequence[Slot], settings: Settings, shared: Shared) -> None:
        self.free, self.width = deque(slots), len(slots)
        self.settings, self.shared = settings, shared
        self.hydra = shared[1].hydra
        self.folder = Path(str(self.hydra.sweep.dir)).absolute()
        self.server: Server | None = None
        self.running: dict[Any, Running] = {}
        self.returns: dict[int, JobReturn] = {}
        self.names: dict[int, str] = {}

    def run(self, job_overrides: Sequence[Sequence[str]], first: int) -> list[JobReturn]:
        """Run all jobs; returns how each ended, in their order. It may be called again, for further jobs."""
        configure_log(self.hydra.hydra_logging, self.hydra.verbose)
        self.folder.mkdir(parents=True, exist_ok=True)
        jobs = [Job(n, tuple(words), self.folder / f"{n}.log") for n, words in enumerate(job_overrides, first)]
        self.names = distinctions(job_overrides, first)
        self.returns = {}
        log.info("%d jobs, %d at once; what they print: %s", len(jobs), self.width, self.folder / "*.log")
        waiting = deque(jobs)
        try:
            while waiting or self.running:
                while waiting and self.free:
                    self.start(waiting.popleft(), self.free.popleft())
                for guard in wait(list(self.running)):
                    self.finish(self.running[guard], len(jobs))
        except BaseException:
            self.stop()
            raise
        return [self.returns[job.number] for job in jobs]

    def start(self, job: Job, slot: Slot) -> None:
        """Give a job its process, and a server to be forked from if there is none or it was killed."""
        if self.server is None or self.server.process.poll() is not None:
            self.server = Server(self.settings.preload, self.shared, self.settings.seconds_to_close)
        guard = self.server.start(job, slot)
        self.running[guard] = Running(job, slot, guard)

    def finish(self, running: Running, total: int) -> None:
        """Take a job's return, or note its death, and free its slot."""
        code, returned = outcome(running.guard)
        del self.running[running.guard]
        running.guard.close()
        self.free.append(running.slot)
        job = running.job
        if not returned:
            mark_dead(self.folder, job.number, death(code), job.overrides, job.log)
        self.returns[job.number] = pickle.loads(returned) if returned else self.dead_job_return(job)
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
        try:
            self.order(END, self.settings.seconds_to_close)
        finally:  # a second Ctrl-C cuts the waiting short
            self.order(KILL, 2 * SECONDS_TO_KILL)

    def order(self, word: bytes, seconds: float) -> None:
        """Tell all guards to end their jobs, and wait so long."""
        deadline = time.monotonic() + seconds
        for guard in self.running:
            with suppress(OSError):
                guard.sendall(word)
        while self.running and (ended := wait(list(self.running), max(0.0, deadline - time.monotonic()))):
            for guard in ended:
                job = self.running.pop(guard).job
                guard.close()  # pyright: ignore[reportAttributeAccessIssue]
                mark_dead(self.folder, job.number, "the sweep was stopped", job.overrides, job.log, state="preempted")


def outcome(guard: socket.socket) -> tuple[int | None, bytes]:
    """A job's exit code and pickled return, as its guard says; None and nothing of a guard that was killed."""
    data = bytearray()
    with suppress(OSError):
        while block := guard.recv(1 << 16):
            data += block
    return pickle.loads(data) if data else (None, b"")


def distinctions(job_overrides: Sequence[Sequence[str]], first: int) -> dict[int, str]:
    """The overrides of each job that not all jobs share; all of them if there is only one job."""
    shared = set.intersection(*map(set, job_overrides)) if len(job_overrides) > 1 else set()
    named = [[w for w in filter_overrides(words) if w not in shared] for words in job_overrides]
    return {number: " ".join(words) for number, words in enumerate(named, first)}
