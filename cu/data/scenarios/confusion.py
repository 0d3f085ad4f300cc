"""Forget labels that were wrong: the scenario in which forgetting makes a model better."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from annotated_types import Gt, Len

from cu.data.scenarios.class_names import class_numbers
from cu.data.scenarios.kind import ScenarioKind
from cu.data.scenarios.types import Scenario
from cu.errors import ConfigError

if TYPE_CHECKING:
    import torch

    from cu.data.types import ImageData, Split


@dataclass(frozen=True, kw_only=True)
class ConfusionScenario(Scenario):
    """The interclass confusion test: swap the labels of some samples of two classes, train on them, forget them.

    The original is trained on the wrong labels, so that it confuses the two classes; a model retrained without these
    samples does not. Goel et al., "Towards Adversarial Evaluations for Inexact Machine Unlearning", arXiv 2201.06640.

    Attributes:
        swap: The two classes, by number, counted from 0, or by name.
        count: How many of their training samples get the label of the other class.
    """

    kind: ClassVar[ScenarioKind] = "sample"
    changes_training: ClassVar[bool] = True

    swap: Annotated[list[int | str], Len(2, 2)]
    count: Annotated[int, Gt(0)]

    def identity(self) -> Mapping[str, Any]:
        """The two classes, in whatever order, and how many."""
        return {
            "name": type(self).__name__,
            "swap": sorted(self.swap, key=lambda label: (isinstance(label, str), label)),
            "count": self.count,
        }

    def among(self, class_names: Sequence[str]) -> ConfusionScenario:
        """The scenario with numbers for the names of classes."""
        return replace(self, swap=class_numbers(self.swap, class_names, "scenario.swap"))

    def select(self, train: Split, num_classes: int, generator: torch.Generator) -> torch.Tensor:
        """Sorted int64 positions in `train`, drawn from both classes together without replacement.

        They are the same before and after the swap, which moves no sample into or out of the two classes.

        Raises:
            ConfigError: `swap` does not name two classes of the data set, or they have no more than `count` samples.
        """
        import torch

        swap = [int(label) for label in self.swap]
        if len(set(swap)) < 2 or not all(0 <= label < num_classes for label in swap):
            raise ConfigError(f"scenario.swap={swap}: name two classes from 0 to {num_classes - 1}")
        members = torch.isin(train.labels, torch.tensor(swap, device=train.labels.device)).nonzero()[:, 0]
        if self.count >= len(members):
            raise ConfigError(
                f"scenario.count={self.count}: classes {self.swap[0]} and {self.swap[1]} have {len(members)} training "
                "samples; leave some their label"
            )
        order = torch.randperm(len(members), generator=generator)
        return members.cpu()[order[: self.count]].sort().values

    def prepare(self, data: ImageData, generator: torch.Generator) -> ImageData:
        """The data set in which the selected training samples have the label of the other class; nothing else changes.

        Args:
            data: With its true labels.
            generator: In the state in which `select` is given it afterwards.

        Raises:
            ConfigError: As `select`.
        """
        train, own = data.train, self.among(data.class_names)
        swap = [int(label) for label in own.swap]
        chosen = own.select(train, data.num_classes, generator).to(train.labels.device)
        labels = train.labels.clone()
        labels[chosen] = sum(swap) - labels[chosen]
        return replace(data, train=train.relabelled(labels), confused_classes=tuple(swap))
