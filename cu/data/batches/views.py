"""Two augmented views of the same samples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from cu.data.batches.shuffled import Batch, ShuffledBatches, batch_bounds, concatenated, training_views
from cu.seeds import generator


@dataclass(frozen=True, eq=False)
class TwoViews:
    """A batch, and other views of its images: float32 [B, C, H, W] in the same order."""

    batch: Batch
    second: Tensor

    @property
    def counts(self) -> Mapping[str, int]:
        """How many samples came from which split, each counted once."""
        return self.batch.counts


@dataclass(frozen=True, eq=False)
class TwoViewBatches:
    """Each batch of a stream with second views of its samples; equal to the first where nothing is augmented."""

    batches: ShuffledBatches

    def __len__(self) -> int:
        return len(self.batches)

    def epoch(self, index: int | str) -> Iterator[TwoViews]:
        """The pass `index` of the stream, with second views from a random stream of their own."""
        name = f"{self.batches.purpose}/{index}"
        merged = concatenated(self.batches.splits)
        # The order is the first draw of a pass, so drawing it again gives the batches' own positions.
        order = torch.randperm(len(merged), generator=generator(self.batches.seed, name))
        source = generator(self.batches.seed, f"{name}/second")
        bounds = batch_bounds(len(order), self.batches.size)
        seconds = training_views(merged, [order[a:b] for a, b in bounds], source, self.batches.placement)
        for batch, second in zip(self.batches.epoch(index), seconds, strict=True):
            yield TwoViews(batch, second)
