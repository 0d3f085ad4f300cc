"""A lock for file systems without locks: a file that its holder touches again and again, and that goes stale if not.

The file is made if it is not there, which is atomic on every file system in use. Whoever waits compares the file's
time of change with what it was, by a clock of its own, so that the clocks of machines need not agree.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path

from cu.disk.writer import is_gone, this_process

log = logging.getLogger(__name__)
BEAT, STALE, LOOK = 15.0, 120.0, 0.5  # seconds between touches, without a touch until it is stale, between two looks


class Lease:
    """Holds a file as a lock between `acquire` and `release`.

    Args of the constructor:
        path: The file; nothing else may have it.
        beat: Seconds between touches.
        stale: Seconds without a touch after which somebody else takes over; several times `beat`.
    """

    def __init__(self, path: Path, beat: float = BEAT, stale: float = STALE) -> None:
        self.path, self.beat, self.stale = path, beat, stale
        self.handle: int | None = None
        self.ended = threading.Event()

    def acquire(self, timeout: float | None = None) -> bool:
        """Wait for the lock, for so many seconds if a number is given; returns whether it is held."""
        begun = changed = time.monotonic()
        seen: tuple[int, int] | None = None
        while not self.taken():
            now, found = time.monotonic(), signature(self.path)
            if found != seen:
                seen, changed = found, now
            elif found is not None and (now - changed > self.stale or holder_is_gone(self.path)):
                self.clear(found)
                continue
            if timeout is not None and now - begun > timeout:
                return False
            time.sleep(min(LOOK, self.beat))
        threading.Thread(target=self.touch, daemon=True).start()
        return True

    def taken(self) -> bool:
        """Whether the file was not there, and is this process's own now."""
        try:
            self.handle = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
        except FileExistsError:
            return False
        os.write(self.handle, json.dumps(this_process()).encode())
        os.fsync(self.handle)
        return True

    def clear(self, found: tuple[int, int]) -> None:
        """Remove a stale lease if it is still the same; only one of all that wait does so at a time."""
        guard = Lease(self.path.with_name(f"{self.path.name}.takeover"), self.beat, self.stale)
        if not guard.taken():
            age = signature(guard.path)
            time.sleep(LOOK)
            if age is not None and time.time() - guard_time(guard.path) > self.stale and signature(guard.path) == age:
                guard.path.unlink(missing_ok=True)  # its holder died while it cleared
            return
        try:
            if signature(self.path) == found:
                log.warning("%s: its holder (%s) is gone: taken over", self.path, described(self.path))
                self.path.unlink(missing_ok=True)
        finally:
            guard.drop()

    def touch(self) -> None:
        """Show that the holder lives; end the process in order if the lock was taken from it."""
        while not self.ended.wait(self.beat) and self.handle is not None:
            os.utime(self.handle)
            if not self.is_own():
                log.error("%s was taken over by somebody else while this process stood still: it ends", self.path)
                os.kill(os.getpid(), signal.SIGTERM)
                return

    def is_own(self) -> bool:
        """Whether the file is still the one that this process made."""
        with suppress(OSError):
            return self.handle is not None and os.path.samestat(os.fstat(self.handle), os.stat(self.path))
        return False

    def release(self) -> None:
        """Give the lock back."""
        self.ended.set()
        if self.is_own():
            self.path.unlink(missing_ok=True)
        self.drop_handle()

    def drop(self) -> None:
        """Remove the file without a look at whose it is."""
        self.path.unlink(missing_ok=True)
        self.drop_handle()

    def drop_handle(self) -> None:
        """Close the file."""
        if self.handle is not None:
            with suppress(OSError):  # code inside closed every open file
                os.close(self.handle)
            self.handle = None


def signature(path: Path) -> tuple[int, int] | None:
    """Which file it is and when it was touched; None if there is none."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns


def guard_time(path: Path) -> float:
    """When a file was touched, in seconds since the epoch; now if it is gone."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return time.time()


def holder(path: Path) -> dict:
    """What a lease says of its holder; empty while that is being written."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def holder_is_gone(path: Path) -> bool:
    """Whether the holder of a lease is known to be gone, as that of this machine or of Slurm may be."""
    return is_gone(holder(path))


def described(path: Path) -> str:
    """Who holds a lease."""
    found = holder(path)
    return f"pid {found.get('pid')} on {found.get('host')}" if found else "unknown"
