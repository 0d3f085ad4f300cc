"""The linear layer that ends every classifier, for methods that read or resize it."""

from __future__ import annotations

from torch import nn

from cu.errors import ConfigError
from cu.models.types import Classifier


def last_layer(model: Classifier) -> nn.Linear:
    """The layer itself, not a copy: one row of weights per class.

    Raises:
        ConfigError: The classifier of a network of the user's own ends in something else.
    """
    layer = model.head.get_submodule("classifier")
    if not isinstance(layer, nn.Linear):
        raise ConfigError(
            f"model.head names a {type(layer).__name__}; this method edits rows of a torch.nn.Linear as the last layer"
        )
    return layer
