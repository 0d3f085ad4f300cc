"""The one number of a result that a sweeper, such as Optuna, gets to see."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

from cu.config.schema import RunConfig
from cu.errors import ConfigError, suggestion


class Compared(Protocol):
    """One metric of a result."""

    @property
    def value(self) -> float | None:
        """Of the judged model."""
        ...

    @property
    def gap(self) -> float | None:
        """To retraining."""
        ...


def check_objective(config: RunConfig, keys: Collection[str]) -> None:
    """Check that the objective, if there is one, is a metric of the suite.

    Args:
        config: Of the job.
        keys: Every metric's keys.

    Raises:
        ConfigError: It is not.
    """
    objective = config.objective
    if objective is not None and objective not in keys:
        hint = suggestion(objective, keys, "did you mean {}? ")
        suite = f"evaluation={config.evaluation.name}"
        raise ConfigError(f"objective={objective} is not a metric of {suite}: {hint}it has {', '.join(sorted(keys))}")


def objective_value(config: RunConfig, metrics: Mapping[str, Compared]) -> float | None:
    """The objective's value, or with `objective_is_gap` its gap to retraining; None where the metric has none.

    Raises:
        ConfigError: The objective is not a metric of the suite.
    """
    check_objective(config, metrics.keys())
    if config.objective is None:
        return None
    entry = metrics[config.objective]
    return entry.gap if config.objective_is_gap else entry.value
