"""What became of each job of a sweep: one small file per job, because jobs may run in other processes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from cu.store.files import read_json, write_json

State = Literal["finished", "already finished", "failed", "diverged", "mistaken", "preempted"]
EXIT_CODES: Mapping[State, int] = {
    "finished": 0,
    "already finished": 0,
    "failed": 1,
    "diverged": 1,
    "mistaken": 2,
    "preempted": 143,
}


def note(folder: Path, number: int, state: State, about: Mapping[str, Any]) -> None:
    """Keep how job `number` of the sweep in `folder` ended."""
    write_json(folder / f"{number}.json", {"state": state, **about})


def tally(folder: Path) -> Counter[State]:
    """How many jobs of a sweep ended in which state."""
    return Counter(read_json(path)["state"] for path in folder.glob("[0-9]*.json"))


def summary(ended: Counter[State]) -> str:
    """One line for the end of a sweep; a job with a wrong setting counts as failed."""
    counts = {
        "finished": ended["finished"],
        "already finished": ended["already finished"],
        "failed": ended["failed"] + ended["mistaken"],
        "diverged": ended["diverged"],
    }
    if ended["preempted"]:
        counts["preempted"] = ended["preempted"]
    return "sweep: " + ", ".join(f"{count} {state}" for state, count in counts.items())


def exit_code(ended: Counter[State]) -> int:
    """0 if every job finished, 2 if every job had a wrong setting, else 1."""
    if ended["mistaken"] and ended["mistaken"] == ended.total():
        return 2
    return int(any(EXIT_CODES[state] for state in ended))
