"""What one table is made of."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from cu.reporting.aggregate import Cells
from cu.reporting.collect import TABLE, YARDSTICKS, Collection
from cu.reporting.literature import Printed, beside
from cu.reporting.types import Column


def title_of(name: Mapping[str, str], but: str = "") -> str:
    """The title of a table, from its data set, model, scenario and shared setting; `but` is left out."""
    setting = name["data_setting"]
    return " / ".join(name[level] for level in TABLE[:3] if level != but) + (f" ({setting})" if setting else "")


@dataclass(frozen=True, kw_only=True)
class Part:
    """The runs of one table, aggregated.

    Attributes:
        name: Data set, model, scenario and shared setting.
        runs: Rows of `Collection.runs`.
        counts: Rows of `Cells.counts`.
        holes: Rows of `Cells.holes`.
        stats: Rows of `Cells.stats` by method, setting and key.
        references: The same of `Cells.references`.
        printed: Published numbers to be set beside.
    """

    name: Mapping[str, str]
    runs: pd.DataFrame
    counts: list[dict]
    holes: pd.DataFrame
    stats: dict[tuple[str, str, str], dict]
    references: dict[tuple[str, str, str], dict]
    printed: Printed

    @staticmethod
    def cut(collection: Collection, cells: Cells, name: Mapping[str, str], printed: Printed) -> Part:
        """The part of all runs that has this name."""

        def of(frame: pd.DataFrame) -> pd.DataFrame:
            return frame.loc[(frame.loc[:, TABLE] == pd.Series(name)).all(axis=1)]

        def by_key(frame: pd.DataFrame) -> dict[tuple[str, str, str], dict]:
            return {(s["method"], s["setting"], s["key"]): s for s in of(frame).to_dict("records")}

        return Part(
            name=name,
            runs=of(collection.runs),
            counts=of(cells.counts).to_dict("records"),
            holes=of(cells.holes),
            stats=by_key(cells.stats),
            references=by_key(cells.references),
            printed=printed,
        )

    def published(self, method: str, columns: Sequence[Column], stats: Sequence[Mapping | None]) -> tuple[str, ...]:
        """The published value and its difference from the mean, per column; "" where there is none."""
        row = (*(self.name[level] for level in TABLE[:3]), method)
        return beside(self.printed, row, columns, [stat["mean"] if stat else math.nan for stat in stats])

    def floor(self, key: str) -> float:
        """The noise floor of a metric, in stored units; NaN where there is none, and of costs.

        That two retrainings take unequally long says nothing about a method.
        """
        if key.startswith("eff/"):
            return math.nan
        floors = [(m, s["floor"]) for (m, _, k), s in self.stats.items() if k == key and not math.isnan(s["floor"])]
        chosen = [floor for method, floor in floors if method not in YARDSTICKS] or [floor for _, floor in floors]
        return sum(chosen) / len(chosen) if chosen else math.nan
