"""An object as a config names it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Component:
    """An object that a config names: where Python finds it, and its settings, by `_target_` and the other keys."""

    node: Mapping[str, Any]

    @property
    def target(self) -> str:
        """The dotted path of what is built."""
        return self.node["_target_"]

    def get(self, name: str, default: Any = None) -> Any:
        """One setting."""
        return self.node.get(name, default)

    def without(self, *names: str) -> Component:
        """The component less some settings."""
        return Component({key: value for key, value in self.node.items() if key not in names})
