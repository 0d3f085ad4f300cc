"""Whatever a user has as images and labels, as the splits that the engine works on."""

from __future__ import annotations

from collections.abc import Sized
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from cu.data.transforms import Transform
from cu.data.types import Split, UnlearningTask
from cu.errors import ConfigError, described
from cu.notebook.settings import plain

Samples = Dataset | tuple[Tensor, Tensor]


def task_of(
    forget: Samples, retain: Samples, val: Samples | None, test: Samples | None, num_classes: int
) -> UnlearningTask:
    """What is to be forgotten; a class scenario if no label of the forget set is left in the retain set.

    Raises:
        ConfigError: Something is no list of images and labels, or its images or labels do not fit the others'.
    """
    given = {"retain": retain, "forget": forget, "val": val, "test": test}
    pairs = {name: tensors(data, name) for name, data in given.items() if data is not None}
    shape = pairs["retain"][0].shape[1:]
    for name, (own, _) in pairs.items():
        if own.shape[1:] != shape:
            raise ConfigError(f"{name}: images of {tuple(own.shape[1:])}, those of retain {tuple(shape)}")
    splits, images, first = {}, torch.cat([pair[0] for pair in pairs.values()]), 0
    for name in given:
        own, labels = pairs.get(name, (images[:0], torch.empty(0, dtype=torch.long)))
        if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < num_classes:
            raise ConfigError(f"{name}: labels must be in [0, {num_classes}), the network's outputs")
        splits[name] = split(name, images, labels, first)
        first += len(own)
    forgotten = splits["forget"].labels.unique()
    whole = not torch.isin(splits["retain"].labels, forgotten).any()
    classes = forgotten if whole else forgotten[:0]
    of_classes = torch.isin(splits["test"].labels, classes)
    return UnlearningTask(
        **splits,
        test_forget=splits["test"].subset(of_classes, "test_forget"),
        num_classes=num_classes,
        scenario="class" if whole else "sample",
        forget_classes=tuple(classes.tolist()),
    )


def tensors(data: Samples, name: str) -> tuple[Tensor, Tensor]:
    """Images float32 [N, C, H, W] as a network takes them, and labels int64 [N].

    Raises:
        ConfigError: They are something else.
    """
    images, labels = data if isinstance(data, tuple) else _drawn(data, name)
    if not isinstance(images, Tensor) or images.ndim != 4 or not images.is_floating_point():
        what = f"{tuple(images.shape)} of {images.dtype}" if isinstance(images, Tensor) else type(images).__name__
        raise ConfigError(f"{name}: images must be a float tensor [N, C, H, W], as the network takes them, not {what}")
    labels = whole_numbers(labels, name)
    if labels.shape != images.shape[:1] or not len(labels):
        raise ConfigError(f"{name}: {tuple(labels.shape)} labels for {len(images)} images")
    return images.float(), labels


def _drawn(data: Any, name: str) -> tuple[Any, Any]:
    if not isinstance(data, Sized) or not hasattr(data, "__getitem__"):
        raise ConfigError(f"{name} must be a torch Dataset with a length, or a tuple (images, labels) of tensors")
    if not len(data):
        raise ConfigError(f"{name} has no samples")
    samples: Any = data
    pairs = [samples[position] for position in range(len(data))]
    try:
        return torch.stack([pair[0] for pair in pairs]), [plain(pair[1]) for pair in pairs]
    except (TypeError, ValueError, RuntimeError, LookupError) as error:
        what = f"each sample must be (float image tensor of one size, label): {described(error)}"
        raise ConfigError(f"{name}: {what}") from error


def whole_numbers(labels: Any, name: str) -> Tensor:
    """Labels as int64 [N], also where each is a list of one.

    Raises:
        ConfigError: They are no whole numbers.
    """
    try:
        found = torch.as_tensor(labels)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ConfigError(f"{name}: labels must be whole numbers: {described(error)}") from error
    if found.is_complex() or (found.is_floating_point() and not torch.equal(found, found.round())):
        raise ConfigError(f"{name}: labels must be whole numbers")
    return found.long().flatten() if found.ndim == 2 and found.shape[1] == 1 else found.long()


def split(name: str, images: Tensor, labels: Tensor, first: int) -> Split:
    """Those of all images [M, C, H, W] that begin at a row, which is their id; the transform changes nothing."""
    channels, rows = images.shape[1], torch.arange(len(labels)) + first
    unchanged = Transform(mean=(0.0,) * channels, std=(1 / 255,) * channels)
    return Split(name, images, rows, labels, rows, unchanged)
