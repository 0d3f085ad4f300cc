"""One folder per unlearning run: status, config, trajectory, predictions, result."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal

from cu.disk.files import Damaged, read_mapping, write_json, write_text
from cu.disk.locks import locked
from cu.disk.writer import is_gone, this_process

log = logging.getLogger(__name__)
CONFIG = "config.yaml"
STATES = "checkpoint-*.pt"  # of the descents of a method
RunState = Literal["running", "finished", "failed", "preempted", "diverged"]


def outputs_of(run: Path) -> Path | None:
    """The outputs folder around a run's folder, also of one that is named from beside it (`../FINGERPRINT`).

    None where the folder lies too high to be in one.
    """
    above = Path(os.path.abspath(run)).parents
    return above[5] if len(above) > 5 else None


@dataclass(frozen=True)
class RunFolder:
    """A run's folder and the reading and writing of its status and result."""

    path: Path

    def locked(self) -> AbstractContextManager[None]:
        """Hold the run, so that two sweeps at once share the work instead of doing it twice."""
        self.path.mkdir(parents=True, exist_ok=True)
        return locked(self.path / ".lock", f"another job works on {self.path}")

    def status(self) -> dict[str, Any]:
        """The last written status, `preempted` if its process is gone; empty if there is none or it is damaged."""
        try:
            return corrected(read_mapping(self.path / "status.json") or {})
        except Damaged as error:
            log.warning("%s: the run is done again", error)
            return {}

    def ended_well(self) -> bool:
        """Whether the last written status says that the run is finished.

        Raises:
            Damaged: The status cannot be read.
        """
        return (read_mapping(self.path / "status.json") or {}).get("state") == "finished"

    def write_config(self, content: Mapping[str, Any]) -> None:
        """Write `config.yaml`: what the run was told."""
        from omegaconf import OmegaConf

        write_text(self.path / CONFIG, OmegaConf.to_yaml(OmegaConf.create(dict(content))))

    def mend_config(self, content: Mapping[str, Any]) -> None:
        """Write `config.yaml` anew if it is gone or damaged; reports and later judgements read it."""
        import yaml

        try:
            found = yaml.load(  # the fast one, if there is one
                (self.path / CONFIG).read_text(encoding="utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader)
            )
            damaged = not isinstance(found, dict) or not content.keys() <= found.keys()
        except (OSError, ValueError, yaml.YAMLError):
            damaged = True
        if damaged:
            log.warning("%s is gone or damaged: written again", self.path / CONFIG)
            self.write_config(content)

    def remove_states(self) -> None:
        """Remove what an attempt kept to go on from."""
        for path in self.path.glob(STATES):
            path.unlink(missing_ok=True)

    def begin(self) -> int:
        """Mark the run as running; returns which attempt this is, from 1. An earlier result stays for now."""
        attempt = self.attempt(0) + 1
        self._write("running", None, attempt, ended=False)
        return attempt

    def end(self, state: RunState, error: str | None = None, mistake: bool = False) -> None:
        """Mark how the run ended, and whether because a setting cannot be used: such a run never was one."""
        self._write(state, error, self.attempt(1), ended=True, mistake=mistake)

    def attempt(self, default: int) -> int:
        """The number of the last attempt; the default if nobody wrote one down."""
        found = self.status().get("attempt", default)
        return found if isinstance(found, int) else default

    def mark_dead(self, process: Mapping[str, Any], state: RunState, error: str) -> None:
        """Mark how a run ended whose process is gone; nothing if it ended itself, or is in other hands by now."""
        try:
            status = read_mapping(self.path / "status.json") or {}
        except Damaged:
            return
        same = all(status.get(name) == process.get(name) for name in ("pid", "host", "process"))
        if status.get("state") == "running" and same:
            self.end(state, error)

    def _write(self, state: RunState, error: str | None, attempt: int, ended: bool, mistake: bool = False) -> None:
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        status = {
            "state": state,
            "error": error,
            "started": self.status().get("started") if ended else now,
            "ended": now if ended else None,
            **this_process(),
            "attempt": attempt,
            **({"mistake": True} if mistake else {}),
        }
        write_json(self.path / "status.json", status)


def corrected(status: Mapping[str, Any]) -> dict[str, Any]:
    """A status as it is now: one that says `running` of a process that is gone was never ended."""
    if status.get("state") != "running" or not is_gone(status):
        return dict(status)
    job = f"Slurm job {status['slurm_job']}, " if "slurm_job" in status else ""
    where = f"{job}pid {status.get('pid')} on {status.get('host')}"
    return {**status, "state": "preempted", "error": f"its process is gone without a word ({where})"}
