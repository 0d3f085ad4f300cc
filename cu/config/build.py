"""From a config to the objects it names; the only module that calls Hydra's `instantiate`."""

from __future__ import annotations

from typing import Any

from hydra.utils import instantiate

from cu.config.schema import Component, EvaluateConfig, ReportConfig, RunConfig, TrainConfig
from cu.config.trust import require_trusted
from cu.config.validate import check

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
