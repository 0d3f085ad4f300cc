"""Which runs have the settings that a report is about."""

from __future__ import annotations

from collections.abc import Mapping

from cu.reporting.collect.labels import Flat, flatten


def agrees(settings: Flat, where: Mapping[str, object]) -> bool:
    """Whether flattened settings have the values that `where` asks for, nested as in the config; 1.0 counts as 1."""
    return all(_same(settings.get(key), wanted) for key, wanted in flatten(where).items())


def said(where: Mapping[str, object]) -> str:
    """What `where` asks for, as one would type it."""
    return ", ".join(f"{key}={value}" for key, value in flatten(where).items())


def _same(value: str | None, wanted: str) -> bool:
    try:
        return value == wanted or (value is not None and float(value) == float(wanted))
    except ValueError:
        return False
