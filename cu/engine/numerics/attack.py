"""Adversarial examples in pixel space: images in [0, 1] are perturbed first and normalised afterwards.

The model is read in evaluation mode and left as it was; nothing is random.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from cu.data.types import Split
from cu.engine.hardware import Hardware
from cu.engine.ledger import visited
from cu.engine.predict import evaluating
from cu.models.types import Classifier

PixelModel = Callable[[Tensor], Tensor]


def on_pixels(model: Classifier, split: Split, hardware: Hardware) -> PixelModel:
    """Logits [B, C] of float images [B, C, H, W] with pixels in [0, 1], normalised as the split is."""

    def logits(pixels: Tensor) -> Tensor:
        with evaluating(model):
            return model(hardware.placement.put(split.transform.normalize(pixels))).logits

    return logits


def pixels_of(split: Split, positions: Tensor, hardware: Hardware) -> tuple[Tensor, Tensor]:
    """Images float32 [B, C, H, W] in [0, 1] and labels int64 [B] of a split at `positions`, on the device."""
    visited(split.name, len(positions))
    chosen = positions.to(split.rows.device)
    pixels = hardware.placement.put(hardware.placement.gathered(split.images, split.rows[chosen])).float() / 255
    return pixels, split.labels[chosen].to(pixels.device)


def input_gradient(logits: PixelModel, pixels: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Gradient of each sample's cross-entropy by its own pixels, and the predicted classes int64 [B]."""
    with torch.enable_grad():
        watched = pixels.detach().requires_grad_(True)
        output = logits(watched)
        (gradient,) = torch.autograd.grad(F.cross_entropy(output, labels, reduction="sum"), watched)
    return gradient, output.detach().argmax(1)


def fgsm(logits: PixelModel, pixels: Tensor, labels: Tensor, epsilon: float) -> Tensor:
    """One step of `epsilon` (of the pixel range [0, 1]) per pixel, away from the labels.

    Source: Goodfellow et al., "Explaining and Harnessing Adversarial Examples" (ICLR 2015).
    """
    return (pixels + epsilon * input_gradient(logits, pixels, labels)[0].sign()).clamp(0, 1)


def l2_descent(
    logits: PixelModel, clean: Tensor, start: Tensor, labels: Tensor, radius: float, steps: int
) -> tuple[Tensor, Tensor]:
    """Untargeted projected gradient steps in an L2 ball; a sample stands still once it is misclassified.

    Args:
        logits: The model.
        clean: Centres of the balls, float [B, C, H, W] in [0, 1].
        start: Where to begin, inside the balls.
        labels: The classes to leave, int64 [B].
        radius: Of the balls, in units of the pixel range; each step is a tenth of it.
        steps: Largest number of steps.

    Returns:
        The images [B, C, H, W] where they stopped, and whether each is misclassified (bool [B]).

    Source: Madry et al., "Towards Deep Learning Models Resistant to Adversarial Attacks" (ICLR 2018), in the L2 norm.
    """
    current, active = start.clone(), torch.arange(len(start), device=start.device)
    for _ in range(steps):
        gradient, classes = input_gradient(logits, current[active], labels[active])
        correct = classes == labels[active]
        active, gradient = active[correct], gradient[correct]
        if not len(active):
            break
        offset = current[active] + radius / 10 * unit(gradient) - clean[active]
        current[active] = (clean[active] + shortened(offset, radius)).clamp(0, 1)
    return current, predicted(logits, current) != labels


def doubling_attack(
    logits: PixelModel, clean: Tensor, labels: Tensor, radius: float, steps: int
) -> tuple[Tensor, Tensor]:
    """`l2_descent` with the radius doubled for the samples it fails on, which go on from where they are.

    A sample that is misclassified to begin with is returned as it is, with radius 0. One still classified correctly
    when the ball covers all images is given up: its radius is infinite.

    Returns:
        The images [B, C, H, W] and the radius float [B] each one needed.

    Source: Ebrahimpour-Boroojeny et al., "Not All Wrong is Bad: Using Adversarial Examples for Unlearning" (ICML
    2025), algorithm 1.
    """
    current, farthest = clean.clone(), clean[0].numel() ** 0.5
    needed = torch.where(predicted(logits, clean) == labels, torch.inf, 0.0)
    while radius < 2 * farthest and (left := needed.isinf().nonzero().squeeze(1)).numel():
        current[left], fooled = l2_descent(logits, clean[left], current[left], labels[left], radius, steps)
        needed[left[fooled]] = radius
        radius *= 2
    return current, needed


def l2_approach(logits: PixelModel, clean: Tensor, targets: Tensor, radius: float, step: float, steps: int) -> Tensor:
    """Targeted projected gradient steps in an L2 ball: images [B, C, H, W] that look like `targets` int64 [B].

    All `steps` steps of length `step` are taken, both in units of the pixel range.
    """
    current = clean.clone()
    for _ in range(steps):
        gradient, _ = input_gradient(logits, current, targets)
        current = (clean + shortened(current - step * unit(gradient) - clean, radius)).clamp(0, 1)
    return current


@torch.no_grad()
def predicted(logits: PixelModel, pixels: Tensor) -> Tensor:
    """The most likely class of each image."""
    return logits(pixels).argmax(1)


def unit(gradient: Tensor) -> Tensor:
    """Each sample's gradient at length 1; one of zeros stays zero. Scaled first, as squares of small ones vanish."""
    scaled = gradient / gradient.abs().amax((1, 2, 3), keepdim=True).clamp(min=torch.finfo(gradient.dtype).tiny)
    return scaled / scaled.flatten(1).norm(dim=1).clamp(min=1).view(-1, 1, 1, 1)


def shortened(offset: Tensor, radius: float) -> Tensor:
    """Each sample's offset, no longer than `radius`."""
    length = offset.flatten(1).norm(dim=1).clamp(min=radius).view(-1, 1, 1, 1)
    return offset * (radius / length)
