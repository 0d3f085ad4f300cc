"""From a config as plain containers to its type, checked once where it enters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from cu.config.component import Component
from cu.config.validate import check_value
from cu.errors import ConfigError

C = TypeVar("C")


def parse(kind: type[C], config: Mapping[str, Any], key: str = "") -> C:
    """A config as its type. What a `Component` names is checked later, since that imports it.

    Args:
        kind: One of the types of `cu.config.schema`.
        config: Resolved, as plain containers; keys that the type has not are somebody else's.
        key: Where the config stands, for messages.

    Raises:
        ConfigError: One line that names the first wrong key and what it may be.
    """
    hints = get_type_hints(kind, include_extras=True)
    own = {f.name: (f.default, f.default_factory) != (MISSING, MISSING) for f in fields(kind)}  # type: ignore[arg-type]
    values = {}
    for name, has_default in own.items():
        if has_default and name not in config:  # newer than the record of an earlier run
            continue
        place = f"{key}.{name}" if key else name
        if name not in config and name != "audits":
            raise ConfigError(f"{place} is missing")
        values[name] = _field(hints[name], config.get(name) or {} if name == "audits" else config[name], place)
    return kind(**values)


def _field(hint: Any, value: Any, key: str) -> Any:
    if hint is Component:
        return _component(value, key)
    if is_dataclass(hint):
        return parse(hint, _mapping(value, key), key)  # type: ignore[arg-type]
    if hint == Mapping[str, Component | None]:
        parts = _mapping(value, key).items()
        return {name: None if node is None else _component(node, f"{key}.{name}") for name, node in parts}
    if hint is Path:
        if not isinstance(value, str) or not value.strip():
            raise ConfigError(f"{key} must be a folder, got {value!r}")
        return Path(value)
    check_value(value, hint, key)
    return value


def _component(value: Any, key: str) -> Component:
    if not isinstance(_mapping(value, key).get("_target_"), str):
        raise ConfigError(f"{key} must name what it builds, as {key}._target_=package.Class")
    return Component(value)


def _mapping(value: Any, key: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{key} must be an option of the group or a mapping, got {value!r}")
    return value
