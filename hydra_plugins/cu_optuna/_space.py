"""Hydra's words for ranges as Optuna's distributions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from cu.errors import ConfigError


def space_of(
    params: Mapping[str, Any], arguments: Sequence[str], parser: OverridesParser
) -> tuple[dict[str, BaseDistribution], list[str]]:
    """What is searched, by key, and the overrides that all trials share; the command line wins over `params`.

    Raises:
        ConfigError: Nothing is searched, or a range is none.
    """
    overrides = parser.parse_overrides([*(f"{key}={value}" for key, value in params.items()), *arguments])
    last = {override.get_key_element(): override for override in overrides}
    space = {key: distribution(key, override) for key, override in last.items() if override.is_sweep_override()}
    if not space:
        raise ConfigError(
            "hydra.sweeper.params must name what is searched, or the command line, e.g. "
            "'method.recipe.optimizer.lr=tag(log,interval(1e-4,1e-2))'"
        )
    fixed = [f"{key}={o.get_value_element_as_str()}" for key, o in last.items() if not o.is_sweep_override()]
    return space, fixed


def distribution(key: str, override: Override) -> BaseDistribution:
    """What one key may be.

    Raises:
        ConfigError: It is an empty range, or a log scale that begins at 0.
    """
    sweep: Any = override.value()
    try:
        if isinstance(sweep, IntervalSweep):
            log = "log" in sweep.tags
            if isinstance(sweep.start, int) and isinstance(sweep.end, int):
                return IntDistribution(sweep.start, sweep.end, log=log)
            return FloatDistribution(float(sweep.start or 0), float(sweep.end or 0), log=log)
        if isinstance(sweep, RangeSweep) and not sweep.shuffle:
            return steps(sweep)
        return CategoricalDistribution(list(override.sweep_string_iterator()))
    except ValueError as error:
        raise ConfigError(f"{key}={override.get_value_string()}: {error}") from error


def steps(sweep: RangeSweep) -> BaseDistribution:
    """A range with steps; its end is not part of it.

    Raises:
        ValueError: It is empty.
    """
    start, stop, step = sweep.start or 0, sweep.stop, sweep.step
    if stop is None or (count := math.ceil((stop - start) / step)) < 1 or step < 0:
        raise ValueError("it has no values")
    if all(isinstance(value, int) for value in (start, stop, step)):
        return IntDistribution(int(start), int(start + (count - 1) * step), step=int(step))
    return FloatDistribution(float(start), float(start + (count - 1) * step), step=float(step))


def size(space: Mapping[str, BaseDistribution]) -> float:
    """How many points a space has; infinite if one of its keys is continuous."""
    return math.prod(count(own) for own in space.values())


def count(own: BaseDistribution) -> float:
    """How many values a key may have."""
    if isinstance(own, CategoricalDistribution):
        return len(own.choices)
    if isinstance(own, IntDistribution) or (isinstance(own, FloatDistribution) and own.step):
        return round((own.high - own.low) / (own.step or 1)) + 1
    return 1 if own.single() else math.inf
