"""The evidence of one run in words: each number with its interval, its floor, and what it says."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from cu.evaluation.comparison import Comparison
from cu.metrics.spec import ACCURACY, AUC, RATE
from cu.reporting.statistics.intervals import wilson_interval
from cu.store.result import RunResult

Finding = Literal["under-forgotten", "over-forgotten", "in line", "cannot be said", "kept", "lost"]
Z95 = 1.959964
WORDS = {  # what is measured, on which samples, against which it stands if nothing was retrained
    "forget_train_acc": ("accuracy on what was forgotten", "forget", "test_acc"),
    "forget_test_acc": ("accuracy on unseen samples of the forgotten classes", "test_forget", None),
    "mia/loss_auc": ("telling forgotten samples from unseen ones by their loss (0.5: cannot be told)", "forget", None),
    "probe/linear_forget_test_acc": ("forgotten classes that a probe finds in the embedding", "test_forget", None),
    "probe/member_auc": ("telling forgotten samples from unseen ones by the embedding", "forget", None),
    "leak/true_second": (
        "true class as the second choice, against the best wrong one",
        "test_forget",
        "leak/wrong_second",
    ),
    "retain_test_acc": ("accuracy on unseen samples of what was kept", "test_retain", None),
}
SHOWN = {
    "class": (
        *("forget_train_acc", "forget_test_acc", "leak/true_second", "mia/loss_auc"),
        *("probe/linear_forget_test_acc", "retain_test_acc"),
    ),
    "sample": ("forget_train_acc", "mia/loss_auc", "probe/member_auc", "retain_test_acc"),
}


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """One number.

    Attributes:
        key: Of the metric.
        what: The same in words.
        value: Of the unlearned model.
        low: Lower end of the 95 % interval that the number of samples leaves open; None if it cannot be told.
        high: Upper end.
        original: Of the model before.
        retrained: Mean of the retrained models; None without any.
        floor: What two retrained models differ by; None for fewer than two.
        finding: What it says, in a word or two.
        reading: The same in a sentence.
    """

    key: str
    what: str
    value: float
    low: float | None
    high: float | None
    original: float | None
    retrained: float | None
    floor: float | None
    finding: Finding
    reading: str


def evidence(result: RunResult) -> list[Evidence]:
    """The numbers that a statement shows, those that were measured."""
    sizes = {**result.split_sizes, "test_retain": result.split_sizes["test"] - result.split_sizes["test_forget"]}
    unseen = sizes["test_forget" if result.scenario == "class" else "test"]
    rows = []
    for key in SHOWN[result.scenario]:
        entry = result.metrics.get(key)
        if entry is None or entry.value is None:
            continue
        what, split, _ = WORDS[key]
        low, high = interval(key, entry.value, sizes.get(split, 0), unseen)
        finding, reading = finding_of(key, entry, (low, high), result)
        rows.append(
            Evidence(
                key=key,
                what=what,
                value=entry.value,
                low=low,
                high=high,
                original=entry.original,
                retrained=entry.ref,
                floor=entry.floor,
                finding=finding,
                reading=reading,
            )
        )
    return rows


def interval(key: str, value: float, count: int, unseen: int) -> tuple[float | None, float | None]:
    """The 95 % interval of a share by Wilson, of an area under the curve by Hanley and McNeil (1982)."""
    if not count or not 0 <= value <= 1:
        return None, None
    if not key.endswith("_auc"):
        return wilson_interval(round(value * count), count)
    others = min(count, unseen)
    if not others:
        return None, None
    q1, q2 = value / (2 - value), 2 * value**2 / (1 + value)
    spread = value * (1 - value) + (count - 1) * (q1 - value**2) + (others - 1) * (q2 - value**2)
    half = Z95 * math.sqrt(max(spread, 0.0) / (count * others))
    return max(0.0, value - half), min(1.0, value + half)


def finding_of(
    key: str, entry: Comparison, bounds: tuple[float | None, float | None], result: RunResult
) -> tuple[Finding, str]:
    """What a number says, by its interval against the retrained models', or against unseen samples without any."""
    target, slack, against = yardstick(key, entry, result)
    low, high = bounds
    if target is None or low is None or high is None:
        return "cannot be said", "no model was retrained to compare it with"
    if low <= target + slack and high >= target - slack:
        return "in line", f"no difference from {against} can be shown with so many samples"
    higher = low > target
    if key == "retain_test_acc":
        return ("kept", f"higher than {against}") if higher else ("lost", f"lower than {against}: unlearning has cost")
    if higher:
        return "under-forgotten", f"higher than {against}: the model still knows more than it should"
    if key.endswith(("_auc", "_second")) and result.references == 0:
        return "in line", f"not above {against}"
    return (
        "over-forgotten",
        f"lower than {against}: a model that never saw the data does better, and this can be noticed",
    )


def yardstick(key: str, entry: Comparison, result: RunResult) -> tuple[float | None, float, str]:
    """What a number should be, how far from it does not matter, and whose value that is."""
    margin = AUC.size if key.endswith("_auc") else ACCURACY.size
    if entry.ref is not None:
        return entry.ref, max(entry.floor or 0.0, margin or 0.0), "the retrained models"
    if key == "retain_test_acc":
        return entry.original, margin or 0.0, "the original"
    if key.endswith("_auc"):
        return 0.5, margin or 0.0, "guessing"
    other = result.metrics.get(WORDS[key][2] or "")
    if key == "leak/true_second" and other is not None:
        return other.value, RATE.size or 0.0, "that of the best wrong class"
    if result.scenario == "sample" and other is not None and other.value is not None:
        low, high = wilson_interval(round(other.value * result.split_sizes["test"]), result.split_sizes["test"])
        return other.value, (high - low) / 2, "unseen samples"
    return None, 0.0, ""
