"""Streams of training batches. Epoch `e` of a stream is the same whenever and wherever it is asked for.

That makes an interrupted training resumable without saving the state of any generator, and lets the same batches
be replayed by every method.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import torch
from torch import Tensor

from cu.data.placement import Placement, sent
from cu.data.types import Split
from cu.seeds import generator


@dataclass(frozen=True, eq=False)
class Batch:
    """Float32 images [B, C, H, W], labels int64 [B], and how many samples came from which split."""

    images: Tensor
    labels: Tensor
    counts: Mapping[str, int]

    def first(self, size: int) -> Batch:
        """The first samples of a batch of one split, or all if there are no more."""
        ((name, count),) = self.counts.items()
        return Batch(self.images[:size], self.labels[:size], {name: min(size, count)})


class Countable(Protocol):
    """A batch of any form that knows which samples it is made of."""

    @property
    def counts(self) -> Mapping[str, int]:
        """Samples by split name."""
        ...


B_co = TypeVar("B_co", bound=Countable, covariant=True)


class Stream(Protocol[B_co]):
    """Batches that can be gone through again and again."""

    def epoch(self, index: int | str) -> Iterator[B_co]:
        """The batches of one pass; equal indices give equal batches."""
        ...

    def __len__(self) -> int:
        """Batches per pass."""
        ...


@dataclass(frozen=True, eq=False)
class ShuffledBatches:
    """Training views of one or several splits, mixed and in a new order every pass.

    Nothing is dropped. A last batch of a single sample joins the one before it, because batch normalisation cannot
    train on one value per channel.
    """

    splits: tuple[Split, ...]
    size: int
    seed: int
    purpose: str
    placement: Placement

    def __len__(self) -> int:
        return len(batch_bounds(self._total(), self.size))

    def _total(self) -> int:
        return sum(map(len, self.splits))

    def epoch(self, index: int | str) -> Iterator[Batch]:
        """One pass over all samples in an order given by (seed, purpose, index)."""
        source = generator(self.seed, f"{self.purpose}/{index}")
        order = torch.randperm(self._total(), generator=source)
        merged, ends = concatenated(self.splits), torch.tensor([len(s) for s in self.splits]).cumsum(0)
        names = [s.name for s in self.splits]
        parts = [order[start:stop] for start, stop in batch_bounds(len(order), self.size)]
        for positions, images in zip(parts, training_views(merged, parts, source, self.placement), strict=True):
            members = torch.bucketize(positions, ends, right=True).bincount(minlength=len(names)).tolist()
            labels = sent(merged.labels[positions], self.placement.device)
            yield Batch(images, labels, dict(zip(names, members, strict=True)))


def training_views(
    split: Split, parts: Iterable[Tensor], source: torch.Generator, placement: Placement
) -> Iterator[Tensor]:
    """Training views, float32 [B, C, H, W] each, at one list of positions after the other.

    Those of images in host memory are gathered ahead, if the placement says so.
    """
    picked = (split.pick(positions, source, placement) for positions in parts)
    return (batch.view() for batch in (placement.prepared(picked) if split.images.is_cpu else picked))


B = TypeVar("B", bound=Countable)


@dataclass(frozen=True, eq=False)
class Chained(Generic[B]):
    """One stream after the other in every pass."""

    streams: tuple[Stream[B], ...]

    def __len__(self) -> int:
        return sum(map(len, self.streams))

    def epoch(self, index: int | str) -> Iterator[B]:
        """All batches of the first stream, then of the second, and so on."""
        for stream in self.streams:
            yield from stream.epoch(index)


@dataclass(frozen=True, eq=False)
class Redrawn(Generic[B]):
    """A stream made anew for every pass, for methods that draw labels or noise per epoch."""

    make: Callable[[int | str], Stream[B]]

    def __len__(self) -> int:
        return len(self.make(0))

    def epoch(self, index: int | str) -> Iterator[B]:
        """The pass `index` of the stream made for it."""
        return self.make(index).epoch(index)


def batch_bounds(total: int, size: int) -> list[tuple[int, int]]:
    """(start, stop) of each batch; a last batch of one sample joins the one before it."""
    starts = list(range(0, total, size))
    if len(starts) > 1 and total - starts[-1] == 1:
        starts.pop()
    return list(zip(starts, [*starts[1:], total], strict=False))


def concatenated(splits: tuple[Split, ...]) -> Split:
    """The samples of several splits of the same images, one split after the other."""
    first = splits[0]
    if len(splits) == 1:
        return first
    if any(s.images is not first.images for s in splits):
        raise ValueError("only splits of the same images can be mixed")
    rows, labels, ids = (torch.cat([getattr(s, field) for s in splits]) for field in ("rows", "labels", "ids"))
    return Split("+".join(s.name for s in splits), first.images, rows, labels, ids, first.transform)
