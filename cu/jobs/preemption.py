"""SIGTERM and SIGHUP as an exception, so that a job that is told to end closes everything in order."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

from cu.jobs.status import EXIT_CODES

SECONDS_TO_CLOSE = 2.0
STOPPING = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


class Preempted(SystemExit):
    """SIGTERM or SIGHUP, turned into an exception so that everything is closed in order."""


def was_stopped(error: BaseException) -> bool:
    """Whether somebody outside ended the job; a method that calls `sys.exit` is one that failed."""
    return isinstance(error, (KeyboardInterrupt, Preempted))


@contextmanager
def preemptible() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into `Preempted` while inside, unless somebody else (a Slurm plug-in) handles them."""
    caught = []
    try:
        for number in STOPPING:
            if signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, raise_preempted)
                caught.append(number)
    except ValueError:  # not the main thread
        pass
    try:
        yield
    finally:
        for number in caught:
            signal.signal(number, signal.SIG_DFL)


def raise_preempted(signum: int, frame: object) -> None:
    """The handler of both; the jobs of a parallel sweep hear of it too, before their launcher kills them."""
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)  # a second one must not interrupt what the first one closes
    if workers := multiprocessing.active_children():
        for worker in workers:
            worker.terminate()
        time.sleep(SECONDS_TO_CLOSE)
    raise Preempted(EXIT_CODES["preempted"])
