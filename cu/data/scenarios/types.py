"""What a scenario is: a rule that chooses who is forgotten. Without torch, so that a plan can ask for its identity."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from cu.data.scenarios.kind import ScenarioKind

if TYPE_CHECKING:
    import torch

    from cu.data.types import ImageData, Split


class Scenario(Protocol):
    """Settings (a frozen dataclass whose defaults live in YAML) and a choice.

    Attributes:
        kind: `class` if whole classes are forgotten, else `sample`.
        changes_training: Whether `prepare` changes what the original model is trained on, which is then part of the
            original's identity.
    """

    kind: ClassVar[ScenarioKind]
    changes_training: ClassVar[bool] = False

    def identity(self) -> Mapping[str, Any]:
        """What decides who is forgotten, besides the data and the seed: plain content, files by their content."""
        return {"name": type(self).__name__, **asdict(self)}  # type: ignore[call-overload]

    def prepare(self, data: ImageData, generator: torch.Generator) -> ImageData:
        """The data set that the original model is trained on.

        Args:
            data: As loaded.
            generator: In the state in which `select` is given it afterwards.
        """
        return data

    def among(self, class_names: Sequence[str]) -> Scenario:
        """A scenario that has numbers where this one has names of classes.

        Raises:
            ConfigError: There is no such class.
        """
        return self

    def informed_by(self, memorisation: Callable[[int], torch.Tensor]) -> Scenario:
        """A scenario that can select, for those that depend on how much models memorise each training sample.

        Args:
            memorisation: Of so many models: float [N] in [-1, 1], one per training sample; takes long.
        """
        return self

    def select(self, train: Split, num_classes: int, generator: torch.Generator) -> torch.Tensor:
        """Sorted int64 positions in `train` of the samples to forget; `generator` lives on the CPU.

        Only a scenario that is `among` the classes of the data set can select.
        """
        ...
