"""Hashes of files."""

from __future__ import annotations

import hashlib
from pathlib import Path

from cu.errors import ConfigError

WEIGHTS = (".safetensors", ".bin", ".json")


def sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def file_hash(file: str, key: str) -> str:
    """SHA-256 of a file that the setting `key` names; of a folder, that of the files of weights in it.

    Raises:
        ConfigError: It cannot be read.
    """
    place = Path(file).expanduser()
    try:
        if place.is_dir():  # as Hugging Face keeps a network's weights
            parts = sorted(part for part in place.iterdir() if part.suffix in WEIGHTS and part.is_file())
            named = "".join(f"{part.name} {sha256(part)}\n" for part in parts)
            return hashlib.sha256(named.encode()).hexdigest()
        return sha256(place)
    except OSError as error:
        raise ConfigError(f"{key}={file} cannot be read ({error.strerror})") from error
