"""What a metric declares: its keys, direction and needs."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, Protocol, TypeVar

from cu.metrics.case import Case, Scenario

Direction = Literal["match_retrained", "higher", "lower"]
# What a case may lack, or a type that `Case.findings` may lack.
Need = Literal["retrained", "original", "features", "confusion", "head", "cost", "removed"] | type


@dataclass(frozen=True)
class Margin:
    """The largest gap to retraining that does not matter, declared before looking.

    Attributes:
        size: In the unit; None where no margin is defensible: the key has no scale of its own on which a gap could be
            called small, or it only accompanies another.
        unit: What a report prints behind the size; a share is in [0, 1].
    """

    size: float | None
    unit: str


ACCURACY = Margin(0.01, "share of samples")
# A share of attacked or forgotten samples; these are fewer, and less rides on each.
RATE = Margin(0.02, "share of samples")
AUC = Margin(0.02, "area under the curve")
COSINE = Margin(0.02, "cosine or similarity")
NATS = Margin(0.05, "nats")
UNDECIDABLE = Margin(None, "")


@dataclass(frozen=True)
class MetricSpec:
    """What a metric promises.

    Attributes:
        keys: The keys of the returned dict, all of them, always (NaN where undefined).
        direction: `match_retrained` (the retrained model's value is the target), `higher` or `lower`.
        needs: What the case must hold; without it every key is reported as skipped.
        scenarios: Where the metric has a meaning.
        version: Bumped when the formula changes; part of the record.
        margins: By key, within what gap to retraining a model is its equal; keys without an entry have none.
        identical: What a metric that compares with the retrained models says of two equal ones: 0 for a distance, 1
            for a similarity. None for a metric that says something of the judged model itself.
    """

    keys: tuple[str, ...]
    direction: Direction
    needs: frozenset[Need]
    scenarios: frozenset[Scenario]
    version: int
    margins: Mapping[str, Margin] = field(default_factory=dict)
    identical: float | None = None


class Metric(Protocol):
    """A function of a case, with its spec attached; further keyword arguments are settings from YAML."""

    spec: MetricSpec

    def __call__(self, case: Case, /, **settings: Any) -> Mapping[str, float]:
        """Values by key, fractions in [0, 1] unless the key's docstring says otherwise."""
        ...


def named(need: Need) -> str:
    """How texts call a need: findings as settings call their audit, `OverUnlearning` as over_unlearning."""
    return need if isinstance(need, str) else re.sub(r"(?<!^)(?=[A-Z])", "_", need.__name__).lower()


def declared(margins: Mapping[str, Margin], key: str) -> Margin | None:
    """The margin of the longest end of a key that has one."""
    ends = [end for end in margins if key.endswith(end)]
    return margins[max(ends, key=len)] if ends else None


F = TypeVar("F", bound=Callable[..., Mapping[str, float]])


def metric(
    *,
    keys: tuple[str, ...],
    direction: Direction = "match_retrained",
    needs: tuple[Need, ...] = (),
    scenarios: tuple[Scenario, ...] = ("class", "sample"),
    version: int = 1,
    margin: Margin | Mapping[str, Margin] = MappingProxyType({}),
    identical: float | None = None,
) -> Callable[[F], F]:
    """Attach a `MetricSpec` to a function of a case; see there for the arguments.

    `margin` is that of all keys, or of some by key or by the end of a key.
    """
    given = dict.fromkeys(keys, margin) if isinstance(margin, Margin) else margin
    margins = {key: found for key in keys if (found := declared(given, key)) is not None}
    spec = MetricSpec(keys, direction, frozenset(needs), frozenset(scenarios), version, margins, identical)

    def attach(function: F) -> F:
        function.spec = spec  # type: ignore[attr-defined]
        return function

    return attach
