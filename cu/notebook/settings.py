"""Settings as a notebook writes them: names and values in place of a config, and what is wrong in the same words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from cu.config.build import build, composed
from cu.config.component import Component
from cu.config.folder import config_folder
from cu.config.validate import check
from cu.engine.recipe import Recipe
from cu.errors import ConfigError, suggestion
from cu.methods.types import Method


def method_of(name: str, settings: Mapping[str, Any]) -> Method:
    """The method of that name with its settings.

    Raises:
        ConfigError: There is no such method or setting, or a value is out of range.
    """
    node = changed(composed(f"method={name}")["method"], settings, f"method={name}")
    check(node, "method")
    return build(Component(node))


def recipe_of(method: str, settings: Mapping[str, Any]) -> Recipe:
    """How methods train that need a network trained from scratch.

    Raises:
        ConfigError: There is no such setting, or a value is out of range.
    """
    node = changed(composed(f"method={method}")["recipe"], settings, "training")
    check(node, "training")
    return build(Component(node))


def changed(node: Mapping[str, Any], changes: Any, what: str) -> dict[str, Any]:
    """A plain config with some settings replaced, however deep; a word stands for an option of its group.

    Raises:
        ConfigError: There is no such setting or option.
    """
    known = [name for name in node if not name.startswith("_")]
    if not isinstance(changes, Mapping):
        raise ConfigError(f"{what} must be a dict of some of {', '.join(sorted(known))}, got {changes!r}")
    for name in changes:
        if name not in node:
            hint = suggestion(str(name), known, "did you mean {}? ")
            raise ConfigError(f"{name} is not a setting of {what}; {hint}it has {', '.join(sorted(known))}")
    return {name: merged(name, value, changes, what) for name, value in node.items()}


def merged(name: str, value: Any, changes: Mapping[str, Any], what: str) -> Any:
    """One setting, with what is to change in it."""
    if name not in changes:
        return value
    new = plain(changes[name])
    if not isinstance(value, Mapping) or new is None or (isinstance(new, Mapping) and "_target_" in new):
        return new
    if isinstance(new, str) and (config_folder() / name).is_dir():
        return composed(f"+{name}@chosen={new}")["chosen"]
    return changed(value, new, f"{what} {name}")


def plain(value: Any) -> Any:
    """A value with arrays, tensors and their scalars as numbers and lists, however deep."""
    if isinstance(value, Mapping):
        return {name: plain(own) for name, own in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(own) for own in value]
    return value.tolist() if hasattr(value, "tolist") else value


@contextmanager
def in_plain_names() -> Iterator[None]:
    """Errors inside name arguments of a call, `temperature`, where a config has `method.temperature`."""
    try:
        yield
    except ConfigError as error:
        raise type(error)(re.sub(r"\b(?:method|hardware)\.(?=\w)", "", str(error))) from error.__cause__
