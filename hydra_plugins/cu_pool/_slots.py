"""Places for jobs to run in: how many at once, each with a device and a share of the cores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from annotated_types import Ge, Gt, Le, MinLen

from cu.config.validate import check
from cu.engine.precision import available_cores, usable_threads
from cu.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of `configs/hydra/launcher/pool.yaml`.

    Attributes:
        n_jobs: Jobs at once; None for one per device, or one.
        devices: One slot each, as CUDA_VISIBLE_DEVICES names them; None leaves all devices to every job.
        threads: CPU threads of a job; None for the cores divided by `n_jobs`.
        preload: Modules imported once, in the process that all jobs are forked from.
        seconds_to_close: That jobs get to write their last status when the sweep is stopped.
    """

    n_jobs: Annotated[int, Gt(0)] | None
    devices: Annotated[list[int | str], MinLen(1)] | None
    threads: Annotated[int, Gt(0), Le(1024)] | None
    preload: list[str]
    seconds_to_close: Annotated[float, Ge(0)]


@dataclass(frozen=True)
class Slot:
    """What one running job has to itself: a device as CUDA counts them (None: whatever there is), and CPU threads."""

    device: str | None
    threads: int

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that keep a job to its slot."""
        device = {} if self.device is None else {"CUDA_VISIBLE_DEVICES": self.device}
        return {**device, "OMP_NUM_THREADS": str(self.threads)}


def checked(settings: Mapping[str, Any]) -> Settings:
    """The settings as a config gives them.

    Raises:
        ConfigError: One of them is wrong.
    """
    check({"_target_": f"{__name__}.Settings", **settings}, "hydra.launcher")
    return Settings(**settings)


def slots(settings: Settings) -> list[Slot]:
    """One slot for each job that may run at once.

    Raises:
        ConfigError: There are more of them than devices.
    """
    devices = settings.devices or [None] * (settings.n_jobs or 1)
    count = settings.n_jobs or len(devices)
    if count > len(devices):
        raise ConfigError(
            f"hydra.launcher.n_jobs={count}, but hydra.launcher.devices has {len(devices)} slots; "
            "name a device twice to run two jobs on it"
        )
    share = settings.threads or min(usable_threads(), max(1, available_cores() // count))
    return [Slot(None if device is None else str(device), share) for device in devices[:count]]
