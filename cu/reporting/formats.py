"""How numbers are written: one rule per kind of metric key."""

from __future__ import annotations

import math
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
    ("unlearn_score", "percent"),
    ("agg/avg_gap*", "percent"),
    ("agg/val_gap", "percent"),
)


def scale_of(key: str) -> str:
    """The name in `SCALES` of the scale that suits a metric key."""
    return next((scale for pattern, scale in _RULES if fnmatchcase(key, pattern)), "fraction")


def number(value: float | None, scale: Scale, signed: bool = False) -> str:
    """A value in its scale, without the unit; a missing one is "n/a". Zero has no sign, minus is U+2212."""
    if value is None or math.isnan(value):
        return "n/a"
    scaled = value * scale.factor
    if not math.isfinite(scaled):
        return "∞" if scaled > 0 else "−∞"
    rounded = f"{abs(scaled):.{scale.decimals}f}"
    sign = "" if float(rounded) == 0 else "−" if scaled < 0 else "+" if signed else ""
    return sign + rounded


def spread(mean: float, std: float, gap: float, scale: Scale) -> str:
    """A cell such as "91.2 ± 0.3 (−0.4)"; what is NaN (one seed, no reference) is left out."""
    text = number(mean, scale)
    if not math.isnan(std):
        text += f" ± {number(std, scale)}"
    if not math.isnan(gap):
        text += f" ({number(gap, scale, signed=True)})"
    return text
