"""What every stage of an encoder makes of images of all splits: pooled features of all models."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from annotated_types import Ge
from torch import Tensor

from cu.data.types import Split
from cu.engine.hardware import Hardware
from cu.engine.predict import SCORING_BATCH, predict
from cu.engine.progress import eta_log
from cu.engine.taps import tapped
from cu.experiment.audits.context import AuditContext
from cu.experiment.audits.relearning import drawn
from cu.experiment.audits.types import AuditFindings, beside_all
from cu.metrics.findings import DEPTHS, Stages
from cu.metrics.predictions import SPLITS, ModelPredictions, Predictions, of_parts
from cu.models.types import Classifier
from cu.seeds import generator


@dataclass(frozen=True, kw_only=True)
class StageAudit:
    """Look at the pooled outputs of the encoder's blocks, at `DEPTHS` even steps, on part of every split.

    The last depth is what enters the head. Training samples are drawn from both sets in proportion: a probe's answer
    depends on how much of what it learns from is forgotten, and that share must be the one of probes that see all.

    Attributes:
        max_samples: At most this many random samples of each held-out split, and three times as many training samples
            (and one more, by rounding).
    """

    provides: ClassVar[type] = Stages

    max_samples: Annotated[int, Ge(4)]

    def examine(self, context: AuditContext) -> AuditFindings:
        """Stages of the unlearned, the original and the retrained models; all beside all retrained ones."""
        splits, workspace = self.splits(context), context.workspace
        models = [context.unlearned(), context.original, *context.references]
        finished, found = eta_log("stages", len(models)), []
        for stored in models:
            found.append(stages(context.load(stored), splits, workspace.hardware))
            finished()
        judged, original, *references = found
        return beside_all(Stages, judged, original, references)

    def splits(self, context: AuditContext) -> dict[str, Split]:
        """What the models look at, the same for all of them."""
        task = context.task
        kept = task.test.subset(~torch.isin(task.test.ids, task.test_forget.ids))
        whole = dict(zip(SPLITS, (task.retain, task.forget, task.val, kept, task.test_forget), strict=True))
        share = min(1.0, 3 * self.max_samples / max(1, len(task.retain) + len(task.forget)))
        trained = {name: math.ceil(share * len(whole[name])) for name in ("retain", "forget")}
        most = {name: trained.get(name, self.max_samples) for name in SPLITS}
        source = {name: generator(context.forget_seed, f"stages/{name}") for name in SPLITS}
        return {name: drawn(split, most[name], source[name]) for name, split in whole.items()}


def stages(model: Classifier, splits: dict[str, Split], hardware: Hardware) -> tuple[ModelPredictions, ...]:
    """The model once per depth, with the pooled output of that block in the place of its embedding."""
    parts = {name: seen(model, split, hardware) for name, split in splits.items()}
    return tuple(of_parts({name: depths[number] for name, depths in parts.items()}) for number in range(DEPTHS))


def seen(model: Classifier, split: Split, hardware: Hardware) -> list[Predictions]:
    """One split at every depth."""
    with tapped(model) as outputs:
        logits = predict(model, split, hardware).logits.numpy()
    labels, ids = split.labels.cpu().numpy(), split.ids.cpu().numpy()
    return [Predictions(logits, features.numpy(), labels, ids) for features in at_depths(outputs, len(split))]


def at_depths(outputs: list[Tensor], count: int) -> list[Tensor]:
    """What `tapped` has seen of so many samples at `DEPTHS` even steps [count, D], the last block last; on the CPU."""
    # Every forward pass adds the outputs of all blocks; an empty split is looked at with one blank image.
    blocks = len(outputs) // max(1, math.ceil(count / SCORING_BATCH))
    steps = [math.ceil(k * blocks / DEPTHS) - 1 for k in range(1, DEPTHS + 1)]
    return [torch.cat(outputs[step::blocks]).cpu()[:count] for step in steps]
