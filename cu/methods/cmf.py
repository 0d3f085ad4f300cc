"""CMF: any method, on a network whose classifier is the mean feature of each class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Annotated

import torch
from annotated_types import Gt
from torch import Tensor, nn
from torch.nn import functional as F

from cu.config.contradictions import require_consistent
from cu.data.types import ScenarioKind, Split, UnlearningTask
from cu.engine.context import MethodContext
from cu.engine.predict import predict
from cu.methods.cf_k import CfK
from cu.methods.eu_k import EuK
from cu.methods.head_only import HeadOnly
from cu.methods.logit_mask import LogitMask
from cu.methods.scissorhands import Scissorhands
from cu.methods.types import (
    BOTH_SETS,
    Method,
    Need,
    check_task,
    framed,
    needing,
    needs_of,
    require_features,
    scenarios_of,
)
from cu.models.last_layer import last_layer
from cu.models.types import Classifier


@dataclass(frozen=True, kw_only=True)
class ClassMeanFeatures:
    """Class-mean features as classifier (Gao, Unal, Rangamani and Zhu, AISTATS 2026, arXiv 2604.08271).

    A head can deny what the features still show by turning away from them. Here it cannot: row c of the last layer is
    `scale` times the direction of the mean of what that layer sees of class c, its bias is 0, and neither is trained,
    so that a method has to move the features. Means are those of the training samples under the current network, taken
    before each of the rounds of the base method and after the last. Differs from the paper in that means are renewed
    between rounds, not at every step, so that any method can be the base.

    The forgotten classes keep a row each, and the last one is the mean of what the network in the end makes of them.
    Hence accuracy on forgotten images is that of the nearest class mean, a probe of the representation: it does not
    come down to 0, not even for an encoder that never saw the class (the paper: 67.3 %). Judge it beside the class mean
    probe (`probe/ncm_forget_test_acc`) of retrained models, not beside accuracies of networks with a head of their own.

    Attributes:
        base: The method, with its settings for one round; it changes more than the last layer.
        rounds: How often it runs.
        scale: Of the logits, the inverse of a temperature.
    """

    base: Method
    rounds: Annotated[int, Gt(0)]
    scale: Annotated[float, Gt(0)]

    @property
    def needs(self) -> tuple[Need, ...]:
        """What the base needs, and both sets and a linear last layer for the means."""
        own = [
            replace(n, **{part: getattr(n, part).replace("method.", "method.base.") for part in ("because", "instead")})
            for n in needs_of(self.base)
        ]
        return tuple(dict.fromkeys((*BOTH_SETS, *needing("a linear last layer"), *own)))

    @property
    def scenarios(self) -> tuple[ScenarioKind, ...]:
        """Those of the base."""
        return scenarios_of(self.base)

    def contradictions(self, at: str) -> Iterator[str]:
        """The base has more to change than the last layer."""
        for name, method in methods_within(self.base, f"{at}.base"):
            if isinstance(method, HeadOnly | LogitMask):
                yield f"{name} changes nothing before the last layer, which {at} gives the class means; take another"
            elif isinstance(method, CfK | EuK | Scissorhands) and method.layers == 1:
                yield f"{name}.layers=1 is the last layer alone, which {at} gives the class means; take 2 or more"

    def check(self, model: Classifier, task: UnlearningTask) -> None:
        """As the base, and there are features to move."""
        require_features("method=cmf", model)
        check_task(self.base, lambda: model, task)

    def unlearn(self, model: Classifier, task: UnlearningTask, context: MethodContext) -> Classifier:
        """`model` after all rounds, with class means as its last layer."""
        require_consistent(self)
        student = self.with_means(model, task, context)
        for _ in range(self.rounds):
            student = self.with_means(self.base.unlearn(student, task, context), task, context)
        for own, given in zip(student.parameters(), model.parameters(), strict=True):
            own.requires_grad_(given.requires_grad)
        return student.eval()

    def framed(self, model: Classifier, weights: Mapping[str, Tensor]) -> Classifier:
        """`model` in the form in which the base leaves it."""
        return framed(self.base, model, weights)

    def with_means(self, model: Classifier, task: UnlearningTask, context: MethodContext) -> Classifier:
        """A copy of `model` whose last layer holds scaled class means and does not train."""
        copy = deepcopy(model)
        layer = last_layer(copy)
        with context.ledger.preparing():
            splits = (task.retain, task.forget)
            seen = torch.cat([last_inputs(model, split, context) for split in splits])
        labels = torch.cat([split.labels.cpu() for split in splits])
        with torch.no_grad():
            for c in labels.unique().tolist():
                layer.weight[c] = self.scale * F.normalize(seen[labels == c].mean(0), dim=0).to(layer.weight)
            if layer.bias is not None:
                layer.bias.zero_()
        layer.requires_grad_(False)
        return copy


def methods_within(method: Method, at: str) -> Iterator[tuple[str, Method]]:
    """A method and those it is made of, each with what it is called as one types it."""
    yield at, method
    for field in fields(method) if is_dataclass(method) else ():
        part = getattr(method, field.name)
        if hasattr(part, "unlearn"):
            yield from methods_within(part, f"{at}.{field.name}")


def last_inputs(model: Classifier, split: Split, context: MethodContext) -> Tensor:
    """What the last layer sees of each sample of a split [N, D], on the CPU."""
    seen: list[Tensor] = []

    def record(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        seen.append(inputs[0].float().cpu())

    handle = last_layer(model).register_forward_pre_hook(record)
    try:
        predict(model, split, context.hardware)
    finally:
        handle.remove()
    return torch.cat(seen)
