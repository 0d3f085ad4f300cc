"""What audits leave for metrics: arrays of models that were trained or attacked for the evaluation alone.

What one metric alone reads is declared beside that metric.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from cu.metrics.predictions import Floats, ModelPredictions

# At how many depths of an encoder its representation is looked at.
DEPTHS = 5
# On how many forget samples at most accuracy is watched while models are trained again.
WATCHED = 1000
Activations = Mapping[str, Sequence[Floats]]
F = TypeVar("F")


@dataclass(frozen=True, eq=False)
class Findings:
    """What audits found out about one model, by type: `findings[Shadows]` is a `Shadows`.

    A type whose findings hold the retrained models beside the judged one has a method `facing(others)`: the same with
    only these of the retrained models, by their numbers. A metric that needs such a type compares.
    """

    by_type: Mapping[type, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, *found: Any) -> Findings:
        """Findings under their own types."""
        return cls({type(one): one for one in found})

    def __getitem__(self, kind: type[F]) -> F:
        """The findings of that type; KeyError where there are none, which a metric's `needs` rule out."""
        return self.by_type[kind]

    def __contains__(self, kind: type) -> bool:
        return kind in self.by_type

    def facing(self, others: Sequence[int]) -> Findings:
        """The same with only these of the retrained models."""
        cut = {k: found.facing(others) if hasattr(k, "facing") else found for k, found in self.by_type.items()}
        return Findings(cut)


@dataclass(frozen=True, eq=False)
class Relearning:
    """How a model that is trained on the forget set again finds back to it, on the same batches as the others.

    Attributes:
        steps: int64 [T], optimizer steps at which accuracy was taken, from 0; nobody was trained beyond the last.
        judged: Accuracy of the judged model on forget samples [O, T], in [0, 1], a row for each order of the batches.
        retrained: The same [K, O, T] of the retrained models that it is set against; K may be 0.
        original_acc: Accuracy of the original model on the same samples, in [0, 1].
    """

    steps: NDArray[np.int64]
    judged: Floats
    retrained: Floats
    original_acc: float

    def facing(self, others: Sequence[int]) -> Relearning:
        """Beside only these of the retrained models."""
        return replace(self, retrained=self.retrained[list(others)])


@dataclass(frozen=True, eq=False)
class Shadows:
    """Margins of the same q samples in the worlds that an attacker tells apart, n models in each.

    Row j of one world belongs to row j of the others: an attack on one leaves out all of them.

    Attributes:
        forgotten: [n, q] under models that were trained on the sample and then made to forget it.
        unseen: [n, q] under models that never saw the sample and were made to forget others; None where all samples
            are forgotten together.
        retrained: [n, q] under models that saw none of the q samples.
        vulnerability: [n, q], how well membership shows in models before unlearning, all but those of a row; the same
            for every judged model. None where all samples are forgotten together.
    """

    forgotten: Floats
    unseen: Floats | None
    retrained: Floats
    vulnerability: Floats | None = None


@dataclass(frozen=True, eq=False)
class ModelGroup:
    """N models made in the same way from different seeds.

    Attributes:
        forget: Margins of forget samples [N, n].
        retain: Margins of some retain samples [N, m].
        val: Margins of the held-out samples [N, v]; v may be 0.
        retain_acc: Accuracy on the same retain samples [N].
        test_acc: Accuracy on the whole test set [N].
    """

    forget: Floats
    retain: Floats
    val: Floats
    retain_acc: Floats
    test_acc: Floats

    def __len__(self) -> int:
        return len(self.forget)


@dataclass(frozen=True, eq=False)
class Ensembles:
    """A group of models like the judged one, and as many retrained models; no model is in both."""

    judged: ModelGroup
    retrained: ModelGroup


@dataclass(frozen=True, eq=False)
class Layers:
    """Representations of the same images on their way through models.

    Each model has, for `forget` images and for `retain` images, `DEPTHS` matrices [n, D] from the first block of the
    encoder to the last; D may differ between blocks.

    Attributes:
        judged: The judged model.
        original: The original model.
        retrained: The retrained models that it is set against.
    """

    judged: Activations
    original: Activations
    retrained: tuple[Activations, ...]

    def facing(self, others: Sequence[int]) -> Layers:
        """Beside only these of the retrained models."""
        return replace(self, retrained=tuple(self.retrained[i] for i in others))


@dataclass(frozen=True, eq=False)
class Stages:
    """Models at `DEPTHS` depths of their encoders, from the first block to the last.

    At each depth a model is given as its predictions on part of every split, with the pooled output of the block as
    embedding.

    Attributes:
        judged: The judged model.
        original: The original model.
        retrained: The retrained models that it is set against.
    """

    judged: tuple[ModelPredictions, ...]
    original: tuple[ModelPredictions, ...]
    retrained: tuple[tuple[ModelPredictions, ...], ...]

    def facing(self, others: Sequence[int]) -> Stages:
        """Beside only these of the retrained models."""
        return replace(self, retrained=tuple(self.retrained[i] for i in others))


@dataclass(frozen=True, eq=False)
class Segment:
    """The straight line between the weights of two models.

    Attributes:
        l2: Its length: the Euclidean distance of all parameters.
        losses: [T], in nats, at evenly spaced points from one end to the other, both included.
    """

    l2: float
    losses: Floats


@dataclass(frozen=True, eq=False)
class Weights:
    """Segments from the judged model's weights to those of others.

    Attributes:
        to_original: To the original model.
        to_retrained: To the retrained models that it is set against.
    """

    to_original: Segment
    to_retrained: tuple[Segment, ...]

    def facing(self, others: Sequence[int]) -> Weights:
        """Beside only these of the retrained models."""
        return replace(self, to_retrained=tuple(self.to_retrained[i] for i in others))
