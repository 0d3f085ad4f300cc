"""What every stage of an encoder makes of images of all splits: pooled features of all models."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
from annotated_types import Ge

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

    Attributes:
        max_samples: At most this many random samples of each split, twice as many of the retain set.
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
        most = {name: self.max_samples * (2 if name == "retain" else 1) for name in SPLITS}
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
    count = len(outputs) // max(1, math.ceil(len(split) / SCORING_BATCH))
    found = []
    for k in range(1, DEPTHS + 1):
        # Every forward pass adds the outputs of all blocks; an empty split is looked at with one blank image.
        features = torch.cat(outputs[math.ceil(k * count / DEPTHS) - 1 :: count]).cpu().numpy()[: len(split)]
        found.append(Predictions(logits, features, split.labels.cpu().numpy(), split.ids.cpu().numpy()))
    return found
