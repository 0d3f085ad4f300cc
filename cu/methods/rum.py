"""RUM: forget in portions, each by the method that suits how much it is memorised."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from torch import Tensor
from torch.nn import functional as F

from cu.data.batches.shuffled import concatenated
from cu.data.types import ScenarioKind, Split, UnlearningTask
from cu.engine.context import MethodContext
from cu.engine.predict import predict
from cu.methods.types import BOTH_SETS, Method, Need, check_task, framed, needs_of, scenarios_of
from cu.models.types import Classifier

PORTIONS = ("low", "medium", "high")


@dataclass(frozen=True, kw_only=True)
class Rum:
    """Refined unlearning by a meta-algorithm (Zhao et al., NeurIPS 2024, arXiv 2406.01257).

    The forget set is cut into thirds of low, medium and high memorisation, which are forgotten in this order, each by a
    method of its own that starts from what the one before it made. Portions that are still to come count as retain
    data, as in the released code.

    Memorisation is told by the original's loss: what it is least sure of had to be memorised. The paper ranks by the
    score of Feldman and Zhang (2020), for which many models have to be trained, or by stand-ins for it.

    Attributes:
        low: How the third that is memorised least is forgotten. The paper lets it be (`original`).
        medium: How the second third is forgotten; in the paper by fine-tuning.
        high: How the third that is memorised most is forgotten; in the paper by SalUn. Of fewer than three samples,
            the first are here.
    """

    scenarios: ClassVar[tuple[ScenarioKind, ...]] = ("sample",)

    low: Method
    medium: Method
    high: Method

    @property
    def needs(self) -> tuple[Need, ...]:
        """What any of the three needs, and both sets to cut portions from."""
        own = [
            replace(need, because=named(need.because, portion), instead=named(need.instead, portion))
            for portion in PORTIONS
            for need in needs_of(getattr(self, portion))
        ]
        return tuple(dict.fromkeys((*BOTH_SETS, *own)))

    def contradictions(self, at: str) -> Iterator[str]:
        """A part of samples is samples."""
        for portion in PORTIONS:
            if "sample" not in scenarios_of(getattr(self, portion)):
                yield f"{at}.{portion} is meant for class scenarios only; what {at} forgets are samples"

    def check(self, model: Classifier, task: UnlearningTask) -> None:
        """As far as can be told of the whole set, each method can do it."""
        for portion in PORTIONS:
            check_task(getattr(self, portion), lambda: model, task)

    def unlearn(self, model: Classifier, task: UnlearningTask, context: MethodContext) -> Classifier:
        """`model` after up to three methods."""
        with context.ledger.preparing():
            portions = thirds(task.forget, memorisation(model, task.forget, context))
        for number, name in enumerate(PORTIONS):
            if not len(portions[name]):
                continue
            later = tuple(portions[other] for other in PORTIONS[number + 1 :] if len(portions[other]))
            retain = replace(concatenated((task.retain, *later)), name="retain")
            part = replace(task, retain=retain, forget=portions[name])
            model = getattr(self, name).unlearn(model, part, context)
        return model

    def framed(self, model: Classifier, weights: Mapping[str, Tensor]) -> Classifier:
        """`model` in the form in which the methods left it."""
        for name in PORTIONS:
            model = framed(getattr(self, name), model, weights)
        return model


def memorisation(model: Classifier, split: Split, context: MethodContext) -> Tensor:
    """The model's cross-entropy on each sample of a split, float [N], on the CPU; higher is memorised more."""
    return F.cross_entropy(predict(model, split, context.hardware).logits, split.labels.cpu(), reduction="none")


def thirds(split: Split, scores: Tensor) -> dict[str, Split]:
    """Portions of a split by their scores [N], the first of equals counting as higher."""
    descending = scores.argsort(descending=True, stable=True).tensor_split(len(PORTIONS))
    chosen = zip(PORTIONS, reversed(descending), strict=True)
    return {name: split.subset(positions.sort().values.to(split.rows.device)) for name, positions in chosen}


def named(words: str, portion: str) -> str:
    """Settings of a method in the words of the method that it is a part of."""
    return words.replace("method.", f"method.{portion}.")
