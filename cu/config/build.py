"""From a config to the objects it names; the only module that calls Hydra's `instantiate`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hydra.utils import instantiate

from cu.config.validate import check

GROUPS = ("dataset", "model", "recipe", "scenario", "method", "evaluation", "hardware", "tracking")
SUPPLIED = {"dataset": frozenset({"root"}), "model": frozenset({"num_classes", "shape"})}


def validate(config: Mapping[str, Any]) -> None:
    """Check every setting against what it builds, before any data is read; see `cu.config.validate`."""
    for group in GROUPS:
        node = config.get(group)
        if isinstance(node, Mapping):
            node = {k: v for k, v in node.items() if (group, k) != ("model", "checkpoint")}
            check(node, group, SUPPLIED.get(group, frozenset()))


def build(node: Mapping[str, Any], **extra: Any) -> Any:
    """The object a checked config node names."""
    return instantiate(dict(node), _convert_="all", **extra)
