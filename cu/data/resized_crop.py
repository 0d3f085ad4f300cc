"""Random boxes of images, each resized to the size of the whole image: the usual augmentation at 224 pixels."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from cu.data.placement import sent

Range = tuple[float, float]
TRIES = 10


def random_boxes(count: int, size: tuple[int, int], scale: Range, ratio: Range, generator: torch.Generator) -> Tensor:
    """Boxes as `torchvision.transforms.RandomResizedCrop` draws them, all at once: int64 [4, B], on the CPU.

    Source: Szegedy et al., "Going Deeper with Convolutions" (CVPR 2015), section 6. The share of the area is uniform,
    the logarithm of width / height too; the first of ten tries that fits is taken, else the largest box in the
    middle whose shape is within `ratio`.

    Args:
        count: Number of boxes.
        size: Height and width of the images.
        scale: Smallest and largest share of the area, in (0, 1].
        ratio: Smallest and largest width / height, positive.
        generator: On the CPU.

    Returns:
        Top, left, height and width of each box.
    """
    height, width = size
    share, shape, down, right = torch.rand(4, TRIES, count, generator=generator, dtype=torch.float64)
    area = height * width * (scale[0] + (scale[1] - scale[0]) * share)
    low, high = math.log(ratio[0]), math.log(ratio[1])
    stretch = torch.exp(low + (high - low) * shape)
    heights, widths = (area / stretch).sqrt().round().long(), (area * stretch).sqrt().round().long()
    fits = (heights > 0) & (heights <= height) & (widths > 0) & (widths <= width)
    first = fits.int().argmax(dim=0, keepdim=True)
    h, w, u, v = (numbers.gather(0, first)[0] for numbers in (heights, widths, down, right))
    drawn = torch.stack([(u * (height - h + 1)).floor().long(), (v * (width - w + 1)).floor().long(), h, w])
    return torch.where(fits.any(dim=0), drawn, central_box(height, width, ratio).view(4, 1))


def central_box(height: int, width: int, ratio: Range) -> Tensor:
    """The largest box in the middle of an image whose width / height is within `ratio`, int64 [4]."""
    h, w = height, width
    if width / height < ratio[0]:
        h = round(width / ratio[0])
    elif width / height > ratio[1]:
        w = round(height * ratio[1])
    return torch.tensor([(height - h) // 2, (width - w) // 2, h, w])


def resized_boxes(images: Tensor, boxes: Tensor) -> Tensor:
    """Boxes (int64 [4, B]) of uint8 images [B, C, H, W], each resized bilinearly, antialiased, to H x W.

    On a CPU image by image by torch's own code for bytes; elsewhere all together as two products of matrices, which
    may round a pixel to the next number.
    """
    if images.is_cpu:
        found = torch.empty_like(images)
        for image, place, (top, left, height, width) in zip(images, found, boxes.T.tolist(), strict=True):
            box = image[None, :, top : top + height, left : left + width]
            place.copy_(F.interpolate(box, place.shape[1:], mode="bilinear", antialias=True)[0])
        return found
    top, left, height, width = sent(boxes, images.device)
    down, across = weights(top, height, images.shape[2]), weights(left, width, images.shape[3])
    return (down[:, None] @ images.float() @ across[:, None].mT).round().clamp(0, 255).to(images.dtype)


def weights(start: Tensor, length: Tensor, size: int) -> Tensor:
    """What each pixel of a line adds to each pixel of its part, resized to `size`: float32 [B, size (to), size (from)].

    Triangles around the centres, as wide as a pixel of the result is, cut at the ends of the part.

    Args:
        start: int64 [B], where the part begins.
        length: int64 [B], how long it is.
        size: Pixels of the line, and of the result.
    """
    step = (length / size).view(-1, 1, 1)
    pixels = torch.arange(size, device=start.device)
    centre = (pixels.view(1, -1, 1) + 0.5) * step
    inside = pixels.view(1, 1, -1) - start.view(-1, 1, 1)
    triangle = (1 - (inside + 0.5 - centre).abs() / step.clamp(min=1)).clamp(min=0)
    triangle = triangle * ((inside >= 0) & (inside < length.view(-1, 1, 1)))
    return triangle / triangle.sum(dim=2, keepdim=True)
