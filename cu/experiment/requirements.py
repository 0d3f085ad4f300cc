"""What the parts of a job ask of each other, checked before any data is read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import nn

from cu.config.build import build
from cu.config.contradictions import require_consistent
from cu.config.objective import check_objective
from cu.config.schema import RunConfig
from cu.config.validate import locate
from cu.data.datasets.listing import SPLITS
from cu.errors import ConfigError, NotMeant
from cu.evaluation.suite import spec_of
from cu.methods.types import Need, needs_of, scenarios_of
from cu.models.user import UserModel


def check_requirements(config: RunConfig, names: Mapping[str, str]) -> None:
    """Check that the method is meant for the scenario and has what it needs, and that the objective is measured.

    Raises:
        NotMeant: The method is not meant for the scenario.
        ConfigError: The method with its settings needs something that the job does not have, or the objective is not
            a metric of the suite.
    """
    if config.objective is not None:
        metrics = [build(component) for component in config.evaluation.chosen().values()]
        check_objective(config, {key for function in metrics for key in spec_of(function).keys})
    method, scenario = build(config.method), locate(config.scenario.target, "scenario")
    if scenario.kind not in scenarios_of(method):
        raise NotMeant(
            f"method={names['method']} is meant for {' and '.join(scenarios_of(method))} scenarios, "
            f"not for scenario={names['scenario']}"
        )
    require_consistent(method)
    for need in needs_of(method):
        if scenario.kind in need.scenarios and (remedy := missing(need, config)) is not None:
            instead = (f", or {need.instead}" if remedy else f"set {need.instead}") if need.instead else ""
            raise ConfigError(f"{need.because or 'method=' + names['method']} needs {need.resource}; {remedy}{instead}")


def missing(need: Need, config: RunConfig) -> str | None:
    """What to change so that a need is met; None if it is. Every scenario leaves data to forget and to retain."""
    if need.resource == "validation data" and config.dataset.get("val_fraction") == 0 and not has_val(config):
        listed = config.scenario.target.endswith(".IndicesScenario")  # of whom a split would hold out some
        return "set dataset.val_fraction above 0" if not (listed and need.instead) else ""
    if need.resource == "a linear last layer":
        settings = build(config.network)
        if isinstance(settings, UserModel) and not ends_in_linear(settings):
            return f"name a torch.nn.Linear by model.head, which {settings.head} is not"
    return None


def has_val(config: RunConfig) -> bool:
    """Whether validation images are in a folder of their own."""
    folder = config.dataset.get("folder")
    return folder is not None and any((Path(folder).expanduser() / name).is_dir() for name in SPLITS["val"])


def ends_in_linear(settings: UserModel) -> bool:
    """Whether the layer that the user calls the last is linear; true if there is none, which is said elsewhere."""
    layer = dict(settings.network().named_modules()).get(settings.head)
    return layer is None or isinstance(layer, nn.Linear)
