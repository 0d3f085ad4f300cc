"""Any network as a classifier: the input of its last layer becomes the embedding."""

from __future__ import annotations

import copy

from torch import Tensor, nn

from cu.errors import ConfigError, first_line
from cu.models.types import Classifier, Output


class LastLayer(nn.Module):
    """A network's own last layer as a head; the embedding is the layer's input, float32 [B, D], of any length.

    Attributes:
        classifier: The layer itself.
        path: Where the network has it, such as `fc`.
    """

    def __init__(self, layer: nn.Module, path: str) -> None:
        super().__init__()
        self.classifier = layer
        self.path = path

    def forward(self, features: Tensor) -> Output:
        """Logits [B, C] and embedding [B, D] of features [B, D].

        Raises:
            ConfigError: The layer's input is not one vector per image.
        """
        if features.ndim != 2:
            raise ConfigError(
                f"model.head names a layer whose input has shape {tuple(features.shape)}; "
                "it must be one vector per image, [batch, features]"
            )
        return Output(self.classifier(features), features)


def adapt(module: nn.Module, head: str) -> Classifier:
    """A copy of `module` as a classifier that shows what its last layer sees.

    `encoder` is the network with its last layer replaced by the identity, `head` is that layer; the logits are those
    of `module`, which is left untouched. Layers that follow `head` in the network end up before it in the
    classifier, so `head` has to be the last one.

    Args:
        module: A network from images [B, C, H, W] to logits [B, num_classes].
        head: Path of its last layer, such as `fc` or `classifier.6`.

    Raises:
        ConfigError: `module` has no submodule of that path, or one without weights, or cannot be copied.
    """
    paths = dict(module.named_modules(remove_duplicate=False))
    if not head or head not in paths:
        linear = [path for path, layer in paths.items() if path and isinstance(layer, nn.Linear)]
        raise ConfigError(
            f"model.head={head!r} is no layer of {type(module).__name__}; "
            f"its linear layers are: {', '.join(linear[-8:]) or 'none'}"
        )
    encoder = copied(module)
    layer = encoder.get_submodule(head)
    if next(layer.parameters(), None) is None:
        raise ConfigError(f"model.head={head} has no weights ({type(layer).__name__}): name the last layer that has")
    encoder.set_submodule(head, nn.Identity())
    model = Classifier(encoder, LastLayer(layer, head))
    # The parts carry the network's own modes; Module.train() on the whole would also wake what its owner had frozen.
    model.training = model.head.training = module.training
    return model


def copied(module: nn.Module) -> nn.Module:
    """A deep copy of a network.

    Raises:
        ConfigError: It holds something that cannot be copied.
    """
    try:
        return copy.deepcopy(module)
    except (RuntimeError, TypeError) as error:
        hint = "; use torch.nn.utils.parametrizations.weight_norm" if "weight_norm" in str(error) else ""
        reason = first_line(error)[:120]
        raise ConfigError(
            f"{type(module).__name__} cannot be copied, which unlearning has to: {reason}{hint}"
        ) from error
