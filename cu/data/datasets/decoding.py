"""Image files, decoded once to a uint8 array that is mapped into memory."""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from cu.data.datasets.files import corrupt, one_line
from cu.data.datasets.framing import Framing
from cu.errors import ConfigError

_FILES_PER_TASK = 64
# Enters every cache key: raise it when the same files come to decode to other pixels.
_REVISION = 1


def decoded(folder: Path, names: Sequence[str], framing: Framing, cache: Path) -> Tensor:
    """The images as uint8 [N, channels, size, size], in the order of `names`, mapped from a file in `cache`.

    The file's name is a hash of the names, sizes and modification times, so changed images are decoded anew. Not safe
    against a second process with the same `cache`: hold a lock.

    Args:
        folder: What `names` are relative to.
        names: At least one image file.
        framing: How they become squares.
        cache: Where decoded arrays are kept.

    Raises:
        ConfigError: An image cannot be decoded, or the cache cannot be written or read.
    """
    path = cache / f"{folder.name}-{_key(folder, names, framing)}.npy"
    shape = (len(names), framing.channels, framing.size, framing.size)
    if not path.exists():
        try:
            cache.mkdir(parents=True, exist_ok=True)
            _write_listing(path.with_suffix(".csv"), names)
            _decode_to(path, [folder / name for name in names], shape, framing)
        except PermissionError as error:
            raise ConfigError(f"paths.data: cannot write decoded images ({one_line(error)})") from error
    try:
        # Copy-on-write, since torch has no read-only tensors; nobody writes, so nothing is copied.
        images = np.load(path, mmap_mode="c")
    except (ValueError, EOFError) as error:
        raise corrupt(path, one_line(error), "delete it and load again") from error
    if images.shape != shape or images.dtype != np.uint8:
        raise corrupt(path, f"{images.dtype} {images.shape} instead of uint8 {shape}", "delete it and load again")
    return torch.from_numpy(images)


def decode(path: Path, framing: Framing) -> np.ndarray:
    """One image as uint8 [channels, size, size]: upright, and framed.

    Raises:
        ConfigError: The file cannot be decoded, or has more than 8 bits per channel.
    """
    try:
        with Image.open(path) as opened:
            image = ImageOps.exif_transpose(opened)
            image.load()
    except Exception as error:  # Pillow's readers raise many kinds for a broken file.
        raise ConfigError(f"dataset.folder: cannot decode {path} ({one_line(error)}): replace or remove it") from error
    if image.mode.startswith(("I", "F")):
        # Pillow would clip these to 255 instead of scaling them.
        raise ConfigError(f"dataset.folder: {path} has more than 8 bits per channel: convert it to 8 bits")
    shape = (framing.size, framing.size, framing.channels)
    return np.asarray(framing.framed(image), np.uint8).reshape(shape).transpose(2, 0, 1)


def _key(folder: Path, names: Sequence[str], framing: Framing) -> str:
    digest = hashlib.sha256(repr((_REVISION, str(folder), framing)).encode())
    for name in names:
        status = (folder / name).stat()
        digest.update(repr((name, status.st_size, status.st_mtime_ns)).encode())
    return digest.hexdigest()[:16]


def _decode_to(target: Path, paths: Sequence[Path], shape: tuple[int, ...], framing: Framing) -> None:
    """Decode in parallel threads to a temporary name, then rename: a killed process leaves no half file behind."""
    partial = target.with_suffix(".partial")
    array = np.lib.format.open_memmap(partial, mode="w+", dtype=np.uint8, shape=shape)

    def decode_from(start: int) -> None:
        for index in range(start, min(start + _FILES_PER_TASK, len(paths))):
            array[index] = decode(paths[index], framing)

    try:
        with ThreadPoolExecutor() as threads:
            tasks = [threads.submit(decode_from, start) for start in range(0, len(paths), _FILES_PER_TASK)]
            try:
                for task in tasks:
                    task.result()
            finally:
                threads.shutdown(wait=True, cancel_futures=True)
    except BaseException:
        partial.unlink()
        raise
    array.flush()
    os.replace(partial, target)


def _write_listing(path: Path, names: Sequence[str]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("id", "file"), *enumerate(names)])
