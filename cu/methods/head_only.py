"""The null baseline that only teaches the last layer."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import ClassVar

from cu.config.contradictions import require_consistent
from cu.data.types import UnlearningTask
from cu.engine.context import MethodContext
from cu.engine.fit import cross_entropy, fit
from cu.engine.recipe import Recipe
from cu.methods.types import RETAIN_SET, Need
from cu.models.types import Classifier


@dataclass(frozen=True, kw_only=True)
class HeadOnly:
    """Cross-entropy on the retain set for the last linear layer alone; all else stays bit-identical.

    A null baseline, CF-k with k = 1 (Goel et al., arXiv 2201.06640): the embedding still knows what the head forgets.

    Attributes:
        recipe: How to descend; `batchnorm` must be `frozen`, or the statistics of frozen layers would drift.
    """

    needs: ClassVar[tuple[Need, ...]] = RETAIN_SET

    recipe: Recipe

    def contradictions(self, at: str) -> Iterator[str]:
        """What is frozen stays as it is."""
        if self.recipe.batchnorm != "frozen":
            yield f"{at}.recipe.batchnorm={self.recipe.batchnorm} would move frozen layers; use frozen"

    def unlearn(self, model: Classifier, task: UnlearningTask, context: MethodContext) -> Classifier:
        """`model` with its `head.classifier` trained further without ever reading `task.forget`."""
        require_consistent(self)
        start = deepcopy(model).requires_grad_(False)
        start.head.get_submodule("classifier").requires_grad_(True)
        student = fit(start, context.batches(task.retain, self.recipe), cross_entropy, self.recipe, context, state=())
        for own, given in zip(student.parameters(), model.parameters(), strict=True):
            own.requires_grad_(given.requires_grad)
        return student
