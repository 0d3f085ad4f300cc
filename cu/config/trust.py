"""Whose code a config may name: the project's own, by group, and modules that the user trusts in so many words.

Naming a class in a config means running it. A config that comes from a file, such as the record of a finished run, is
data: what it names is built only if it is one of the settings classes of this project.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import is_dataclass
from typing import Any

from cu.config.component import Component
from cu.config.validate import locate
from cu.errors import ConfigError

ANY = "*"  # trusts all: what a folder of the user's own configs (--config-dir) names
# Where the classes of each group are.
HOMES = {
    "dataset": "cu.data.datasets.",
    "scenario": "cu.data.scenarios.",
    "model": "cu.models.",
    "recipe": "cu.engine.",
    "hardware": "cu.engine.",
    "method": "cu.methods.",
    "tracking": "cu.tracking.",
    "evaluation.metrics": "cu.metrics.",
    "evaluation.audits": "cu.experiment.audits.",
    "select": "cu.experiment.",
    "report": "cu.reporting.",
}


def require_trusted(components: Mapping[str, Component], trusted: Collection[str]) -> None:
    """Check whose code some components name, before any of it is imported.

    Args:
        components: By the key where they stand.
        trusted: Modules of the user's own, with all that is inside them.

    Raises:
        ConfigError: One line that names the first class that is neither of its group nor trusted.
    """
    for key, component in components.items():
        if not is_trusted(component.target, trusted):
            home = next(home for group, home in HOMES.items() if key == group or key.startswith(f"{group}."))
            _require_own(component.target, home, key)
        for place, target in named_in(component.node, key):
            if place != key and not is_trusted(target, trusted):
                _require_own(target, "cu.", place)


def is_trusted(target: str, trusted: Collection[str]) -> bool:
    """Whether a dotted path, also with a colon before the last name, is inside one of the trusted modules."""
    path = target.replace(":", ".")
    return ANY in trusted or any(path == module or path.startswith(f"{module}.") for module in trusted)


def named_in(node: Any, key: str) -> Iterator[tuple[str, str]]:
    """Every `_target_` in a plain config, however deep, with the key where it stands."""
    if isinstance(node, Mapping):
        if isinstance(node.get("_target_"), str):
            yield key, node["_target_"]
        for name, value in node.items():
            yield from named_in(value, f"{key}.{name}")
    elif isinstance(node, Sequence) and not isinstance(node, str):
        for position, value in enumerate(node):
            yield from named_in(value, f"{key}[{position}]")


def _require_own(target: str, home: str, key: str) -> None:
    if not target.startswith(home):
        module = target.rpartition(".")[0] or target
        own = f"if it is code of your own that may run, say trust=[{module}]"
        raise ConfigError(f"{key}._target_={target} is not one of {home}*; {own}")
    found = locate(target, key)
    settings = inspect.isclass(found) and is_dataclass(found)
    if not settings and not hasattr(found, "spec"):
        raise ConfigError(f"{key}._target_={target} is not a class of settings")
