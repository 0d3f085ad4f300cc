"""Whether the lists beside a finished run's result are what the run wrote: `result.json` has their hashes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from cu.disk.digest import sha256
from cu.disk.files import Damaged, read_mapping

# A list that was cut short still reads as a list: who was forgotten, by whom before, what was looked at on the way.
LISTS = ("forget_ids.csv", "removed.csv", "metrics.jsonl")
RESULT = "result.json"


def hashes_of(folder: Path) -> dict[str, str]:
    """SHA-256 of each list that a run has."""
    return {name: sha256(folder / name) for name in LISTS if (folder / name).is_file()}


def require_intact(folder: Path, written: Mapping[str, str], *names: str) -> None:
    """Check lists against their hashes; one without a hash is of a version that kept none, or of a run in the making.

    Args:
        folder: Of the run.
        written: The hashes in its result.
        names: Of the lists; all if none are named.

    Raises:
        Damaged: A list is gone, or is not what the run wrote.
    """
    for name, expected in written.items():
        if name not in (names or LISTS):
            continue
        if not (folder / name).is_file():
            raise Damaged(f"{folder / name} is gone")
        if sha256(folder / name) != expected:
            raise Damaged(f"{folder / name} is damaged (it is not what the run wrote)")


def known_hashes(folder: Path) -> Mapping[str, str]:
    """The hashes in a run's result; none where it has no result that can be read."""
    try:
        return recorded_hashes(folder)
    except Damaged:
        return {}


def recorded_hashes(folder: Path) -> Mapping[str, str]:
    """The hashes in a run's result; none where there is no result, or one of a version that kept none.

    Raises:
        Damaged: The result cannot be read.
    """
    found = (read_mapping(folder / RESULT) or {}).get("lists") or {}
    if not isinstance(found, Mapping):
        raise Damaged(f"{folder / RESULT} is damaged (lists: a {type(found).__name__} where a mapping belongs)")
    return found


def require_list(folder: Path, name: str) -> None:
    """Check one list against the result beside it, if there is one.

    Raises:
        Damaged: The list or the result is damaged.
    """
    require_intact(folder, recorded_hashes(folder), name)
