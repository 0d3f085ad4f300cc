"""The average gap of the means over seeds, beside the mean over seeds of the average gap."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from cu.reporting.collect.columns import GAP_OF_MEANS, GAP_PARTS
from cu.reporting.statistics.types import Statistic


def gaps_of_means(stats: Iterable[Statistic]) -> Iterator[Statistic]:
    """One per cell that has all components: the mean of their |mean gap|, in [0, 1], lower is better.

    `agg/avg_gap` takes the absolute value in each run, so that noise between seeds adds to it; here it cancels. Both
    forms are printed in the literature under one name.
    """
    cells: dict[tuple, list[Statistic]] = {}
    for stat in stats:
        if stat.key in GAP_PARTS and not math.isnan(stat.gap):
            cells.setdefault((*stat.place, *stat.row), []).append(stat)
    for (dataset, model, scenario, data_setting, method, setting), parts in cells.items():
        if len(parts) == len(GAP_PARTS):
            yield Statistic(
                **{"dataset": dataset, "model": model, "scenario": scenario, "data_setting": data_setting},
                **{"method": method, "setting": setting, "key": GAP_OF_MEANS},
                mean=math.fsum(abs(part.gap) for part in parts) / len(parts),
                n=min(part.gap_n for part in parts),
                direction="lower",
                versions="1",
            )
