"""The null baseline that knows nothing: a network that was never trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from cu.data.types import UnlearningTask
from cu.engine.context import MethodContext
from cu.methods.types import Need
from cu.models.types import Classifier


@dataclass(frozen=True, kw_only=True)
class Untrained:
    """Returns random weights: what probes still find in an embedding that cannot hold any knowledge of the data.

    A probe that does as well on an unlearned model as on this one has found nothing; one that does as well on this one
    as on the original measures the images, not the model.
    """

    needs: ClassVar[tuple[Need, ...]] = ()

    def unlearn(self, model: Classifier, task: UnlearningTask, context: MethodContext) -> Classifier:
        """A model of the same architecture that never saw a sample."""
        return context.new_model("untrained").eval()
