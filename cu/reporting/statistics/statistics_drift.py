"""Methods that do no better than forward passes alone: what they reach may be drift of the running statistics."""

from __future__ import annotations

from collections.abc import Mapping

from cu.reporting.collect.runs import NULL_BASELINES, YARDSTICKS
from cu.reporting.statistics.intervals import LEVEL
from cu.reporting.statistics.judge import RowName
from cu.reporting.statistics.replicates import by_training_seed
from cu.reporting.statistics.types import Seeds, Statistic
from cu.reporting.statistics.verdicts import closer_p

BASELINE = ("statistics_only", "")
DISTANCE = "agg/avg_gap"


def no_better_than_statistics(rows: Mapping[RowName, Mapping[str, Statistic]]) -> set[RowName]:
    """Rows of a table whose average gap is not shown to be smaller than that of `statistics_only`.

    `statistics_only` passes the forget batches through the network in training mode and moves no weight. Shown means
    by a paired test over seeds: of methods that are its equal, 5 % escape. Nothing is marked where the table has no
    such baseline, or too few seeds for any verdict.
    """
    baseline = rows.get(BASELINE, {}).get(DISTANCE)
    if baseline is None:
        return set()
    return {
        row
        for row, stats in rows.items()
        if row[0] not in (*YARDSTICKS, *NULL_BASELINES) and DISTANCE in stats and _no_better(stats[DISTANCE], baseline)
    }


def _no_better(stat: Statistic, baseline: Statistic) -> bool:
    common = [seeds for seeds in stat.gaps if seeds in baseline.gaps]
    own, of_baseline = _at(stat, common), _at(baseline, common)
    p = closer_p(own, of_baseline)
    if p != p:
        return len(own) > 1 and sum(own) >= sum(of_baseline)
    return not p < LEVEL


def _at(stat: Statistic, seeds: list[Seeds]) -> list[float]:
    # Less one and the same reference: differences of gaps are differences of values.
    return list(by_training_seed({one: stat.gaps[one] for one in seeds}).values())
