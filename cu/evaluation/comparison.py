"""One metric of a model beside the retrained models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One metric of the judged model beside the retrained models; None where a number is missing.

    Attributes:
        value: Of the judged model.
        ref: Mean over the retrained models, each judged against the others.
        ref_std: Their sample standard deviation; None for fewer than two.
        gap: value - ref, signed.
        floor: What two retrained models differ by; None for fewer than two.
        z: gap / ref_std.
        rank_p: How rarely one of K + 1 alike models lies as far out; see `cu.evaluation.suite.rank_p`.
        original: Of the original model.
        direction: `match_retrained` (`ref` is the target), `higher` or `lower` is better.
        status: `ok`, `undefined`, or `skipped: why`.
        version: Of the metric's formula.
    """

    value: float | None
    ref: float | None
    ref_std: float | None
    gap: float | None
    floor: float | None
    z: float | None
    rank_p: float | None
    original: float | None
    direction: Literal["match_retrained", "higher", "lower"]
    status: str
    version: int
