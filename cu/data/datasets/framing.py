"""How pictures of any size become squares: as the user's own network was given them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from PIL import Image, ImageOps

Resize = Literal["cover", "stretch", "contain"]
Interpolation = Literal["nearest", "bilinear", "bicubic", "lanczos"]
FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


@dataclass(frozen=True, kw_only=True)
class Framing:
    """From a picture to a square.

    Attributes:
        size: Height and width in pixels.
        channels: 3 for colour, 1 for grey.
        resize: `cover` scales until the picture covers the square and cuts off the rest at both ends; `stretch` does
            not keep its shape; `contain` scales until it fits inside and leaves the rest black.
        interpolation: How pixels are made from those of the file.
        crop_share: Side of the square as a share of the picture's shorter side, for `cover`: 0.875 is the usual
            `Resize(256)`, `CenterCrop(224)`.
    """

    size: int
    channels: Literal[1, 3] = 3
    resize: Resize = "cover"
    interpolation: Interpolation = "bilinear"
    crop_share: float = 1.0

    def framed(self, image: Image.Image) -> Image.Image:
        """The square of a picture, in colour or grey."""
        whole, method = image.convert("L" if self.channels == 1 else "RGB"), FILTERS[self.interpolation]
        square = (self.size, self.size)
        if self.resize == "stretch":
            return whole.resize(square, method)
        if self.resize == "contain":
            return ImageOps.pad(whole, square, method)
        if self.crop_share == 1.0:
            return ImageOps.fit(whole, square, method)
        shorter = round(self.size / self.crop_share)
        scale = shorter / min(whole.size)
        scaled = whole.resize((max(shorter, int(whole.width * scale)), max(shorter, int(whole.height * scale))), method)
        left, top = round((scaled.width - self.size) / 2), round((scaled.height - self.size) / 2)
        return scaled.crop((left, top, left + self.size, top + self.size))
