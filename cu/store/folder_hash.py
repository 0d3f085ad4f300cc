"""A folder of data by what is in it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

from cu.config.component import Component
from cu.config.schema import Paths
from cu.data.datasets.listing import CACHE, Listing, all_files, list_images, require_apart, split_folders
from cu.disk.folders import known_by_folders, remember_by_folders
from cu.disk.hash_cache import content_hashes, signature
from cu.disk.whole import known_whole, remembered
from cu.errors import ConfigError
from cu.store.fingerprint import fingerprint


def folder_hash(dataset: Component, folder: Path, paths: Paths) -> str:
    """A hash of what the data set reads of its folder: names and contents.

    Of a folder of images, these are the image files of its split folders, in their order; of any other, all files.
    Where `dataset.recheck` is `folders`, files are looked at only if something was added, removed or renamed.

    Raises:
        ConfigError: There is no such folder, a split folder is missing, or what is written would become a part of it.
    """
    if not folder.is_dir():
        made = f"; {dataset.get('made_by')} makes it" if dataset.get("made_by") else ""
        raise ConfigError(f"dataset.folder={folder} is not a folder{made}")
    cache = paths.data / CACHE
    if dataset.target.rpartition(".")[2] != "ImageFolder":
        files = {path.relative_to(folder).as_posix(): signature(path.stat()) for path in all_files(folder)}
        return fingerprint(sorted(content_hashes(folder, files, cache)[0].items()))
    places, started, own = split_folders(folder), time.time_ns(), fingerprint(str(folder.absolute()))
    for place in places.values():
        for key, written in (("paths.data", paths.data), ("paths.outputs", paths.outputs)):
            require_apart(written, place, key)
    by_folders = cache / f"folders-{own}.json" if dataset.get("recheck") == "folders" else None
    if by_folders and (known := known_by_folders(by_folders)):
        return known
    listings = {split: list_images(place) for split, place in places.items()}
    found = known_whole(
        {split: (listing.names, listing.signatures) for split, listing in listings.items()},
        whole := cache / f"whole-{own}.json",
        lambda: _hashed({split: _content(listing, cache) for split, listing in listings.items()}),
    )
    if by_folders and (remembered(whole) or {}).get("hash") == found:  # all files are whole and have settled
        inside = [name for listing in listings.values() for name in listing.folders]
        remember_by_folders(by_folders, [str(folder.absolute()), *inside], found, started)
    return found


def _hashed(contents: Mapping[str, list[list[str | None]]]) -> tuple[str, bool]:
    """One hash of all, and whether every file could be read."""
    return fingerprint(contents), all(own is not None for files in contents.values() for _, own in files)


def _content(listing: Listing, cache: Path) -> list[list[str | None]]:
    """The image files of a split in their order: name, and hash if it can be read."""
    known = {n: own for n, own in zip(listing.names, listing.signatures, strict=True) if own is not None}
    hashes, _ = content_hashes(listing.folder, known, cache)
    return [[name, hashes.get(name)] for name in listing.names]
