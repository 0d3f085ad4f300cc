"""From the config that Hydra hands to a job, to the job's plan."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from cu.config.trust import ANY
from cu.errors import ConfigError
from cu.models.checkpoints.preprocessing import as_told
from cu.store.plan import NAMED, Plan, RunPlan, TrainPlan, plan_training, plan_unlearning

MakePlan = Callable[[DictConfig], Plan[Any, Any]]


def unlearning_plan(cfg: DictConfig) -> RunPlan:
    """What a job of `cu-unlearn` would do."""
    return plan_unlearning(as_told(plain(cfg)), choices())


def training_plan(cfg: DictConfig) -> TrainPlan:
    """What a job of `cu-train` would do."""
    return plan_training(as_told(plain(cfg)), choices())


def plain(cfg: DictConfig) -> dict[str, Any]:
    """A config as plain containers, every interpolation resolved.

    Raises:
        ConfigError: A setting without a default is not given.
    """
    if missing := sorted(OmegaConf.missing_keys(cfg)):
        raise ConfigError(f"{missing[0]} must be given, e.g. {missing[0]}=...")
    container = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(container, dict)
    if any(source.provider == "command-line" for source in HydraConfig.get().runtime.config_sources):
        container["trust"] = [ANY]
    return {str(k): v for k, v in container.items()}


def choices() -> dict[str, str]:
    """The chosen option of each named group."""
    chosen = HydraConfig.get().runtime.choices
    return {group: str(chosen[group]) for group in NAMED if group in chosen}


PLANS: dict[str, MakePlan] = {"unlearn": unlearning_plan, "train": training_plan}
