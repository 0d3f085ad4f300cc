"""Where batches go, and how their pixels get there without the device waiting."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Placement:
    """Where batches go: the device, whether images are laid out channels-last, and who gathers them.

    Attributes:
        device: Of the model.
        channels_last: Whether the channels of a pixel are kept together.
        ahead: Batches that a thread gathers from host memory while the device computes; 0 for none.
    """

    device: torch.device
    channels_last: bool
    ahead: int = 0

    def put(self, images: Tensor) -> Tensor:
        """Images on the device, in the wanted layout."""
        layout = torch.channels_last if self.channels_last else torch.contiguous_format
        return images.to(self.device, memory_format=layout, non_blocking=True)

    def gathered(self, images: Tensor, rows: Tensor) -> Tensor:
        """Rows (int64 [B]) of uint8 images [M, C, H, W], where the images are: on the device, or in host memory.

        In host memory they are page-locked for CUDA, so that their copy to the device holds nobody up.
        """
        if images.device.type == "cpu" and self.device.type == "cuda":
            pinned = torch.empty(len(rows), *images.shape[1:], dtype=images.dtype, pin_memory=True)
            return torch.index_select(images, 0, rows, out=pinned)
        return images.index_select(0, sent(rows, images.device))

    def prepared(self, items: Iterator[T]) -> Iterator[T]:
        """The items in their order, `ahead` of them made by a thread before they are asked for.

        Whoever stops early waits for the items begun; an error in an item is raised where the item would have come.
        """
        return fetched_ahead(items, self.ahead) if self.ahead else items


def fetched_ahead(items: Iterator[T], count: int) -> Generator[T]:
    """The items in their order, `count` of them made by one thread before they are asked for."""
    end = object()
    with ThreadPoolExecutor(1, "gathers-batches") as thread:
        begun = deque(thread.submit(next, items, end) for _ in range(count))
        while (item := begun.popleft().result()) is not end:
            begun.append(thread.submit(next, items, end))
            yield item  # pyright: ignore[reportReturnType]


def sent(small: Tensor, device: torch.device) -> Tensor:
    """A small tensor of the host on a device; CUDA stages it at once, so that nothing waits for the device."""
    return small.to(device, non_blocking=device.type == "cuda")
