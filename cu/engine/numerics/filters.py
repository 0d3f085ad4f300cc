"""Filters: the outputs of convolutions and linear layers, and the rows of weights and biases they belong to."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from cu.engine.numerics.gradients import trainable
from cu.engine.predict import evaluating
from cu.models.types import Classifier

Row = tuple[str, int]


def filter_layers(model: nn.Module) -> dict[str, nn.Conv2d | nn.Linear]:
    """Convolutions and linear layers with weights that may change, by path."""
    layers = {path: layer for path, layer in model.named_modules() if isinstance(layer, (nn.Conv2d, nn.Linear))}
    return {path: layer for path, layer in layers.items() if layer.weight.requires_grad}


def filter_rows(model: nn.Module) -> list[tuple[Row, ...]]:
    """The rows of every filter, in the order of the columns of `filter_activations`.

    A filter has a row of its layer's weight and, if the layer has a bias that may change, that row of it.
    """
    parts = {
        path: ["weight"] if layer.bias is None or not layer.bias.requires_grad else ["weight", "bias"]
        for path, layer in filter_layers(model).items()
    }
    return [
        tuple((f"{path}.{part}", row) for part in parts[path])
        for path, layer in filter_layers(model).items()
        for row in range(len(layer.weight))
    ]


@torch.no_grad()
def filter_activations(model: Classifier, images: Tensor) -> tuple[Tensor, Tensor]:
    """Every filter's mean output over pixels, float [B, number of filters], and the logits [B, C].

    The model is in evaluation mode and left as it was.
    """
    means: dict[str, Tensor] = {}

    def keep(path: str):
        def hook(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            channels_first = output if isinstance(layer, nn.Conv2d) else output.movedim(-1, 1)
            means[path] = channels_first.flatten(2).mean(2) if output.ndim > 2 else output.clone()

        return hook

    layers = filter_layers(model)
    handles = [layer.register_forward_hook(keep(path)) for path, layer in layers.items()]
    try:
        with evaluating(model):
            logits = model(images).logits
    finally:
        for handle in handles:
            handle.remove()
    return torch.cat([means[path] for path in layers], 1), logits


def read_rows(weights: Mapping[str, Tensor], rows: list[Row]) -> dict[Row, Tensor]:
    """Copies of single rows of parameters."""
    return {(name, row): weights[name][row].detach().clone() for name, row in rows}


def write_rows(model: Classifier, values: dict[Row, Tensor]) -> None:
    """Overwrite single rows of `model` itself."""
    weights = trainable(model)
    with torch.no_grad():
        for (name, row), value in values.items():
            weights[name][row] = value


def joined(rows: dict[Row, Tensor]) -> Tensor:
    """All rows as one vector."""
    return torch.cat([value.flatten() for value in rows.values()])
