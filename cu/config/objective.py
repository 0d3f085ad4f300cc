"""The one number of a result that a sweeper, such as Optuna, gets to see."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Any

from cu.errors import ConfigError


def check_objective(config: Mapping[str, Any], keys: Collection[str]) -> None:
    """Check that the objective, if there is one, is a metric of the suite.

    Args:
        config: A job's whole config; `objective` is the key of a metric, or None.
        keys: Every metric's keys.

    Raises:
        ConfigError: It is not.
    """
    objective = config["objective"]
    if objective is not None and objective not in keys:
        close = get_close_matches(objective, keys, 1)
        hint = f"did you mean {close[0]}? " if close else ""
        suite = f"evaluation={config['evaluation']['name']}"
        raise ConfigError(f"objective={objective} is not a metric of {suite}: {hint}it has {', '.join(sorted(keys))}")


def objective_value(config: Mapping[str, Any], metrics: Mapping[str, Mapping[str, Any]]) -> float | None:
    """The objective's value, or with `objective_is_gap` its gap to retraining; None where the metric has none.

    Raises:
        ConfigError: The objective is not a metric of the suite.
    """
    check_objective(config, metrics.keys())
    if config["objective"] is None:
        return None
    return metrics[config["objective"]]["gap" if config["objective_is_gap"] else "value"]
