"""Joining a cluster of Ray, or starting one, and whether it can run what is asked for."""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import ray  # pyright: ignore[reportMissingImports]

from cu.errors import ConfigError, first_line
from hydra_plugins.cu_ray._settings import Settings

SECONDS_TO_ANSWER = 10.0
UNITS = {"CPU": ("cpus_per_job", 1), "GPU": ("gpus_per_job", 1), "memory": ("mem_gb", 2**30)}


def join(settings: Settings) -> None:
    """Be a driver of the cluster.

    Raises:
        ConfigError: There is none, or it does not let this process in.
    """
    if ray.is_initialized():
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # a job without a GPU sees what there is
    require_listening(settings.address)
    own: dict[str, Any] = {"address": settings.address} if settings.address else {"include_dashboard": False}
    if not settings.address:
        os.environ.pop("RAY_ADDRESS", None)  # null means this machine, whatever the shell says
    try:
        ray.init(
            **own,
            log_to_driver=False,
            logging_level=logging.ERROR,
            runtime_env={"env_vars": {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}},
        )
    except Exception as error:  # of many kinds: no cluster, another version, a token that is not the cluster's
        where = f"hydra.launcher.address={settings.address}" if settings.address else "Ray cannot be started here"
        raise ConfigError(f"{where}: {first_line(error)}") from error


def require_listening(address: str | None) -> None:
    """Check that somebody listens at an address; Ray itself would try for a minute.

    Raises:
        ConfigError: Nobody does.
    """
    host, colon, port = (address or "").removeprefix("ray://").rpartition(":")
    if not address or address == "auto":
        return
    if not colon or not port.isdigit():
        raise ConfigError(f"hydra.launcher.address={address} must be auto or HOST:PORT")
    try:
        socket.create_connection((host, int(port)), SECONDS_TO_ANSWER).close()
    except OSError as error:
        raise ConfigError(f"hydra.launcher.address={address}: no Ray there ({error.strerror or error})") from error


def require_room(settings: Settings, nodes: Sequence[Mapping[str, float]]) -> None:
    """Check that one machine has what a job reserves; Ray itself would wait for such a machine for ever.

    Args:
        settings: What is asked for.
        nodes: What each machine has, by Ray's names.

    Raises:
        ConfigError: None has.
    """
    asked = settings.request()
    if any(all(node.get(name, 0) >= amount for name, amount in asked.items()) for node in nodes):
        return
    lacking = {name for name, amount in asked.items() if all(node.get(name, 0) < amount for node in nodes)}
    found = [max((node.get(name, 0) for node in nodes), default=0) for name in asked]
    words = [
        f"{UNITS[name][0]}={amount / UNITS[name][1]:g} (the largest has {most / UNITS[name][1]:.4g})"
        for (name, amount), most in zip(asked.items(), found, strict=True)
        if amount and name in (lacking or asked)
    ]
    raise ConfigError(f"no machine of Ray has room for hydra.launcher.{', '.join(words)}")


def machines() -> list[dict[str, float]]:
    """What each living machine of the cluster has."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]
