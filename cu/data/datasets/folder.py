"""A user's own images, one folder per class."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import torch
from annotated_types import Gt, Le, Lt

from cu.data.datasets.decoding import decoded
from cu.data.datasets.files import reading
from cu.data.datasets.framing import Framing, Interpolation, Resize
from cu.data.splits import DatasetOptions, Part, image_data, stratified, whole
from cu.data.types import ImageData
from cu.errors import ConfigError

_SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})


@dataclass(frozen=True, kw_only=True)
class ImageFolder(DatasetOptions):
    """Images in `train/<class>/` and, if there is one, `test/<class>/`; classes are the folder names, sorted.

    A sample id is a position in the sorted list of file names relative to `train` or `test`; the list is written as
    `id,file` to a CSV beside the decoded images, in `image_folder` below the root.

    Attributes:
        folder: Where `train` and `test` are.
        image_size: Height and width in pixels.
        resize: `cover`, `stretch` or `contain`; see `Framing`, as for the next two.
        interpolation: `nearest`, `bilinear`, `bicubic` or `lanczos`.
        crop_share: Side of the square as a share of the scaled image's shorter side, where images cover it.
        channels: 3 for colour, 1 for grey.
        test_fraction: Share of the training images that becomes the test set when there is no `test` folder, in
            proportion to the classes; ids of both then count in one list.
    """

    folder: str
    image_size: Annotated[int, Gt(0)]
    resize: Resize
    interpolation: Interpolation
    crop_share: Annotated[float, Gt(0), Le(1)]
    channels: Literal[1, 3]
    test_fraction: Annotated[float, Gt(0), Lt(1)]

    def load(self, root: Path) -> ImageData:
        """Decode the images once; later calls map the result into memory until a file changes.

        Raises:
            ConfigError: A folder is missing or empty, an image is corrupt, or an option does not fit the data.
        """
        folder = Path(self.folder).expanduser().absolute()
        class_names = _class_names(folder / "train")
        with reading(root, "image_folder"):
            train = self._part(folder / "train", root, class_names)
            test = self._part(folder / "test", root, class_names) if (folder / "test").is_dir() else None
        train, test = (train, test) if test else _cut(train, self.test_fraction)
        return image_data(self, train, test, class_names)

    def _framing(self) -> Framing:
        return Framing(
            size=self.image_size,
            channels=self.channels,
            resize=self.resize,
            interpolation=self.interpolation,
            crop_share=self.crop_share,
        )

    def _part(self, folder: Path, root: Path, class_names: tuple[str, ...]) -> Part:
        names = _image_names(folder)
        present = {name.split("/")[0] for name in names}
        if unknown := sorted(present.difference(class_names)):
            raise ConfigError(f"dataset.folder: {folder / unknown[0]} is no class of the training images")
        if not names:
            raise ConfigError(f"dataset.folder: {folder} holds no images")
        class_index = {name: index for index, name in enumerate(class_names)}
        labels = torch.tensor([class_index[name.split("/")[0]] for name in names])
        return whole(decoded(folder, names, self._framing(), root / "image_folder"), labels)


def _class_names(folder: Path) -> tuple[str, ...]:
    if not folder.is_dir():
        raise ConfigError(f"dataset.folder: there is no {folder}; put each class's images in {folder / '<class>'}")
    names = sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    if len(names) < 2:
        raise ConfigError(f"dataset.folder: {folder} has {len(names)} class folder(s), but needs at least 2")
    for name in names:
        if not _image_names(folder / name):
            raise ConfigError(f"dataset.folder: {folder / name} holds no images")
    return tuple(names)


def _image_names(folder: Path) -> list[str]:
    """Relative names of all images below `folder`, with forward slashes, sorted; hidden ones left out."""
    names = []
    # Class folders are often links, which Path.rglob does not enter.
    for place, subfolders, files in os.walk(folder, followlinks=True):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        images = (Path(place, name) for name in files if not name.startswith("."))
        names += [path.relative_to(folder).as_posix() for path in images if path.suffix.lower() in _SUFFIXES]
    return sorted(names)


def _cut(part: Part, fraction: float) -> tuple[Part, Part]:
    test = stratified(part.labels, fraction)
    if not 0 < int(test.sum()) < len(test):
        raise ConfigError(
            f"dataset.test_fraction={fraction} of {len(test)} images leaves {int(test.sum())} for testing: "
            f"use a share that leaves images on both sides"
        )
    train_rows, test_rows = ((~test).nonzero().squeeze(1), test.nonzero().squeeze(1))
    return (
        Part(images=part.images, labels=part.labels, rows=train_rows),
        Part(images=part.images, labels=part.labels, rows=test_rows),
    )
