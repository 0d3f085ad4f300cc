"""From a config to the objects it names; the only module that calls Hydra's `instantiate`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from hydra.utils import instantiate

from cu.config import NotMeant
from cu.data.types import ImageData
from cu.evaluation import spec_of
from cu.methods.types import scenarios_of
from cu.objective import check_objective
from cu.validation import check, locate

GROUPS = ("dataset", "model", "recipe", "scenario", "method", "evaluation", "hardware", "tracking")
SUPPLIED = {"dataset": frozenset({"root"}), "model": frozenset({"num_classes", "shape"})}


def validate(config: Mapping[str, Any]) -> None:
    """Check every setting against what it builds, before any data is read; see `cu.validation`."""
    for group in GROUPS:
        node = config.get(group)
        if isinstance(node, Mapping):
            node = {k: v for k, v in node.items() if (group, k) != ("model", "checkpoint")}
            check(node, group, SUPPLIED.get(group, frozenset()))
    if config.get("objective") is not None:
        metrics = [build(node) for node in config["evaluation"]["metrics"].values() if node is not None]
        check_objective(config, {key for function in metrics for key in spec_of(function).keys})


def require_meant(config: Mapping[str, Any], names: Mapping[str, str]) -> None:
    """Check that the method is meant for the scenario, before any data is read.

    Raises:
        NotMeant: It is not.
    """
    method, scenario = (locate(config[group]["_target_"], group) for group in ("method", "scenario"))
    if scenario.kind not in scenarios_of(method):
        raise NotMeant(
            f"method={names['method']} is meant for {' and '.join(scenarios_of(method))} scenarios, "
            f"not for scenario={names['scenario']}"
        )


def build(node: Mapping[str, Any], **extra: Any) -> Any:
    """The object a checked config node names."""
    return instantiate(dict(node), _convert_="all", **extra)


@lru_cache(maxsize=2)
def load_data(settings: str, root: str) -> ImageData:
    """The data set of these settings (JSON); kept between the jobs of a sweep."""
    return build(json.loads(settings)).load(Path(root))
