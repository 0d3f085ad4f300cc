"""Which layers train: the one place where layers are frozen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from copy import deepcopy
from itertools import chain

import torch
from torch import Tensor, nn

from cu.models.types import Classifier

WEIGHTED = (nn.Linear, nn.modules.conv._ConvNd)


def weighted_layers(model: nn.Module) -> list[nn.Module]:
    """Convolutions and linear layers in the order they were registered: from the input to the output."""
    return [module for module in model.modules() if isinstance(module, WEIGHTED)]


def last_layers(model: nn.Module, count: int) -> list[str]:
    """Paths of the last `count` convolutions and linear layers and of all with a state of its own that follows them.

    All of the model's modules if it has no more than `count` such layers.
    """
    found: list[str] = []
    weighted = 0
    for path, module in reversed(list(model.named_modules())):
        if weighted == count:
            break
        if any(True for _ in own_state(module)):
            found.append(path)
            weighted += isinstance(module, WEIGHTED)
    return found


def own_state(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Parameters and buffers of a module itself, not of its submodules, by name."""
    return chain(module.named_parameters(recurse=False), module.named_buffers(recurse=False))


def freeze_all_but(model: nn.Module, paths: Iterable[str]) -> None:
    """Let only the modules at `paths` train, in place; their submodules are named themselves or frozen."""
    kept = {parameter for path in paths for parameter in model.get_submodule(path).parameters(recurse=False)}
    for parameter in model.parameters():
        if parameter not in kept:
            parameter.requires_grad_(False)


def reset(model: nn.Module, fresh: nn.Module, paths: Iterable[str]) -> None:
    """Give the modules at `paths` the weights and buffers of the same modules of `fresh`, in place."""
    with torch.no_grad():
        for path in paths:
            values = dict(own_state(fresh.get_submodule(path)))
            for name, value in own_state(model.get_submodule(path)):
                value.copy_(values[name])


def thaw_as(model: Classifier, example: nn.Module) -> Classifier:
    """The model itself, whose parameters train again wherever those of `example` do."""
    for own, given in zip(model.parameters(), example.parameters(), strict=True):
        own.requires_grad_(given.requires_grad)
    return model


def frozen_norms(model: nn.Module) -> Iterator[nn.Module]:
    """Batch normalisation that must not move: its parameters are frozen, or if it has none, those before it are."""
    trains = True
    for module in model.modules():
        parameters = list(module.parameters(recurse=False))
        trains = any(p.requires_grad for p in parameters) if parameters else trains
        if not trains and isinstance(module, nn.modules.batchnorm._BatchNorm):
            yield module


def frozen_teacher(model: Classifier) -> Classifier:
    """A copy of `model` in evaluation mode, none of whose parameters trains."""
    return deepcopy(model).eval().requires_grad_(False)
