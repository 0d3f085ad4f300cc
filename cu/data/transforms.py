"""From uint8 images to model input: whole batches at once, random numbers on the CPU, pixels on any device."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from cu.data.placement import sent
from cu.data.resized_crop import Range, random_boxes, resized_boxes


@dataclass(frozen=True, eq=False)
class Draws:
    """What chance decides of a batch of training views, on the CPU.

    Attributes:
        offsets: int64 [2, B], top and left corner of each crop in the padded image; None for no crop.
        boxes: int64 [4, B], top, left, height and width of what is resized to the whole image; None for no such crop.
        mirrored: bool [B], which images are mirrored; None for none.
    """

    offsets: Tensor | None = None
    boxes: Tensor | None = None
    mirrored: Tensor | None = None


@dataclass(frozen=True)
class Transform:
    """Normalisation, and the random crop and flip of training views.

    Attributes:
        mean: Per-channel mean of pixels in [0, 1].
        std: Per-channel standard deviation of pixels in [0, 1], positive.
        crop: Zero padding in pixels around the image before a random crop of its own size; 0 for no crop.
        flip: Whether half of the images are mirrored left to right.
        augment: Whether training views are cropped and flipped at all.
        crop_scale: Smallest and largest share of the area of a random box that is resized to the whole image, instead
            of `crop`; None for `crop`.
        crop_ratio: Smallest and largest width / height of that box.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    crop: int = 0
    flip: bool = False
    augment: bool = False
    crop_scale: Range | None = None
    crop_ratio: Range = (3 / 4, 4 / 3)

    def plain(self, images: Tensor, channels_last: bool = False) -> Tensor:
        """Normalise uint8 [B, C, H, W] to float32 of the wanted memory layout, where the images are."""
        layout = torch.channels_last if channels_last else torch.contiguous_format
        pixels = images.to(torch.float32, memory_format=layout, copy=True)
        shift, scale = affine(self.mean, self.std, tuple(images.shape[1:]), images.device, channels_last)
        return torch.addcmul(shift, pixels, scale, out=pixels)

    def normalize(self, pixels: Tensor) -> Tensor:
        """Normalise float pixels [B, C, H, W] in [0, 1], differentiably."""
        mean, std = (torch.tensor(values, device=pixels.device).view(1, -1, 1, 1) for values in (self.mean, self.std))
        return (pixels - mean) / std

    def draw(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Draws:
        """What chance decides of so many training views of that height and width; `generator` lives on the CPU."""
        offsets = boxes = mirrored = None
        if self.augment and self.crop_scale:
            boxes = random_boxes(count, size, self.crop_scale, self.crop_ratio, generator)
        elif self.augment and self.crop:
            offsets = torch.randint(0, 2 * self.crop + 1, (2, count), generator=generator)
        if self.augment and self.flip:
            mirrored = torch.rand(count, generator=generator).lt(0.5)
        return Draws(offsets, boxes, mirrored)

    def view(self, images: Tensor, draws: Draws, channels_last: bool = False) -> Tensor:
        """Training views, float32 [B, C, H, W], of uint8 images by what was drawn, where the images are."""
        if draws.offsets is not None:
            images = cropped(images, self.crop, draws.offsets)
        if draws.boxes is not None:
            images = resized_boxes(images, draws.boxes)
        if draws.mirrored is not None:
            images = flipped(images, draws.mirrored)
        return self.plain(images, channels_last)

    def train(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Augment (if on) and normalise uint8 [B, C, H, W] to float32; `generator` lives on the CPU."""
        return self.view(images, self.draw(len(images), (images.shape[2], images.shape[3]), generator))


@lru_cache(maxsize=16)
def affine(
    mean: tuple[float, ...],
    std: tuple[float, ...],
    shape: tuple[int, ...],
    device: torch.device,
    channels_last: bool,
) -> tuple[Tensor, Tensor]:
    """(shift, scale), float32 [1, C, H, W] each, with shift + scale * byte the normalised pixel.

    Kept whole, because a CPU adds full tensors of one layout several times faster than one number per channel, and on
    the device, because sending them would make every batch wait.
    """
    layout = torch.channels_last if channels_last else torch.contiguous_format
    with torch.inference_mode(False):
        numbers = ([-m / s for m, s in zip(mean, std, strict=True)], [1 / (255 * s) for s in std])
        shift, scale = (
            torch.tensor(n).view(1, -1, 1, 1).expand(1, *shape).contiguous(memory_format=layout).to(device)
            for n in numbers
        )
    return shift, scale


def random_crop(images: Tensor, padding: int, generator: torch.Generator) -> Tensor:
    """Shift each image [B, C, H, W] by up to `padding` pixels in each direction, filling with zeros."""
    offsets = torch.randint(0, 2 * padding + 1, (2, len(images)), generator=generator)
    return cropped(images, padding, offsets)


def cropped(images: Tensor, padding: int, offsets: Tensor) -> Tensor:
    """Windows of zero-padded images [B, C, H, W] at the offsets (int64 [2, B]) of their top left corners.

    A window's line is a run of bytes in the padded images, so the windows are lines chosen by where they begin.
    """
    batch, channels, height, width = images.shape
    if not batch:
        return images  # no bytes to take lines from
    padded = F.pad(images, (padding,) * 4)
    top, left = sent(offsets, images.device).view(2, batch, 1, 1)
    plane = torch.arange(batch * channels, device=images.device).view(batch, channels, 1) * padded[0, 0].numel()
    line = (top + torch.arange(height, device=images.device)) * padded.shape[3]
    starts = (plane + line + left).flatten()
    return padded.view(-1).unfold(0, width, 1).index_select(0, starts).view_as(images)


def flipped(images: Tensor, mirrored: Tensor) -> Tensor:
    """Images [B, C, H, W] of which those chosen (bool [B]) are mirrored left to right."""
    both = torch.cat([images, images.flip(-1)])
    rows = torch.arange(len(mirrored)) + len(mirrored) * mirrored
    return both.index_select(0, sent(rows, images.device))
