"""What happens in a process of Ray's: one job of the sweep."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cu.errors import ConfigError
from hydra_plugins.cu_gathering._carried import enter
from hydra_plugins.cu_gathering._job import Job, live

STOP = "stop"  # in a sweep's folder: its jobs are to end


def task(folder: Path, job: Job, threads: int) -> tuple[int, bytes, str, float]:
    """Do a job.

    Args:
        folder: Of the sweep.
        job: The job.
        threads: CPU threads that it gets.

    Returns:
        Exit code, pickled `JobReturn` (empty if there is none), why there is none if that is known, and seconds.
    """
    began, returned = time.monotonic(), []
    try:
        shared = enter(folder)
    except ConfigError as error:
        return 2, b"", str(error), 0.0
    if (folder / STOP).exists():
        return 143, b"", "the sweep was stopped", 0.0
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # the job has a handler of its own
    threading.Thread(target=end_when_told, args=(folder / STOP,), daemon=True).start()
    with printing_to(job.log):
        code = live(job, {"OMP_NUM_THREADS": str(threads)}, shared, returned.append)
    return code, b"".join(returned), "", time.monotonic() - began


def end_when_told(order: Path) -> None:
    """Tell this process to end once a file is there: Ray's own interrupt does not reach one that waits or computes."""
    while not order.exists():
        time.sleep(1.0)
    os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def printing_to(log: Path) -> Iterator[None]:
    """What this process and those below it print goes to a file."""
    before = {}
    with log.open("ab", buffering=0) as file:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        for number in (1, 2):
            before[number] = os.dup(number)
            os.dup2(file.fileno(), number)
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        for number, old in before.items():
            os.dup2(old, number)
            os.close(old)
