"""A hash of what is in many folders, remembered as long as no file was added, removed or renamed in them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from cu.disk.files import Damaged, read_mapping, write_json
from cu.disk.hash_cache import settled, signature


def known_by_folders(path: Path) -> str | None:
    """What was remembered; None if a folder has changed since, or nothing was. Files edited in place go unnoticed.

    Args:
        path: Where it is remembered.
    """
    with suppress(Damaged, OSError):
        kept = read_mapping(path) or {}
        folders, found = kept.get("folders"), kept.get("hash")
        if isinstance(folders, dict) and folders and isinstance(found, str):
            return found if all(list(signature(os.stat(name))) == own for name, own in folders.items()) else None
    return None


def remember_by_folders(path: Path, folders: Sequence[str], found: str, started: int) -> None:
    """Remember a hash of what is in some folders, unless one of them may have changed while they were looked at.

    Args:
        path: Where; a place that cannot be written is done without.
        folders: All of them, however deep.
        found: The hash.
        started: When they were looked at, in nanoseconds since the epoch.
    """
    with suppress(OSError):
        signed = {name: signature(os.stat(name)) for name in folders}
        if all(settled(own, started) for own in signed.values()):
            write_json(path, {"folders": signed, "hash": found})
