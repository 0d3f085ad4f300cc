"""A head that denies what the embedding still knows: forgetting that is not there."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

MARK = "†"
HEAD = "forget_test_acc"
INSIDE = ("probe/linear_forget_test_acc", "probe/fewshot10_forget_acc", "cka/forget_to_original")
FAR_WITHOUT_FLOOR = 0.10
FOOTNOTE = (
    f"{MARK} looks forgotten, is not: the head is as accurate on forgotten classes as the retrained model's, but a "
    "probe or CKA of the embedding is further from the retrained value than the noise floor (10 points where there is "
    "none) and nearer to the original's; such a row is never bold."
)


def betrayed_by(entries: Mapping[str, Mapping[str, Any]], margin: float) -> str | None:
    """The key that shows that a model still knows what its head denies; None if the head denies nothing or is right.

    Args:
        entries: By key, `value`, `ref`, `floor` and `original`: numbers, NaN or None.
        margin: Accuracy on forgotten test samples this far above the retrained model's counts as forgotten.
    """
    value, ref, floor, _ = _numbers(entries.get(HEAD, {}))
    # NaN compares as False: what is unknown accuses nobody.
    if not value - ref <= max(margin, 0.0 if math.isnan(floor) else floor):
        return None
    return next((key for key in INSIDE if _still_original(entries.get(key, {}))), None)


def denies(stats: Mapping[tuple[str, str, str], Mapping[str, Any]], cell: Mapping[str, Any], margin: float) -> bool:
    """Whether this is so for the means of a cell; `stats` are by method, setting and key."""
    found = {key: stats.get((cell["method"], cell["setting"], key), {}) for key in (HEAD, *INSIDE)}
    return betrayed_by({key: {**stat, "value": stat.get("mean")} for key, stat in found.items()}, margin) is not None


def _still_original(entry: Mapping[str, Any]) -> bool:
    value, ref, floor, original = _numbers(entry)
    far = FAR_WITHOUT_FLOOR if math.isnan(floor) else floor
    return abs(value - ref) > far and abs(value - original) < abs(value - ref)


def _numbers(entry: Mapping[str, Any]) -> tuple[float, float, float, float]:
    value, ref, floor, original = (
        math.nan if (number := entry.get(part)) is None else float(number)
        for part in ("value", "ref", "floor", "original")
    )
    return value, ref, floor, original
