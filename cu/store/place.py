"""What a config means on this machine, started from this folder."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from cu.config.schema import Paths, TrainConfig
from cu.config.validate import check_value
from cu.engine.precision import resolve_precision
from cu.errors import ConfigError

T = TypeVar("T", bound=TrainConfig)


def resolved(config: T) -> T:
    """The config with paths that hold wherever the process goes: a method may change the current folder.

    Raises:
        ConfigError: A path is empty.
    """
    if config.checkpoint == "":
        raise ConfigError("model.checkpoint must be a file of weights or null, got ''")
    paths = Paths(outputs=config.paths.outputs.absolute(), data=config.paths.data.absolute())
    return replace(config, paths=paths)


def precision_of(config: TrainConfig) -> str:
    """The precision models are trained in on this machine.

    Raises:
        ConfigError: Device or precision is not even a word; the rest is checked where they are used.
    """
    chosen = {name: config.hardware.get(name) for name in ("precision", "device")}
    for name, value in chosen.items():
        check_value(value, str, f"hardware.{name}")
    return resolve_precision(chosen["precision"], chosen["device"])
