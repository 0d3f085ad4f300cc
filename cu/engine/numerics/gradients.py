"""Gradients of the cross-entropy at a fixed model: of a batch, of a whole split, of every sample on its own.

Everything happens in evaluation mode, in float32, on plain views; no `.grad` is written and the model is left as is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.nn import functional as F

from cu.data.types import Split
from cu.engine.hardware import Hardware
from cu.engine.ledger import visited
from cu.engine.predict import SCORING_BATCH, evaluating
from cu.models.types import Classifier

MOST_NUMBERS = 2**27  # held at once in per-sample gradients: 0.5 GB of float32

Weights = dict[str, Tensor]


def trainable(model: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters an optimizer may change, by name."""
    return {name: weight for name, weight in model.named_parameters() if weight.requires_grad}


def flat(weights: Mapping[str, Tensor], lead: int = 0) -> Tensor:
    """All tensors as one vector [P]; with `lead=1` as a matrix [B, P] that keeps their first dimension."""
    return torch.cat([tensor.flatten(lead) for tensor in weights.values()], dim=lead)


def unflat(vector: Tensor, like: Mapping[str, Tensor]) -> Weights:
    """The vector [P] cut into tensors of the names and shapes of `like`."""
    parts = vector.split([tensor.numel() for tensor in like.values()])
    return {name: part.view_as(tensor) for part, (name, tensor) in zip(parts, like.items(), strict=True)}


def plain_batches(split: Split, size: int, hardware: Hardware, order: Tensor | None = None) -> Iterator:
    """(images, labels) on the device, in evaluation view; `order` int64 of positions, None for file order."""
    order = torch.arange(len(split)) if order is None else order
    for positions in order.split(size):
        chosen = positions.to(split.rows.device)
        images = split.eval_view(chosen, hardware.placement)
        visited(split.name, len(positions))
        yield images, split.labels[chosen].to(images.device)


def batch_gradient(model: Classifier, images: Tensor, labels: Tensor) -> Weights:
    """Gradient of the batch's mean cross-entropy, by parameter; zeros where it does not depend on one."""
    weights = trainable(model)
    with evaluating(model):
        loss = F.cross_entropy(model(images).logits, labels)
        parts = torch.autograd.grad(loss, list(weights.values()), allow_unused=True, materialize_grads=True)
    return dict(zip(weights, parts, strict=True))


def mean_gradient(model: Classifier, split: Split, hardware: Hardware) -> Weights:
    """Gradient of the mean cross-entropy of all samples of a split."""
    total: Weights = {name: torch.zeros_like(weight) for name, weight in trainable(model).items()}
    for images, labels in plain_batches(split, SCORING_BATCH, hardware):
        for name, part in batch_gradient(model, images, labels).items():
            total[name] += part * (len(labels) / len(split))
    return {name: tensor.detach() for name, tensor in total.items()}


def sample_gradients(model: Classifier, images: Tensor, labels: Tensor) -> Weights:
    """Gradient [B, *shape] of each sample's cross-entropy, by parameter."""

    def loss(weights: Weights, image: Tensor, label: Tensor) -> Tensor:
        return F.cross_entropy(functional_call(model, weights, (image[None],)).logits, label[None])

    weights = {name: weight.detach() for name, weight in trainable(model).items()}
    with evaluating(model):
        return vmap(grad(loss), in_dims=(None, 0, 0))(weights, images, labels)


def samples_at_once(model: nn.Module) -> int:
    """How many samples' gradients fit into `MOST_NUMBERS`, at least one."""
    return max(1, MOST_NUMBERS // sum(weight.numel() for weight in trainable(model).values()))
