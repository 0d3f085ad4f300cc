"""What a metric declares: its keys, direction and needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar

from cu.metrics.case import Case, Scenario

Direction = Literal["match_retrained", "higher", "lower"]
Need = Literal[
    "retrained",
    "original",
    "confusion",
    "head",
    "cost",
    "initial",
    "relearning",
    "shadows",
    "ensembles",
    "over_unlearning",
    "layers",
]


@dataclass(frozen=True)
class MetricSpec:
    """What a metric promises.

    Attributes:
        keys: The keys of the returned dict, all of them, always (NaN where undefined).
        direction: `match_retrained` (the retrained model's value is the target), `higher` or `lower`.
        needs: What the case must hold; without it every key is reported as skipped.
        scenarios: Where the metric has a meaning.
        version: Bumped when the formula changes; part of the record.
        identical: What a metric that compares with the retrained models says of two equal ones: 0 for a distance, 1
            for a similarity. None for a metric that says something of the judged model itself.
    """

    keys: tuple[str, ...]
    direction: Direction
    needs: frozenset[Need]
    scenarios: frozenset[Scenario]
    version: int
    identical: float | None = None


class Metric(Protocol):
    """A function of a case, with its spec attached; further keyword arguments are settings from YAML."""

    spec: MetricSpec

    def __call__(self, case: Case, /, **settings: Any) -> Mapping[str, float]:
        """Values by key, fractions in [0, 1] unless the key's docstring says otherwise."""
        ...


F = TypeVar("F", bound=Callable[..., Mapping[str, float]])


def metric(
    *,
    keys: tuple[str, ...],
    direction: Direction = "match_retrained",
    needs: tuple[Need, ...] = (),
    scenarios: tuple[Scenario, ...] = ("class", "sample"),
    version: int = 1,
    identical: float | None = None,
) -> Callable[[F], F]:
    """Attach a `MetricSpec` to a function of a case; see there for the arguments."""
    spec = MetricSpec(keys, direction, frozenset(needs), frozenset(scenarios), version, identical)

    def attach(function: F) -> F:
        function.spec = spec  # type: ignore[attr-defined]
        return function

    return attach
