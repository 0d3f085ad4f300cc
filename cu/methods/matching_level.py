"""How much a model that never saw a class would know of it, estimated without training one; and when to stop there."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from cu.data.types import Split, UnlearningTask
from cu.engine.compiling import uncompiled
from cu.engine.context import MethodContext
from cu.engine.predict import SCORING_BATCH, predict
from cu.engine.taps import blocks_of, tapped
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
    into the original's encoder, in shallow ones the last but one: the features themselves are what shall change. The
    level of the embedding is the probe behind a linear head that the retained classes alone have trained on that block;
    where the embedding is the features, it has none of its own. Nothing is retrained.

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

    def levels(self, original: Classifier) -> dict[str, float]:
        """By depth, `embedding` and `features`, the level: a share of the judged samples that is found.

        Features alone where the embedding is the same.

        Raises:
            ConfigError: Fewer than two classes are retained, or the encoder has no block before its last.
        """
        known, judged = (self.block(original, *part) for part in (self.known, (self.judged,)))
        level = {"features": self.found(known, judged)}
        scores = predict(original, self.judged, self.context.hardware)
        if scores.features is scores.embedding:
            return level
        labels = self.labels()
        kept = ~np.isin(labels, self.gone)
        if len(np.unique(labels[kept])) < 2:
            raise ConfigError(
                "method.stop_on=val drew training samples of fewer than two classes that are not forgotten; "
                "set method.stop_on to never"
            )
        head = logistic_probe(PENALTY).fit(known[kept], labels[kept])
        through = [head.decision_function(part).reshape(len(part), -1) for part in (known, judged)]
        return {"embedding": self.found(through[0], through[1]), **level}

    def reached(self, model: Classifier) -> dict[str, float]:
        """The probes of the model's own depths, as in `levels`."""
        first, second, judged = (predict(model, split, self.context.hardware) for split in (*self.known, self.judged))

        def at(depth: str) -> float:
            known = torch.cat([getattr(first, depth), getattr(second, depth)])
            return self.found(known.double().numpy(), getattr(judged, depth).double().numpy())

        depths = ("features",) if judged.features is judged.embedding else ("embedding", "features")
        return {depth: at(depth) for depth in depths}

    def found(self, known: Floats, judged: Floats) -> float:
        """Accuracy on the judged samples [n, D] of a probe trained on the known ones [m, D]."""
        probe = logistic_probe(PENALTY).fit(known, self.labels())
        return float((probe.predict(judged) == self.judged.labels.cpu().numpy()).mean())

    def labels(self) -> np.ndarray:
        """Classes of the known samples."""
        return np.concatenate([split.labels.cpu().numpy() for split in self.known])

    def block(self, model: Classifier, *splits: Split) -> Floats:
        """The pooled output [n, D] of the block `GENERAL` into the encoder, see `general_block`."""
        parts = []
        for split in splits:
            with tapped(model) as seen:
                predict(model, split, self.context.hardware)
            count = len(seen) // math.ceil(len(split) / SCORING_BATCH)
            parts.append(torch.cat(seen[general_block(count) :: count]).double().cpu())
        return torch.cat(parts).numpy()


def general_block(count: int) -> int:
    """Which of so many blocks, from 0, is `GENERAL` of the way into the encoder; never the last.

    Raises:
        ConfigError: There is none before the last.
    """
    if count < 2:
        raise ConfigError(
            "method.stop_on=val reads a block before the encoder's last one, and this encoder has a single "
            "part with weights; set method.stop_on to never"
        )
    return min(math.ceil(GENERAL * count), count - 1) - 1


def require_levels(model: Classifier, task: UnlearningTask) -> None:
    """Check that a network and a task have what levels are estimated from; needs no forward pass.

    Raises:
        ConfigError: The encoder has one block, no validation sample is of a forgotten class, or fewer than two classes
            are kept.
    """
    general_block(len(blocks_of(uncompiled(model))))
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
        open: Of the depths that have a level, `embedding` and `features`, those that are still above it.
    """

    def __init__(self, probes: Probing, original: Classifier, every: int) -> None:
        """All are open.

        Args:
            probes: What to look with.
            original: What the levels are estimated by.
            every: Steps between looks; besides, it looks at the end of each pass.
        """
        self.probes, self.every = probes, every
        self.levels = probes.levels(original)
        self.open = set(self.levels)

    def get_state(self) -> list[str]:
        """What changes on the way."""
        return sorted(self.open)

    def set_state(self, state: list[str]) -> None:
        """Be as it was."""
        self.open = set(state)

    def __call__(self, model: Classifier, step: int, pass_ended: bool) -> bool:
        """Whether to stop after this step."""
        if step % self.every and not pass_ended:
            return False
        reached = self.probes.reached(model)
        self.open = {depth for depth, level in self.levels.items() if reached[depth] > level}
        rows = {
            f"stop/{depth}_{name}": of[depth]
            for depth in reached
            for name, of in (("probe", reached), ("level", self.levels))
        }
        self.probes.context.log(rows, step)
        return not self.open
