"""The front panel's lights in words."""

from __future__ import annotations

import math

from cu.reporting.render.numbers import number
from cu.reporting.scales import SCALES, scale_of
from cu.reporting.tables.types import Light

LIGHTS = {"like": ("●", "yes"), "unlike": ("✕", "no"), "open": ("◐", "not shown"), "none": ("○", "no verdict")}
RATES = {
    "like": "Yes is wrong in at most 5 % of columns of methods whose gap is the margin.",
    "unlike": "No is wrong for at most 5 % of rows of retrained models.",
    "open": "Neither yes nor no is shown, with an error of at most 5 % each.",
    "none": "",
}


def light_lines(light: Light) -> list[str]:
    """What hovering, focusing or tapping a light tells: numbers, p-values, and how often the verdict is wrong."""
    found = [f"{light.reason[:1].upper()}{light.reason[1:]}."] if light.reason else []
    if not light.key:
        return found
    scale = SCALES[scale_of(light.key)]
    unit = f" {scale.unit}" if scale.unit else ""
    values = (f"{light.key}: {number(light.mean, scale)}{unit}", f"retrained {number(light.ref, scale)}{unit}")
    found.append(", ".join(values) + ".")
    told = [f"gap {number(light.gap, scale, signed=True)}"]
    told += [f"{name} {number(value, scale)}" for name, value in (("floor", light.floor), ("margin", light.margin))]
    found.append(", ".join(told).capitalize() + ".")
    found.append(f"{count(light.seeds, 'seed')}, {count(light.references, 'retrained model')} each.")
    tests = [("Larger than gaps of retrained models", light.far_p), ("equivalent", light.like_p)]
    if said := ", ".join(f"{name}: p = {p:.2g}" for name, p in tests if not math.isnan(p) and light.state != "none"):
        found.append(f"{said} (corrected).")
    return found + [RATES[light.state]] * bool(RATES[light.state])


def count(number: int, noun: str) -> str:
    """A number with its noun."""
    return f"{number} {noun}{'s' * (number != 1)}"


def floors_text(distance: float) -> str:
    """A distance in floors, such as "1.3"."""
    if math.isnan(distance):
        return "n/a"
    return "∞" if math.isinf(distance) else f"{distance:.1f}" if distance < 99.5 else f"{distance:.0f}"
