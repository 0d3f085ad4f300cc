"""CIFAR-10 and CIFAR-100."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torchvision.datasets import CIFAR10, CIFAR100

from cu.data.datasets.files import read_verified, reading
from cu.data.datasets.outlook import Outlook, not_there
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
        return Outlook(
            train=50_000, test=10_000, classes=10, shape=(3, 32, 32), missing=not_there(_files(root, CIFAR10))
        )


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
        return Outlook(
            train=50_000, test=10_000, classes=100, shape=(3, 32, 32), missing=not_there(_files(root, CIFAR100))
        )


def _files(root: Path, source: type[CIFAR10]) -> list[Path]:
    return [root / source.base_folder / name for name, _ in (*source.train_list, *source.test_list)]


def _load(options: DatasetOptions, root: Path, source: type[CIFAR10]) -> ImageData:
    folder = root / source.base_folder
    published = [*source.train_list, *source.test_list, [source.meta["filename"], source.meta["md5"]]]

    def read(download: bool) -> tuple[CIFAR10, CIFAR10]:
        return source(root, train=True, download=download), source(root, train=False)

    with reading(root, source.base_folder):
        checksums = {folder / name: md5 for name, md5 in published}
        train, test = read_verified(read, checksums, source.url, options.download)
    return image_data(options, _part(train), _part(test), tuple(train.classes))


def _part(read: CIFAR10) -> Part:
    images = np.ascontiguousarray(read.data.transpose(0, 3, 1, 2))
    return whole(torch.from_numpy(images), torch.tensor(read.targets))
