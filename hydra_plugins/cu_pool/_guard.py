"""The process between the launcher and one job: it keeps what the job prints and returns, and outlives it.

A job may do what it likes with its own process: close its files, ignore signals, start others. Its guard is a process
of its own that runs none of the job's code. It tells the launcher how the job ended, and ends with it all that it
started, also when the launcher is gone.
"""

from __future__ import annotations

import os
import pickle
import selectors
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from cu.jobs.bounded_log import BoundedLog
from cu.jobs.processes import adopt_orphans, die_with_parent, end_descendants

END, KILL = b"T", b"K"  # what the launcher says
SECONDS_ALONE = 10.0  # that a job gets to end in order when its launcher is gone
BLOCK = 1 << 16


class Guard:
    """Runs a job in a process below this one.

    Args of the constructor:
        body: The job: called with the number of a pipe for what it returns; gives the exit code.
        log: Takes what the job prints.
        launcher: Where orders come from and the outcome goes to: exit code and return, pickled.
        grace: Seconds between the order to end and the kill.
    """

    def __init__(self, body: Callable[[int], int], log: Path, launcher: socket.socket, grace: float) -> None:
        self.launcher, self.grace = launcher, grace
        self.deadline: float | None = None
        self.returned, self.code = bytearray(), None
        adopt_orphans()
        self.printed, printing = os.pipe()
        self.returns, returning = os.pipe()
        self.waking, self.wake = os.pipe()
        guard = os.getpid()
        self.job = os.fork()
        if not self.job:
            die_with_parent(guard)
            launcher.close()
            os.setsid()
            for number in (1, 2):
                os.dup2(printing, number)
            for number in (self.printed, printing, self.returns, self.waking, self.wake):
                os.close(number)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os._exit(body(returning))
        os.close(printing)
        os.close(returning)
        self.log = BoundedLog(log)

    def watch(self) -> None:
        """Wait for the job's end, pass orders on, and tell the launcher."""
        for number in (self.printed, self.returns, self.waking, self.wake):
            os.set_blocking(number, False)
        signal.set_wakeup_fd(self.wake, warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: None)  # the wake-up is all
        with selectors.DefaultSelector() as selector:
            for source, act in (
                *((self.printed, self.take_print), (self.returns, self.take_return)),
                *((self.waking, self.take_signal), (self.launcher, self.take_order)),
            ):
                selector.register(source, selectors.EVENT_READ, act)
            while self.code is None:
                for key, _ in selector.select(self.seconds_left()):
                    if key.data() is False:
                        selector.unregister(key.fileobj)
                if self.deadline is not None and time.monotonic() >= self.deadline:
                    self.kill()
                self.look()
        end_descendants()
        while data := read(self.printed):
            self.log.write(data)
        while data := read(self.returns):
            self.returned += data
        self.log.close()
        with suppress(OSError):  # nobody is there any more
            self.launcher.sendall(pickle.dumps((self.code, bytes(self.returned))))

    def seconds_left(self) -> float | None:
        """Until the job is killed; None if it is not to end."""
        return None if self.deadline is None else max(0.05, self.deadline - time.monotonic())

    def look(self) -> None:
        """Take note of the job's end, and of what it left behind and ended."""
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if ended[0] == self.job:
                    self.code = os.waitstatus_to_exitcode(ended[1])

    def take_print(self) -> bool:
        """Keep what the job printed; False if that was the last."""
        data = read(self.printed)
        self.log.write(data or b"")
        return data != b""

    def take_return(self) -> bool:
        """Keep what the job returns; False if that was the last."""
        data = read(self.returns)
        self.returned += data or b""
        return data != b""

    def take_signal(self) -> None:
        """A SIGTERM to this process is an order to end the job."""
        if signal.SIGTERM in (read(self.waking) or b""):
            self.end(self.grace)

    def take_order(self) -> bool:
        """Do as the launcher says; False if it is gone."""
        try:
            order = self.launcher.recv(1)
        except OSError:
            order = b""
        if order == KILL:
            self.kill()
        else:
            self.end(self.grace if order else min(self.grace, SECONDS_ALONE))
        return order != b""

    def end(self, grace: float) -> None:
        """Tell the job to end in order; the first deadline holds."""
        if self.deadline is None:
            self.deadline = time.monotonic() + grace
            os.kill(self.job, signal.SIGTERM)

    def kill(self) -> None:
        """End the job now; what it started follows."""
        self.deadline = None
        os.kill(self.job, signal.SIGKILL)


def read(number: int) -> bytes | None:
    """What a pipe holds now: empty at its end, None if there is nothing yet."""
    try:
        return os.read(number, BLOCK)
    except BlockingIOError:
        return None
