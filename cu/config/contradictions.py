"""Settings that contradict each other, found in built objects without any data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

from cu.errors import ConfigError


def contradictions(settings: Any, at: str) -> Iterator[str]:
    """One line for each contradiction between settings, those of parts (recipe, optimizer, base method) included.

    Args:
        settings: A dataclass. It may have a method `contradictions(at)` that yields lines of its own.
        at: What these settings are called as one types them, such as `method` or `method.recipe.optimizer`.
    """
    if (own := getattr(settings, "contradictions", None)) is not None:
        yield from own(at)
    for field in fields(settings) if is_dataclass(settings) else ():
        part = getattr(settings, field.name)
        if is_dataclass(part) and not isinstance(part, type):
            yield from contradictions(part, f"{at}.{field.name}")


def require_consistent(settings: Any, at: str = "method") -> None:
    """Check that no settings contradict each other.

    Raises:
        ConfigError: Two of them do; names the first such.
    """
    for line in contradictions(settings, at):
        raise ConfigError(line)
