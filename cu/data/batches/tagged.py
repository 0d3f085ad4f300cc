"""Batches that carry what their loss needs to know about the pass they belong to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from cu.data.batches.shuffled import Batch, Stream

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Tagged(Generic[T]):
    """A batch and its tag: the part it plays, or a weight of its pass."""

    batch: Batch
    tag: T

    @property
    def counts(self) -> Mapping[str, int]:
        """How many samples came from which split."""
        return self.batch.counts


@dataclass(frozen=True, eq=False)
class TaggedBatches(Generic[T]):
    """A stream whose batches get the tag of their pass, `tag(index)`."""

    batches: Stream[Batch]
    tag: Callable[[int | str], T]

    def __len__(self) -> int:
        return len(self.batches)

    def epoch(self, index: int | str) -> Iterator[Tagged[T]]:
        """The batches of one pass, tagged."""
        tag = self.tag(index)
        for batch in self.batches.epoch(index):
            yield Tagged(batch, tag)
