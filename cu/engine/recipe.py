"""How to descend: optimizer, schedule, epochs, batch size."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Annotated, Literal, Protocol

import torch
from annotated_types import Ge, Gt, Le, Lt
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from cu.config.contradictions import require_consistent


class Optimizer(Protocol):
    """Settings that become a torch optimizer once the parameters are known."""

    def __call__(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """The optimizer of these parameters."""
        ...


@dataclass(frozen=True, kw_only=True)
class Sgd:
    """Stochastic gradient descent; `weight_decay` is the L2 coefficient added to the gradient."""

    lr: Annotated[float, Ge(0)]
    momentum: Annotated[float, Ge(0), Lt(1)]
    weight_decay: Annotated[float, Ge(0)]
    nesterov: bool

    def contradictions(self, at: str) -> Iterator[str]:
        """Nesterov's look ahead goes along the momentum."""
        if self.nesterov and self.momentum == 0:
            yield f"{at}.nesterov=true needs {at}.momentum above 0"

    def __call__(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """The optimizer of these parameters."""
        require_consistent(self, "optimizer")
        return torch.optim.SGD(parameters, self.lr, self.momentum, 0, self.weight_decay, self.nesterov)


@dataclass(frozen=True, kw_only=True)
class AdamW:
    """Adam with decoupled weight decay; `betas` are the decay rates of the two moments."""

    lr: Annotated[float, Ge(0)]
    betas: tuple[Annotated[float, Ge(0), Lt(1)], Annotated[float, Ge(0), Lt(1)]]
    weight_decay: Annotated[float, Ge(0)]

    def __call__(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """The optimizer of these parameters."""
        first, second = self.betas
        return torch.optim.AdamW(parameters, self.lr, (first, second), weight_decay=self.weight_decay)


@dataclass(frozen=True, kw_only=True)
class StepDecay:
    """A learning rate that falls by a factor after some epochs.

    Attributes:
        milestones: After how many passes it falls, each time.
        factor: By what it is multiplied.
    """

    milestones: tuple[Annotated[int, Gt(0)], ...]
    factor: Annotated[float, Gt(0), Le(1)]

    def __call__(self, epoch: int) -> float:
        """The learning rate's factor in an epoch, counted from 0."""
        return self.factor ** sum(epoch >= milestone for milestone in self.milestones)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a model descends. One recipe trains originals and retrained models; methods have their own.

    Attributes:
        optimizer: Called with the parameters.
        schedule: Of the learning rate: `constant`; `cosine`, from 1 to 0 by epochs; `one_cycle`, by steps: up
            linearly during the first fifth, then down linearly to 0; or a `StepDecay`.
        epochs: Passes over the batches; 0 leaves the weights as they are.
        batch_size: Samples per batch; of the retain set, in methods that have a batch size for the forget set.
        augment: Whether the training views of the data set are cropped and flipped.
        clip_norm: Largest L2 norm of the whole gradient; None for no limit.
        batchnorm: `train` normalises by the batch and updates running statistics; `frozen` uses the running ones.
    """

    optimizer: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]
    schedule: Literal["constant", "cosine", "one_cycle"] | StepDecay
    epochs: Annotated[int, Ge(0)]
    batch_size: Annotated[int, Gt(0)]
    augment: bool
    clip_norm: Annotated[float, Gt(0)] | None
    batchnorm: Literal["train", "frozen"]

    def scheduler(self, optimizer: torch.optim.Optimizer, lengths: Sequence[int]) -> LambdaLR:
        """A scheduler to be stepped after every optimizer step; `lengths` are the steps of each epoch."""
        ends = list(accumulate(lengths))
        total = max(1, sum(lengths))

        def factor(step: int) -> float:
            return self.lr_factor(step, bisect_right(ends, step), total)

        return LambdaLR(optimizer, factor)

    def lr_factor(self, step: int, epoch: int, total: int) -> float:
        """The learning rate's factor in [0, 1] at optimizer step `step` of `total`, in `epoch`; both from 0."""
        if isinstance(self.schedule, StepDecay):
            return self.schedule(epoch)
        if self.schedule == "cosine":
            return 0.5 * (1 + math.cos(math.pi * epoch / max(1, self.epochs)))
        if self.schedule == "one_cycle":
            rise = max(1.0, 0.2 * total)
            return min((step + 1) / rise, max(0.0, (total - step) / max(1.0, total - rise)), 1.0)
        return 1.0
