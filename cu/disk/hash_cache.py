"""Hashes of many files, computed in parallel and kept as long as the files are the same."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import stat
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from errno import EACCES, EPERM, EROFS
from pathlib import Path

from cu.disk.files import Damaged, read_json, write_text

log = logging.getLogger(__name__)
# Size, times of the last change of content and of the entry in nanoseconds, inode.
Signature = tuple[int, int, int, int]
SETTLED = 2_000_000_000  # nanoseconds after which a further change has another time for sure
MANY = 5000  # files that are worth a line before they are read
_FILES_PER_TASK = 64
_BLOCK = 1 << 20


def signature(status: os.stat_result) -> Signature:
    """What is the same as long as a file's content is."""
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def settled(own: Signature, now: int) -> bool:
    """Whether a file cannot have changed since without another signature."""
    return max(own[1], own[2]) < now - SETTLED


def read_regular(path: str | Path, limit: int | None = None) -> bytes:
    """A file's content; pipes and devices are refused without waiting for them.

    Raises:
        OSError: It cannot be read, is no regular file, or has more than `limit` bytes.
    """
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with open(handle, "rb") as file:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(0, "not a regular file")
        if limit is not None and status.st_size > limit:
            raise OSError(0, "too large")
        return file.read()


def hash_of(path: str | Path) -> str:
    """SHA-256 of a regular file, in hexadecimal.

    Raises:
        OSError: It cannot be read.
    """
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with open(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(0, "not a regular file")
        digest = hashlib.sha256()
        while block := file.read(_BLOCK):
            digest.update(block)
        return digest.hexdigest()


def content_hashes(
    folder: Path, signatures: Mapping[str, Signature], cache: Path
) -> tuple[dict[str, str], dict[str, str]]:
    """SHA-256 of files by name, and by name why others cannot be read.

    Args:
        folder: What names are relative to.
        signatures: The files, as they were just found.
        cache: A folder where hashes are kept by signature. One that cannot be written is done without.
    """
    path = cache / f"hashes-{hashlib.sha256(os.fsencode(folder.absolute())).hexdigest()[:16]}.json"
    known = _read(path)
    fresh = [name for name, own in signatures.items() if known.get(name, [None])[:-1] != list(own)]
    hashes = {name: str(known[name][-1]) for name in signatures.keys() - set(fresh)}
    if len(fresh) > MANY:
        log.info("reading %s files of %s for the first time", f"{len(fresh):,}", folder)
    started, problems = time.time_ns(), {}
    try:
        for name, found in zip(fresh, _parallel(folder, fresh), strict=False):
            if isinstance(found, OSError):
                problems[name] = found.strerror or "cannot be read"
            else:
                hashes[name] = found
    finally:  # an interrupted reading goes on where it was
        kept = {n: [*own, hashes[n]] for n, own in signatures.items() if n in hashes and settled(own, started)}
        if fresh and kept != known:
            _write(path, kept)
    return {name: hashes[name] for name in signatures if name in hashes}, problems


def _parallel(folder: Path, names: Sequence[str]):
    def hashed(start: int) -> list[str | OSError]:
        found: list[str | OSError] = []
        for name in names[start : start + _FILES_PER_TASK]:
            try:
                found.append(hash_of(f"{folder}{os.sep}{name}"))
            except OSError as error:
                found.append(error)
        return found

    with ThreadPoolExecutor() as threads:
        try:
            for part in threads.map(hashed, range(0, len(names), _FILES_PER_TASK)):
                yield from part
        finally:
            threads.shutdown(wait=True, cancel_futures=True)


def _read(path: Path) -> dict[str, list]:
    with suppress(Damaged, OSError):
        found = read_json(path)
        if isinstance(found, dict) and all(isinstance(own, list) and len(own) == 5 for own in found.values()):
            return found
    return {}


def _write(path: Path, content: Mapping[str, list]) -> None:
    try:
        write_text(path, json.dumps(content, separators=(",", ":")))
    except OSError as error:
        if error.errno not in (EACCES, EPERM, EROFS):
            log.warning("%s cannot be written (%s): the files are read again next time", path, error.strerror)
