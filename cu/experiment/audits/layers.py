"""What the blocks of an encoder make of images: representations of all models at several depths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import torch
from annotated_types import Ge
from torch import Tensor, nn

from cu.data.batches.shuffled import concatenated
from cu.data.types import Split
from cu.engine.hardware import Hardware
from cu.engine.predict import predict
from cu.engine.progress import eta_log
from cu.engine.taps import tapped
from cu.experiment.audits.context import AuditContext
from cu.experiment.audits.relearning import drawn
from cu.experiment.audits.stages import at_depths
from cu.experiment.audits.types import AuditFindings, beside_all
from cu.metrics.findings import Activations, Layers
from cu.models.types import Classifier
from cu.seeds import generator
from cu.store.models import StoredModel


@dataclass(frozen=True, kw_only=True)
class LayerAudit:
    """Look at the blocks of every model's encoder while it scores the same images.

    Attributes:
        max_samples: At most this many forget samples, as many retained training samples, and twice as many retained
            test samples, all drawn at random. Time and memory grow with its square.
    """

    provides: ClassVar[type] = Layers

    max_samples: Annotated[int, Ge(4)]

    def examine(self, context: AuditContext) -> AuditFindings:
        """Representations by the unlearned, the original and the retrained models; all beside all retrained ones."""
        images, workspace = self.images(context), context.workspace

        def seen(stored: StoredModel) -> Activations:
            model = context.load(stored)
            return {
                name: [small(x) for x in blocks(model, split, workspace.hardware)] for name, split in images.items()
            }

        models = [context.unlearned(), context.original, *context.references]
        finished, found = eta_log("layers", len(models)), []
        for stored in models:
            found.append(seen(stored))
            finished()
        judged, original, *references = found
        return beside_all(Layers, judged, original, references)

    def images(self, context: AuditContext) -> dict[str, Split]:
        """What the models look at, the same for all of them."""
        task = context.task

        def chosen(split: Split, most: int, name: str) -> Split:
            return drawn(split, most, generator(context.forget_seed, f"layers/{name}"))

        forget = chosen(task.forget, self.max_samples, "forget")
        kept = task.test.subset(~torch.isin(task.test.ids, task.test_forget.ids))
        return {
            "forget": concatenated((forget, chosen(task.retain, len(forget), "retain"))),
            "retain": chosen(kept, 2 * self.max_samples, "test"),
        }


def blocks(model: Classifier, split: Split, hardware: Hardware) -> list[np.ndarray]:
    """Outputs float32 [n, D] of the encoder's blocks at `DEPTHS` even steps, all places of them; see `blocks_of`.

    The last is what enters the head.
    """
    with tapped(model, flat) as outputs:
        predict(model, split, hardware)
    return [values.numpy() for values in at_depths(outputs, len(split))]


def flat(block: nn.Module, output: Tensor) -> Tensor:
    """An output as vectors float32 [B, D] on the CPU; a copy, since the next block may work in place."""
    return output.flatten(1).to("cpu", torch.float32, copy=True)


def small(x: np.ndarray) -> np.ndarray:
    """A matrix of the same n rows and at most n columns with the same inner products, all that linear CKA reads."""
    return x if x.shape[1] <= len(x) else np.asarray(np.linalg.qr(x.T.astype(np.float64), mode="r")).T
