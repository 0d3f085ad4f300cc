"""A network of the user's own, named by where Python finds it."""

from __future__ import annotations

import importlib
import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from cu.errors import ConfigError, raised
from cu.models.adapt import adapt
from cu.models.trial import evaluated, require_last, require_logits, require_trainable
from cu.models.types import Classifier


@dataclass(frozen=True, kw_only=True)
class UserModel:
    """A network made by the user's own function or class, adapted so that it shows its embedding.

    Attributes:
        factory: What makes the network: `package.module:function` or `package.module.function`.
        settings: Keyword arguments for it, the number of classes included if it takes one.
        head: Path of the network's last layer, such as `fc` or `classifier.6`; its input is the embedding.
    """

    factory: str
    settings: dict[str, Any]
    head: str

    def build(self, num_classes: int, shape: tuple[int, int, int]) -> Classifier:
        """The user's network as a classifier of images of `shape` (channels, height, width).

        Raises:
            ConfigError: The factory cannot be found or called or makes no network, the network does not take such
                images or has another number of classes, or `head` is not its last layer.
        """
        return as_classifier(self.network(), self.head, num_classes, shape, f"model.factory={self.factory}")

    def network(self) -> nn.Module:
        """What the factory makes, as it is.

        Raises:
            ConfigError: The factory cannot be found or called, raises an error itself, or makes no network.
        """
        factory = find(self.factory, "model.factory")
        try:
            inspect.signature(factory).bind(**self.settings)
        except TypeError as error:
            raise ConfigError(f"model.settings do not fit model.factory={self.factory}: {error}") from error
        try:
            module = factory(**self.settings)
        except Exception as error:  # the user's own code raises whatever it likes
            what = f"model.factory={self.factory}"
            raise ConfigError(f"{what} fails with these model.settings: {raised(error)}") from error
        if not isinstance(module, nn.Module):
            raise ConfigError(f"model.factory={self.factory} must return a torch.nn.Module, not {type(module)}")
        return module


def as_classifier(module: nn.Module, head: str, num_classes: int, shape: tuple[int, int, int], what: str) -> Classifier:
    """A network as a classifier of images of `shape`, tried with two images and with one.

    Args:
        module: From images to logits, or to a dict or an object that has `logits`, as those of Hugging Face.
        head: Path of its last layer.
        num_classes: How many logits there must be.
        shape: (channels, height, width).
        what: The setting that names the network, for messages.

    Raises:
        ConfigError: It does not take such images, or one alone, has another number of classes or further outputs,
            cannot be copied, or `head` is not its last layer.
    """
    if isinstance(module, torch.jit.ScriptModule):
        raise ConfigError(f"{what} is TorchScript, whose layers cannot be exchanged: give the network it was made from")
    show_logits(module)
    images = torch.linspace(-1, 1, 2 * math.prod(shape)).reshape(2, *shape)
    # Before it is copied, since layers may take their sizes from the first images.
    for some, alone in ((images, ""), (images[:1], ", one alone")):
        logits = evaluated(module, some, f"{what} does not take images of shape {tuple(shape)}{alone}")
        require_logits(logits, (len(some), num_classes), what)
    model = adapt(module, head)
    require_last(module, head, images, f"model.head={head} must be the last layer of {what}")
    require_trainable(module, head, images, what)
    return model


def show_logits(module: nn.Module) -> None:
    """Make a network that returns a dict or an object with `logits` return these; what others return stays as it is.

    So do those of torchvision that have auxiliary outputs while they are trained; these outputs are then not used.
    """
    module.register_forward_hook(_logits_of)


def _logits_of(module: nn.Module, images: Any, output: Any) -> Any:
    if isinstance(output, Mapping):
        return output.get("logits", output)
    return getattr(output, "logits", output)


def find(path: str, key: str) -> Callable[..., Any]:
    """The user's function or class at `package.module:function`; `key` is the setting that names it.

    Raises:
        ConfigError: There is none.
    """
    module_name, _, name = path.rpartition(":" if ":" in path else ".")
    if not module_name or not name:
        raise ConfigError(f"{key}={path} must read package.module:function")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise ConfigError(
            f"{key}={path} cannot be imported ({error}); install it or put its folder on PYTHONPATH"
        ) from error
    except Exception as error:
        raise ConfigError(f"{key}={path}: importing {module_name} fails: {raised(error)}") from error
    factory = getattr(module, name, None)
    if not callable(factory):
        raise ConfigError(f"{key}={path}: module {module_name} has no function or class {name}")
    return factory
