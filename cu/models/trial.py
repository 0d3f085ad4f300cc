"""Whether a network can be a classifier, tried on a few images before anything is trained."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from cu.errors import ConfigError, first_line, raised
from cu.models.adapt import adapt, copied


def evaluated(network: nn.Module, images: Tensor, complaint: str) -> Any:
    """What a network returns in evaluation mode; its modes are put back.

    Raises:
        ConfigError: `complaint`, and torch's reason, or what the network's own code raised.
    """
    try:
        with torch.no_grad(), _eval_mode(network):
            return network(images)
    except RuntimeError as error:
        raise ConfigError(f"{complaint}: {first_line(error)}") from error
    except Exception as error:  # the network's own checks of its input raise whatever they like
        raise ConfigError(f"{complaint}: {raised(error)}") from error


def require_logits(output: Any, shape: tuple[int, int], what: str) -> None:
    """Check that a network returned logits.

    Args:
        output: What it returned.
        shape: (images, classes) that it must have.
        what: The setting that names the network, for messages.

    Raises:
        ConfigError: It is something else.
    """
    found = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
    if found == shape:
        return
    images = f"{shape[0]} image{'s' * (shape[0] > 1)}"
    remedy = "wrap it in one that returns the logits alone, or by the name logits"
    if isinstance(found, tuple):
        remedy = "see model.settings" if len(found) == 2 else "the axis of the batch must stay"
    raise ConfigError(
        f"{what} returns {found} for {images}; with {shape[1]} classes it must return a tensor {shape}: {remedy}"
    )


def require_last(module: nn.Module, head: str, images: Tensor, complaint: str) -> None:
    """Check that a network's logits are what its layer `head` returns.

    Raises:
        ConfigError: `complaint`, and what shows it.
    """
    other = _shaken(module)
    logits = evaluated(other, images, complaint)
    adapted = evaluated(adapt(other, head), images, complaint).logits
    if adapted.shape != logits.shape or not torch.allclose(adapted, logits, rtol=1e-4, atol=1e-5, equal_nan=True):
        raise ConfigError(f"{complaint}: without it in its place the logits change")


def require_trainable(module: nn.Module, head: str, images: Tensor, what: str) -> None:
    """Check that a network returns its logits alone in training mode, too, and can be copied after it; draws nothing.

    Raises:
        ConfigError: It does not, or does not take the images.
    """
    model = adapt(module, head).train()
    try:
        with torch.enable_grad(), torch.random.fork_rng(devices=[]):
            features = model.encoder(images)
    except RuntimeError as error:
        raise ConfigError(f"{what} does not take images in training mode: {first_line(error)}") from error
    except Exception as error:
        raise ConfigError(f"{what} does not take images in training mode: {raised(error)}") from error
    if not isinstance(features, Tensor):
        kind = type(features).__name__
        raise ConfigError(f"{what} returns {kind} in training mode: wrap it in one that returns the logits alone")
    model.head(features)
    copied(model)


def _shaken(module: nn.Module) -> nn.Module:
    """A copy with other biases and scales: those that are still 0 or 1 would hide a layer behind the last one."""
    other, generator = copied(module), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in other.parameters():
            if parameter.ndim < 2 and parameter.is_floating_point():
                parameter.add_(0.1 * torch.rand(parameter.shape, generator=generator).to(parameter))
    return other


@contextmanager
def _eval_mode(network: nn.Module) -> Iterator[None]:
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        # Module.train() would also wake what its owner had frozen.
        for module, mode in modes:
            module.training = mode
