"""Hashes of files."""

from __future__ import annotations

import hashlib
from pathlib import Path

from cu.errors import ConfigError


def sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def file_hash(file: str, key: str) -> str:
    """SHA-256 of a file that the setting `key` names.

    Raises:
        ConfigError: It cannot be read.
    """
    try:
        return sha256(Path(file).expanduser())
    except OSError as error:
        raise ConfigError(f"{key}={file} cannot be read ({error.strerror})") from error
