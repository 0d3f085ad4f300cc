"""Handwritten digits that ship with scikit-learn."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from sklearn.datasets import load_digits

from cu.data.datasets.outlook import Outlook
from cu.data.splits import DatasetOptions, Part, image_data, stratified
from cu.data.types import ImageData

_TEST_FRACTION = 0.2


@dataclass(frozen=True, kw_only=True)
class Digits(DatasetOptions):
    """1,797 grey 8x8 images of the digits 0 to 9, no download needed.

    Every run has the same 1,438 training and 359 test images. Sample ids are positions in scikit-learn's own order, so
    training and test ids never coincide. Source: UCI, Optical Recognition of Handwritten Digits (its test part).
    """

    def load(self, root: Path) -> ImageData:
        """Read the images; nothing is looked for below `root`."""
        pixels, digits = load_digits(return_X_y=True)
        # Pixels are counts of set bits in a 4x4 block: 0 to 16.
        images = torch.tensor(pixels).mul(255 / 16).round().to(torch.uint8).view(-1, 1, 8, 8)
        labels = torch.tensor(digits).long()
        test = stratified(labels, _TEST_FRACTION)
        return image_data(
            self,
            Part(images=images, labels=labels, rows=(~test).nonzero().squeeze(1)),
            Part(images=images, labels=labels, rows=test.nonzero().squeeze(1)),
            tuple(str(digit) for digit in range(10)),
        )

    def outlook(self, root: Path) -> Outlook:
        """Its size; nothing can be missing."""
        return Outlook(train=1438, test=359, classes=10, shape=(1, 8, 8))
