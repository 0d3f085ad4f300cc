"""How much a model that never saw a class would know of it, estimated without training one; and when to stop there."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from cu.data.types import Split, UnlearningTask
from cu.engine.context import MethodContext
from cu.engine.predict import SCORING_BATCH, predict
from cu.engine.taps import tapped
from cu.errors import ConfigError
from cu.metrics.findings import Floats
from cu.metrics.representation.probes import logistic_probe
from cu.models.types import Classifier

GENERAL = 0.8  # of the encoder's depth: the block whose features are taken as general
PROBED = 2000  # training samples of the probes, at most
PENALTY = 1.0  # of the probes, as in the metrics


@dataclass(frozen=True, eq=False)
class Probing:
    """Linear probes of held-out samples of forgotten classes, trained on part of the training samples.

    **The level.** Early layers are general, late ones special to the classes that were trained (Yosinski et al., "How
    transferable are features in deep neural networks?", NIPS 2014). What a model that never saw a class has of it
    in the end is what the general features give; so the level of the features is the probe at the block four fifths
    into the original's encoder. The level of the embedding is the probe behind a linear head that the retained classes
    alone have trained on that block. Nothing is retrained.

    Attributes:
        known: Training samples of all classes.
        judged: Held-out samples of the forgotten classes.
        gone: The forgotten classes.
        context: Of the run.
    """

    known: tuple[Split, Split]
    judged: Split
    gone: tuple[int, ...]
    context: MethodContext

    def levels(self, original: Classifier) -> tuple[float, float]:
        """The levels of the embedding and of the features, shares of the judged samples that are found."""
        known, judged = (self.block(original, *part) for part in (self.known, (self.judged,)))
        labels = self.labels()
        kept = ~np.isin(labels, self.gone)
        if len(np.unique(labels[kept])) < 2:
            raise ConfigError(
                "method.stop_on=val drew training samples of fewer than two classes that are not forgotten; "
                "set method.stop_on to never"
            )
        head = logistic_probe(PENALTY).fit(known[kept], labels[kept])
        through = [head.decision_function(part).reshape(len(part), -1) for part in (known, judged)]
        return self.found(through[0], through[1]), self.found(known, judged)

    def reached(self, model: Classifier) -> tuple[float, float]:
        """The probes of the model's embedding and features."""
        first, second, judged = (predict(model, split, self.context.hardware) for split in (*self.known, self.judged))
        pairs = (
            (torch.cat([getattr(first, depth), getattr(second, depth)]), getattr(judged, depth))
            for depth in ("embedding", "features")
        )
        embedding, features = (self.found(known.double().numpy(), seen.double().numpy()) for known, seen in pairs)
        return embedding, features

    def found(self, known: Floats, judged: Floats) -> float:
        """Accuracy on the judged samples [n, D] of a probe trained on the known ones [m, D]."""
        probe = logistic_probe(PENALTY).fit(known, self.labels())
        return float((probe.predict(judged) == self.judged.labels.cpu().numpy()).mean())

    def labels(self) -> np.ndarray:
        """Classes of the known samples."""
        return np.concatenate([split.labels.cpu().numpy() for split in self.known])

    def block(self, model: Classifier, *splits: Split) -> Floats:
        """The pooled output [n, D] of the block `GENERAL` into the encoder."""
        parts = []
        for split in splits:
            with tapped(model) as seen:
                predict(model, split, self.context.hardware)
            count = len(seen) // math.ceil(len(split) / SCORING_BATCH)
            parts.append(torch.cat(seen[math.ceil(GENERAL * count) - 1 :: count]).double().cpu())
        return torch.cat(parts).numpy()


def require_levels(task: UnlearningTask) -> None:
    """Check that a task has what levels are estimated from.

    Raises:
        ConfigError: No validation sample is of a forgotten class, or fewer than two classes are kept.
    """
    if len(task.of_forget_classes(task.val)) == 0:
        raise ConfigError(
            "method.stop_on=val finds no val samples of the forgotten classes to look at; "
            "set dataset.val_fraction above 0, or method.stop_on to never"
        )
    if len(set(task.retain.labels.unique().tolist()) - set(task.forget_classes)) < 2:
        raise ConfigError(
            "method.stop_on=val needs at least two classes that are not forgotten; set method.stop_on to never"
        )


def probing(task: UnlearningTask, context: MethodContext) -> Probing:
    """Probes for a task that has levels, on a random part of its training samples in which each class has its share."""
    judged = task.of_forget_classes(task.val)
    share = min(1.0, PROBED / (len(task.retain) + len(task.forget)))
    source = context.generator("probing")
    retain, forget = (some(split, math.ceil(share * len(split)), source) for split in (task.retain, task.forget))
    return Probing((retain, forget), judged, task.forget_classes, context)


def some(split: Split, count: int, source: torch.Generator) -> Split:
    """So many random samples of a split, in its order."""
    chosen = torch.zeros(len(split), dtype=torch.bool)
    chosen[torch.randperm(len(split), generator=source)[:count]] = True
    return split.subset(chosen.to(split.labels.device))


class Watch:
    """Looks at the probes between steps: a depth at its level is no longer matched, and all at theirs end it.

    Attributes:
        open: Of `embedding` and `features`, those that are still above their level.
    """

    def __init__(self, probes: Probing, original: Classifier, every: int) -> None:
        """Both are open.

        Args:
            probes: What to look with.
            original: What the levels are estimated by.
            every: Steps between looks.
        """
        self.probes, self.every = probes, every
        self.levels = dict(zip(("embedding", "features"), probes.levels(original), strict=True))
        self.open = set(self.levels)

    def get_state(self) -> list[str]:
        """What changes on the way."""
        return sorted(self.open)

    def set_state(self, state: list[str]) -> None:
        """Be as it was."""
        self.open = set(state)

    def __call__(self, model: Classifier, step: int, pass_ended: bool) -> bool:
        """Whether to stop after this step."""
        if step % self.every:
            return False
        reached = dict(zip(self.levels, self.probes.reached(model), strict=True))
        self.open = {depth for depth, level in self.levels.items() if reached[depth] > level}
        rows = {
            f"stop/{depth}_{name}": of[depth]
            for depth in reached
            for name, of in (("probe", reached), ("level", self.levels))
        }
        self.probes.context.log(rows, step)
        return not self.open
