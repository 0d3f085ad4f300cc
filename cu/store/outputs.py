"""A model's outputs on a whole data set, kept so that metrics can be added without the model."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Callable, Container, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from cu.disk.files import Damaged, writing
from cu.store.cached import cached

LARGE = 1 << 24  # bytes from which an array is mapped
BLOCK = 1 << 20
LOCAL_HEADER = 30  # bytes of a zip member's own header before its name and its extra field


def save_scores(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write scores to an `.npz` file, whole or not at all."""
    with writing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)  # pyright: ignore[reportArgumentType]


def load_scores(path: Path, only: Container[str] | None = None) -> dict[str, np.ndarray] | None:
    """Scores from an `.npz` file; None if there is no file. The rest of the file is not read if `only` names arrays.

    Arrays of `LARGE` bytes and more are checked and then mapped, not read: they take no memory until they are used.

    Raises:
        Damaged: If it cannot be read.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            wanted = [name for name in arrays.files if only is None or name in only]
            return {
                name: mapped(path, arrays.zip, name) if is_large(arrays.zip, name) else arrays[name] for name in wanted
            }
    except FileNotFoundError:
        return None
    except (ValueError, OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise Damaged(f"{path} is damaged ({error})") from error


def is_large(archive: zipfile.ZipFile, name: str) -> bool:
    """Whether an array of an `.npz` file is better mapped than read."""
    member = archive.getinfo(f"{name}.npy")
    return member.file_size >= LARGE and member.compress_type == zipfile.ZIP_STORED


def mapped(path: Path, archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """An array inside an `.npz` file, mapped into memory after its checksum has been compared.

    Raises:
        zipfile.BadZipFile: It is not what was written.
    """
    with archive.open(f"{name}.npy") as member:
        version = np.lib.format.read_magic(member)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, by_column, kind = read(member)
        skipped = member.tell()
        while member.read(BLOCK):  # the checksum is compared at the end
            pass
    info = archive.getinfo(f"{name}.npy")
    with path.open("rb") as file:
        file.seek(info.header_offset)
        header = file.read(LOCAL_HEADER)
    start = info.header_offset + LOCAL_HEADER + sum(struct.unpack("<HH", header[-4:])) + skipped
    return np.memmap(path, kind, "r", start, shape, "F" if by_column else "C")


def cached_outputs(
    path: Path,
    compute: Callable[[], Mapping[str, np.ndarray]],
    enough: Callable[[Mapping[str, Any]], bool] | None = None,
) -> dict[str, np.ndarray]:
    """The arrays in a file; computed and written if there is none, it is damaged, or what it holds is not enough."""

    def load() -> dict[str, np.ndarray] | None:
        known = load_scores(path)
        return known if known is None or enough is None or enough(known) else None

    return cached(load, lambda: dict(compute()), partial(save_scores, path))
