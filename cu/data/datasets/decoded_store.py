"""Where decoded images are kept: an array named after the content of its files, and what is known about it."""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cu.data.datasets.framing import Framing
from cu.disk.files import Damaged, read_json, read_mapping, write_json

# Enters every cache key: raise it when the same files come to decode to other pixels.
_REVISION = 2


@dataclass(frozen=True)
class Store:
    """The files of one decoded array, whole or in the making.

    Attributes:
        array: The array, once it is whole.
        names: Of the images.
        about: What decides on the pixels: revision, framing and the hash of each file.
    """

    array: Path
    names: Sequence[str]
    about: Mapping[str, Any]

    @classmethod
    def of(cls, cache: Path, label: str, names: Sequence[str], hashes: Sequence[str | None], framing: Framing) -> Store:
        """The place of some files' images; a change of any name or content is another place."""
        digest = hashlib.sha256(repr((_REVISION, framing)).encode())
        for name, own in zip(names, hashes, strict=True):
            digest.update(repr((os.fsencode(name), own)).encode())
        about = {"revision": _REVISION, "framing": asdict(framing), "hashes": list(hashes)}
        return cls(cache / f"{label}-{digest.hexdigest()[:16]}.npy", names, about)

    @property
    def record(self) -> Path:
        """What is known about the whole array."""
        return self.array.with_suffix(".json")

    def is_whole(self) -> bool:
        """Whether nothing is left to decode."""
        return self.array.exists() and self.record.exists()

    def problems(self) -> dict[str, str]:
        """By name, why an image is black.

        Raises:
            Damaged: The record cannot be read.
        """
        return dict((read_mapping(self.record) or {}).get("problems", {}))

    def open_partial(self, shape: tuple[int, ...]) -> tuple[np.memmap, np.memmap]:
        """The array in the making, and the state of each of its rows, as an earlier process left them."""
        partial, states = self.array.with_suffix(".partial"), self.array.with_suffix(".states")
        with suppress(ValueError, OSError, EOFError):
            array, state = np.load(partial, mmap_mode="r+"), np.load(states, mmap_mode="r+")
            if array.shape == shape and state.shape == shape[:1] and array.dtype == state.dtype == np.uint8:
                return array, state
        with self.array.with_suffix(".csv").open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
            csv.writer(file).writerows([("id", "file"), *enumerate(self.names)])
        self.write_problems({})
        array = np.lib.format.open_memmap(partial, mode="w+", dtype=np.uint8, shape=shape)
        return array, np.lib.format.open_memmap(states, mode="w+", dtype=np.uint8, shape=shape[:1])

    def partial_problems(self) -> dict[str, str]:
        """What was found broken so far."""
        return dict(read_mapping(self.array.with_suffix(".problems")) or {})

    def write_problems(self, problems: Mapping[str, str]) -> None:
        """Keep what was found broken so far."""
        write_json(self.array.with_suffix(".problems"), problems)

    def finish(self, problems: Mapping[str, str]) -> None:
        """Give the array its name."""
        broken = {own for name, own in zip(self.names, self.about["hashes"], strict=True) if name in problems}
        write_json(self.record, {**self.about, "problems": problems, "broken": sorted(filter(None, broken))})
        os.replace(self.array.with_suffix(".partial"), self.array)
        for suffix in (".states", ".problems"):
            self.array.with_suffix(suffix).unlink(missing_ok=True)


def decoded_before(store: Store, rows: Sequence[int]) -> Iterator[tuple[Path, list[int], list[int]]]:
    """What other whole arrays have of some rows: the array, rows here, and the same images' rows there."""
    wanted: dict[str, list[int]] = {}
    for row in rows:
        if (own := store.about["hashes"][row]) is not None:
            wanted.setdefault(own, []).append(row)
    for path in sorted(store.array.parent.glob("*.json")) if wanted else ():
        about = record_of(path)
        if any(about.get(name) != store.about[name] for name in ("revision", "framing")):
            continue
        place = {own: row for row, own in enumerate(about["hashes"])}
        shared = (wanted.keys() & place.keys()) - set(about["broken"])
        pairs = [(row, place[own]) for own in shared for row in wanted.pop(own)]
        if pairs:
            yield path.with_suffix(".npy"), [here for here, _ in pairs], [there for _, there in pairs]


def record_of(path: Path) -> dict[str, Any]:
    """The record of a whole array, with the hashes of its `broken` files; empty if it is no such record."""
    with suppress(Damaged, OSError):
        about = read_json(path)
        if isinstance(about, dict) and "hashes" in about and path.with_suffix(".npy").exists():
            return about
    return {}
