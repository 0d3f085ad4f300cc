"""A mirror of every number in Weights & Biases. JSON on disk stays the record; W&B may be off or down."""

from __future__ import annotations

import logging
import netrc
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from cu.config import first_line

log = logging.getLogger(__name__)
Mode = Literal["online", "offline", "disabled"]
_unreachable: list[str] = []


@dataclass(frozen=True)
class RunLabel:
    """How a run is called: its id (fingerprint and attempt), name, group, job type and tags."""

    id: str
    name: str
    group: str
    job_type: str
    tags: tuple[str, ...]


class Tracker(Protocol):
    """A run being mirrored."""

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Mirror one row of the trajectory."""
        ...

    def summarize(self, values: Mapping[str, Any]) -> None:
        """Mirror the result."""
        ...

    def close(self, exit_code: int) -> None:
        """End the run with the job's exit code."""
        ...


class Untracked:
    """Mirrors nothing."""

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Nothing."""

    def summarize(self, values: Mapping[str, Any]) -> None:
        """Nothing."""

    def close(self, exit_code: int) -> None:
        """Nothing."""


@dataclass(frozen=True, kw_only=True)
class NoTracking:
    """`tracking=none`."""

    def open(self, label: RunLabel, folder: Path, config: Mapping[str, Any]) -> Tracker:
        """A tracker that mirrors nothing."""
        return Untracked()


@dataclass(frozen=True, kw_only=True)
class WandbTracking:
    """`tracking=wandb`.

    Attributes:
        mode: `auto` follows WANDB_MODE if set, else is online with a key and offline without one.
        project: W&B project.
        entity: W&B user or team; None for the key's own.
        tags: Added to every run.
        init_timeout: Seconds to wait for the server before the run goes on without W&B.
    """

    mode: Literal["auto", "online", "offline", "disabled"]
    project: str
    entity: str | None
    tags: list[str]
    init_timeout: float

    def open(self, label: RunLabel, folder: Path, config: Mapping[str, Any]) -> Tracker:
        """Start a W&B run; when that fails, one warning and a tracker that mirrors nothing."""
        mode = resolve_mode(self.mode)
        if mode == "disabled":
            return Untracked()
        if mode == "online" and _unreachable:
            mode = "offline"
        try:
            return WandbTracker(self._start(label, folder, config, mode))
        except Exception as error:  # W&B raises many kinds, and none may cost a job
            if mode == "online":
                _unreachable.append(str(error))
            log.warning("W&B (%s) did not start, going on without it: %s", mode, first_line(error))
            return Untracked()

    def _start(self, label: RunLabel, folder: Path, config: Mapping[str, Any], mode: Mode) -> Any:
        import wandb

        return wandb.init(
            project=self.project,
            entity=self.entity,
            mode=mode,
            dir=str(folder),
            id=label.id,
            name=label.name,
            group=label.group,
            job_type=label.job_type,
            tags=[*self.tags, *label.tags],
            config=dict(config),
            resume="allow" if mode == "online" else None,
            reinit="finish_previous",
            settings=wandb.Settings(
                silent=True, console="off", x_disable_stats=True, init_timeout=self.init_timeout, disable_git=True
            ),
        )


class WandbTracker:
    """An open W&B run; the first failure silences it with one warning."""

    def __init__(self, run: Any) -> None:
        self.run = run

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Mirror one row of the trajectory."""
        self._attempt(lambda run: run.log(dict(values), step=step))

    def summarize(self, values: Mapping[str, Any]) -> None:
        """Mirror the result as the run's summary."""
        self._attempt(lambda run: run.summary.update(dict(values)))

    def close(self, exit_code: int) -> None:
        """End the run with the job's exit code."""
        self._attempt(lambda run: run.finish(exit_code=exit_code))
        self.run = None

    def _attempt(self, action: Callable[[Any], Any]) -> None:
        if self.run is None:
            return
        try:
            action(self.run)
        except Exception as error:  # W&B raises many kinds, and none may cost a job
            log.warning("W&B failed, going on without it: %s", first_line(error))
            self.run = None


def resolve_mode(mode: str) -> Mode:
    """The mode to start in, decided beforehand so that nothing ever prompts."""
    wanted = os.environ.get("WANDB_MODE", "auto") if mode == "auto" else mode
    if wanted in ("offline", "dryrun"):
        return "offline"
    if wanted == "disabled":
        return "disabled"
    if has_key():
        return "online"
    if wanted == "online":
        log.warning("W&B has no API key (WANDB_API_KEY or `wandb login`): tracking offline")
    return "offline"


def has_key() -> bool:
    """Whether a W&B key is in the environment or in the user's netrc file."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    path = Path(os.environ.get("NETRC", "~/.netrc")).expanduser()
    try:
        hosts = netrc.netrc(str(path)).hosts
    except (OSError, netrc.NetrcParseError):
        return False
    own = os.environ.get("WANDB_BASE_URL", "wandb").split("//")[-1]
    return any("wandb" in host or own in host or "coreweave" in host for host in hosts)


def flattened(result: Mapping[str, Any]) -> dict[str, Any]:
    """Every number of a result as one flat mapping: `key` for a metric, then `ref/key`, `gap/key`, `floor/key`, ..."""
    flat: dict[str, Any] = {}
    for key, entry in result.get("metrics", {}).items():
        for part in ("value", "ref", "ref_std", "gap", "floor", "z", "original"):
            if entry[part] is not None:
                flat[key if part == "value" else f"{part}/{key}"] = entry[part]
    for group in ("accuracies", "cost", "timings", "split_sizes", "seeds", "versions", "machine", "git"):
        entries = (result.get(group) or {}).items()
        flat.update({f"{group}/{name}": value for name, value in entries if value is not None})
    return flat
