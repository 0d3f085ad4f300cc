"""DAMP: every layer is made blind to where forgotten classes differ from the retained ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from annotated_types import Ge, Le
from torch import Tensor, nn

from cu.data.types import ScenarioKind, Split, UnlearningTask
from cu.engine.context import MethodContext
from cu.engine.predict import predict
from cu.engine.taps import pooled
from cu.methods.types import BOTH_SETS, Need
from cu.models.types import Classifier


@dataclass(frozen=True, kw_only=True)
class Damp:
    """Depth-aware modulation by projection (Hatami, Aalishah and Monosov, arXiv 2604.15166); nothing is trained.

    At the input of every convolution and linear layer, averaged over places or tokens, a class has its mean as a
    prototype. The prototype of each forgotten class minus the mean of the retained ones is a direction to forget; Q is
    an orthonormal basis of them. The layer's weights W (input channels last) become W - alpha W Q Q'. All prototypes
    are the original's.

    The strength grows with how well the layer's input tells the forgotten classes: alpha = `strength` (2 b - 1), b the
    balanced accuracy, not below 1/2, of the nearer of both sides' mean prototypes on the training samples. The paper
    derives it from the separability of a probe, in a form that is not taken over.

    Attributes:
        strength: Of the removal where the classes are told perfectly; 1 removes the directions there.
    """

    scenarios: ClassVar[tuple[ScenarioKind, ...]] = ("class",)
    needs: ClassVar[tuple[Need, ...]] = BOTH_SETS

    strength: Annotated[float, Ge(0), Le(1)]

    def unlearn(self, model: Classifier, task: UnlearningTask, context: MethodContext) -> Classifier:
        """A copy of `model` with projected weights."""
        with context.ledger.preparing():
            lost, kept = (layer_inputs(model, split, context) for split in (task.forget, task.retain))
        copy = deepcopy(model)
        for path, inputs in lost.items():
            basis, told = forget_directions(inputs, task.forget.labels.cpu(), kept[path], task.retain.labels.cpu())
            project(copy.get_submodule(path), basis, self.strength * told)
        return copy.eval()


def layer_inputs(model: Classifier, split: Split, context: MethodContext) -> dict[str, Tensor]:
    """By path, the pooled inputs [N, D] of ungrouped convolutions and linear layers, on the CPU.

    Layers that do not see one input per image, such as those of single windows, are left out.
    """
    with watched(model) as seen:
        predict(model, split, context.hardware)
    whole = {path: torch.cat(parts) for path, parts in seen.items()}
    return {path: inputs for path, inputs in whole.items() if len(inputs) == len(split)}


@contextmanager
def watched(model: Classifier) -> Iterator[dict[str, list[Tensor]]]:
    """Pooled inputs of the layers in forward passes inside, batch by batch."""
    seen: dict[str, list[Tensor]] = {}

    def recorder(path: str):
        def record(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            channels = -1 if isinstance(module, nn.Linear) else 1
            seen.setdefault(path, []).append(pooled(inputs[0], channels).float().cpu())

        return record

    layers = {path: m for path, m in model.named_modules() if isinstance(m, nn.Linear | nn.modules.conv._ConvNd)}
    handles = [
        layer.register_forward_pre_hook(recorder(path))
        for path, layer in layers.items()
        if getattr(layer, "groups", 1) == 1
    ]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def forget_directions(lost: Tensor, lost_labels: Tensor, kept: Tensor, kept_labels: Tensor) -> tuple[Tensor, float]:
    """An orthonormal basis [D, K] of the forgotten prototypes' offsets, and how well the sides are told.

    Args:
        lost: Inputs of forget samples [n, D].
        lost_labels: [n].
        kept: Inputs of retain samples [m, D].
        kept_labels: [m].

    Returns:
        The basis, and 2 b - 1 in [0, 1] with b the balanced accuracy of the nearer mean prototype.
    """
    middle = prototypes(kept, kept_labels).mean(0)
    offsets = prototypes(lost, lost_labels) - middle
    left, sizes, _ = torch.linalg.svd(offsets.T.double(), full_matrices=False)
    basis = left[:, sizes > 1e-6 * max(1e-12, float(sizes.max()))].float()
    far = offsets.mean(0)
    scores = [(part - middle - far / 2) @ far for part in (lost, kept)]
    balanced = ((scores[0] > 0).double().mean() + (scores[1] <= 0).double().mean()) / 2
    return basis, max(0.0, 2 * balanced.item() - 1)


def prototypes(inputs: Tensor, labels: Tensor) -> Tensor:
    """Mean input [K, D] of each class that is there."""
    return torch.stack([inputs[labels == c].mean(0) for c in labels.unique()])


def project(layer: nn.Module, basis: Tensor, alpha: float) -> None:
    """Take the share `alpha` of the input directions `basis` [D, K] from a layer's weights, in place."""
    weight = layer.get_parameter("weight")
    with torch.no_grad():
        channels_last = weight.movedim(1, -1)
        q = basis.to(weight)
        weight.copy_((channels_last - alpha * channels_last @ q @ q.T).movedim(-1, 1))
