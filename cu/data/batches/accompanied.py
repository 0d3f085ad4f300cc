"""Pairs of a forget batch and a retain batch, with a batch of held-out samples beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count

from cu.data.batches.pairs import Pair, PairedBatches
from cu.data.batches.shuffled import Batch, ShuffledBatches


@dataclass(frozen=True, eq=False)
class Accompanied:
    """A pair, and held-out samples; None where there are none."""

    pair: Pair
    held_out: Batch | None

    @property
    def counts(self) -> Mapping[str, int]:
        """How many samples came from which split."""
        return {**self.pair.counts, **(self.held_out.counts if self.held_out else {})}


@dataclass(frozen=True, eq=False)
class AccompaniedBatches:
    """Every pair of a stream with the next held-out batch, in as many rounds as it takes, each in a new order."""

    pairs: PairedBatches
    held_out: ShuffledBatches | None

    def __len__(self) -> int:
        return len(self.pairs)

    def epoch(self, index: int | str) -> Iterator[Accompanied]:
        """One pass over the forget set."""
        held_out = self.held_out
        endless = (batch for lap in count() for batch in held_out.epoch(f"{index}.{lap}")) if held_out else None
        for pair in self.pairs.epoch(index):
            yield Accompanied(pair, next(endless) if endless else None)
