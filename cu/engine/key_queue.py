"""A queue of embeddings by a momentum encoder: many negatives for a small batch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from cu.data.batches.shuffled import Batch
from cu.engine.freezing import frozen_teacher
from cu.models.types import Classifier


class KeyQueue:
    """The last `size` embeddings that a momentum encoder has made of batches put in, with their labels.

    The encoder starts as a copy of the model and follows it: after every step each weight becomes
    momentum * own + (1 - momentum) * the model's; buffers are the model's. It is always in evaluation mode, so that
    keys do not depend on the batch they came in.

    Source: He et al., "Momentum Contrast" (CVPR 2020), with labels beside the keys.
    """

    def __init__(self, model: Classifier, size: int, momentum: float) -> None:
        """Empty.

        Args:
            model: What the encoder starts as; not kept.
            size: Largest number of keys, at least 1.
            momentum: In [0, 1].
        """
        self.encoder, self.size, self.momentum = frozen_teacher(model), size, momentum
        self._keys: Tensor | None = None
        self._labels: Tensor | None = None

    def put(self, batch: Batch) -> None:
        """Take in a batch's embeddings; the oldest leave where there are more than `size`."""
        with torch.no_grad():
            found = self.encoder(batch.images).embedding
        keys = found if self._keys is None else torch.cat([self._keys, found])
        labels = batch.labels if self._labels is None else torch.cat([self._labels, batch.labels])
        self._keys, self._labels = keys[-self.size :], labels[-self.size :]

    def keys(self) -> tuple[Tensor, Tensor]:
        """Embeddings [n, D] and labels [n] of what is there, n <= `size`; there is no padding to be masked.

        Raises:
            ValueError: Nothing was put in.
        """
        if self._keys is None or self._labels is None:
            raise ValueError("the queue is empty")
        return self._keys, self._labels

    def get_state(self) -> dict[str, Any]:
        """Encoder, keys and labels."""
        return {"encoder": self.encoder.state_dict(), "keys": self._keys, "labels": self._labels}

    def set_state(self, state: dict[str, Any]) -> None:
        """As they were, on the encoder's device."""
        self.encoder.load_state_dict(state["encoder"])
        device = next(self.encoder.parameters()).device
        keys, labels = state["keys"], state["labels"]
        self._keys = None if keys is None else keys.to(device)
        self._labels = None if labels is None else labels.to(device)

    def follow(self, model: nn.Module) -> None:
        """One step of the encoder towards the model."""
        with torch.no_grad():
            for own, theirs in zip(self.encoder.parameters(), model.parameters(), strict=True):
                own.lerp_(theirs, 1 - self.momentum)
            for own, theirs in zip(self.encoder.buffers(), model.buffers(), strict=True):
                own.copy_(theirs)

    @contextmanager
    def following(self, model: nn.Module, optimizer: torch.optim.Optimizer, batch: Any) -> Iterator[None]:
        """Around an optimizer step: the encoder follows when it is done."""
        yield
        self.follow(model)
