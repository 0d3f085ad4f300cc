"""Output that nobody reads any more is dropped: `cu-unlearn ... | head` neither fails nor stops what is being done."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import EBADF, EPIPE
from typing import Any


class Unbreakable:
    """A text stream that turns to the null device once the pipe behind it is closed, be it by the job itself."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write as the stream does, or to nowhere."""
        return self._kept("write", text)

    def writelines(self, lines: list[str]) -> None:
        """Write as the stream does, or to nowhere."""
        self._kept("writelines", lines)

    def flush(self) -> None:
        """Flush as the stream does, or to nowhere."""
        self._kept("flush")

    def close(self) -> None:
        """Nothing: the stream is not only the caller's."""

    def _kept(self, act: str, *arguments: Any) -> Any:
        try:
            return getattr(self._stream, act)(*arguments)
        except OSError as error:
            if error.errno not in (EPIPE, EBADF):
                raise
            null = os.open(os.devnull, os.O_WRONLY)
            number = self._stream.fileno()
            if null != number:  # what is still in the buffer goes there, too
                os.dup2(null, number)
                os.close(null)
            return getattr(self._stream, act)(*arguments)


@contextmanager
def closed_pipes_ignored() -> Iterator[None]:
    """Inside, standard output and error never fail because their reader is gone."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (stream and Unbreakable(stream) for stream in before)  # None: closed from the start
    try:
        yield
    finally:
        for stream in filter(None, (sys.stdout, sys.stderr)):
            with suppress(OSError):  # a full disk: the interpreter tells of it when it ends
                stream.flush()
        sys.stdout, sys.stderr = before
