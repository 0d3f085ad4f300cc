"""Forget whole classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from cu.data.scenarios.class_names import class_numbers
from cu.data.scenarios.kind import ScenarioKind
from cu.data.scenarios.types import Scenario
from cu.errors import ConfigError

if TYPE_CHECKING:
    import torch

    from cu.data.types import Split


@dataclass(frozen=True, kw_only=True)
class ClassScenario(Scenario):
    """Forget every training sample of some classes.

    Attributes:
        classes: The classes to forget, by number, counted from 0, or by name.
    """

    kind: ClassVar[ScenarioKind] = "class"

    classes: list[int | str]

    def among(self, class_names: Sequence[str]) -> ClassScenario:
        """The scenario with numbers for the names of classes."""
        return replace(self, classes=class_numbers(self.classes, class_names, "scenario.classes"))

    def select(self, train: Split, num_classes: int, generator: torch.Generator) -> torch.Tensor:
        """Sorted int64 positions in `train` of all samples of the classes; nothing is random.

        Raises:
            ConfigError: `classes` is empty, names a class twice, one that does not exist or has no training samples,
                or names all.
        """
        import torch

        classes = [int(label) for label in self.classes]
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
