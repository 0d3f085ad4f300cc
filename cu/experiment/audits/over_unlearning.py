"""Models on images between what was forgotten and the class next to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
import torch
from annotated_types import Gt
from torch import Tensor

from cu.data.types import Split
from cu.engine.hardware import Hardware
from cu.engine.numerics.attack import input_gradient, on_pixels, pixels_of
from cu.engine.predict import SCORING_BATCH, evaluating
from cu.experiment.audits.context import AuditContext
from cu.experiment.audits.relearning import drawn
from cu.experiment.audits.types import AuditFindings
from cu.metrics.distribution.over_unlearning import EPSILON, OverUnlearning
from cu.models.types import Classifier
from cu.seeds import generator


@dataclass(frozen=True, kw_only=True)
class OverUnlearningAudit:
    """Perturb forget samples on the original model by projected gradient descent, then ask every model about them.

    Ha, Park & Yoon 2026. Pixels are perturbed in [0, 1], by at most 0.03 each from a random start, and normalised
    afterwards. The target is the class the original finds likeliest besides the true one. The released code moves
    `away` from it, against what the text says; `towards` is the descent.

    Attributes:
        steps: Gradient steps.
        step_size: Change of each pixel per step.
        move: `towards` the neighbouring class, or `away` from it as released.
        max_samples: At most this many forget samples, drawn at random.
    """

    provides: ClassVar[type] = OverUnlearning

    steps: Annotated[int, Gt(0)]
    step_size: Annotated[float, Gt(0)]
    move: Literal["towards", "away"]
    max_samples: Annotated[int, Gt(0)]

    def examine(self, context: AuditContext) -> AuditFindings:
        """The outputs of all models on the same images, which only the original decides on."""
        workspace = context.workspace
        chosen = drawn(context.task.forget, self.max_samples, generator(context.forget_seed, "over_unlearning/samples"))
        original = context.load(context.original)
        source = generator(context.forget_seed, "over_unlearning/start")
        images = [self.perturbed(original, batch, source, workspace.hardware) for batch in batches(chosen)]
        before = outputs(original, images, workspace.hardware)

        def found(logits: np.ndarray) -> OverUnlearning:
            return OverUnlearning(judged=logits, original=before)

        return AuditFindings(
            found(outputs(context.load(context.unlearned()), images, workspace.hardware)),
            tuple(found(outputs(context.load(stored), images, workspace.hardware)) for stored in context.references),
            found(before),
        )

    def perturbed(self, model: Classifier, split: Split, source: torch.Generator, hardware: Hardware) -> Tensor:
        """Normalised images [B, C, H, W] on the device, after the descent."""
        logits = on_pixels(model, split, hardware)
        pixels, labels = pixels_of(split, torch.arange(len(split)), hardware)
        start = torch.rand(pixels.shape, generator=source).mul(2).sub(1).mul(EPSILON).to(pixels.device)
        step = -self.step_size if self.move == "towards" else self.step_size
        with hardware.scoring():
            with torch.no_grad():
                target = neighbour(logits(pixels), labels)
            moved = (pixels + start).clamp(0, 1)
            for _ in range(self.steps):
                slope = input_gradient(logits, moved, target)[0].sign()
                moved = (moved + step * slope).clamp(pixels - EPSILON, pixels + EPSILON).clamp(0, 1)
        return hardware.placement.put(split.transform.normalize(moved))


def neighbour(logits: Tensor, labels: Tensor) -> Tensor:
    """The likeliest class [B] besides the true one."""
    return logits.scatter(1, labels[:, None], -torch.inf).argmax(dim=1)


def batches(split: Split) -> list[Split]:
    """A split in pieces that fit into memory."""
    return [split.subset(rows.to(split.rows.device)) for rows in torch.arange(len(split)).split(SCORING_BATCH)]


def outputs(model: Classifier, images: list[Tensor], hardware: Hardware) -> np.ndarray:
    """Logits float32 [n, C]."""
    with evaluating(model), torch.inference_mode(), hardware.scoring():
        return torch.cat([model(batch).logits.float().cpu() for batch in images]).numpy()
