"""Forget samples drawn at random."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from annotated_types import Gt, Lt

from cu.data.scenarios.kind import ScenarioKind
from cu.data.scenarios.types import Scenario
from cu.errors import ConfigError

if TYPE_CHECKING:
    import torch

    from cu.data.types import Split


@dataclass(frozen=True, kw_only=True)
class SampleScenario(Scenario):
    """Forget training samples drawn at random, each with the same chance.

    Attributes:
        count: How many; read only where `fraction` is None.
        fraction: Share of the training samples; if set, it wins over `count`.
    """

    kind: ClassVar[ScenarioKind] = "sample"

    count: Annotated[int, Gt(0)] | None
    fraction: Annotated[float, Gt(0), Lt(1)] | None

    def select(self, train: Split, num_classes: int, generator: torch.Generator) -> torch.Tensor:
        """Sorted int64 positions in `train`, drawn without replacement by `generator`.

        Raises:
            ConfigError: Neither setting is given, or they forget no sample or all.
        """
        import torch

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
