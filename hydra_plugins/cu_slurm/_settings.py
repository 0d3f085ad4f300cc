"""What is asked of Slurm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from annotated_types import Ge, Gt

from cu.config.validate import check
from cu.errors import ConfigError

EARLY = 60  # seconds by which Slurm may send a signal before it is due


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of `configs/hydra/launcher/slurm.yaml`, explained there."""

    partition: str | None
    account: str | None
    timeout_min: Annotated[int, Gt(0)]
    cpus_per_task: Annotated[int, Gt(0)]
    mem_gb: Annotated[float, Gt(0)] | None
    gpus_per_node: Annotated[int, Gt(0)] | None
    array_parallelism: Annotated[int, Gt(0)]
    max_num_timeout: Annotated[int, Ge(0)]
    signal_delay_s: Annotated[int, Ge(0)]
    poll_seconds: Annotated[float, Gt(0)]
    options: list[str]

    def request(self) -> list[str]:
        """The options of `sbatch` that say what every job needs."""
        chosen = {
            "--partition": self.partition,
            "--account": self.account,
            "--time": self.timeout_min,
            "--cpus-per-task": self.cpus_per_task,
            "--mem": None if self.mem_gb is None else f"{max(1, round(self.mem_gb * 1024))}M",
            "--gpus-per-node": self.gpus_per_node,
            "--signal": f"B:USR1@{self.signal_delay_s}",
        }
        words = [f"{name}={value}" for name, value in chosen.items() if value is not None]
        return ["--nodes=1", "--ntasks=1", "--requeue", "--open-mode=append", *words, *self.options]


def checked(settings: Mapping[str, Any]) -> Settings:
    """The settings as a config gives them.

    Raises:
        ConfigError: One of them is wrong, or two contradict each other.
    """
    check({"_target_": f"{__name__}.Settings", **settings}, "hydra.launcher")
    found = Settings(**settings)
    if found.timeout_min * 60 <= found.signal_delay_s + EARLY:
        raise ConfigError(
            f"hydra.launcher.timeout_min={found.timeout_min}: a job would hear of its end as soon as it starts; "
            f"the time must be longer than signal_delay_s={found.signal_delay_s} and a minute"
        )
    return found
