"""Forget samples that models memorise little, somewhat or much."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Gt, MultipleOf

from cu.data.scenarios.kind import ScenarioKind
from cu.data.scenarios.types import Scenario
from cu.errors import ConfigError

if TYPE_CHECKING:
    import torch

    from cu.data.types import Split

LEVELS = ("low", "medium", "high")


@dataclass(frozen=True, kw_only=True)
class MemorisedScenario(Scenario):
    """Forget random samples of one third of the training set, by how much models memorise them.

    Memorisation of a sample is how much likelier it is classified right by models that were trained on it than by
    models that were not (Feldman & Zhang 2020). Random forget sets flatter methods, because most samples are not
    memorised (Zhao et al. 2024).

    Attributes:
        level: `low`, `medium` or `high` third; samples of equal memorisation are told apart at random.
        count: How many to forget.
        models: Models trained on a random half of the training set each, to estimate memorisation; shared by all runs
            of a data set, a model and a recipe.
    """

    kind: ClassVar[ScenarioKind] = "sample"

    level: Literal["low", "medium", "high"]
    count: Annotated[int, Gt(0)]
    models: Annotated[int, Ge(4), MultipleOf(2)]

    def informed_by(self, memorisation: Callable[[int], torch.Tensor]) -> RankedScenario:
        """The scenario once the memorisation of every training sample is known."""
        return RankedScenario(self, memorisation(self.models))

    def select(self, train: Split, num_classes: int, generator: torch.Generator) -> torch.Tensor:
        """Not before memorisation is known.

        Raises:
            TypeError: Always; see `informed_by`.
        """
        raise TypeError("a MemorisedScenario has to be informed_by the memorisation of the training samples")


@dataclass(frozen=True, eq=False)
class RankedScenario(Scenario):
    """A `MemorisedScenario` that can select, because the memorisation float [N] of the training samples is known."""

    kind: ClassVar[ScenarioKind] = "sample"

    settings: MemorisedScenario
    memorisation: torch.Tensor

    def identity(self) -> Mapping[str, Any]:
        """That of the settings: memorisation follows from the data and from them."""
        return self.settings.identity()

    def select(self, train: Split, num_classes: int, generator: torch.Generator) -> torch.Tensor:
        """Sorted int64 positions in `train`, drawn without replacement from the third.

        Raises:
            ConfigError: `count` exceeds the third.
        """
        import torch

        shuffled = torch.randperm(len(train), generator=generator)
        ascending = shuffled[self.memorisation[shuffled].argsort(stable=True)]
        third = ascending.tensor_split(len(LEVELS))[LEVELS.index(self.settings.level)]
        if self.settings.count > len(third):
            raise ConfigError(
                f"scenario.count={self.settings.count}: a third of the training samples has only {len(third)}"
            )
        chosen = torch.randperm(len(third), generator=generator)[: self.settings.count]
        return third[chosen].sort().values
