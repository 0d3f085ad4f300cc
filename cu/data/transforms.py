"""From uint8 images to model input: whole batches at once, on the images' own device."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class Transform:
    """Normalisation, and the random crop and flip of training views.

    Attributes:
        mean: Per-channel mean of pixels in [0, 1].
        std: Per-channel standard deviation of pixels in [0, 1], positive.
        crop: Zero padding in pixels around the image before a random crop of its own size; 0 for no crop.
        flip: Whether half of the images are mirrored left to right.
        augment: Whether training views are cropped and flipped at all.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    crop: int = 0
    flip: bool = False
    augment: bool = False

    def plain(self, images: Tensor) -> Tensor:
        """Normalise uint8 [B, C, H, W] to float32."""
        shape = (1, -1, 1, 1)
        scale = torch.tensor([1 / (255 * s) for s in self.std], device=images.device).view(shape)
        shift = torch.tensor([-m / s for m, s in zip(self.mean, self.std, strict=True)], device=images.device)
        return torch.addcmul(shift.view(shape), images, scale)

    def normalize(self, pixels: Tensor) -> Tensor:
        """Normalise float pixels [B, C, H, W] in [0, 1], differentiably."""
        mean, std = (torch.tensor(values, device=pixels.device).view(1, -1, 1, 1) for values in (self.mean, self.std))
        return (pixels - mean) / std

    def train(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Augment (if on) and normalise uint8 [B, C, H, W] to float32; `generator` lives on the CPU."""
        if self.augment and self.crop:
            images = random_crop(images, self.crop, generator)
        if self.augment and self.flip:
            mirrored = torch.rand(len(images), generator=generator).lt(0.5).to(images.device)
            images = torch.where(mirrored.view(-1, 1, 1, 1), images.flip(-1), images)
        return self.plain(images)


def random_crop(images: Tensor, padding: int, generator: torch.Generator) -> Tensor:
    """Shift each image [B, C, H, W] by up to `padding` pixels in each direction, filling with zeros."""
    batch, channels, height, width = images.shape
    padded = F.pad(images, (padding,) * 4)
    offsets = torch.randint(0, 2 * padding + 1, (2, batch), generator=generator).to(images.device)
    rows = offsets[0, :, None] + torch.arange(height, device=images.device)
    columns = offsets[1, :, None] + torch.arange(width, device=images.device)
    sample = torch.arange(batch, device=images.device)
    return padded[
        sample[:, None, None, None],
        torch.arange(channels, device=images.device)[None, :, None, None],
        rows[:, None, :, None],
        columns[:, None, None, :],
    ]
