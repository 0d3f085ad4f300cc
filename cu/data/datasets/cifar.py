"""CIFAR-10, and CIFAR-100 in its classes or in its superclasses."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torchvision.datasets import CIFAR10, CIFAR100

from cu.data.datasets.files import read_verified, reading
from cu.data.datasets.outlook import Outlook, not_there
from cu.data.datasets.pickles import plain_pickle
from cu.data.splits import DatasetOptions, Part, image_data, whole
from cu.data.types import ImageData


@dataclass(frozen=True, kw_only=True)
class Cifar10(DatasetOptions):
    """50,000 training and 10,000 test colour images, 32x32, in 10 classes; `cifar-10-batches-py` below the root."""

    def load(self, root: Path) -> ImageData:
        """Read the images.

        Raises:
            ConfigError: A file is missing or corrupt, or an option does not fit the data.
        """
        return _load(self, root, CIFAR10)

    def outlook(self, root: Path) -> Outlook:
        """Its size, and which files are missing."""
        return _outlook(root, CIFAR10, 10)


@dataclass(frozen=True, kw_only=True)
class Cifar100(DatasetOptions):
    """50,000 training and 10,000 test colour images, 32x32, in 100 classes; `cifar-100-python` below the root."""

    def load(self, root: Path) -> ImageData:
        """Read the images with their fine labels.

        Raises:
            ConfigError: A file is missing or corrupt, or an option does not fit the data.
        """
        return _load(self, root, CIFAR100)

    def outlook(self, root: Path) -> Outlook:
        """Its size, and which files are missing."""
        return _outlook(root, CIFAR100, 100)


@dataclass(frozen=True, kw_only=True)
class Cifar100Superclasses(DatasetOptions):
    """The images of CIFAR-100 in its 20 superclasses of five classes each, which are their parts."""

    def load(self, root: Path) -> ImageData:
        """Read the images with their coarse labels.

        Raises:
            ConfigError: A file is missing or corrupt, or an option does not fit the data.
        """
        train, test = _read(self, root, CIFAR100)
        folder = root / CIFAR100.base_folder
        names = plain_pickle(folder / CIFAR100.meta["filename"])["coarse_label_names"]

        def part(read: CIFAR10, listed: str) -> Part:
            return _in_superclasses(_part(read), plain_pickle(folder / listed)["coarse_labels"], names, read.classes)

        first, second = part(train, CIFAR100.train_list[0][0]), part(test, CIFAR100.test_list[0][0])
        return image_data(self, first, second, tuple(names))

    def outlook(self, root: Path) -> Outlook:
        """Its size, and which files are missing."""
        return _outlook(root, CIFAR100, 20)


def _outlook(root: Path, source: type[CIFAR10], classes: int) -> Outlook:
    files = [root / source.base_folder / name for name, _ in (*source.train_list, *source.test_list)]
    return Outlook(train=50_000, test=10_000, classes=classes, shape=(3, 32, 32), missing=not_there(files))


def _load(options: DatasetOptions, root: Path, source: type[CIFAR10]) -> ImageData:
    train, test = _read(options, root, source)
    return image_data(options, _part(train), _part(test), tuple(train.classes))


def _read(options: DatasetOptions, root: Path, source: type[CIFAR10]) -> tuple[CIFAR10, CIFAR10]:
    folder = root / source.base_folder
    published = [*source.train_list, *source.test_list, [source.meta["filename"], source.meta["md5"]]]

    def read(download: bool) -> tuple[CIFAR10, CIFAR10]:
        return source(root, train=True, download=download), source(root, train=False)

    with reading(root, source.base_folder):
        checksums = {folder / name: md5 for name, md5 in published}
        return read_verified(read, checksums, source.url, options.download)


def _part(read: CIFAR10) -> Part:
    images = np.ascontiguousarray(read.data.transpose(0, 3, 1, 2))
    return whole(torch.from_numpy(images), torch.tensor(read.targets))


def _in_superclasses(part: Part, coarse: list[int], names: list[str], fine: list[str]) -> Part:
    own = zip(coarse, part.labels.tolist(), strict=True)
    return replace(
        part, labels=torch.tensor(coarse), parts=tuple((f"{names[above]}/{fine[below]}",) for above, below in own)
    )
