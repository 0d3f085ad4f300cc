"""Start jobs as slots become free, hear how each ends, and end all of them when the sweep is stopped."""

from __future__ import annotations

import pickle
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from typing import Any

from cu.jobs.processes import SECONDS_TO_KILL, death
from hydra_plugins.cu_gathering._gather import Ending
from hydra_plugins.cu_gathering._job import Job, Shared
from hydra_plugins.cu_pool._guard import END, KILL
from hydra_plugins.cu_pool._server import Server
from hydra_plugins.cu_pool._slots import Settings, Slot


@dataclass(frozen=True)
class Running:
    """A job that has a process."""

    job: Job
    slot: Slot
    guard: socket.socket
    since: float = field(default_factory=time.monotonic)


class Pool:
    """An engine: a few processes at a time on this machine, one job each."""

    def __init__(self, slots: Sequence[Slot], settings: Settings, shared: Shared) -> None:
        self.free, self.width = deque(slots), len(slots)
        self.settings, self.shared = settings, shared
        self.server: Server | None = None
        self.waiting: deque[Job] = deque()
        self.running: dict[Any, Running] = {}

    def begin(self, jobs: Sequence[Job]) -> str:
        """Take the jobs of a batch."""
        self.waiting = deque(jobs)
        return f"{self.width} at once"

    def ended(self) -> Iterator[Ending]:
        """Fill the free slots, wait, and give what has ended; a slot is free again once its job was heard of."""
        while self.waiting and self.free:
            self.start(self.waiting.popleft(), self.free.popleft())
        for guard in wait(list(self.running)):
            running = self.running.pop(guard)
            code, returned = outcome(running.guard)
            running.guard.close()
            self.free.append(running.slot)
            yield Ending(running.job, returned, death(code), began=running.since)

    def start(self, job: Job, slot: Slot) -> None:
        """Give a job its process, and a server to be forked from if there is none or it was killed."""
        if self.server is None or self.server.process.poll() is not None:
            self.server = Server(self.settings.preload, self.shared, self.settings.seconds_to_close)
        guard = self.server.start(job, slot)
        self.running[guard] = Running(job, slot, guard)

    def stop(self, tell: Callable[[Ending], None]) -> None:
        """End what is running in order, and what does not end in time without."""
        try:
            self.order(END, self.settings.seconds_to_close, tell)
        finally:  # a second Ctrl-C cuts the waiting short
            self.order(KILL, 2 * SECONDS_TO_KILL, tell)

    def order(self, word: bytes, seconds: float, tell: Callable[[Ending], None]) -> None:
        """Tell all guards to end their jobs, and wait so long."""
        deadline = time.monotonic() + seconds
        for guard in self.running:
            with suppress(OSError):
                guard.sendall(word)
        while self.running and (ended := wait(list(self.running), max(0.0, deadline - time.monotonic()))):
            for guard in ended:
                running = self.running.pop(guard)
                running.guard.close()
                tell(Ending(running.job, reason="the sweep was stopped", state="preempted", began=running.since))


def outcome(guard: socket.socket) -> tuple[int | None, bytes]:
    """A job's exit code and pickled return, as its guard says; None and nothing of a guard that was killed."""
    data = bytearray()
    with suppress(OSError):
        while block := guard.recv(1 << 16):
            data += block
    return pickle.loads(data) if data else (None, b"")
