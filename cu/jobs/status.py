"""How jobs end, and the exit code of each ending."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from cu.store.runs import RunState

JobState = RunState | Literal["already finished", "skipped", "invalid_config", "missing"]
EXIT_CODES: Mapping[JobState, int] = {
    "finished": 0,
    "already finished": 0,
    "skipped": 0,
    "failed": 1,
    "diverged": 1,
    "invalid_config": 2,
    "preempted": 143,
    "running": 1,
    "missing": 1,
}
