"""In which unit a metric is read: one rule per kind of metric key."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass(frozen=True, kw_only=True)
class Scale:
    """A unit: what a stored value is multiplied by, the decimals that are shown, and the unit's sign."""

    factor: float
    decimals: int
    unit: str


SCALES = {
    "percent": Scale(factor=100, decimals=1, unit="%"),
    "percent2": Scale(factor=100, decimals=2, unit="%"),
    "fraction": Scale(factor=1, decimals=3, unit=""),
    "seconds": Scale(factor=1, decimals=1, unit="s"),
    "minutes": Scale(factor=1 / 60, decimals=2, unit="min"),
    "count": Scale(factor=1, decimals=0, unit=""),
    "megabytes": Scale(factor=1, decimals=0, unit="MB"),
    "times": Scale(factor=1, decimals=1, unit="×"),
}

# The first pattern that matches a key decides; everything else is a fraction.
_RULES = (
    ("eff/*_seconds", "seconds"),
    ("eff/*_mb", "megabytes"),
    ("eff/speedup*", "times"),
    ("eff/*_used", "percent"),
    ("eff/*", "count"),
    ("relearn/steps", "count"),
    ("*_auc", "fraction"),
    ("*_acc", "percent"),
    ("ic/*", "percent"),
    ("relearn/curve@*", "percent"),
    ("retain_worst_class_drop", "percent"),
    ("streisand/pred_share_max", "percent"),
    ("*_rate", "percent"),
    ("*_tpr@*", "percent"),
    ("mia/member_rate_*", "percent"),
    ("mia/svc_*", "percent"),
    ("agree/*", "percent"),
    ("leak/*", "percent"),
    ("unlearn_score", "percent"),
    ("agg/avg_gap*", "percent"),
    ("agg/val_gap", "percent"),
    ("agg/probe_gap", "percent"),
    ("agg/distance_in_floors", "times"),
)


def scale_of(key: str) -> str:
    """The name in `SCALES` of the scale that suits a metric key."""
    return next((scale for pattern, scale in _RULES if fnmatchcase(key, pattern)), "fraction")
