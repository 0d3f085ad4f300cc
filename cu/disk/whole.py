"""A hash of many files together, remembered as long as each of them is the same."""

from __future__ import annotations

import hashlib
import marshal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from cu.disk.files import Damaged, read_mapping, write_json
from cu.disk.hash_cache import Signature, settled

Signed = tuple[Sequence[str], Sequence[Signature | None]]


def remembered(path: Path) -> dict[str, str] | None:
    """What is remembered in a file: `signatures`, hashed, and the `hash` of the contents; None if nothing is."""
    with suppress(Damaged, OSError):
        kept = read_mapping(path) or {}
        if isinstance(kept.get("signatures"), str) and isinstance(kept.get("hash"), str):
            return kept
    return None


def known_whole(files: Mapping[str, Signed], path: Path, make: Callable[[], tuple[str, bool]]) -> str:
    """What `make` says of these files, remembered: one comparison where a million would be made one by one.

    Args:
        files: Names and signatures, as they were just found, by part; None for a file that cannot be read.
        path: Where it is remembered. A place that cannot be written is done without.
        make: A hash of the files' contents, and whether all of them could be read; else it is not remembered.
    """
    # Version 2, which writes equal things alike; should that ever change, the files are compared one by one once more.
    now = hashlib.sha256(marshal.dumps({part: (tuple(n), tuple(s)) for part, (n, s) in files.items()}, 2)).hexdigest()
    if (kept := remembered(path)) and kept["signatures"] == now:
        return kept["hash"]
    started = time.time_ns()
    found, whole = make()
    signed = (own for _, signatures in files.values() for own in signatures)
    if whole and all(own is not None and settled(own, started) for own in signed):
        with suppress(OSError):
            write_json(path, {"signatures": now, "hash": found})
    return found
