"""Street View House Numbers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torchvision import datasets

from cu.data.datasets.files import read_verified, reading
from cu.data.datasets.outlook import Outlook, not_there
from cu.data.splits import DatasetOptions, Part, image_data, whole
from cu.data.types import ImageData


@dataclass(frozen=True, kw_only=True)
class SVHN(DatasetOptions):
    """73,257 training and 26,032 test colour images of house digits, 32x32; the "extra" images are never used.

    The files `train_32x32.mat` and `test_32x32.mat` lie in the root itself. Label 0 is the digit 0.
    """

    def load(self, root: Path) -> ImageData:
        """Read the images.

        Raises:
            ConfigError: A file is missing or corrupt, or an option does not fit the data.
        """
        with reading(root, "svhn"):
            train, test = (_read(root, part, self.download) for part in ("train", "test"))
        return image_data(self, train, test, tuple(str(digit) for digit in range(10)))

    def outlook(self, root: Path) -> Outlook:
        """Its size, and which files are missing."""
        files = [root / datasets.SVHN.split_list[part][1] for part in ("train", "test")]
        return Outlook(train=73_257, test=26_032, classes=10, shape=(3, 32, 32), missing=not_there(files))


def _read(root: Path, part: str, download: bool) -> Part:
    url, name, md5 = datasets.SVHN.split_list[part]
    read = read_verified(
        lambda fetch: datasets.SVHN(root, split=part, download=fetch), {root / name: md5}, url, download
    )
    return whole(torch.from_numpy(np.ascontiguousarray(read.data)), torch.from_numpy(read.labels))
