"""One metric of a model beside the retrained models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# Of how values are set beside retraining: who faces whom, and what floors and spreads are.
YARDSTICKS = 2


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One metric of the judged model beside the retrained models; None where a number is missing.

    Attributes:
        value: Of the judged model, against as many retrained models as they face themselves.
        ref: Mean over the K retrained models, each judged against the K - 1 others.
        ref_std: Standard deviation of a single retrained model's value, so that gap / (ref_std sqrt(1 + 1 / K)) is the
            t of one more retrained model, with K - 1 degrees of freedom. None for fewer than two retrained models, for
            fewer than three where the metric compares with them; see `cu.evaluation.yardsticks`.
        gap: value - ref, signed.
        floor: What two retrained models differ by, the metric's own random draws included; None for fewer than two.
        z: gap / ref_std.
        rank_p: How rarely one of K + 1 alike models lies as far out; None where the metric compares with the retrained
            models. See `cu.evaluation.yardsticks.rank_p`.
        original: Of the original model.
        direction: `match_retrained` (`ref` is the target), `higher` or `lower` is better.
        status: `ok`, `undefined`, or `skipped: why`.
        version: Of the metric's formula.
        margin: Within what gap a model is the retrained model's equal, in the metric's own unit; None for no verdict.
        note: What limits the reading of the value, in a few words; empty if nothing does.
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
    margin: float | None = None
    note: str = ""
