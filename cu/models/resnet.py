"""Residual networks for small images, without early downsampling, and for large ones, with it."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Gt
from torch import Tensor, nn
from torch.nn import functional as F

from cu.models.convolution import conv_bn
from cu.models.heads import HeadKind, build_head
from cu.models.types import Classifier

BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}
FIRST_BOTTLENECK_DEPTH = 50
EXPANSION = 4
Stem = Literal["small", "large"]


class Residual(nn.Module):
    """ReLU(body(x) + shortcut(x)); the shortcut is a 1x1 convolution where the shape changes, else the identity."""

    def __init__(self, body: nn.Module, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.body = body
        changes = stride != 1 or in_channels != channels
        self.shortcut = conv_bn(in_channels, channels, 1, stride=stride) if changes else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Maps [B, in_channels, H, W] to [B, channels, ceil(H / stride), ceil(W / stride)]."""
        return F.relu(self.body(x) + self.shortcut(x), inplace=True)


def basic_block(in_channels: int, width: int, stride: int) -> Residual:
    """Two 3x3 convolutions; the output has `width` channels."""
    body = nn.Sequential(
        *conv_bn(in_channels, width, 3, stride=stride),
        nn.ReLU(inplace=True),
        *conv_bn(width, width, 3),
    )
    return Residual(body, in_channels, width, stride)


def bottleneck_block(in_channels: int, width: int, stride: int) -> Residual:
    """1x1, 3x3 (which carries the stride) and 1x1 convolutions; the output has 4 `width` channels."""
    body = nn.Sequential(
        *conv_bn(in_channels, width, 1),
        nn.ReLU(inplace=True),
        *conv_bn(width, width, 3, stride=stride),
        nn.ReLU(inplace=True),
        *conv_bn(width, EXPANSION * width, 1),
    )
    return Residual(body, in_channels, EXPANSION * width, stride)


def stem(kind: Stem, width: int, channels: int) -> nn.Sequential:
    """What comes before the first stage: [B, channels, H, W] to [B, width, H, W], or a quarter of each side."""
    if kind == "small":
        return nn.Sequential(*conv_bn(channels, width, 3), nn.ReLU(inplace=True))
    return nn.Sequential(
        *conv_bn(channels, width, 7, stride=2),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(kernel_size=3, stride=2, padding=1),
    )


def resnet_encoder(depth: int, width: int, channels: int, kind: Stem = "small") -> tuple[nn.Sequential, int]:
    """The network up to global average pooling, and the number of features it returns.

    Modules: `stem`, `stage1` to `stage4` (strides 1, 2, 2, 2), `pool`. Maps [B, channels, H, W] to [B, features]
    with features = 8 `width` (depth 18, 34) or 32 `width` (depth 50, 101), for images of any size.
    """
    deep = depth >= FIRST_BOTTLENECK_DEPTH
    block, expansion = (bottleneck_block, EXPANSION) if deep else (basic_block, 1)
    stages: OrderedDict[str, nn.Module] = OrderedDict()
    stages["stem"] = stem(kind, width, channels)
    features = width
    for stage, count in enumerate(BLOCKS[depth]):
        blocks = []
        for position in range(count):
            stride = 2 if stage > 0 and position == 0 else 1
            blocks.append(block(features, width * 2**stage, stride))
            features = expansion * width * 2**stage
        stages[f"stage{stage + 1}"] = nn.Sequential(*blocks)
    stages["pool"] = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return nn.Sequential(stages), features


@dataclass(frozen=True, kw_only=True)
class ResNet:
    """Residual network with a stem for small images, or the published one for large images.

    Source: He et al., "Deep Residual Learning for Image Recognition" (CVPR 2016), with the stride of a bottleneck on
    its 3x3 convolution. The stem for small images is the one that contrastive unlearning (arXiv 2401.10458, released
    code) and most CIFAR work use.

    Attributes:
        depth: Number of weighted layers.
        width: Channels of the first stage, doubled at each of the next three; 64 is the published network.
        head: `projection` (unit embedding of size `dim`) or `linear` (embedding = pooled features).
        dim: Size of the embedding of a projection head; a linear head ignores it.
        stem: `small`, a 3x3 convolution of stride 1; or `large`, a 7x7 convolution of stride 2 and max-pooling of
            stride 2, as torchvision has it: images of 224 pixels cost 1/16 of the operations.
    """

    depth: Literal[18, 34, 50, 101]
    width: Annotated[int, Gt(0)]
    head: HeadKind
    dim: Annotated[int, Gt(0)]
    stem: Stem = "small"

    def build(self, num_classes: int, shape: tuple[int, int, int]) -> Classifier:
        """A freshly initialised classifier of images of `shape` (channels, height, width).

        Weights come from torch's global generator.
        """
        channels, _, _ = shape
        encoder, features = resnet_encoder(self.depth, self.width, channels, self.stem)
        return Classifier(encoder, build_head(self.head, features, num_classes, self.dim))
