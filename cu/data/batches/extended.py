"""Training batches of a split's samples mixed with images that are in no file, such as adversarial examples."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from cu.data.batches.shuffled import Batch, batch_bounds, concatenated
from cu.data.placement import Placement, sent
from cu.data.types import Split
from cu.seeds import generator


@dataclass(frozen=True, eq=False)
class ExtendedBatches:
    """Training views of `splits` and ready-made images, mixed and in a new order every pass; nothing is dropped.

    Attributes:
        splits: Of the same images; may be none.
        images: Normalised float32 [M, C, H, W], on the device; never augmented.
        labels: int64 [M].
        counted_as: The split name under which the ready-made images are counted.
        size: Samples per batch; a last batch of a single sample joins the one before it.
        seed: Source of the order, with `purpose`.
        purpose: Source of the order, with `seed`.
        placement: Where batches go.
    """

    splits: tuple[Split, ...]
    images: Tensor
    labels: Tensor
    counted_as: str
    size: int
    seed: int
    purpose: str
    placement: Placement

    def __len__(self) -> int:
        return len(batch_bounds(self._total(), self.size))

    def _total(self) -> int:
        return sum(map(len, self.splits)) + len(self.labels)

    def epoch(self, index: int | str) -> Iterator[Batch]:
        """One pass over all samples in an order given by (seed, purpose, index)."""
        source = generator(self.seed, f"{self.purpose}/{index}")
        order = torch.randperm(self._total(), generator=source)
        for start, stop in batch_bounds(len(order), self.size):
            yield self._batch(order[start:stop], source)

    def _batch(self, positions: Tensor, source: torch.Generator) -> Batch:
        ends = torch.tensor([len(s) for s in self.splits], dtype=torch.long).cumsum(0)
        member = torch.bucketize(positions, ends, right=True)
        ready = sent(positions[member == len(ends)] - sum(map(len, self.splits)), self.labels.device)
        images, labels = [self.images[ready]], [self.labels[ready]]
        counts = {s.name: int((member == k).sum()) for k, s in enumerate(self.splits)}
        counts[self.counted_as] = counts.get(self.counted_as, 0) + len(ready)
        if self.splits:
            merged = concatenated(self.splits)
            chosen = positions[member < len(ends)]
            images.append(merged.train_view(chosen, source, self.placement))
            labels.append(sent(merged.labels[chosen], self.placement.device))
        return Batch(self.placement.put(torch.cat(images)), torch.cat(labels), counts)
