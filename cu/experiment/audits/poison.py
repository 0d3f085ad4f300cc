"""Ask models for the noise that their forget samples were poisoned with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import torch
from annotated_types import Gt

from cu.data.types import Poisoning
from cu.engine.hardware import Hardware
from cu.engine.numerics.attack import on_pixels, pixels_of
from cu.experiment.audits.context import AuditContext
from cu.experiment.audits.types import AuditFindings
from cu.metrics.poison.gaussian import Poison, gaussian_scores
from cu.models.types import Classifier


@dataclass(frozen=True, kw_only=True)
class PoisonAudit:
    """Gaussian poisoning scores of every model, at the clean images; finds nothing where nothing was poisoned.

    Attributes:
        batch_size: Images at a time.
    """

    provides: ClassVar[type] = Poison

    batch_size: Annotated[int, Gt(0)]

    def examine(self, context: AuditContext) -> AuditFindings:
        """The scores under the unlearned, the retrained and the original models."""
        workspace, poisoning = context.workspace, context.workspace.data.poisoning
        if poisoning is None:
            return AuditFindings(None, (None,) * len(context.references), None)
        models = (context.unlearned(), *context.references, context.original)
        found = [self.scores(context.load(stored), poisoning, workspace.hardware) for stored in models]
        return AuditFindings(found[0], tuple(found[1:-1]), found[-1])

    def scores(self, model: Classifier, poisoning: Poisoning, hardware: Hardware) -> Poison:
        """Of one model."""
        split = poisoning.clean
        positions = torch.arange(len(split)).split(self.batch_size)
        slopes = np.concatenate([margin_slopes(model, poisoning, part, hardware) for part in positions])
        return Poison(gaussian_scores(poisoning.noise.numpy(), slopes, poisoning.epsilon))


def margin_slopes(model: Classifier, poisoning: Poisoning, positions: torch.Tensor, hardware: Hardware) -> np.ndarray:
    """Gradient of the margin of each label by the pixels of its clean image, float32 [B, C, H, W]."""
    logits = on_pixels(model, poisoning.clean, hardware)
    pixels, labels = pixels_of(poisoning.clean, positions, hardware)
    with torch.enable_grad(), hardware.scoring():
        watched = pixels.detach().requires_grad_(True)
        output = logits(watched).float()
        own = output.gather(1, labels[:, None])[:, 0]
        others = output.scatter(1, labels[:, None], -torch.inf).logsumexp(dim=1)
        (slope,) = torch.autograd.grad((own - others).sum(), watched)
    return slope.float().cpu().numpy()
