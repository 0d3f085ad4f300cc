"""The building block of every convolutional encoder: a convolution and its batch normalisation."""

from __future__ import annotations

from torch import nn


def conv_bn(in_channels: int, channels: int, kernel_size: int, *, stride: int = 1, bias: bool = False) -> nn.Sequential:
    """A size-preserving (at stride 1) convolution followed by batch normalisation, as initialised for ReLU networks.

    Weights are Kaiming-normal over the fan-out, drawn from torch's global generator; biases are zero and the
    normalisation starts as the identity.

    Args:
        in_channels: Channels of the input.
        channels: Channels of the output.
        kernel_size: Side of the kernel, odd.
        stride: Stride in both directions.
        bias: Whether the convolution has a bias. Normalisation makes it redundant; the published VGG has one.
    """
    convolution = nn.Conv2d(in_channels, channels, kernel_size, stride=stride, padding=kernel_size // 2, bias=bias)
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
    if convolution.bias is not None:
        nn.init.zeros_(convolution.bias)
    return nn.Sequential(convolution, nn.BatchNorm2d(channels))
