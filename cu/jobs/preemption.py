"""SIGTERM as an exception, so that a job that is told to end closes everything in order."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

from cu.jobs.status import EXIT_CODES

SECONDS_TO_CLOSE = 2.0


class Preempted(SystemExit):
    """SIGTERM, turned into an exception so that everything is closed in order."""


@contextmanager
def preemptible() -> Iterator[None]:
    """Turn SIGTERM into `Preempted` while inside, unless somebody else (a Slurm plug-in) handles it."""
    try:
        default = signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        if default:
            signal.signal(signal.SIGTERM, raise_preempted)
    except ValueError:  # not the main thread
        default = False
    try:
        yield
    finally:
        if default:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def raise_preempted(signum: int, frame: object) -> None:
    """The SIGTERM handler; the jobs of a parallel sweep hear of it too, before their launcher kills them."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not interrupt what the first one closes
    if workers := multiprocessing.active_children():
        for worker in workers:
            worker.terminate()
        time.sleep(SECONDS_TO_CLOSE)
    raise Preempted(EXIT_CODES["preempted"])
