"""The memory layout of a model, and the convolutions that must not run as they are in that layout on a CPU.

oneDNN, the library of torch's convolutions on CPUs, writes past its workspace in the weight gradient of a strided 1x1
convolution of channels-last images with fewer channels than a vector has numbers: under 16 with AVX-512 (float32 and
bfloat16), under 8 with AVX2. The workspace holds `pixels * channels` numbers, but the part of an image that starts at
pixel p is put at `p * vector`. Where every thread takes images as a whole, p is 0 and nothing happens. Where an image
is cut (a batch that the threads cannot share evenly; 60 pixels a side and more on even one thread), the heap is
damaged, the threads wait for ever, or the gradient is wrong.

Affected: oneDNN 1.5 to 3.13.1, by its sources, so all that torch 2.5 to 2.14 bring; seen with torch 2.14.1 (3.12.0).
Reported as https://github.com/uxlfoundation/oneDNN/issues/6035 and not repaired when this was written.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

VECTOR = 16  # numbers of the widest vector; an AVX2 machine needs 8, and the rest of them loses no time


def placed(model: nn.Module, device: str, channels_last: bool) -> Any:
    """The model itself on a device, in a layout, and clear of the convolutions that fail there.

    Args:
        model: Any network. Only a `torch.nn.Conv2d` is seen, not what a network computes by calling functions, and
            not the transposed convolution that has the same fault (1x1, strided, with output padding).
        device: As torch names it.
        channels_last: Whether images and weights keep the channels of a pixel together.
    """
    layout = torch.channels_last if channels_last else torch.contiguous_format
    model.to(device=device, memory_format=layout)  # pyright: ignore[reportCallIssue]
    if channels_last and torch.device(device).type == "cpu":
        for module in model.modules():
            if isinstance(module, nn.Conv2d) and writes_past_its_workspace(module):
                thin_out_first(module)
    return model


def writes_past_its_workspace(convolution: nn.Conv2d) -> bool:
    """Whether some batch, image size and number of threads make oneDNN damage memory in the backward pass."""
    return (
        tuple(convolution.kernel_size) == (1, 1)
        and max(convolution.stride) > 1
        and convolution.in_channels < VECTOR
        and convolution.groups == 1
        and convolution.padding in ("valid", (0, 0))
    )


def thin_out_first(convolution: nn.Conv2d) -> None:
    """Let a strided 1x1 convolution see only the pixels that its stride would visit, with a stride of 1.

    Outputs and gradients are the same but for the order of sums, which moves last digits.
    """
    convolution.register_forward_pre_hook(Every(*convolution.stride), with_kwargs=True)
    convolution.stride = (1, 1)


@dataclass(frozen=True)
class Every:
    """Keeps every so-manieth row and column of a module's inputs."""

    rows: int
    columns: int

    def __call__(self, module: nn.Module, args: tuple[Tensor, ...], kwargs: dict[str, Tensor]) -> Any:
        """The inputs of [..., H, W] thinned out to [..., ceil(H / rows), ceil(W / columns)]."""
        return tuple(self.thin(images) for images in args), {k: self.thin(images) for k, images in kwargs.items()}

    def thin(self, images: Tensor) -> Tensor:
        """The rows and columns kept."""
        return images[..., :: self.rows, :: self.columns]
