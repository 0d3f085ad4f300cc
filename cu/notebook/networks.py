"""The user's network as a classifier of the engine, and back."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import nn

from cu.errors import ConfigError
from cu.models.adapt import LastLayer, adapt
from cu.models.checkpoints.load import plain_names
from cu.models.libraries import last_linear
from cu.models.types import Classifier
from cu.models.user import as_classifier, show_logits


def classifier_of(model: nn.Module, head: str | None, shape: tuple[int, int, int]) -> Classifier:
    """A copy of a network, in float32, that shows what its last layer sees, checked with two images.

    Args:
        model: From images to logits; a `Classifier` is taken as it is.
        head: Path of its last layer; None for its last linear layer.
        shape: Of the images, (channels, height, width).

    Raises:
        ConfigError: The network does not take such images, or `head` is not its last layer.
    """
    copied = copy.deepcopy(model).float()
    if isinstance(copied, Classifier):
        return copied
    path = head or last_linear(model)
    last = dict(model.named_modules()).get(path)
    if not isinstance(last, nn.Linear):
        raise ConfigError(f"head={path!r} is no linear layer of {type(model).__name__}; name its last one by head=")
    return as_classifier(copied, path, last.out_features, shape, type(model).__name__)


def handed_back(model: nn.Module, unlearned: Classifier) -> nn.Module:
    """A copy of the user's network, in evaluation mode and its own precision, with what its classifier has learned."""
    weights, network = unlearned.state_dict(), copy.deepcopy(model)
    if isinstance(network, Classifier):
        names = {name: name for name in weights}
    else:
        assert isinstance(unlearned.head, LastLayer)
        names = plain_names(list(weights), unlearned.head.path)
    network.load_state_dict({theirs: weights[ours] for theirs, ours in names.items()})
    return network.eval()


def fresh(model: nn.Module, head: str | None, factory: Callable[[], nn.Module] | None) -> Callable[[], Classifier]:
    """How to make such a network with new random weights, from torch's global generator.

    Args:
        model: The user's network.
        head: Path of its last layer; None for its last linear layer.
        factory: Makes a new network; None to draw each layer of a copy anew, and parameters outside of layers from a
            normal distribution of standard deviation 0.02.
    """

    def build() -> Classifier:
        network = (factory() if factory else redrawn(copy.deepcopy(model))).float()
        if isinstance(network, Classifier):
            return network
        show_logits(network)
        return adapt(network, head or last_linear(network))

    return build


@torch.no_grad()
def redrawn(network: nn.Module) -> nn.Module:
    """The network itself with every weight drawn anew, and statistics forgotten."""
    done: set[int] = set()
    for module in network.modules():
        for name in ("reset_parameters", "_reset_parameters"):
            if callable(reset := getattr(module, name, None)):
                reset()
                done |= {id(parameter) for parameter in module.parameters()}
                break
    for parameter in network.parameters():
        if id(parameter) not in done:
            parameter.normal_(0, 0.02)
    return network
