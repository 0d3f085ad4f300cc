"""What to type where weights do not fit a network: whose network they are, told from their names and shapes."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

from cu.models.resnet import BLOCKS

ADAPTERS = (  # (a name that tells a family, what to type)
    (r"layers\.0\.blocks\.0\.attn\.qkv\.weight", "a Swin of timm: model=timm model.name=swin_..."),
    (r"blocks\.0\.attn\.qkv\.weight", "a ViT of timm: model=timm model.name=vit_..."),
    (r"encoder\.layers\.encoder_layer_0\..*", "a ViT of torchvision: model=torchvision model.name=vit_..."),
    (r"features\.1\.0\.attn\..*", "a Swin of torchvision: model=torchvision model.name=swin_..."),
    (r"(vit|swin|deit|beit|convnext|dinov2)\..*", "a network of Hugging Face: {user}"),
    (r"features\.0\.weight", "a VGG or the like of torchvision: model=torchvision model.name=vgg16_bn"),
)
USER = "model=user model.factory=package.module:function model.head=..."


def advice(theirs: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> str:
    """What to type; empty if nothing is known.

    Args:
        theirs: Weights by the names of the file, without prefix.
        own: Of the network.
    """
    if "head.projector.0.weight" in own and same_width(theirs, own) and stem_side(theirs) == stem_side(own):
        return "the file's network has one linear layer at its end: say model.head=linear"
    if (depth := resnet_depth(theirs)) is not None:
        if stem_side(theirs) == 7 != stem_side(own) and "encoder.stem.0.weight" in own:
            name = f"resnet{depth}" if depth else "resnet..."
            if depth in BLOCKS:
                narrow = "" if width(theirs) == 64 else f" model.width={width(theirs)}"
                return f"it is a ResNet-{depth}: say model={name} model.stem=large model.head=linear{narrow}"
            return f"the file is a ResNet with a 7x7 stem, which needs model=torchvision model.name={name}"
        if depth and "encoder.stem.0.weight" in own and not same_width(theirs, own):
            return f"it is a ResNet-{depth}: say model=resnet{depth} model.head=linear model.width={width(theirs)}"
    elif (found := family(theirs)) and not set(theirs) & set(own) and "encoder.stem.0.weight" in own:
        return f"the file is {found}"
    elif found and "encoder.stage5.0.weight" in own:
        return f"the file may be {found}"
    return f"for a network of your own say {USER}" if not set(theirs) & set(own) else ""


def family(theirs: Mapping[str, Tensor]) -> str:
    """A word for whose network a file is, and what to type for it; empty if the names tell nothing."""
    for pattern, text in ADAPTERS:
        if any(re.fullmatch(pattern, name) for name in theirs):
            return text.format(user=USER)
    return ""


def resnet_depth(theirs: Mapping[str, Tensor]) -> int | None:
    """18, 34, 50, 101 or 152 by the number of convolutions; 0 for a ResNet of another depth, None for no ResNet."""
    bodies = (r"layer\d\.\d+\.conv\d\.weight", r"conv\d_x\.\d+\.residual_function\.\d+\.weight")
    bodies += (r"resnet\.encoder\.stages\.\d\.layers\.\d+\.layer\.\d\.convolution\.weight",)
    convolutions = [n for n, t in theirs.items() if t.ndim == 4 and any(re.fullmatch(p, n) for p in bodies)]
    if not convolutions:
        return None
    return {16: 18, 32: 34, 48: 50, 99: 101, 150: 152}.get(len(convolutions), 0)


def stem_side(theirs: Mapping[str, Tensor]) -> int | None:
    """Side of the first convolution's kernel."""
    return next((tensor.shape[-1] for tensor in theirs.values() if tensor.ndim == 4), None)


def width(theirs: Mapping[str, Tensor]) -> int:
    """Channels that the first convolution makes."""
    return next(len(tensor) for tensor in theirs.values() if tensor.ndim == 4)


def same_width(theirs: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> bool:
    """Whether both have as many convolutions, and as many channels in the first."""
    counts = [sum(tensor.ndim == 4 for tensor in weights.values()) for weights in (theirs, own)]
    return counts[0] == counts[1] and width(theirs) == width(own)
