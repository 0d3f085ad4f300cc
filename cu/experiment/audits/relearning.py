"""Train models on the forget set again and watch how fast they find back to it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
import torch
from annotated_types import Ge, Gt
from torch import nn

from cu.data.types import Split
from cu.engine.fit import cross_entropy, fit
from cu.engine.predict import accuracy
from cu.engine.progress import eta_log
from cu.engine.recipe import Recipe
from cu.experiment.audits.context import AuditContext
from cu.experiment.audits.types import AuditFindings
from cu.metrics.findings import WATCHED, Relearning
from cu.models.types import Classifier
from cu.seeds import derive_seed, generator
from cu.store.fingerprint import fingerprint
from cu.store.models import StoredModel
from cu.store.outputs import cached_outputs


@dataclass(frozen=True, kw_only=True)
class RelearningAudit:
    """Fine-tune copies of models on the forget set and as many retain samples, on identical batches.

    Of the unlearned model, of each retrained model and of the original; off every clock. Golatkar et al., CVPR 2020;
    Chundawat et al., "Zero-Shot Machine Unlearning", 2023. Steps differ by orders of magnitude between learning rates
    and modes of batch normalisation, so compare only numbers made with the same settings.

    Attributes:
        optimizer: Called with the parameters; its learning rate is constant.
        batch_size: Samples per step.
        batchnorm: As in `cu.engine.recipe.Recipe`.
        max_steps: Steps of every model.
        every: Steps between looks at the accuracy on at most 1000 forget samples; before that many, every step is seen.
        orders: How many orders of the batches.
    """

    provides: ClassVar[type] = Relearning

    optimizer: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]
    batch_size: Annotated[int, Gt(0)]
    batchnorm: Literal["train", "frozen"]
    max_steps: Annotated[int, Gt(0)]
    every: Annotated[int, Gt(0)]
    orders: Annotated[int, Ge(1)]

    def examine(self, context: AuditContext) -> AuditFindings:
        """Accuracy by steps, of all beside all retrained models."""
        models = [context.unlearned(), *context.references, context.original]
        finished = eta_log("relearning", len(models))
        curves = []
        for stored in models:
            curves.append(self.curves(context, stored))
            finished()
        unlearned, *references, original = curves
        steps, start = np.array(self.looks), float(original[0, 0])

        def found(judged: np.ndarray) -> Relearning:
            return Relearning(steps, judged, np.array(references).reshape(-1, *judged.shape), start)

        return AuditFindings(found(unlearned), tuple(found(own) for own in references), found(original))

    @property
    def looks(self) -> list[int]:
        """The steps after which accuracy is taken, from 0 to the last."""
        return [s for s in range(self.max_steps + 1) if s <= self.every or s % self.every == 0 or s == self.max_steps]

    def curves(self, context: AuditContext, stored: StoredModel, *, retain_only: bool = False) -> np.ndarray:
        """Accuracy on forget samples [orders, looks] of one model, computed once and kept beside its weights."""
        samples = [split.ids.tolist() for split in (context.task.forget, context.task.retain)]
        precision = context.workspace.hardware.scoring_precision
        only = ["retain"] if retain_only else []
        identity = fingerprint([repr(self), context.forget_seed, precision, samples, *only])

        def compute() -> dict[str, np.ndarray]:
            return {"accuracy": np.stack([self.curve(context, stored, n, retain_only) for n in range(self.orders)])}

        return cached_outputs(stored.folder / "audited" / f"relearning-{identity}.npz", compute)["accuracy"]

    def curve(self, context: AuditContext, stored: StoredModel, order: int, retain_only: bool = False) -> np.ndarray:
        """Accuracy on forget samples at each look, for one order of the batches."""
        workspace, forget = context.workspace, context.task.forget
        watched = drawn(forget, WATCHED, generator(context.forget_seed, "relearning/watched"))
        retain = drawn(context.task.retain, len(forget), generator(context.forget_seed, "relearning/retain"))
        run = workspace.context(derive_seed(context.forget_seed, f"relearning/{order}"))
        batches = run.batches((context.task.retain,) if retain_only else (forget, retain), self.recipe(1))
        model, looks = context.load(stored), set(self.looks)
        seen = [accuracy(model, watched, workspace.hardware)]

        def look(student: Classifier, step: int, pass_ended: bool) -> bool:
            if step in looks:
                seen.append(accuracy(student, watched, workspace.hardware))
            return step >= self.max_steps

        epochs = math.ceil(self.max_steps / len(batches))
        fit(model, batches, cross_entropy, self.recipe(epochs), run, after_step=look, name="relearning")
        return np.array(seen)

    def recipe(self, epochs: int) -> Recipe:
        """How the copies descend."""
        return Recipe(
            optimizer=self.optimizer,
            schedule="constant",
            epochs=epochs,
            batch_size=self.batch_size,
            augment=False,
            clip_norm=None,
            batchnorm=self.batchnorm,
        )


def drawn(split: Split, most: int, source: torch.Generator) -> Split:
    """At most so many random samples of a split, in its order."""
    return split.subset(torch.randperm(len(split), generator=source)[:most].sort().values.to(split.rows.device))
