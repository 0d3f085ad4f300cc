"""What a classifier is: an encoder, a head, and an output that shows the embedding."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn


class Output(NamedTuple):
    """What a classifier returns.

    Attributes:
        logits: float32 [B, C].
        embedding: float32 [B, D], the representation the head classifies; which one is stated by each head.
        features: float32 [B, D'], what enters the head, before any projection; the same tensor as the embedding where
            the head classifies the features themselves. None from a head alone, which is given them.
    """

    logits: Tensor
    embedding: Tensor
    features: Tensor | None = None

    @property
    def encoded(self) -> Tensor:
        """The features, float32 [B, D']; the embedding of a model that shows nothing before it."""
        return self.embedding if self.features is None else self.features


class Classifier(nn.Module):
    """An encoder (images [B, C, H, W] -> features [B, D']) followed by a head (features -> `Output`).

    The encoder may run under autocast in bf16; the head always runs in float32, so that losses on
    embeddings and logits see full precision.

    Processes of one job share out its passes. A subclass declares `divides: ClassVar[bool] = True` to have that, too:
    what it makes of images must come out of `forward`, or be read by `cu.engine.taps.tapped`.
    """

    def __init__(self, encoder: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.head = head

    def forward(self, images: Tensor) -> Output:
        """Logits, embedding and features of normalised float images [B, C, H, W]."""
        features = self.encoder(images)
        with torch.autocast(device_type=features.device.type, enabled=False):
            return self.head(whole := features.float())._replace(features=whole)
