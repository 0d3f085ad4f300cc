"""What one table is made of."""

from __future__ import annotations

import math
from collections.abc import Collection as Members
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pandas as pd

from cu.reporting.collect.columns import scenario_kind
from cu.reporting.collect.labels import natural
from cu.reporting.collect.runs import TABLE, YARDSTICKS, Collection
from cu.reporting.statistics.aggregate import Cells
from cu.reporting.statistics.judge import RowName
from cu.reporting.statistics.types import Place, Statistic
from cu.reporting.types import Report

Stats = Mapping[RowName, Mapping[str, Statistic]]


def title_of(place: Place, but: str = "") -> str:
    """The title of a table, from its data set, model, scenario and shared setting; `but` is left out."""
    names = [text for level, text in zip(TABLE[:3], place, strict=False) if level != but]
    return " / ".join(names) + (f" ({place[3]})" if place[3] else "")


@dataclass(frozen=True, kw_only=True)
class Section:
    """The runs of one table, aggregated.

    Attributes:
        place: Data set, model, scenario and shared setting.
        kind: `class` or `sample`.
        runs: Rows of `Collection.runs`.
        counts: Rows of `Cells.counts`.
        holes: Rows of `Cells.holes`.
        stats: Of `Cells.stats`, by row and key.
        references: The same of `Cells.references`.
    """

    place: Place
    kind: str
    runs: pd.DataFrame
    counts: list[dict]
    holes: pd.DataFrame
    stats: Stats
    references: Stats

    def floor(self, key: str) -> float:
        """The noise floor of a metric, in stored units; NaN where there is none, and of costs.

        That two retrainings take unequally long says nothing about a method.
        """
        if key.startswith("eff/"):
            return math.nan
        found = [(row[0], own[key].floor) for row, own in self.stats.items() if key in own]
        floors = [(method, floor) for method, floor in found if not math.isnan(floor)]
        chosen = [floor for method, floor in floors if method not in YARDSTICKS] or [floor for _, floor in floors]
        return sum(chosen) / len(chosen) if chosen else math.nan


def sections(collection: Collection, cells: Cells, report: Report) -> list[Section]:
    """One per table, sorted; models in the report's order if it has one, say that of a paper."""
    runs, counts, holes = (_by_place(frame) for frame in (collection.runs, cells.counts, cells.holes))
    stats, references = _by_row(cells.stats), _by_row(cells.references)
    places = sorted(counts, key=lambda place: [natural(text) for text in place])
    if report.models:
        order = list(report.models)
        places.sort(key=lambda place: (natural(place[0]), order.index(place[1])))
    return [
        Section(
            place=place,
            kind=scenario_kind(runs[place]),
            runs=runs[place],
            counts=counts[place].to_dict("records"),
            holes=holes[place] if place in holes else cells.holes.iloc[:0],
            stats=stats.get(place, {}),
            references=references.get(place, {}),
        )
        for place in places
    ]


def shown_keys(collection: Collection, report: Report) -> Mapping[Place, Members[str]]:
    """The metrics that each table shows."""
    kinds = {place: scenario_kind(runs) for place, runs in _by_place(collection.runs).items()}
    keys = {kind: frozenset(c.key for c in report.columns_for(kind)) for kind in set(kinds.values())}
    return {place: keys[kind] for place, kind in kinds.items()}


def _by_place(frame: pd.DataFrame) -> dict[Place, pd.DataFrame]:
    return dict(iter(frame.groupby(TABLE, sort=False)))  # type: ignore[misc]


def _by_row(stats: Iterable[Statistic]) -> dict[Place, dict[RowName, dict[str, Statistic]]]:
    found: dict[Place, dict[RowName, dict[str, Statistic]]] = {}
    for stat in stats:
        found.setdefault(stat.place, {}).setdefault(stat.row, {})[stat.key] = stat
    return found
