"""What is asked of Ray."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from annotated_types import Ge, Gt

from cu.config.validate import check


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of `configs/hydra/launcher/ray.yaml`, explained there."""

    address: str | None
    cpus_per_job: Annotated[float, Gt(0)]
    gpus_per_job: Annotated[float, Ge(0)]
    mem_gb: Annotated[float, Gt(0)] | None
    seconds_to_close: Annotated[float, Ge(0)]

    def request(self) -> dict[str, float]:
        """What a job reserves, by Ray's names for it; memory in bytes."""
        memory = {} if self.mem_gb is None else {"memory": round(self.mem_gb * 2**30)}
        return {"CPU": self.cpus_per_job, "GPU": self.gpus_per_job, **memory}


def checked(settings: Mapping[str, Any]) -> Settings:
    """The settings as a config gives them.

    Raises:
        ConfigError: One of them is wrong.
    """
    check({"_target_": f"{__name__}.Settings", **settings}, "hydra.launcher")
    return Settings(**settings)
