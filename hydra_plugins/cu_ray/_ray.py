"""Give the jobs of a sweep to Ray and hear how each ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import ray  # pyright: ignore[reportMissingImports]
from ray import exceptions  # pyright: ignore[reportMissingImports]

from cu.errors import first_line
from cu.jobs.processes import death
from cu.jobs.status import JobState
from cu.jobs.sweep_status import read_note
from hydra_plugins.cu_gathering._carried import carry
from hydra_plugins.cu_gathering._gather import Ending, sweep_folder
from hydra_plugins.cu_gathering._job import Job, Shared
from hydra_plugins.cu_ray._cluster import join, machines, require_room
from hydra_plugins.cu_ray._settings import Settings
from hydra_plugins.cu_ray._task import STOP, task


class Ray:
    """An engine: one task of Ray per job, in a process that does nothing else, and never tried twice."""

    def __init__(self, settings: Settings, shared: Shared) -> None:
        self.settings, self.shared = settings, shared
        self.folder = sweep_folder(shared)
        self.running: dict[Any, Job] = {}

    def begin(self, jobs: Sequence[Job]) -> str:
        """Join the cluster and give it the jobs.

        Raises:
            ConfigError: There is no cluster, or no room in it for one job.
        """
        join(self.settings)
        nodes = machines()
        require_room(self.settings, nodes)
        carry(self.folder, self.shared)
        asked = self.settings.request()
        options: dict[str, Any] = {"num_cpus": asked["CPU"], "num_gpus": asked["GPU"]}
        if "memory" in asked:
            options["memory"] = asked["memory"]
        remote = ray.remote(max_calls=1, max_retries=0, **options)(task)
        threads = max(1, int(self.settings.cpus_per_job))
        self.running = {remote.remote(self.folder, job, threads): job for job in jobs}
        return f"given to Ray on {len(nodes)} machine{'s' * (len(nodes) != 1)}"

    def ended(self) -> Iterator[Ending]:
        """Wait until a job has ended."""
        ready, _ = ray.wait(list(self.running), num_returns=1, timeout=5.0)
        for reference in ready:
            yield ending_of(reference, self.running.pop(reference))

    def stop(self, tell: Callable[[Ending], None]) -> None:
        """Tell the jobs to end, and kill those that do not in time."""
        try:
            (self.folder / STOP).touch()
            self.cancel(self.settings.seconds_to_close, tell, force=False)
        finally:  # a second Ctrl-C cuts the waiting short
            self.cancel(5.0, tell, force=True)

    def cancel(self, seconds: float, tell: Callable[[Ending], None], force: bool) -> None:
        """Cancel all jobs, and wait so long."""
        deadline = time.monotonic() + seconds
        for reference, job in self.running.items():
            if force or not read_note(self.folder, job.number):  # one that has begun ends in order
                ray.cancel(reference, force=force)
        while self.running:
            ready, _ = ray.wait(list(self.running), num_returns=1, timeout=max(0.0, deadline - time.monotonic()))
            for reference in ready:
                tell(Ending(self.running.pop(reference), reason="the sweep was stopped", state="preempted"))
            if not ready:
                return


def ending_of(reference: Any, job: Job) -> Ending:
    """How a task ended, whatever ended it."""
    try:
        code, returned, reason, seconds = ray.get(reference)
    except Exception as error:
        state, reason = why(error)
        return Ending(job, reason=reason, state=state)
    state: JobState = "preempted" if code == 143 else "failed"
    return Ending(job, returned, reason or death(code), state, time.monotonic() - seconds)


def why(error: Exception) -> tuple[JobState, str]:
    """How a job counts whose process Ray lost, and why that ended."""
    if isinstance(error, exceptions.OutOfMemoryError):
        return "failed", "out of memory: Ray killed it before its machine ran out"
    if isinstance(error, exceptions.WorkerCrashedError):
        return "failed", "its process was killed or crashed, perhaps for lack of memory"
    if isinstance(error, exceptions.NodeDiedError):
        return "preempted", "its machine left the cluster"
    if isinstance(error, exceptions.TaskCancelledError):
        return "preempted", "cancelled in Ray"
    return "failed", f"{type(error).__name__}: {first_line(error)}"
