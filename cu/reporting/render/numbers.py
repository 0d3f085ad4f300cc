"""How numbers are written."""

from __future__ import annotations

import math

from cu.reporting.scales import Scale

LONGEST = 1e12  # beyond, a number is written with an exponent


def number(value: float | None, scale: Scale, signed: bool = False) -> str:
    """A value in its scale, without the unit; a missing one is "n/a". Zero has no sign, minus is U+2212."""
    if value is None or math.isnan(value):
        return "n/a"
    scaled = value * scale.factor
    if not math.isfinite(scaled):
        return "∞" if scaled > 0 else "−∞"
    if abs(scaled) >= LONGEST:
        return ("−" if scaled < 0 else "+" if signed else "") + f"{abs(scaled):.2e}"
    rounded = f"{abs(scaled):.{scale.decimals}f}"
    sign = "" if float(rounded) == 0 else "−" if scaled < 0 else "+" if signed else ""
    return sign + rounded
