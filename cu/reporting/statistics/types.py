"""What the runs of a cell say together about one metric."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

Seeds = tuple[int, int, int]
Place = tuple[str, str, str, str]  # data set, model, scenario, setting of the data: one table
NAN = math.nan


@dataclass(frozen=True, kw_only=True)
class Statistic:
    """One metric over the runs of one cell; NaN where a number is missing.

    Attributes:
        mean: Over runs; `std` (ddof=1) of the values of single models, `n` how many, `ci95` half the width of the 95 %
            t-interval of the mean, which counts training seeds: runs that share one are not independent.
        ref: Mean of the retrained models; `ref_std` the standard deviation between single ones, pooled over runs.
        gap: Mean of the paired, signed gaps; `gap_std`, `gap_n`, `gap_ci95` like those of `mean`.
        abs_gap: Mean of the absolute gaps, `abs_gap_ci95` half the width of its interval.
        floor: Mean distance of two retrained models.
        original: Mean of the original models.
        references: The fewest retrained models that a run was compared with.
        images: The fewest images behind a share; 0 where that is no bound.
        margin: The largest gap to retraining that does not matter.
        reasons: Why values are missing; `versions` of the formula; `notes` are what the metric says of itself.
        far_p: How rarely a retrained model would be as far away, `far_holm` the same after Holm's correction over the
            shown metrics of the row.
        tost_p: Of the equivalence test, `tost_holm` after Holm's correction over the methods of the column.
        gaps: Signed gap and `stds` of the retrained models by seeds, and their number in `counts`.
    """

    dataset: str
    model: str
    scenario: str
    data_setting: str
    method: str
    setting: str
    key: str
    mean: float = NAN
    std: float = NAN
    n: int = 0
    ci95: float = NAN
    ref: float = NAN
    ref_std: float = NAN
    gap: float = NAN
    gap_std: float = NAN
    gap_n: int = 0
    gap_ci95: float = NAN
    abs_gap: float = NAN
    abs_gap_ci95: float = NAN
    floor: float = NAN
    original: float = NAN
    direction: str | None = None
    references: int = 0
    images: int = 0
    margin: float = NAN
    reasons: str | None = None
    versions: str | None = None
    notes: str | None = None
    far_p: float = NAN
    far_holm: float = NAN
    tost_p: float = NAN
    tost_holm: float = NAN
    gaps: Mapping[Seeds, float] = field(default_factory=dict, repr=False)
    stds: Mapping[Seeds, float] = field(default_factory=dict, repr=False)
    counts: Mapping[Seeds, int] = field(default_factory=dict, repr=False)

    @property
    def place(self) -> Place:
        """The table it belongs to."""
        return (self.dataset, self.model, self.scenario, self.data_setting)

    @property
    def row(self) -> tuple[str, str]:
        """The row it belongs to: method and setting."""
        return (self.method, self.setting)


COLUMNS = [f.name for f in fields(Statistic) if f.name not in ("gaps", "stds", "counts")]
