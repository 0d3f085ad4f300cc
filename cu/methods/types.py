"""What an unlearning method is, and what it may ask of the data and of the model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from torch import Tensor

from cu.data.types import ScenarioKind, UnlearningTask
from cu.engine.context import MethodContext
from cu.errors import ConfigError
from cu.models.last_layer import last_layer
from cu.models.types import Classifier

Resource = Literal["forget data", "retain data", "validation data", "a linear last layer"]


@dataclass(frozen=True)
class Need:
    """Something that a method cannot do without.

    Attributes:
        resource: `forget data` and `retain data`, the images of these sets: those of a set that is not named are
            never read; `validation data`; `a linear last layer`, whose rows can be edited, one per class.
        because: The setting that asks for it, as one types it; empty where the method itself does.
        instead: What else that setting may be.
        scenarios: Where it is needed.
    """

    resource: Resource
    because: str = ""
    instead: str = ""
    scenarios: tuple[ScenarioKind, ...] = ("class", "sample")


def needing(*resources: Resource) -> tuple[Need, ...]:
    """Needs of a method itself, whatever its settings."""
    return tuple(Need(resource) for resource in resources)


class Method(Protocol):
    """Settings (a frozen dataclass whose defaults live in YAML) and one verb.

    A method may declare `scenarios: ClassVar[tuple[ScenarioKind, ...]]`; without it, it is meant for all. It may
    declare `needs: tuple[Need, ...]`, as a class variable or, where they depend on its settings, as a property;
    without it, it needs forget and retain data. Two more it may have. `contradictions(at)` yields a line for settings
    that do not go together, called `at` as one types them; see `cu.config.contradictions`. `check(model, task)` raises
    a `ConfigError` where it cannot do this task with this network, whose weights mean nothing yet. All of it is looked
    at before anything is trained. One that leaves a network of another form has `framed(model, weights)`, see `framed`.
    """

    def unlearn(self, model: Classifier, task: UnlearningTask, context: MethodContext) -> Classifier:
        """A new model, in evaluation mode, that has forgotten `task.forget`; `model` stays bit-identical."""
        ...


def framed(method: Method, model: Classifier, weights: Mapping[str, Tensor]) -> Classifier:
    """`model` in the form that a method leaves it in, so that weights which were stored afterwards can be loaded."""
    frame = getattr(method, "framed", None)
    return frame(model, weights) if frame else model


def scenarios_of(method: Method) -> tuple[ScenarioKind, ...]:
    """The scenarios a method is meant for."""
    return getattr(method, "scenarios", ("class", "sample"))


def needs_of(method: Method) -> tuple[Need, ...]:
    """What a method with its settings needs."""
    return getattr(method, "needs", BOTH_SETS)


def resources(wanted: Iterable[Need]) -> set[Resource]:
    """What is needed, whatever asks for it."""
    return {need.resource for need in wanted}


def check_task(method: Method, blank: Callable[[], Classifier], task: UnlearningTask) -> None:
    """Check that a method can do a task; `blank` makes a network like the one that is to forget.

    Raises:
        ConfigError: It cannot.
    """
    check, linear = getattr(method, "check", None), "a linear last layer" in resources(needs_of(method))
    if not check and not linear:
        return
    model = blank()
    if linear:
        last_layer(model)
    if check:
        check(model, task)


def require_features(who: str, model: Classifier) -> None:
    """Check that there is something to learn before the head.

    Raises:
        ConfigError: The encoder has no weights.
    """
    if not any(weight.requires_grad for weight in model.encoder.parameters()):
        raise ConfigError(f"{who} moves features, and the network has no weights before its last layer")


BOTH_SETS = needing("forget data", "retain data")
FORGET_SET = needing("forget data")
RETAIN_SET = needing("retain data")
