"""Fashion-MNIST, from IDX files."""

from __future__ import annotations

import gzip
import struct
import zlib
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from cu.data.datasets.files import DOWNLOAD_ERRORS, corrupt, missing, one_line, reading
from cu.data.datasets.outlook import Outlook
from cu.data.splits import DatasetOptions, Part, image_data, whole
from cu.data.types import ImageData
from cu.errors import ConfigError

CLASS_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")
_FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
_REMEDY = "set dataset.download=true, or install the Debian package dataset-fashion-mnist"


@dataclass(frozen=True, kw_only=True)
class FashionMNIST(DatasetOptions):
    """60,000 training and 10,000 test grey images of clothes, 28x28, in 10 classes.

    The four files, gzipped or plain, are looked for in `FashionMNIST/raw` and `fashion_mnist` below the root, in the
    root itself, and where the Debian package `dataset-fashion-mnist` puts them.
    """

    def load(self, root: Path) -> ImageData:
        """Read the images.

        Raises:
            ConfigError: A file is missing or corrupt, or an option does not fit the data.
        """
        with reading(root, "fashion_mnist"):
            paths = _find(root, self.download)
            train_images, train_labels, test_images, test_labels = (read_idx(path) for path in paths)
        train = _part(train_images, train_labels, paths[1])
        return image_data(self, train, _part(test_images, test_labels, paths[3]), CLASS_NAMES)

    def outlook(self, root: Path) -> Outlook:
        """Its size, and which files are missing where they would be downloaded to."""
        try:
            _find(root, download=False)
            missing = ()
        except ConfigError:
            missing = tuple(root / "FashionMNIST" / "raw" / f"{name}.gz" for name in _FILES)
        return Outlook(train=60_000, test=10_000, classes=10, shape=(1, 28, 28), missing=missing)


def read_idx(path: Path) -> Tensor:
    """The uint8 array in an IDX file, gzipped if its name ends in `.gz`.

    Format: two zero bytes, the type (8 is uint8), the number of dimensions, each as a big-endian int32, the values.

    Raises:
        ConfigError: The file is truncated or not such a file.
    """
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        zeros, kind, dimensions = struct.unpack_from(">HBB", content)
        shape = struct.unpack_from(f">{dimensions}I", content, 4)
    except (gzip.BadGzipFile, EOFError, zlib.error, struct.error) as error:
        raise _unreadable(path, error) from error
    start = 4 + 4 * dimensions
    if (zeros, kind) != (0, 8):
        raise _unreadable(path, "not an IDX file of bytes")
    if len(content) - start != prod(shape):
        raise _unreadable(path, f"{len(content) - start} of {prod(shape)} bytes")
    return torch.from_numpy(np.frombuffer(content, np.uint8, offset=start).reshape(shape).copy())


def _find(root: Path, download: bool) -> list[Path]:
    """The four files, all from the first folder that has them."""
    download_folder = root / "FashionMNIST" / "raw"
    folders = (download_folder, root / "fashion_mnist", root, DEBIAN_FOLDER)
    found = [[_plain_or_gzipped(folder, name) for name in _FILES] for folder in folders]
    for paths in found:
        if all(path.exists() for path in paths):
            return paths
    if download:
        return _download(root, download_folder)
    started = next((paths for paths in found if any(path.exists() for path in paths)), found[0])
    raise missing(next(path for path in started if not path.exists()), _REMEDY)


def _plain_or_gzipped(folder: Path, name: str) -> Path:
    plain = folder / name
    return plain if plain.exists() else folder / f"{name}.gz"


def _download(root: Path, folder: Path) -> list[Path]:
    from torchvision import datasets

    try:
        datasets.FashionMNIST(root, download=True)
    except DOWNLOAD_ERRORS as error:
        absent = next((path for name in _FILES if not (path := _plain_or_gzipped(folder, name)).exists()), folder)
        remedy = "install the Debian package dataset-fashion-mnist, or put the file there"
        raise missing(absent, f"its download failed ({one_line(error)}); {remedy}") from error
    return [folder / name for name in _FILES]


def _unreadable(path: Path, reason: object) -> Exception:
    if path.parent == DEBIAN_FOLDER:
        return corrupt(path, one_line(reason), "reinstall the Debian package dataset-fashion-mnist")
    return corrupt(path, one_line(reason))


def _part(images: Tensor, labels: Tensor, labels_path: Path) -> Part:
    if images.ndim != 3 or labels.shape != images.shape[:1]:
        raise _unreadable(labels_path, f"labels {tuple(labels.shape)} do not match images {tuple(images.shape)}")
    if bool(labels.ge(len(CLASS_NAMES)).any()):
        raise _unreadable(labels_path, f"a label above {len(CLASS_NAMES) - 1}")
    return whole(images.unsqueeze(1), labels.long())
