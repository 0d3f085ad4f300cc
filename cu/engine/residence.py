"""Where images live during a job: on the device that computes, if they fit, else in host memory."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Literal

import torch
from torch import Tensor

from cu.data.types import ImageData, Poisoning, Split
from cu.errors import ConfigError

Home = Literal["auto", "device", "host"]

# Share of the device's free memory that images may take by `auto`; models and activations need the rest.
SHARE = 0.5


def at_home(data: ImageData, device: str, home: Home) -> ImageData:
    """The data set with its uint8 images where `home` wants them; labels and ids stay in host memory.

    With `auto`, images go to a CUDA device if all of them together take at most half of the memory that is free there;
    to no other device. Numbers do not depend on it: pixels are transformed on the device that computes either way.

    Args:
        data: With images in host memory.
        device: That computes.
        home: `auto`, `device`, or `host`.

    Raises:
        ConfigError: They are wanted on a device that has no room for them.
    """
    size = sum(images.nbytes for images in images_of(data))
    free = torch.cuda.mem_get_info(device)[0] if device.startswith("cuda") else None
    if home == "host" or device == "cpu" or (home == "auto" and (free is None or size > SHARE * free)):
        return data
    if free is not None and size > free:
        raise ConfigError(
            f"hardware.data=device: the images take {size / 2**30:.1f} GiB, and {device} has {free / 2**30:.1f} GiB "
            "free; use auto or host"
        )
    return moved(data, device)


def images_of(data: ImageData) -> list[Tensor]:
    """The tensors of images behind the splits, each once."""
    splits = [split for split in (getattr(data, f.name) for f in fields(data)) if isinstance(split, Split)]
    return list({id(split.images): split.images for split in splits + poisoned(data.poisoning)}.values())


def moved(data: ImageData, device: str) -> ImageData:
    """The data set with its images on a device; splits that share images still do."""
    homes = {id(images): images.to(device) for images in images_of(data)}

    def at(split: Split) -> Split:
        return replace(split, images=homes[id(split.images)])

    own = {f.name: getattr(data, f.name) for f in fields(data)}
    changed = {name: at(value) for name, value in own.items() if isinstance(value, Split)}
    noise = data.poisoning
    return replace(data, **changed, poisoning=replace(noise, clean=at(noise.clean)) if noise else None)


def poisoned(noise: Poisoning | None) -> list[Split]:
    """The split that images were taken from before noise was added, if it was."""
    return [noise.clean] if noise else []
