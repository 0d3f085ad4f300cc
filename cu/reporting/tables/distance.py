"""One number for a row: how many noise floors it is from retraining, over all columns that have one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from cu.reporting.collect.columns import DISTANCE
from cu.reporting.collect.runs import CELL, YARDSTICKS
from cu.reporting.statistics.replicates import half_width
from cu.reporting.statistics.types import Statistic
from cu.reporting.tables.section import Section
from cu.reporting.types import MetricColumn


def with_distance(section: Section, columns: Sequence[MetricColumn]) -> Section:
    """The section in which every row has the key `agg/distance_in_floors`, where that is a column.

    Mean over the columns whose target is the retrained model of |gap| / floor; both sides count, and lower is better.
    Two retrained models are one floor from each other by definition. A floor below one image counts as one image; a
    row that lacks one of these columns, or its floor, has no distance.
    """
    if DISTANCE not in {column.key for column in columns}:
        return section
    compared = [column.key for column in columns if _is_compared(section, column.key)]
    stats = {row: {**own, DISTANCE: _distance(own, compared)} for row, own in section.stats.items() if own}
    return replace(section, stats={**section.stats, **stats})


def _is_compared(section: Section, key: str) -> bool:
    found = [own[key] for row, own in section.stats.items() if key in own and row[0] not in YARDSTICKS]
    return any(stat.direction == "match_retrained" for stat in found)


def _distance(own: Mapping[str, Statistic], keys: Sequence[str]) -> Statistic:
    some = next(iter(own.values()))
    place: dict[str, Any] = {name: getattr(some, name) for name in CELL}
    known = [own[key] for key in keys if key in own and own[key].gaps]
    parts = [{seeds: abs(gap) / floor for seeds, gap in s.gaps.items()} for s in known if (floor := floor_of(s)) > 0]
    lacks = [key for key in keys if key not in own or not own[key].gaps or not floor_of(own[key]) > 0]
    seeds = set.intersection(*map(set, parts)) if parts else set()
    if lacks or not seeds:
        why = f"no gap or floor of {', '.join(lacks)}" if lacks else "no run has a gap in every column"
        return Statistic(**place, key=DISTANCE, direction="lower", reasons=why)
    found = {one: float(np.mean([part[one] for part in parts])) for one in sorted(seeds)}
    values = np.array(list(found.values()))
    spread = float(values.std(ddof=1)) if len(values) > 1 else math.nan
    told = {"mean": float(values.mean()), "std": spread, "n": len(values), "ci95": half_width(found)}
    return Statistic(**place, key=DISTANCE, direction="lower", **told)


def floor_of(stat: Statistic) -> float:
    """The floor of a metric, at least one image where it is a share of images; NaN where it is unknown."""
    return math.nan if math.isnan(stat.floor) else max(stat.floor, 1 / stat.images if stat.images else 0.0)
