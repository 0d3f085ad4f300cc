"""What happens in a Slurm job: one job of the sweep, and being queued again when the time is up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

from cu.disk.files import writing
from cu.errors import ConfigError
from hydra_plugins.cu_gathering._carried import enter
from hydra_plugins.cu_gathering._job import Job, live

OUT_OF_TIME = 124


class Clock:
    """Hears that the time is nearly up, and ends the job in order."""

    def __init__(self) -> None:
        self.out = False
        signal.signal(signal.SIGUSR1, self.ring)

    def ring(self, number: int, frame: object) -> None:
        """The handler of the signal."""
        from cu.jobs.preemption import raise_preempted

        self.out = True
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        raise_preempted(number, frame)


def main(folder: Path, overrides: list[str], number: int, restarts: int) -> NoReturn:
    """Body of the process; its exit code tells the launcher what no file can.

    Args:
        folder: Of the sweep.
        overrides: Of the job.
        number: Of the job in the sweep.
        restarts: How often a job that ran out of time is queued again.
    """
    clock, code = Clock(), 1
    try:
        job = Job(number, tuple(overrides), folder / f"{number}.log")
        threads = os.environ.get("SLURM_CPUS_PER_TASK", "1")
        code = live(job, {"OMP_NUM_THREADS": threads}, enter(folder), lambda data: send(folder, number, data))
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
    except SystemExit:  # the time was up before the job began
        code = 143
    if clock.out and code:
        code = OUT_OF_TIME
        if int(os.environ.get("SLURM_RESTART_COUNT", "0")) < restarts:
            name = f"{os.environ['SLURM_ARRAY_JOB_ID']}_{os.environ['SLURM_ARRAY_TASK_ID']}"
            print(f"out of time: {name} is queued again", file=sys.stderr, flush=True)
            subprocess.run(["scontrol", "requeue", name], check=False)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


def send(folder: Path, number: int, data: bytes) -> None:
    """Leave what the job returned where the launcher looks for it."""
    with writing(folder / f"{number}.return") as path:
        path.write_bytes(data)
