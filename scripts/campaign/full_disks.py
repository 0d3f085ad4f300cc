"""A disk that fills up, at one moment after the other: a small file system in memory, which only root can mount."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from campaign.attempts import TINY, Attempt, Ended, numbers, started

SIZES = (8, 40, 120, 260, 400, 600, 800, 1000)  # KiB; the whole of what the run writes takes twice the last


def full_disks(folder: Path) -> Iterator[Attempt]:
    """One line and an exit code while the disk is full; once it has room, the numbers of an undisturbed run."""
    words = [*TINY, "reference.k=1", "save_model=true"]
    whole, place = folder / "whole-disk", folder / "small"
    started(folder, *words, f"paths.outputs={whole}").communicate()
    place.mkdir()
    for size in SIZES:
        if not mounted(place, size):
            print("disks are not filled up: no file system can be mounted here", file=sys.stderr)
            return
        try:
            yield Attempt(
                "full disk, then room", f"{size} KiB", fault_of(folder, [*words, f"paths.outputs={place}"], whole)
            )
        finally:
            subprocess.run(["umount", place], check=True)


def fault_of(folder: Path, words: list[str], whole: Path) -> str | None:
    """What was wrong with a run on a full disk, and again with room."""
    first = ended(folder, words)
    said = [line for line in first.err if line.startswith(("error: ", "failed: "))]
    if (fault := first.fault(1)) or len(said) != 1:
        return fault or f"{len(said)} lines say so"
    place = folder / "small"
    subprocess.run(["mount", "-o", "remount,size=64m", place], check=True)
    fault = ended(folder, words).fault(0)
    return fault or (None if numbers(place) == numbers(whole) else "other numbers")


def ended(folder: Path, words: list[str]) -> Ended:
    """A run to its end."""
    process = started(folder, *words)
    errors = process.communicate()[1].splitlines()
    return Ended(process.returncode, "", errors)


def mounted(place: Path, size: int) -> bool:
    """Whether a file system of so many KiB is there now."""
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", place]
    return sys.platform == "linux" and subprocess.run(command, capture_output=True, check=False).returncode == 0
