"""How much each weight matters to a split: one number per weight from gradients of the cross-entropy."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.func import functional_call, grad, vmap
from torch.nn import functional as F

from cu.data.types import Split
from cu.engine.hardware import Hardware
from cu.engine.numerics.gradients import (
    Weights,
    batch_gradient,
    plain_batches,
    sample_gradients,
    samples_at_once,
    trainable,
)
from cu.engine.predict import evaluating
from cu.models.types import Classifier

MANY_LABELS = 100
DRAWN_LABELS = 10

ImportanceKind = Literal["grad2_batch", "grad2_sample", "abs_grad_sum", "fisher_model_labels"]


@torch.no_grad()
def importance(
    model: Classifier,
    split: Split,
    kind: ImportanceKind,
    hardware: Hardware,
    *,
    batch_size: int,
    source: torch.Generator,
) -> Weights:
    """One non-negative float32 number per weight, by parameter name; higher means the split depends on it more.

    The model is in evaluation mode and left as it was. Estimates of different kinds, or of `grad2_batch` at different
    batch sizes, differ in scale: the square of a mean is up to the batch size smaller than the mean of squares.

    Args:
        model: Where gradients are taken.
        split: On which samples, in evaluation view.
        kind: `grad2_batch`, mean over batches of the squared gradient of the batch's mean loss; `grad2_sample`, mean
            over samples of the squared gradient; `abs_grad_sum`, absolute value of the sum over batches of the
            gradient; `fisher_model_labels`, as `grad2_sample` with the true label replaced by the expectation over
            the labels the model itself predicts (the diagonal of the Fisher information; see `add_fisher`).
        hardware: Where to compute.
        batch_size: Of the two batch kinds; the other two choose what fits into memory.
        source: Shuffles the samples before they are cut into batches, and draws labels; lives on the CPU.
    """
    order = torch.randperm(len(split), generator=source)
    per_sample = kind in ("grad2_sample", "fisher_model_labels")
    size = samples_at_once(model) if per_sample else batch_size
    total: Weights = {name: torch.zeros_like(weight) for name, weight in trainable(model).items()}
    parts = 0
    for images, labels in plain_batches(split, min(size, len(split)), hardware, order):
        if kind == "grad2_sample":
            add_squares(total, model, images, labels)
        elif kind == "fisher_model_labels":
            add_fisher(total, model, images, source)
        else:
            with torch.enable_grad():
                gradient = batch_gradient(model, images, labels)
            for name, part in gradient.items():
                total[name] += part.square() if kind == "grad2_batch" else part
        parts += len(labels) if per_sample else 1
    return {name: tensor.abs() if kind == "abs_grad_sum" else tensor / parts for name, tensor in total.items()}


def add_squares(
    total: Weights, model: Classifier, images: Tensor, labels: Tensor, weights: Tensor | None = None
) -> None:
    """Add each sample's squared gradient, times its weight (float [B], 1 if None)."""
    for name, part in sample_gradients(model, images, labels).items():
        square = part.square_().flatten(1)
        total[name] += (square.sum(0) if weights is None else weights @ square).view_as(total[name])


def add_fisher(total: Weights, model: Classifier, images: Tensor, source: torch.Generator) -> None:
    """Add the expectation of each sample's squared gradients over the classes that the model predicts.

    Exact, with a backward pass per class, for up to `MANY_LABELS` classes. For more it is the mean over `DRAWN_LABELS`
    labels that are drawn from the prediction with `source`: the same in expectation.
    """
    with evaluating(model):
        probability = F.softmax(model(images).logits.float(), dim=1)
    if probability.shape[1] > MANY_LABELS:
        drawn = torch.multinomial(probability.cpu(), DRAWN_LABELS, replacement=True, generator=source)
        even = torch.full((len(images),), 1 / DRAWN_LABELS, device=images.device)
        for labels in drawn.to(images.device).unbind(1):
            add_squares(total, model, images, labels, even)
        return
    for label, weight in enumerate(probability.unbind(1)):
        add_squares(total, model, images, torch.full((len(images),), label, device=images.device), weight)


def output_sensitivity(model: Classifier, split: Split, hardware: Hardware, *, squared: bool = False) -> Weights:
    """Mean over samples of |∂‖f(x)‖₂ / ∂θ|, with f the logits, by parameter: how much the outputs depend on a weight.

    The model is in evaluation mode and left as it was; no label is read. With `squared`, of ‖f(x)‖₂².

    Source: Aljundi et al., "Memory Aware Synapses" (ECCV 2018).
    """

    def length(weights: Weights, image: Tensor) -> Tensor:
        logits = functional_call(model, weights, (image[None],)).logits
        return logits.square().sum() if squared else logits.norm()

    weights = {name: weight.detach() for name, weight in trainable(model).items()}
    total: Weights = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    with evaluating(model):
        for images, _ in plain_batches(split, samples_at_once(model), hardware):
            for name, part in vmap(grad(length), in_dims=(None, 0))(weights, images).items():
                total[name] += part.abs().sum(0) / len(split)
    return total
