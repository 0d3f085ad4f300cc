"""A mirror of every number in Weights & Biases. JSON on disk stays the record; W&B may be off or down."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Gt, Len, Predicate

from cu.errors import first_line
from cu.tracking.beforehand import server_answers
from cu.tracking.mode import Mode, resolve_mode, server_failed
from cu.tracking.types import RunLabel, Tracker, Untracked

log = logging.getLogger(__name__)


def a_name_that_wandb_takes(name: str) -> bool:
    """Whether W&B takes a name for a project."""
    return 0 < len(name) <= 128 and not set(name) & set("/\\#?%:")


@dataclass(frozen=True, kw_only=True)
class WandbTracking:
    """`tracking=wandb`.

    Attributes:
        mode: `auto` follows WANDB_MODE if set, else is online with a key and offline without one.
        project: W&B project; W&B itself refuses other names than these.
        entity: W&B user or team; None for the key's own.
        tags: Added to every run.
        init_timeout: Seconds to wait for the server before the run goes on offline.
        finish_timeout: Seconds to wait for the last upload; what is left can be sent by `wandb sync`.
    """

    mode: Literal["auto", "online", "offline", "disabled"]
    project: Annotated[str, Predicate(a_name_that_wandb_takes)]
    entity: str | None
    tags: list[Annotated[str, Len(1, 64)]]
    init_timeout: Annotated[float, Gt(0)]
    finish_timeout: Annotated[float, Gt(0)]

    def open(self, label: RunLabel, folder: Path, config: Mapping[str, Any]) -> Tracker:
        """Start a W&B run: online if wanted and possible, else offline, else none, with one warning each."""
        os.environ.setdefault("WANDB_SILENT", "true")  # silent, W&B neither chatters nor prompts
        try:
            mode = resolve_mode(self.mode)
            if mode == "disabled":
                return Untracked()
            if mode == "online" and server_answers():
                try:
                    return WandbTracker(self._start(label, folder, config, mode))
                except Exception as error:  # W&B raises many kinds, and none may cost a job
                    server_failed(str(error))
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

    def table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """Mirror a table."""
        import wandb

        self._attempt(lambda: self.run.log({name: wandb.Table(columns=list(columns), data=[list(r) for r in rows])}))

    def image(self, name: str, file: Path, caption: str) -> None:
        """Mirror a picture."""
        import wandb

        self._attempt(lambda: self.run.log({name: wandb.Image(str(file), caption=caption)}))

    def page(self, name: str, file: Path) -> None:
        """Mirror an HTML page."""
        import wandb

        self._attempt(lambda: self.run.log({name: wandb.Html(str(file), inject=False)}))

    def close(self, exit_code: int) -> None:
        """End the run with the job's exit code; a run left open would take the next job's numbers."""
        try:
            self.run.finish(exit_code=exit_code)
        except Exception as error:
            server_failed(str(error))
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
