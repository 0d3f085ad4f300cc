"""The best weights seen on the way."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor

from cu.models.types import Classifier


class BestWeights:
    """Weights and buffers of the look with the highest score; of equal ones the first.

    Attributes:
        score: The highest so far; minus infinity before any look.
    """

    def __init__(self) -> None:
        self.score = -math.inf
        self._state: dict[str, Tensor] | None = None

    def look(self, model: Classifier, score: float) -> None:
        """Keep the model's weights if the score is the highest; one that is NaN never is."""
        if score > self.score:
            self.score, self._state = score, {name: value.clone() for name, value in model.state_dict().items()}

    def get_state(self) -> dict[str, Any]:
        """Score and weights."""
        return {"score": self.score, "weights": self._state}

    def set_state(self, state: dict[str, Any]) -> None:
        """As they were."""
        self.score, self._state = state["score"], state["weights"]

    def put_back(self, model: Classifier) -> Classifier:
        """The model itself with the best weights; as it is if nobody looked."""
        if self._state is not None:
            model.load_state_dict(self._state)
        return model
