"""What audits leave for metrics: arrays of models that were trained or attacked for the evaluation alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cu.metrics.predictions import Floats, ModelPredictions

# At how many depths of an encoder its representation is looked at.
DEPTHS = 5
Activations = Mapping[str, Sequence[Floats]]


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


@dataclass(frozen=True, eq=False)
class Shadows:
    """Margins of the same q samples in the worlds that an attacker tells apart, n models in each.

    Row j of one world belongs to row j of the others: an attack on one leaves out all of them.

    Attributes:
        forgotten: [n, q] under models that were trained on the sample and then made to forget it.
        unseen: [n, q] under models that never saw the sample and were made to forget others; None where all samples
            are forgotten together.
        retrained: [n, q] under models that saw none of the q samples.
        vulnerability: [q], how well membership shows in models before unlearning, the same for every judged model;
            None where all samples are forgotten together.
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
class OverUnlearning:
    """Outputs on forget samples that were pushed a little way towards the class next to them.

    Attributes:
        judged: Logits [n, C] of the judged model.
        original: Logits [n, C] of the original model on the same images.
    """

    judged: Floats
    original: Floats


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


@dataclass(frozen=True, eq=False)
class RetainRelearning:
    """What a model that is trained on retained samples alone knows of the forget set on the way.

    Attributes:
        steps: int64 [T], optimizer steps at which accuracy was taken, from 0.
        judged: Accuracy of the judged model on forget samples [O, T], in [0, 1], a row for each order of the batches.
    """

    steps: NDArray[np.int64]
    judged: Floats


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


@dataclass(frozen=True, eq=False)
class Poison:
    """Gaussian poisoning scores [n] of the forget samples under the judged model."""

    scores: Floats
