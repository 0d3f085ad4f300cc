"""Streams of a forget batch and a retain batch together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Literal

import torch

from cu.data.batches.shuffled import Batch, ShuffledBatches, Stream
from cu.data.placement import sent


@dataclass(frozen=True, eq=False)
class Pair:
    """A forget batch and the retain batch that goes with it."""

    forget: Batch
    retain: Batch

    @property
    def counts(self) -> Mapping[str, int]:
        """How many samples came from which split; images made from forget samples are of that one, too."""
        return Counter(self.retain.counts) + Counter(self.forget.counts)


@dataclass(frozen=True, eq=False)
class PairedBatches:
    """For every forget batch, `repeats` retain batches: the loop of Algorithm 1 of Contrastive Unlearning.

    `sampling="random"` draws fresh retain batches, as the paper says. `sampling="first"` takes the same first
    `repeats` batches of the retain set in file order for every forget batch, as the authors' released code does.
    With `equal`, a retain batch is cut to the size of a smaller forget batch, the last one of a pass: both the paper
    and that code have batches of one size.
    """

    forget: ShuffledBatches
    retain: ShuffledBatches
    repeats: int
    sampling: Literal["random", "first"]
    equal: bool = False

    def __len__(self) -> int:
        return len(self.forget) * self.repeats

    def epoch(self, index: int | str) -> Iterator[Pair]:
        """One pass over the forget set, `repeats` pairs per forget batch."""
        endless = (batch for lap in count() for batch in self.retain.epoch(f"{index}.{lap}"))
        for forget in self.forget.epoch(index):
            remaining = self._first() if self.sampling == "first" else endless
            for _ in range(self.repeats):
                retain = next(remaining)
                yield Pair(forget, retain.first(len(forget.labels)) if self.equal else retain)

    def _first(self) -> Iterator[Batch]:
        (split,) = self.retain.splits
        for start in count(step=self.retain.size):
            chosen = torch.arange(start, start + self.retain.size, device=split.rows.device) % len(split)
            images = split.eval_view(chosen, self.retain.placement)
            yield Batch(images, sent(split.labels[chosen], images.device), {split.name: len(chosen)})


@dataclass(frozen=True, eq=False)
class RetainPairs:
    """For every retain batch, one forget batch: a pass over the retain set, with the forget set as often as it takes.

    Each pass starts a new round of the forget set, and every round has an order and views of its own.
    """

    forget: Stream[Batch]
    retain: Stream[Batch]

    def __len__(self) -> int:
        return len(self.retain)

    def epoch(self, index: int | str) -> Iterator[Pair]:
        """One pass over the retain set, in the order that its own stream has."""
        endless = (batch for lap in count() for batch in self.forget.epoch(f"{index}.{lap}"))
        for retain in self.retain.epoch(index):
            yield Pair(next(endless), retain)
