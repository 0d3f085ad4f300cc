"""Networks of torchvision and of timm by their names."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from torch import nn

from cu.errors import ConfigError, first_line, suggestion
from cu.models.types import Classifier
from cu.models.user import as_classifier


@dataclass(frozen=True, kw_only=True)
class TorchvisionModel:
    """A classifier of torchvision with random weights, adapted so that it shows its embedding.

    Attributes:
        name: As in `torchvision.models`, such as `resnet18` or `vit_b_16`.
        settings: Further keyword arguments for it; the number of classes, and the size of the images where it matters,
            are those of the data set.
    """

    name: str
    settings: dict[str, Any]

    def build(self, num_classes: int, shape: tuple[int, int, int]) -> Classifier:
        """The network as a classifier of images of `shape` (channels, height, width).

        Raises:
            ConfigError: There is no such network, or it does not take such images.
        """
        from torchvision import models

        what = f"model.name={self.name}"
        if self.name not in models.list_models(module=models):
            hint = suggestion(self.name, models.list_models(module=models), "; did you mean {}?")
            raise ConfigError(f"{what} is no classifier of torchvision{hint}")
        sized = {"image_size": shape[1]} if self.name.startswith("vit_") else {}
        module = _made(
            lambda: models.get_model(self.name, **{"num_classes": num_classes, **sized, **self.settings}), what
        )
        return as_classifier(module, _head(module, what), num_classes, shape, what)


@dataclass(frozen=True, kw_only=True)
class TimmModel:
    """A classifier of timm, adapted so that it shows its embedding.

    Attributes:
        name: As in `timm.list_models()`, such as `vit_tiny_patch16_224`.
        pretrained: Whether timm downloads its published weights; the last layer is new if the classes are others.
        settings: Further keyword arguments of `timm.create_model`; the numbers of classes and channels, and the size of
            the images where it matters, are those of the data set.
    """

    name: str
    pretrained: bool
    settings: dict[str, Any]

    def build(self, num_classes: int, shape: tuple[int, int, int]) -> Classifier:
        """The network as a classifier of images of `shape` (channels, height, width).

        Raises:
            ConfigError: timm is not installed or has no such network, or it does not take such images.
        """
        try:
            timm: Any = import_module("timm")
        except ImportError as error:
            raise ConfigError(f"model=timm needs the extra 'timm': pip install 'cu[timm]' ({error})") from error
        what = f"model.name={self.name}"
        if not timm.is_model(self.name):
            hint = suggestion(self.name.split(".")[0], timm.list_models(), "; did you mean {}?")
            raise ConfigError(f"{what} is no network of timm{hint}")
        fixed = (timm.get_pretrained_cfg(self.name) or timm.models.PretrainedCfg()).fixed_input_size
        sized = {"img_size": shape[1:]} if fixed else {}
        given = {"num_classes": num_classes, "in_chans": shape[0], **sized, **self.settings}
        module = _made(lambda: timm.create_model(self.name, pretrained=self.pretrained, **given), what)
        head = module.default_cfg.get("classifier")
        return as_classifier(module, head if isinstance(head, str) else _head(module, what), num_classes, shape, what)


def last_linear(module: nn.Module) -> str:
    """Path of a network's last linear layer; empty if it has none."""
    return next((path for path, layer in reversed(list(module.named_modules())) if isinstance(layer, nn.Linear)), "")


def _head(module: nn.Module, what: str) -> str:
    if not (path := last_linear(module)):
        raise ConfigError(f"{what} has no linear layer, whose input would be the embedding; choose another network")
    return path


def _made(make: Any, what: str) -> Any:
    try:
        return make()
    except (TypeError, ValueError, AssertionError, RuntimeError, OSError) as error:
        raise ConfigError(f"{what} cannot be made with model.settings and these images: {first_line(error)}") from error
