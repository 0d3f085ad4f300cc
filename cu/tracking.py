"""A mirror of every number in Weights & Biases. JSON on disk stays the record; W&B may be off or down."""

from __future__ import annotations

import logging
import netrc
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol
from urllib.parse import urlsplit

from annotated_types import Gt

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
        init_timeout: Seconds to wait for the server before the run goes on offline.
        finish_timeout: Seconds to wait for the last upload; what is left can be sent by `wandb sync`.
    """

    mode: Literal["auto", "online", "offline", "disabled"]
    project: str
    entity: str | None
    tags: list[str]
    init_timeout: Annotated[float, Gt(0)]
    finish_timeout: Annotated[float, Gt(0)]

    def open(self, label: RunLabel, folder: Path, config: Mapping[str, Any]) -> Tracker:
        """Start a W&B run: online if wanted and possible, else offline, else none, with one warning each."""
        os.environ.setdefault("WANDB_SILENT", "true")  # silent, W&B neither chatters nor prompts
        try:
            mode = resolve_mode(self.mode)
            if mode == "disabled":
                return Untracked()
            if mode == "online":
                try:
                    return WandbTracker(self._start(label, folder, config, mode))
                except Exception as error:  # W&B raises many kinds, and none may cost a job
                    _unreachable.append(str(error))
                    log.warning("W&B cannot be reached, tracking offline: %s", first_line(error))
                    label = replace(label, id=f"{label.id}-offline")  # W&B keeps the first id taken
            return WandbTracker(self._start(label, folder, config, "offline"))
        except Exception as error:
            log.warning("W&B did not start, going on without it: %s", first_line(error))
            return Untracked()

    def _start(self, label: RunLabel, folder: Path, config: Mapping[str, Any], mode: Mode) -> Any:
        import wandb

        run = wandb.init(
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
            settings=wandb.Settings(**self._settings(frozenset(wandb.Settings.model_fields))),
        )
        if mode == "online":
            log.info("W&B: %s", run.url)
        return run

    def _settings(self, known: frozenset[str]) -> dict[str, Any]:
        """Settings of a run, less those this version of W&B does not know."""
        wanted = {
            "silent": True,
            "console": "off",
            "disable_git": True,
            "init_timeout": self.init_timeout,
            "finish_timeout": self.finish_timeout,
            "finish_timeout_raises": True,
            "x_disable_stats": True,
            "x_transaction_log_flush_interval": 1.0,  # of 15: a killed job should not leave an empty file
        }
        return {name: value for name, value in wanted.items() if name in known}


class WandbTracker:
    """An open W&B run; the first failure silences it with one warning."""

    def __init__(self, run: Any) -> None:
        self.run = run
        self.broken = False

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Mirror one row of the trajectory."""
        self._attempt(lambda: self.run.log(dict(values), step=step))

    def summarize(self, values: Mapping[str, Any]) -> None:
        """Mirror the result as the run's summary."""
        self._attempt(lambda: self.run.summary.update(dict(values)))

    def close(self, exit_code: int) -> None:
        """End the run with the job's exit code; a run left open would take the next job's numbers."""
        try:
            self.run.finish(exit_code=exit_code)
        except Exception as error:
            _unreachable.append(str(error))
            if not self.broken:
                log.warning("W&B did not take everything, `wandb sync` sends the rest: %s", first_line(error))

    def _attempt(self, action: Callable[[], Any]) -> None:
        if self.broken:
            return
        try:
            action()
        except Exception as error:  # W&B raises many kinds, and none may cost a job
            self.broken = True
            log.warning("W&B failed, going on without it: %s", first_line(error))


def resolve_mode(mode: str) -> Mode:
    """The mode to start in, decided beforehand so that nothing ever prompts."""
    wanted = os.environ.get("WANDB_MODE", "auto") if mode == "auto" else mode
    if wanted == "disabled":
        return "disabled"
    if wanted in ("offline", "dryrun") or _unreachable:
        return "offline"
    if has_key():
        return "online"
    if wanted == "online":
        log.warning("W&B has no API key (WANDB_API_KEY or `wandb login`): tracking offline")
    return "offline"


def has_key() -> bool:
    """Whether W&B finds a key for its server: in the environment, its settings, or the user's netrc file."""
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    import wandb

    settings = wandb.setup().settings
    if settings.api_key:
        return True
    path = Path(os.environ.get("NETRC", "~/.netrc")).expanduser()
    try:
        hosts = netrc.netrc(str(path)).hosts
    except (OSError, netrc.NetrcParseError):
        return False
    own = urlsplit(settings.base_url).netloc
    return any(host == own or "wandb" in host or "coreweave" in host for host in hosts)


def flattened(result: Mapping[str, Any]) -> dict[str, Any]:
    """Every number of a result as one flat mapping: `key` for a metric, then `ref/key`, `gap/key`, `floor/key`, ..."""
    flat: dict[str, Any] = {name: result[name] for name in ("fingerprint", "references") if name in result}
    for key, entry in result.get("metrics", {}).items():
        for part in ("value", "ref", "ref_std", "gap", "floor", "z", "original"):
            if entry[part] is not None:
                flat[key if part == "value" else f"{part}/{key}"] = entry[part]
    for group in ("accuracies", "cost", "timings", "split_sizes", "seeds", "versions", "machine", "git"):
        entries = (result.get(group) or {}).items()
        flat.update({f"{group}/{name}": value for name, value in entries if value is not None})
    return flat
