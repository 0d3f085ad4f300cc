"""The front panel: three questions about a method, each answered by a verdict with a stated error rate."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from cu.reporting.collect.runs import YARDSTICKS
from cu.reporting.statistics.intervals import LEVEL, holm
from cu.reporting.statistics.judge import is_equivalent
from cu.reporting.statistics.replicates import replicates
from cu.reporting.statistics.types import Statistic
from cu.reporting.statistics.verdicts import FEWEST
from cu.reporting.tables.distance import floor_of
from cu.reporting.tables.types import Label, Light, PanelRow

LightState = Literal["like", "unlike", "open", "none"]
QUESTIONS = ("answers like retrained?", "kept the rest?", "embedding like retrained?")
# For each question the metrics that answer it; the first that a run has.
ANSWERS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "class": (
        ("forget_test_acc", "forget_train_acc"),
        ("retain_test_acc", "test_acc"),
        # Of ten images: a probe that is shown thousands learns the class anew from any embedding.
        ("probe/fewshot10_forget_acc", "probe/linear_forget_test_acc"),
    ),
    "sample": (
        ("forget_train_acc", "mia/member_rate_forget"),
        ("test_acc", "retain_test_acc"),
        ("probe/member_auc", "cka/forget_to_original"),
    ),
}


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One question and what answers it, if anything does."""

    question: str
    stat: Statistic | None


def panel(rows: Sequence[tuple[Label, Mapping[str, Statistic]]], kind: str) -> tuple[PanelRow, ...]:
    """One line per method, the nearest to retraining first; yardsticks claim nothing and have none.

    Args:
        rows: Label and statistics by key.
        kind: `class` or `sample`.
    """
    lines = [_line(label, stats, kind) for label, stats in rows if label.name not in YARDSTICKS and stats]
    return tuple(sorted(lines, key=lambda line: math.inf if math.isnan(line.distance) else line.distance))


def _line(label: Label, stats: Mapping[str, Statistic], kind: str) -> PanelRow:
    asked = [
        Asked(question=question, stat=next((stats[key] for key in keys if known(stats.get(key))), None))
        for question, keys in zip(QUESTIONS, ANSWERS[kind], strict=True)
    ]
    found = [one.stat for one in asked if one.stat is not None]
    far = dict(zip((s.key for s in found), holm([s.far_p for s in found]), strict=True))
    lights = tuple(light(one, far) for one in asked)
    distances = [d for s in found if not math.isnan(d := in_floors(s))]
    complete = len(distances) == len(QUESTIONS)
    return PanelRow(
        label=label, lights=lights, distance=math.fsum(distances) / len(QUESTIONS) if complete else math.nan
    )


def known(stat: Statistic | None) -> bool:
    """Whether there is a value."""
    return stat is not None and not math.isnan(stat.mean)


def light(asked: Asked, far: Mapping[str, float]) -> Light:
    """The verdict on one question.

    Green is equivalence within the margin, wrong in at most 5 % of the columns of methods whose gap is the margin. Red
    is a gap larger than retrained models have, wrong for at most 5 % of rows of retrained models (Holm's correction
    over the three lights of the row). Where both hold, the gap is real and does not matter: green.

    Args:
        asked: The question.
        far: p-values of being further away than a retrained model would be, corrected, by key.
    """
    stat = asked.stat
    if stat is None:
        return Light(question=asked.question, state="none", reason="not measured")
    reason = why_not(stat)
    state: LightState = "open"
    if reason:
        state = "none"
    elif is_equivalent(stat):
        state = "like"
    elif far[stat.key] < LEVEL:
        state = "unlike"
    return Light(
        question=asked.question,
        state=state,
        reason=reason,
        key=stat.key,
        mean=stat.mean,
        ref=stat.ref,
        gap=stat.gap,
        floor=stat.floor,
        margin=stat.margin,
        seeds=replicates(stat),
        references=stat.references,
        far_p=far[stat.key],
        like_p=stat.tost_holm,
    )


def why_not(stat: Statistic) -> str:
    """Why there is no verdict; "" if there is one."""
    if stat.gap_n < 1:
        return "no retrained model to compare with"
    if replicates(stat) < FEWEST:
        return "one seed: no verdict"
    if stat.references < FEWEST:
        return "one retrained model: no verdict"
    if math.isnan(stat.far_p) and math.isnan(stat.tost_p):
        return "no spread is seen between retrained models: no verdict"
    return ""


def in_floors(stat: Statistic) -> float:
    """The mean absolute gap in noise floors; a floor below one image counts as one image. NaN where it is unknown."""
    floor = floor_of(stat)
    if math.isnan(stat.abs_gap) or math.isnan(floor):
        return math.nan
    return stat.abs_gap / floor if floor else 0.0 if stat.abs_gap == 0 else math.inf
