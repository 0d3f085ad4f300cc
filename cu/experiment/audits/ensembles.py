"""Groups of models from many seeds: unlearned, retrained and original ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
import torch
from annotated_types import Ge, Gt

from cu.engine.progress import eta_log
from cu.experiment.audits.context import AuditContext
from cu.experiment.audits.further import Further
from cu.experiment.audits.relearning import drawn
from cu.experiment.audits.types import AuditFindings
from cu.metrics.findings import Ensembles, ModelGroup
from cu.metrics.primitives import margin
from cu.seeds import generator
from cu.store.models import StoredModel


@dataclass(frozen=True, kw_only=True)
class EnsembleAudit:
    """Compare the distribution of unlearned models with that of retrained models, sample by sample.

    Every unlearned model has its own method seed. The forgetting score of the NeurIPS 2023 challenge starts all of them
    from one original (`originals: one`); KLoM (Georgiev et al. 2025) starts each from an original of its own
    (`originals: own`), and so compares with retraining in all that is random. Retrained models and
    originals are shared by all methods, and the first retrained models are the run's references.

    There are 2 x `models` retrained ones: unlearned models are set against the second half, and a reference is
    retraining itself: the first half against the second, dealt anew for every further reference. No method reaches a
    distance of 0 or a score of 1, because two halves of one group do not.

    Attributes:
        models: N, models per group. The forgetting score resolves epsilon up to about ln N; KLoM needs 50 for its
            histograms.
        originals: Whether the unlearned models start from `one` original or each from its `own`.
        max_retain: At most this many retain samples, drawn at random.
    """

    provides: ClassVar[type] = Ensembles

    models: Annotated[int, Ge(3)]
    originals: Literal["one", "own"]
    max_retain: Annotated[int, Gt(0)]

    def further(self, kind: str) -> Further:
        """What it trains, in scenarios of any kind."""
        return Further(
            retrained=2 * self.models,
            originals=self.models if self.originals == "own" else 1,
            unlearned=self.models,
        )

    def examine(self, context: AuditContext) -> AuditFindings:
        """Unlearned, retrained and (if there are several) original models against retrained models."""
        number, own = self.models, self.originals == "own"
        finished = eta_log("ensembles", (4 if own else 3) * number)
        retrained, unlearned, originals = [], [], []
        for i in range(2 * number):
            retrained.append(self.look(context, context.trained(context.task.retain, i)))
            finished()
        for i in range(number):
            original = context.original_of(i if own else 0)
            if own:
                originals.append(self.look(context, original))
                finished()
            unlearned.append(self.look(context, context.forgetting(original, context.task, i)))
            finished()
        others = group(retrained[number:])
        return AuditFindings(
            Ensembles(group(unlearned), others),
            tuple(self.reference(context, retrained, i) for i in range(len(context.references))),
            Ensembles(group(originals), others) if own else None,
        )

    def reference(self, context: AuditContext, retrained: list[ModelGroup], number: int) -> Ensembles:
        """Retrained models against retrained models."""
        source = generator(context.forget_seed, f"ensembles/reference/{number}")
        deal = torch.randperm(2 * self.models, generator=source).tolist() if number else range(2 * self.models)
        models = [retrained[i] for i in deal]
        return Ensembles(group(models[: self.models]), group(models[self.models :]))

    def look(self, context: AuditContext, stored: StoredModel) -> ModelGroup:
        """One model as a group of one."""
        task = context.task
        retain = drawn(task.retain, self.max_retain, generator(context.forget_seed, "ensembles/retain"))
        logits = {split: context.logits(stored, split) for split in (task.forget, retain, task.val, task.test)}
        labels = {split: split.labels.cpu().numpy() for split in logits}

        def margins(split) -> np.ndarray:
            return margin(logits[split], labels[split])[None]

        def accuracy(split) -> np.ndarray:
            return (logits[split].argmax(axis=1) == labels[split]).mean()[None]

        return ModelGroup(
            margins(task.forget), margins(retain), margins(task.val), accuracy(retain), accuracy(task.test)
        )


def group(models: list[ModelGroup]) -> ModelGroup:
    """Several groups as one."""
    return ModelGroup(
        forget=np.concatenate([m.forget for m in models]),
        retain=np.concatenate([m.retain for m in models]),
        val=np.concatenate([m.val for m in models]),
        retain_acc=np.concatenate([m.retain_acc for m in models]),
        test_acc=np.concatenate([m.test_acc for m in models]),
    )
