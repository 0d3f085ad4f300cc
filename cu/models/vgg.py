"""VGG networks in their CIFAR form: batch normalisation, global average pooling, one head instead of three layers."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Gt
from torch import nn

from cu.models.convolution import conv_bn
from cu.models.heads import HeadKind, build_head
from cu.models.types import Classifier

CONVOLUTIONS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
WIDENING = (1, 2, 4, 8, 8)


def vgg_encoder(depth: int, width: int, channels: int) -> tuple[nn.Sequential, int]:
    """The network up to global average pooling, and the number of features it returns.

    Modules: `stage1` to `stage5`, `pool`. Maps [B, channels, H, W] to [B, 8 `width`], for images of any size.
    """
    stages: OrderedDict[str, nn.Module] = OrderedDict()
    features = channels
    for stage, (count, factor) in enumerate(zip(CONVOLUTIONS[depth], WIDENING, strict=True), start=1):
        layers: list[nn.Module] = []
        for _ in range(count):
            layers += [*conv_bn(features, width * factor, 3, bias=True), nn.ReLU(inplace=True)]
            features = width * factor
        # Rounding up leaves one pixel where an 8x8 or 28x28 image would run out of them.
        layers.append(nn.MaxPool2d(2, ceil_mode=True))
        stages[f"stage{stage}"] = nn.Sequential(*layers)
    stages["pool"] = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return nn.Sequential(stages), features


@dataclass(frozen=True, kw_only=True)
class VGG:
    """VGG with batch normalisation and without dropout, for small images.

    Source: Simonyan and Zisserman, "Very Deep Convolutional Networks" (ICLR 2015), configurations A, B, D and E;
    the three fully connected layers are replaced by global average pooling and a head.

    Attributes:
        depth: Number of weighted layers of the published network of that name.
        width: Channels of the first stage (the next have 2, 4, 8 and 8 times as many); 64 is the published network.
        head: `projection` (unit embedding of size `dim`) or `linear` (embedding = pooled features).
        dim: Size of the embedding of a projection head; a linear head ignores it.
    """

    depth: Literal[11, 13, 16, 19]
    width: Annotated[int, Gt(0)]
    head: HeadKind
    dim: Annotated[int, Gt(0)]

    def build(self, num_classes: int, shape: tuple[int, int, int]) -> Classifier:
        """A freshly initialised classifier of images of `shape` (channels, height, width).

        Weights come from torch's global generator.
        """
        channels, _, _ = shape
        encoder, features = vgg_encoder(self.depth, self.width, channels)
        return Classifier(encoder, build_head(self.head, features, num_classes, self.dim))
