"""What the parts of a job ask of each other, checked before any data is read."""

from __future__ import annotations

from collections.abc import Mapping

from cu.config.build import build
from cu.config.objective import check_objective
from cu.config.schema import RunConfig
from cu.config.validate import locate
from cu.errors import NotMeant
from cu.evaluation.suite import spec_of
from cu.methods.types import scenarios_of


def check_requirements(config: RunConfig, names: Mapping[str, str]) -> None:
    """Check that the method is meant for the scenario, and that the suite has the metric a sweeper wants to see.

    Raises:
        NotMeant: The method is not meant for the scenario.
        ConfigError: The objective is not a metric of the suite.
    """
    if config.objective is not None:
        metrics = [build(component) for component in config.evaluation.chosen().values()]
        check_objective(config, {key for function in metrics for key in spec_of(function).keys})
    method, scenario = locate(config.method.target, "method"), locate(config.scenario.target, "scenario")
    if scenario.kind not in scenarios_of(method):
        raise NotMeant(
            f"method={names['method']} is meant for {' and '.join(scenarios_of(method))} scenarios, "
            f"not for scenario={names['scenario']}"
        )
