"""The null baseline: do nothing."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import ClassVar

from cu.data.types import UnlearningTask
from cu.engine.context import MethodContext
from cu.methods.types import Need
from cu.models.types import Classifier


@dataclass(frozen=True, kw_only=True)
class Original:
    """Returns the original model: what every table needs to show how far there was to go."""

    needs: ClassVar[tuple[Need, ...]] = ()

    def unlearn(self, model: Classifier, task: UnlearningTask, context: MethodContext) -> Classifier:
        """A copy of `model`."""
        return deepcopy(model).eval()
