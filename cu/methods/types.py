"""What an unlearning method is."""

from __future__ import annotations

from typing import Protocol

from cu.data.types import ScenarioKind, UnlearningTask
from cu.engine.context import MethodContext
from cu.models.types import Classifier


class Method(Protocol):
    """Settings (a frozen dataclass whose defaults live in YAML) and one verb.

    A method may declare `scenarios: ClassVar[tuple[ScenarioKind, ...]]`; without it, it is meant for all.
    """

    def unlearn(self, model: Classifier, task: UnlearningTask, context: MethodContext) -> Classifier:
        """A new model, in evaluation mode, that has forgotten `task.forget`; `model` stays bit-identical."""
        ...


def scenarios_of(method: Method) -> tuple[ScenarioKind, ...]:
    """The scenarios a method is meant for."""
    return getattr(method, "scenarios", ("class", "sample"))
