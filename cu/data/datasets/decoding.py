"""Image files, decoded once to a uint8 array that is mapped into memory."""

from __future__ import annotations

import hashlib
import io
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from cu.data.datasets.decoded_store import Store, decoded_before
from cu.data.datasets.files import corrupt, one_line
from cu.data.datasets.framing import Framing
from cu.data.datasets.listing import LARGEST_FILE, shown
from cu.disk.hash_cache import read_regular
from cu.errors import ConfigError, first_line

_FILES_PER_TASK = 32
_FILES_PER_STEP = 512  # after each step what is decoded is on disk, and a killed process goes on from there
TODO, DONE, FAILED = 0, 1, 2


@dataclass(frozen=True)
class Source:
    """What is decoded: files, by their content."""

    folder: Path
    names: Sequence[str]
    hashes: Sequence[str | None]


@dataclass(frozen=True)
class Decoded:
    """Images uint8 [N, C, H, W] in the order of their names, and by name why others are black."""

    images: Tensor
    problems: Mapping[str, str]


def decoded(source: Source, framing: Framing, cache: Path) -> Decoded:
    """The images of some files, mapped from a file in `cache` that is named after their content.

    What an earlier call has decoded, in whatever folder it was, is not decoded again. Not safe against a second process
    with the same `cache`: hold a lock.

    Args:
        source: At least one image file; those without a hash are left black.
        framing: How they become squares.
        cache: Where decoded arrays are kept.

    Raises:
        ConfigError: The cache cannot be written or read.
    """
    store = Store.of(cache, source.folder.name, source.names, source.hashes, framing)
    shape = (len(source.names), framing.channels, framing.size, framing.size)
    if not store.is_whole():
        try:
            cache.mkdir(parents=True, exist_ok=True)
            _fill(store, source, framing, shape)
        except PermissionError as error:
            raise ConfigError(f"paths.data: cannot write decoded images ({one_line(error)})") from error
    try:
        # Copy-on-write, since torch has no read-only tensors; nobody writes, so nothing is copied.
        images = np.load(store.array, mmap_mode="c")
    except (ValueError, EOFError) as error:
        raise corrupt(store.array, one_line(error), "delete it and load again") from error
    if images.shape != shape or images.dtype != np.uint8:
        found = f"{images.dtype} {images.shape} instead of uint8 {shape}"
        raise corrupt(store.array, found, "delete it and load again")
    return Decoded(torch.from_numpy(images), store.problems())


def decode(content: bytes, framing: Framing) -> np.ndarray:
    """One image as uint8 [channels, size, size]: upright, and framed.

    Raises:
        Exception: Of many kinds, by Pillow, if the content cannot be decoded; `ValueError` if it has more than 8 bits
            per channel.
    """
    with Image.open(io.BytesIO(content)) as opened:
        image = ImageOps.exif_transpose(opened)
        image.load()
    if image.mode.startswith(("I", "F")):
        # Pillow would clip these to 255 instead of scaling them.
        raise ValueError("more than 8 bits per channel: convert it to 8 bits")
    shape = (framing.size, framing.size, framing.channels)
    return np.asarray(framing.framed(image), np.uint8).reshape(shape).transpose(2, 0, 1)


def _fill(store: Store, source: Source, framing: Framing, shape: tuple[int, ...]) -> None:
    """Decode what is not decoded yet, in steps that survive a kill; then give the array its name."""
    array, state = store.open_partial(shape)
    problems = store.partial_problems()
    for path, rows, there in decoded_before(store, np.flatnonzero(state == TODO).tolist()):
        array[rows] = np.load(path, mmap_mode="r")[there]
        array.flush()
        state[rows] = DONE
    todo = [row for row in np.flatnonzero(state == TODO).tolist() if source.hashes[row] is not None]
    with warnings.catch_warnings(), ThreadPoolExecutor() as threads:
        warnings.simplefilter("ignore")  # of large images, of broken EXIF data
        try:
            for start in range(0, len(todo), _FILES_PER_STEP):
                step = todo[start : start + _FILES_PER_STEP]
                parts = [step[i : i + _FILES_PER_TASK] for i in range(0, len(step), _FILES_PER_TASK)]
                found = [f for part in threads.map(partial(_decode_rows, source, framing, array), parts) for f in part]
                problems |= {source.names[row]: why for row, why in found if why}
                store.write_problems(problems)
                array.flush()
                for row, why in found:
                    state[row] = FAILED if why else DONE
                state.flush()
        finally:
            threads.shutdown(wait=True, cancel_futures=True)
    array.flush()
    store.finish(problems)


def _decode_rows(
    source: Source, framing: Framing, array: np.ndarray, rows: Sequence[int]
) -> list[tuple[int, str | None]]:
    """Decode some images into their rows; returns for each why it could not be, or None."""
    return [(row, _decode_row(source, row, lambda content: decode(content, framing), array)) for row in rows]


def _decode_row(source: Source, row: int, read: Callable[[bytes], np.ndarray], array: np.ndarray) -> str | None:
    try:
        content = read_regular(f"{source.folder}{os.sep}{source.names[row]}", LARGEST_FILE)
        if hashlib.sha256(content).hexdigest() != source.hashes[row]:
            raise OSError(0, "it changed")
    except OSError as error:  # says nothing about the image, so that it must not be kept
        where = shown(f"{source.folder}{os.sep}{source.names[row]}")
        reason = error.strerror or first_line(error)
        raise ConfigError(f"dataset.folder: {where} cannot be read any more ({reason}): try again") from error
    try:
        array[row] = read(content)
    except UnidentifiedImageError:  # whose message has an address in memory
        return "not an image, or of a kind that Pillow cannot read"
    except Exception as error:  # Pillow's readers raise many kinds for a broken file.
        return one_line(error) or type(error).__name__
    return None
