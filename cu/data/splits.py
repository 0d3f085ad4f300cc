"""From the images of a data set to its train, val and test splits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
import torch
from annotated_types import Ge, Gt, Le, Len, Lt
from torch import Tensor

from cu.data.transforms import Transform
from cu.data.types import Files, ImageData, Split
from cu.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class DatasetOptions:
    """Settings that every data set has.

    Attributes:
        train_size: Training images to use, those of the validation split included; None for all. A random choice
            that is the same in every run, and part of any larger one.
        test_size: Test images to use, chosen in the same way; None for all.
        val_fraction: Share of the training images held out before any training, in proportion to the classes. The
            choice is the same in every run.
        augment: Whether training views are cropped and flipped at all.
        crop: Zero padding in pixels around the image before a random crop of its own size; 0 for no crop.
        flip: Whether half of the images are mirrored left to right.
        download: Whether missing files may be fetched from the network.
        mean: Per-channel mean of pixels in [0, 1], subtracted.
        std: Per-channel standard deviation of pixels in [0, 1], divided by.
        crop_scale: Smallest and largest share of the area of a random box that is resized to the whole image, as
            torchvision's `RandomResizedCrop` does, instead of `crop`; None for `crop`.
        crop_ratio: Smallest and largest width / height of that box.
    """

    train_size: Annotated[int, Gt(0)] | None
    test_size: Annotated[int, Gt(0)] | None
    val_fraction: Annotated[float, Ge(0), Lt(1)]
    augment: bool
    crop: Annotated[int, Ge(0)]
    flip: bool
    download: bool
    mean: list[float]
    std: list[Annotated[float, Gt(0)]]
    crop_scale: Annotated[list[Annotated[float, Gt(0), Le(1)]], Len(2, 2)] | None = None
    crop_ratio: Annotated[list[Annotated[float, Gt(0)]], Len(2, 2)] = field(default_factory=lambda: [3 / 4, 4 / 3])


@dataclass(frozen=True, kw_only=True, eq=False)
class Part:
    """The training or the test part of a data set, as its files have it.

    Attributes:
        images: uint8 [M, C, H, W] in file order.
        labels: int64 [M], in [0, number of classes).
        rows: int64 [N], ascending: the images that belong to this part. They become the sample ids.
        files: Of all images, where there are any.
        parts: Of all images, the parts of its class that each belongs to, as `class/part`, where there are any.
    """

    images: Tensor
    labels: Tensor
    rows: Tensor
    files: Files | None = None
    parts: tuple[tuple[str, ...], ...] | None = None


def whole(images: Tensor, labels: Tensor) -> Part:
    """All images of a file as one part."""
    return Part(images=images, labels=labels, rows=torch.arange(len(labels)))


def image_data(
    options: DatasetOptions, train: Part, test: Part, class_names: tuple[str, ...], val: Part | None = None
) -> ImageData:
    """The data set that `options` ask for; `train` and `val` share one image tensor unless `val` has its own.

    Raises:
        ConfigError: `dataset.train_size` or `dataset.test_size` exceeds what there is, `dataset.val_fraction` leaves
            nothing to validate or to train on, or `dataset.mean` and `dataset.std` do not fit the channels.
    """
    transform = _transform(options, channels=train.images.shape[1])
    chosen = _subset(train.rows, options.train_size, "train_size")
    held_out = _validation(train.labels[chosen], 0.0 if val else options.val_fraction)
    return ImageData(
        train=_split("train", train, chosen[~held_out], transform),
        val=_split("val", val, val.rows, transform) if val else _split("val", train, chosen[held_out], transform),
        test=_split("test", test, _subset(test.rows, options.test_size, "test_size"), transform),
        class_names=class_names,
    )


def stratified(labels: Tensor, fraction: float) -> Tensor:
    """Choose a share of the samples at random, in proportion to the classes, and the same ones in every run.

    Args:
        labels: int64 [N].
        fraction: The share to choose, in [0, 1].

    Returns:
        bool [N] with round(fraction * N) True. Each class has its exact share rounded down or up.
    """
    total, count = len(labels), round(fraction * len(labels))
    shuffled = _fixed_order(total)
    by_class = shuffled[labels[shuffled].argsort(stable=True)]
    evenly_spaced = (2 * torch.arange(count) + 1) * total // (2 * max(count, 1))
    chosen = torch.zeros(total, dtype=torch.bool)
    chosen[by_class[evenly_spaced]] = True
    return chosen


def _fixed_order(count: int) -> Tensor:
    """One permutation of `count` samples. NumPy promises never to change this stream, so splits outlive upgrades."""
    return torch.from_numpy(np.random.RandomState(0).permutation(count)).long()


def _subset(rows: Tensor, size: int | None, key: str) -> Tensor:
    if size is None:
        return rows
    if size > len(rows):
        raise ConfigError(f"dataset.{key}={size}: there are only {len(rows)} images; use null for all of them")
    return rows[_fixed_order(len(rows))[:size].sort().values]


def _validation(labels: Tensor, fraction: float) -> Tensor:
    held_out = stratified(labels, fraction)
    count = int(held_out.sum())
    if fraction > 0 and count in (0, len(labels)):
        raise ConfigError(
            f"dataset.val_fraction={fraction} of {len(labels)} training images holds out {count}: "
            f"use 0 for no validation split, or a share that leaves images on both sides"
        )
    return held_out


def _transform(options: DatasetOptions, channels: int) -> Transform:
    for key, values in (("mean", options.mean), ("std", options.std)):
        if len(values) != channels:
            raise ConfigError(f"dataset.{key} has {len(values)} values, but the images have {channels} channel(s)")
    for key, values in (("crop_scale", options.crop_scale or [1, 1]), ("crop_ratio", options.crop_ratio)):
        if values[0] > values[1]:
            raise ConfigError(f"dataset.{key}={values} must be the smallest value and the largest")
    return Transform(
        mean=tuple(options.mean),
        std=tuple(options.std),
        crop=options.crop,
        flip=options.flip,
        augment=options.augment,
        crop_scale=(options.crop_scale[0], options.crop_scale[1]) if options.crop_scale else None,
        crop_ratio=(options.crop_ratio[0], options.crop_ratio[1]),
    )


def _split(name: str, part: Part, rows: Tensor, transform: Transform) -> Split:
    return Split(name, part.images, rows, part.labels[rows], rows, transform, part.files, part.parts)
