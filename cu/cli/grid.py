"""The values that a sweep goes through."""

from __future__ import annotations

from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser


def swept(context: Any, params: bool = True) -> dict[str, list[str] | None]:
    """The words of each key of a sweep, in the order of Hydra's own sweeper; None where they cannot be listed.

    Args:
        context: The `hydra` node of the sweep's config.
        params: Whether what stands in `hydra.sweeper.params` counts.
    """
    given = (context.sweeper.get("params") or {}) if params else {}
    words = [f"{key}={value}" for key, value in given.items()]
    parser = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader())
    found: dict[str, list[str] | None] = {}
    for override in parser.parse_overrides([*words, *context.overrides.task]):
        key = override.get_key_element()
        if not override.is_sweep_override():
            found[key] = [f"{key}={override.get_value_element_as_str()}"]
        elif override.is_discrete_sweep():
            found[key] = [f"{key}={value}" for value in override.sweep_string_iterator()]
        else:
            found[key] = None
    return found
