"""The settings of a search."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt

from cu.config.validate import check


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of `configs/hydra/sweeper/optuna.yaml`, explained there."""

    direction: Literal["minimize", "maximize"]
    n_trials: Annotated[int, Gt(0)]
    n_jobs: Annotated[int, Gt(0)]
    sampler: Literal["tpe", "random"]
    seed: Annotated[int, Ge(0)]
    storage: str | None
    params: dict[str, Any] | None


def checked(settings: Mapping[str, Any]) -> Settings:
    """The settings as a config gives them.

    Raises:
        ConfigError: One of them is wrong.
    """
    check({"_target_": f"{__name__}.Settings", **settings}, "hydra.sweeper")
    return Settings(**settings)
