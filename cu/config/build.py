"""From a config to the objects it names; the only module that calls Hydra's `instantiate`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.errors import HydraException, MissingConfigException
from hydra.utils import instantiate
from omegaconf import OmegaConf

from cu.config.component import Component
from cu.config.folder import config_folder
from cu.config.schema import EvaluateConfig, ReportConfig, RunConfig, TrainConfig
from cu.config.trust import require_trusted
from cu.config.validate import check
from cu.errors import ConfigError, first_line, suggestion

SUPPLIED = {"dataset": frozenset({"root"}), "model": frozenset({"num_classes", "shape"})}


def check_components(config: TrainConfig | RunConfig | EvaluateConfig | ReportConfig) -> None:
    """Check every setting against what it builds, before any data is read; see `cu.config.validate`.

    Raises:
        ConfigError: One line that names the first wrong key and what it may be.
    """
    require_trusted(config.components(), config.trust)
    for key, component in config.components().items():
        check(component.node, key, SUPPLIED.get(key, frozenset()))


def build(component: Component, **extra: Any) -> Any:
    """The object a checked component names."""
    return instantiate(dict(component.node), _convert_="all", **extra)


@lru_cache(maxsize=8)
def composed(*overrides: str) -> Mapping[str, Any]:
    """The resolved config of `cu-unlearn` with some overrides, as plain containers; Hydra's state is put back.

    Raises:
        ConfigError: An option does not exist.
    """
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        try:
            return OmegaConf.to_container(compose("unlearn", list(overrides)), resolve=True)  # type: ignore[return-value]
        except MissingConfigException as error:
            known = [str(option) for option in error.options or ()]
            group, _, option = str(error.missing_cfg_file).rpartition("/")
            hint = suggestion(option, known, "did you mean {}? ")
            raise ConfigError(f"{group}={option} does not exist: {hint}it may be {', '.join(known)}") from error
        except HydraException as error:
            raise ConfigError(first_line(error)) from error
