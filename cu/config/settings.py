"""Whether the chosen settings were made for what a run does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cu.errors import ConfigError

NONE = "none"  # the option that sets nothing
PLACES = {  # where a run has what `settings.made_for` speaks of; options of groups are among the names
    "dataset": None,
    "train_size": ("dataset", "train_size"),
    "model": None,
    "width": ("model", "width"),
}


def doubts(config: Mapping[str, Any], names: Mapping[str, str]) -> list[str]:
    """One line for each reason to doubt that the chosen settings fit the run; none if they fit, or none are chosen.

    Args:
        config: The resolved config; `settings.made_for` says what the settings were made for, `settings.best_of` that
            they were searched, and `settings.trial` which trial was the best for the run's scenario and method.
        names: The chosen option of each group.

    Raises:
        ConfigError: `settings.made_for` speaks of something unknown.
    """
    about, chosen = config.get("settings", {}), f"settings={names.get('settings', NONE)}"
    found = [line for line in [_misfit(about.get("made_for", {}), config, names)] if line]
    has_settings = any(not name.startswith("_") for name in config["method"])
    if "best_of" in about and "trial" not in about and has_settings:
        cell = f"method={names['method']} in scenario={names['scenario']}"
        found.append(f"hold nothing for {cell}: the settings of its own file are used")
    return [f"{chosen} {line}" for line in found]


def _misfit(made_for: Mapping[str, Any], config: Mapping[str, Any], names: Mapping[str, str]) -> str | None:
    theirs, ours = [], []
    for name, allowed in made_for.items():
        if name not in PLACES:
            raise ConfigError(f"settings.made_for.{name} is unknown; it may name {', '.join(PLACES)}")
        group, key = PLACES[name] or (name, None)
        value = names[group] if key is None else config[group].get(key)
        values = allowed if isinstance(allowed, list) else [allowed]
        if value not in values:
            label = group if key is None else f"{group}.{key}"
            theirs.append(f"{label}={','.join(map(_written, values))}")
            ours.append(f"{label}={_written(value)}")
    if not theirs:
        return None
    return f"were made for {', '.join(theirs)}; this run has {', '.join(ours)}"


def _written(value: Any) -> str:
    return "null" if value is None else str(value)
