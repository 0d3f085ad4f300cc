"""Forward passes for scoring: evaluation view, evaluation mode, file order, nothing dropped."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from cu.data.types import Split
from cu.engine.hardware import Hardware
from cu.engine.ledger import visited
from cu.models.types import Classifier, Output

SCORING_BATCH = 512


class Scores(NamedTuple):
    """What a classifier says of samples, on the CPU.

    Attributes:
        logits: float32 [N, C].
        embedding: float32 [N, D].
        features: float32 [N, D'], what entered the head; the embedding itself where that is the same.
    """

    logits: Tensor
    embedding: Tensor
    features: Tensor


def predict(model: Classifier, split: Split, hardware: Hardware) -> Scores:
    """The model's outputs on every sample of a split, in the split's order; the model's modes are put back."""
    found: Scores | None = None
    visited(split.name, len(split))
    with evaluating(model), torch.inference_mode(), hardware.scoring():
        for positions in torch.arange(len(split)).split(SCORING_BATCH):
            output = model(split.eval_view(positions, hardware.placement))
            found = found or room_for(output, len(split))
            found.logits[positions] = output.logits.float().cpu()
            found.embedding[positions] = output.embedding.float().cpu()
            if found.features is not found.embedding:
                found.features[positions] = output.encoded.float().cpu()
    return found or empty_scores(model, split, hardware)


def room_for(output: Output, rows: int) -> Scores:
    """Scores of so many samples, to be filled; large ones are held once, never in parts and whole."""
    with torch.inference_mode(False):  # methods use scores where gradients are taken
        logits, embedding = (torch.empty(rows, part.shape[1]) for part in (output.logits, output.embedding))
        # Linear heads hand their input on: it is fetched and kept once.
        same = output.encoded is output.embedding
        return Scores(logits, embedding, embedding if same else torch.empty(rows, output.encoded.shape[1]))


def empty_scores(model: Classifier, split: Split, hardware: Hardware) -> Scores:
    """No rows, but the right number of columns: found by a forward pass of one blank image."""
    blank = torch.zeros(1, *split.images.shape[1:], dtype=torch.uint8)
    with evaluating(model), torch.inference_mode():
        output = model(hardware.placement.put(split.transform.plain(blank)))
    embedding = torch.empty(0, output.embedding.shape[1])
    same = output.encoded is output.embedding
    return Scores(
        torch.empty(0, output.logits.shape[1]),
        embedding,
        embedding if same else torch.empty(0, output.encoded.shape[1]),
    )


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode while inside; then every layer's own mode again, so that frozen layers stay frozen."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def accuracy(model: Classifier, split: Split, hardware: Hardware) -> float:
    """Fraction of a split's samples classified as labelled; NaN for an empty split."""
    if len(split) == 0:
        return float("nan")
    hits = predict(model, split, hardware).logits.argmax(1) == split.labels.cpu()
    return hits.double().mean().item()
