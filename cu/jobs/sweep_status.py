"""What became of each job of a sweep: one small file per job, because jobs may run in other processes."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cu.disk.files import Damaged, read_json, write_json
from cu.disk.writer import this_process
from cu.jobs.status import EXIT_CODES, JobState
from cu.store.runs import RunFolder

log = logging.getLogger(__name__)


def note(folder: Path, number: int, state: JobState, about: Mapping[str, Any]) -> None:
    """Keep how job `number` of the sweep in `folder` ended, or that it is running."""
    write_json(folder / f"{number}.json", {"state": state, **about})


def note_running(folder: Path, number: int, overrides: Sequence[str], run: Path) -> None:
    """Keep which run a job of a sweep works on, for whoever finds its process dead."""
    note(folder, number, "running", {"overrides": list(overrides), "run": str(run), **this_process()})


def read_status(folder: Path, number: int) -> tuple[JobState, str | None]:
    """The state of a job and why, as last noted; a job without a note is missing."""
    found = read_note(folder, number)
    state = found.get("state", "missing")
    return (state if state in EXIT_CODES else "missing"), found.get("reason")


def read_note(folder: Path, number: int) -> Mapping[str, Any]:
    """The note of a job; empty if there is none or it is damaged."""
    try:
        found = read_json(folder / f"{number}.json")
    except Damaged as error:
        log.warning("%s: its job counts as missing", error)
        return {}
    return found if isinstance(found, Mapping) else {}


def notes(folder: Path) -> list[Path]:
    """The files of all notes in a sweep's folder; others, whatever they are, are not the sweep's."""
    return [path for path in folder.glob("[0-9]*.json") if path.stem.isdecimal()]


def forget_notes(folder: Path) -> None:
    """Remove the notes that an earlier sweep left in the folder of this one."""
    for path in notes(folder):
        path.unlink(missing_ok=True)


def mark_dead(
    folder: Path, number: int, reason: str, overrides: Sequence[str], log: Path, state: JobState = "failed"
) -> None:
    """Note the end of a job whose process is gone without having noted it, here and in the run it worked on.

    One that was stopped has noted that itself, and learns here by what.
    """
    found = read_note(folder, number)
    if found.get("state") == "preempted" and not found.get("reason"):
        note(folder, number, "preempted", {**found, "reason": reason})
    if found.get("state", "running") != "running":
        return
    if "run" in found:
        RunFolder(Path(found["run"])).mark_dead(found, "preempted" if state == "preempted" else "failed", reason)
    note(folder, number, state, {"overrides": list(overrides), "reason": f"{reason} [{log}]"})


def tally(folder: Path, planned: int | None) -> Counter[JobState]:
    """How many jobs of a sweep ended in which state.

    Args:
        folder: Where the notes are.
        planned: How many jobs there should be; None if only the sweeper knows. Those without a note are missing, and
            so are those that say they are running: a sweep is over when it is counted.
    """
    states: list[JobState] = [read_status(folder, int(path.stem))[0] for path in notes(folder)]
    counts: Counter[JobState] = Counter(states)
    del counts["running"]
    if states:
        counts["missing"] = max(planned or 0, len(states)) - counts.total()
    return counts


def summary(counts: Counter[JobState]) -> str:
    """One line for the end of a sweep; a job with a wrong setting counts as failed."""
    shown: dict[str, int] = {
        "finished": counts["finished"],
        "already finished": counts["already finished"],
        "skipped": counts["skipped"],
        "failed": counts["failed"] + counts["invalid_config"],
        "diverged": counts["diverged"],
        "preempted": counts["preempted"],
        "missing": counts["missing"],
    }
    return f"sweep of {counts.total()}: " + ", ".join(f"{count} {state}" for state, count in shown.items())


def exit_code(counts: Counter[JobState]) -> int:
    """0 if every job finished, 2 if no job had a setting that can be used, else 1."""
    if counts["invalid_config"] + counts["skipped"] == counts.total():
        return 2
    return int(any(EXIT_CODES[state] for state, count in counts.items() if count))
