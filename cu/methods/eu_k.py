"""EU-k: exact unlearning of the last k layers."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import Annotated, ClassVar

from annotated_types import Gt

from cu.data.types import UnlearningTask
from cu.engine.context import MethodContext
from cu.engine.fit import cross_entropy, fit
from cu.engine.freezing import freeze_all_but, last_layers, reset, thaw_as
from cu.engine.recipe import Recipe
from cu.methods.types import RETAIN_SET, Need
from cu.models.types import Classifier


@dataclass(frozen=True, kw_only=True)
class EuK:
    """Resets the last k layers once and trains them on the retain set (Goel et al., arXiv 2201.06640).

    All before them stays bit-identical, batch statistics included: accuracy forgets, the embedding need not. The new
    weights come from a random stream of the method's own, never from the one that the original began with: those would
    have been a head start that a real deletion has not. The statistics of the reset layers start anew too.

    Attributes:
        recipe: How to descend; as long as the original's, for exactness.
        layers: k, convolutions and linear layers counted from the output, with the normalisation that follows them;
            with as many as the model has, or more, this is retraining by `recipe`.
    """

    needs: ClassVar[tuple[Need, ...]] = RETAIN_SET

    recipe: Recipe
    layers: Annotated[int, Gt(0)]

    def unlearn(self, model: Classifier, task: UnlearningTask, context: MethodContext) -> Classifier:
        """`model` with its last layers trained anew, without ever reading `task.forget`."""
        student = deepcopy(model)
        paths = last_layers(student, self.layers)
        reset(student, context.new_model("eu_k"), paths)
        freeze_all_but(student, paths)
        return thaw_as(
            fit(student, context.batches(task.retain, self.recipe), cross_entropy, self.recipe, context, state=()),
            model,
        )
