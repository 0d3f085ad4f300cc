"""A file for what a process prints, which never fills a disk."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

LIMIT = 50_000_000  # bytes of both files together


class BoundedLog:
    """Appends to a file; when it holds half of the limit, it becomes `NAME.1` in place of an earlier one.

    What cannot be written, on a full disk, is lost without an error: what is printed must not end who prints it.
    """

    def __init__(self, path: Path, limit: int = LIMIT) -> None:
        self.path, self.half = path, limit // 2
        self.file = path.open("ab", buffering=0)

    def write(self, data: bytes) -> None:
        """Append some bytes."""
        with suppress(OSError):
            if self.file.tell() + len(data) > self.half:
                self.file.close()
                self.path.replace(self.path.with_name(f"{self.path.name}.1"))
                self.file = self.path.open("ab", buffering=0)
            self.file.write(data)

    def close(self) -> None:
        """Close the file."""
        self.file.close()
