"""A data set without what earlier requests removed from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from cu.data.datasets.listing import shown
from cu.data.scenarios.id_files import Named
from cu.data.scenarios.matching import Names
from cu.data.types import Files, ImageData, Split
from cu.errors import ConfigError


def without(data: ImageData, entries: Sequence[Named]) -> ImageData:
    """The data set less some samples, which become its `removed`; classes that are gone leave validation and test, too.

    An entry stands for all pictures of its content, whatever their names; without a hash for the files that it names;
    without a name for a sample id. What is not there any more is removed already.

    Args:
        data: As loaded.
        entries: What was removed.

    Raises:
        ConfigError: No sample would be left to train on, or a file name without a folder is several.
    """
    if not entries:
        return data
    gone = _positions(data.train, entries, True)
    removed, train = data.train.subset(gone, "removed"), data.train.subset(~gone)
    if not len(train):
        raise ConfigError("removed: earlier requests removed all training samples")
    lost = torch.tensor(sorted(set(removed.labels.tolist()) - set(train.labels.tolist())), dtype=torch.int64)
    kept = {}
    for split in (data.val, data.test):
        out = _positions(split, entries, _same_files(split, data.train)) | torch.isin(split.labels, lost)
        kept[split.name] = split.subset(~out)
    return replace(data, train=train, val=kept["val"], test=kept["test"], removed=removed if len(removed) else None)


def _same_files(split: Split, train: Split) -> bool:
    return split.images is train.images


def _positions(split: Split, entries: Sequence[Named], by_name: bool) -> torch.Tensor:
    """Which samples of a split some entries stand for: bool [N].

    Args:
        split: The split.
        entries: What was removed.
        by_name: Whether names and ids are those of this split; contents count everywhere.
    """
    files = split.files
    hashes = {entry.sha256.lower() for entry in entries if entry.sha256}
    ids: set[int] = set()
    if files is not None:
        ids |= {number for number, own in enumerate(files.hashes) if own in hashes}
    if by_name:
        ids |= _named(entries, files)
    return torch.tensor([number in ids for number in split.ids.tolist()], dtype=torch.bool)


def _named(entries: Sequence[Named], files: Files | None) -> set[int]:
    if files is None:
        return {entry.id for entry in entries if entry.id is not None}
    names = Names(files)
    plain = [entry for entry in entries if entry.sha256 is None]
    of_files: set[int] = set()
    for entry in plain:
        found = names.find(entry.file) if entry.file else ()
        if len(found) > 1 and entry.file and entry.file in names.by_name:
            raise ConfigError(f"removed: {shown(entry.file)} is {len(found)} images: write the folder, too")
        of_files.update(found)
    return of_files | {entry.id for entry in plain if entry.file is None and entry.id is not None}
