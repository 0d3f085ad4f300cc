"""Files that are whole or absent: written to a temporary name, flushed, renamed."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

log = logging.getLogger(__name__)


class Damaged(RuntimeError):
    """A file that cannot be read as what it should be; the message names it."""


@contextmanager
def writing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`; on success it takes `path`'s place, on failure it vanishes.

    Its name is unique among hosts and containers, which may all have a process of the same number. File and folder
    are flushed, so that neither is lost with the power; the file gets the permissions that the umask asks for.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{socket.gethostname()}-{uuid4().hex}.tmp")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
        flush_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def flush_folder(folder: Path) -> None:
    """Make the renames in a folder last, where the system can: not everywhere can a folder be opened."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError as error:
        log.debug("%s cannot be flushed (%s)", folder, error.strerror)
    finally:
        os.close(handle)


def remove_leftovers(folder: Path, older_than_seconds: float, now: float) -> int:
    """Remove the temporary files in a folder that killed processes left behind; returns how many.

    Args:
        folder: Not searched deeper.
        older_than_seconds: Younger ones may still be written by somebody.
        now: Seconds since the epoch.
    """
    removed = 0
    for path in folder.glob(".*.tmp"):
        try:
            if now - path.stat().st_mtime > older_than_seconds:
                path.unlink()
                removed += 1
        except OSError:  # somebody else was faster, or owns it
            continue
    return removed


def write_text(path: Path, text: str) -> None:
    """Replace a file's text."""
    with writing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, content: Any) -> None:
    """Replace a JSON file; numbers that are not finite become null."""
    write_text(path, json.dumps(plain(content), indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """A JSON file's content; None if there is no file.

    Raises:
        Damaged: If it is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise Damaged(f"{path} is damaged ({error})") from error


def read_mapping(path: Path) -> dict[str, Any] | None:
    """The content of a JSON file that holds a mapping; None if there is no file.

    Raises:
        Damaged: If it holds anything else.
    """
    content = read_json(path)
    if content is not None and not isinstance(content, dict):
        raise Damaged(f"{path} is damaged (a {type(content).__name__} where a mapping belongs)")
    if content is None and path.exists():
        raise Damaged(f"{path} is damaged (null)")
    return content


def write_sealed(path: Path, content: Any) -> None:
    """Replace a JSON file that says by a checksum whether it is still what was written."""
    kept = plain(content)
    write_json(path, {"sha256": _seal(kept), "content": kept})


def read_sealed(path: Path) -> Any:
    """The content of a file of `write_sealed`; None if there is no file.

    Raises:
        Damaged: If it is not what was written.
    """
    sealed = read_mapping(path)
    if sealed is None:
        return None
    if sealed.get("sha256") != _seal(sealed.get("content")):
        raise Damaged(f"{path} is damaged (its checksum is wrong)")
    return sealed["content"]


def _seal(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def plain(value: Any) -> Any:
    """A value as JSON types: numpy numbers unwrapped, paths as text, NaN and infinities as None."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value
