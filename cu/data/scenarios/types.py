"""Who is forgotten: from a training split to positions in it, and on to an unlearning task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Protocol

import torch
from annotated_types import Gt, Lt
from torch import Tensor

from cu.data.scenarios.indices import UntrainedIdsError
from cu.data.types import ImageData, ScenarioKind, Split, UnlearningTask
from cu.errors import ConfigError


class Scenario(Protocol):
    """A rule that chooses what is forgotten."""

    @property
    def kind(self) -> ScenarioKind:
        """`class` if whole classes are forgotten, else `sample`."""
        ...

    def select(self, train: Split, num_classes: int, generator: torch.Generator) -> Tensor:
        """Sorted int64 positions in `train` of the samples to forget; `generator` lives on the CPU."""
        ...


@dataclass(frozen=True, kw_only=True)
class ClassScenario:
    """Forget every training sample of some classes.

    Attributes:
        classes: The classes to forget, counted from 0.
    """

    kind: ClassVar[ScenarioKind] = "class"

    classes: list[int]

    def select(self, train: Split, num_classes: int, generator: torch.Generator) -> Tensor:
        """Sorted int64 positions in `train` of all samples of the classes; nothing is random.

        Raises:
            ConfigError: `classes` is empty, names a class twice, one that does not exist or has no training samples,
                or names all.
        """
        classes = list(self.classes)
        if not classes:
            raise ConfigError(f"scenario.classes is empty: name at least one class from 0 to {num_classes - 1}")
        if absent := [label for label in classes if not 0 <= label < num_classes]:
            raise ConfigError(
                f"scenario.classes: there is no class {absent[0]}; classes run from 0 to {num_classes - 1}"
            )
        if len(set(classes)) < len(classes):
            raise ConfigError(f"scenario.classes={classes} names a class twice")
        forgotten = torch.isin(train.labels, torch.tensor(classes, device=train.labels.device))
        if bool(forgotten.all()):
            raise ConfigError(f"scenario.classes={classes} forgets all training samples: leave some to retain")
        for label in classes:
            if not bool(train.labels.eq(label).any()):
                raise ConfigError(f"scenario.classes: class {label} has no training samples; raise dataset.train_size")
        return forgotten.nonzero().squeeze(1).cpu()


@dataclass(frozen=True, kw_only=True)
class SampleScenario:
    """Forget training samples drawn at random, each with the same chance.

    Attributes:
        count: How many; read only where `fraction` is None.
        fraction: Share of the training samples; if set, it wins over `count`.
    """

    kind: ClassVar[ScenarioKind] = "sample"

    count: Annotated[int, Gt(0)] | None
    fraction: Annotated[float, Gt(0), Lt(1)] | None

    def select(self, train: Split, num_classes: int, generator: torch.Generator) -> Tensor:
        """Sorted int64 positions in `train`, drawn without replacement by `generator`.

        Raises:
            ConfigError: Neither setting is given, or they forget no sample or all.
        """
        count = self._count(len(train))
        return torch.randperm(len(train), generator=generator)[:count].sort().values

    def _count(self, total: int) -> int:
        if self.fraction is not None:
            count, setting = round(self.fraction * total), f"scenario.fraction={self.fraction}"
        elif self.count is not None:
            count, setting = self.count, f"scenario.count={self.count}"
        else:
            raise ConfigError("scenario.count and scenario.fraction are both null: set one of them")
        if not 0 < count < total:
            raise ConfigError(f"{setting} of {total} training samples forgets {count}: forget at least 1, but not all")
        return count


def make_task(data: ImageData, scenario: Scenario, generator: torch.Generator) -> UnlearningTask:
    """Cut the training split in two, and the test samples of forgotten classes from the test split.

    Args:
        data: The data set; its `val` and `test` are passed on whole.
        scenario: What to forget.
        generator: Decides where `scenario` is random; lives on the CPU.

    Raises:
        ConfigError: The scenario does not fit the data.
    """
    try:
        positions = scenario.select(data.train, data.num_classes, generator)
    except UntrainedIdsError as error:
        raise error.explained(data) from error
    forgotten = torch.zeros(len(data.train), dtype=torch.bool, device=data.train.labels.device)
    forgotten[positions] = True
    forget = data.train.subset(forgotten, "forget")
    retain = data.train.subset(~forgotten, "retain")
    assert len(forget) == len(positions), "a scenario must not select a sample twice"
    assert len(forget) > 0, "a scenario must forget something"
    assert len(retain) > 0, "a scenario must leave something to retain"
    forget_classes = forget.labels.unique() if scenario.kind == "class" else forget.labels[:0]
    return UnlearningTask(
        retain=retain,
        forget=forget,
        val=data.val,
        test=data.test,
        test_forget=data.test.subset(torch.isin(data.test.labels, forget_classes), "test_forget"),
        num_classes=data.num_classes,
        scenario=scenario.kind,
        forget_classes=tuple(forget_classes.tolist()),
    )
