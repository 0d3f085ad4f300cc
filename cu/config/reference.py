"""What a run is told about the models that it is set against."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from annotated_types import Ge


@dataclass(frozen=True, kw_only=True)
class ReferenceConfig:
    """The retrained models that a run is compared with.

    Attributes:
        k: How many, those of `checkpoints` included; where these are more, they are all.
        checkpoints: Files of the user's own retrained models, read as `model.checkpoint`; the others are trained.
        train: The user's own function that trains the others, `package.module:function`; None for the recipe.
    """

    k: Annotated[int, Ge(0)]
    checkpoints: list[str] = field(default_factory=list)
    train: str | None = None

    @property
    def count(self) -> int:
        """How many there are in all."""
        return max(self.k, len(self.checkpoints))
