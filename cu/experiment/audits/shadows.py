"""Shadow models for U-LiRA: trained, and unlearned by the run's own method, on other choices of forget samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

import numpy as np
import torch
from annotated_types import Ge, MultipleOf

from cu.data.types import Split, UnlearningTask
from cu.engine.progress import eta_log
from cu.experiment.audits.context import AuditContext
from cu.experiment.audits.further import Further
from cu.experiment.audits.types import AuditFindings
from cu.metrics.findings import Shadows
from cu.metrics.membership.vulnerable import vulnerability
from cu.metrics.primitives import margin
from cu.seeds import generator
from cu.store.models import StoredModel


@dataclass(frozen=True, kw_only=True)
class ShadowAudit:
    """Amortised U-LiRA (Hayes et al., SaTML 2025): margins of a pool of samples in the worlds an attacker tells apart.

    Sample scenarios: the pool is the forget set and random retain samples of the same classes, the base all other
    training samples. Every shadow original has its own seed and is trained on the base and half of the pool; the
    run's method, with its own settings, makes it forget that half. Halves come in pairs, one the complement of the
    other, so that each sample is in exactly half of the shadows. Retrained worlds are trained on the base alone.

    Class scenarios: the classes go together, so the pool is the forget set, and each of `models / 2` shadows is an
    ordinary original that forgets all of it. There are then as many independent bits of evidence as shadows.

    Originals and retrained worlds depend on the data set, the model, the recipe, the seed and the forget set, so all
    methods share them; only the unlearning is each method's own.

    Attributes:
        models: Shadows in sample scenarios, and retrained worlds: 16 to 32 are a defensible budget, if stated.
        pool: Size of the pool over that of the forget set in sample scenarios. 2 lets a shadow forget as many samples
            as the run; 1 keeps to the forget set, where that was not drawn at random.
    """

    provides: ClassVar[type] = Shadows

    models: Annotated[int, Ge(6), MultipleOf(2)]
    pool: Annotated[float, Ge(1)]

    def further(self, kind: str) -> Further:
        """What it trains in a class or a sample scenario."""
        if kind == "class":
            return Further(retrained=self.models, originals=self.models // 2, unlearned=self.models // 2)
        return Further(others=2 * self.models, unlearned=self.models)

    def examine(self, context: AuditContext) -> AuditFindings:
        """Worlds of the unlearned model; of each reference, retrained against retrained; of originals untouched."""
        classes, half = context.task.scenario == "class", self.models // 2
        pool = context.task.forget if classes else candidates(context, self.pool)
        base = without(context.workspace.data.train, pool)
        finished = eta_log("shadows", self.models + (half if classes else self.models))
        # Retrained worlds of a class scenario are the run's references, and more of their kind.
        first, retrained = 0 if classes else self.models, []
        for number in range(first, first + self.models):
            retrained.append(margins(context, context.trained(base, number), pool))
            finished()
        worlds = self.classes(context, finished) if classes else self.samples(context, pool, finished)
        forgotten, unseen, known, unknown = worlds
        outside = np.stack(retrained[half:])
        shown = None if unknown is None else vulnerability(known, unknown)
        references = (self.reference(context, np.stack(retrained), i) for i in range(len(context.references)))
        return AuditFindings(
            Shadows(forgotten, unseen, outside, shown),
            tuple(replace(reference, vulnerability=shown) for reference in references),
            Shadows(known, unknown, outside, shown),
        )

    def reference(self, context: AuditContext, retrained: np.ndarray, number: int) -> Shadows:
        """Retrained worlds against retrained worlds, dealt anew for every reference."""
        order = generator(context.forget_seed, f"shadows/reference/{number}")
        deal = torch.randperm(self.models, generator=order).numpy() if number else np.arange(self.models)
        inside, outside = np.split(retrained[deal], 2)
        return Shadows(inside, None if context.task.scenario == "class" else outside, outside)

    def classes(self, context: AuditContext, finished: Callable[[], None]) -> tuple[np.ndarray, None, np.ndarray, None]:
        """Margins of the forget set [models / 2, n] after and before unlearning."""
        after, before = [], []
        for number in range(self.models // 2):
            original = context.original_of(number)
            before.append(margins(context, original, context.task.forget))
            after.append(margins(context, context.forgetting(original, context.task, number), context.task.forget))
            finished()
        return np.stack(after), None, np.stack(before), None

    def samples(
        self, context: AuditContext, pool: Split, finished: Callable[[], None]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Margins of the pool [models / 2, q]: of members and non-members after, and of both before unlearning."""
        after, before, member = [], [], halves(len(pool), self.models, context.forget_seed)
        for number, chosen in enumerate(member):
            forget = pool.subset(torch.from_numpy(chosen).to(pool.rows.device), "forget")
            task = shadow_task(context, pool, forget)
            original = context.trained(together(context.workspace.data.train, task.retain, forget), number)
            before.append(margins(context, original, pool))
            after.append(margins(context, context.forgetting(original, task, number), pool))
            finished()
        return *by_world(np.stack(after), member), *by_world(np.stack(before), member)


def candidates(context: AuditContext, size: float) -> Split:
    """The forget set and retain samples of the same classes, `size` times as many in all if there are enough."""
    forget, retain = context.task.forget, context.task.retain
    source = generator(context.forget_seed, "shadows/pool")
    order = torch.randperm(len(retain), generator=source).to(retain.rows.device)
    extra = [forget.ids]
    for label, count in zip(*forget.labels.unique(return_counts=True), strict=True):
        of_class = order[retain.labels[order] == label]
        extra.append(retain.ids[of_class[: round((size - 1) * int(count))]])
    train = context.workspace.data.train
    return train.subset(torch.isin(train.ids, torch.cat(extra)), "pool")


def halves(size: int, models: int, seed: int) -> np.ndarray:
    """Who is in which shadow: bool [models, size]; rows 2j and 2j + 1 are complements, one with half of the pool."""
    rows = []
    for pair in range(models // 2):
        order = torch.randperm(size, generator=generator(seed, f"shadows/halves/{pair}")).numpy()
        rows += [order < size // 2, order >= size // 2]
    return np.stack(rows)


def by_world(values: np.ndarray, member: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values [2n, q] of pairs of shadows as those of members [n, q] and of non-members [n, q]."""
    even, odd, first = values[::2], values[1::2], member[::2]
    return np.where(first, even, odd), np.where(first, odd, even)


def shadow_task(context: AuditContext, pool: Split, forget: Split) -> UnlearningTask:
    """The task of one shadow: forget its half of the pool, retain the base."""
    retain = without(context.workspace.data.train, pool)
    return replace(context.task, retain=replace(retain, name="retain"), forget=forget)


def without(train: Split, gone: Split) -> Split:
    """The training samples less some, in their order."""
    return train.subset(~torch.isin(train.ids, gone.ids))


def together(train: Split, *parts: Split) -> Split:
    """The training samples of some parts, in their order."""
    return train.subset(torch.isin(train.ids, torch.cat([part.ids for part in parts])))


def margins(context: AuditContext, stored: StoredModel, split: Split) -> np.ndarray:
    """Logit-scaled confidences [n] of a model on a split."""
    return margin(context.logits(stored, split), split.labels.cpu().numpy())
