"""Verdicts on cells: which gaps are large, which are equivalent to none, and which method is closest."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from cu.reporting.collect.runs import NULL_BASELINES, YARDSTICKS
from cu.reporting.scales import scale_of
from cu.reporting.statistics.aggregate import Cells
from cu.reporting.statistics.hidden_knowledge import HEAD, exposing_key
from cu.reporting.statistics.intervals import LEVEL, holm
from cu.reporting.statistics.precision import known_variance
from cu.reporting.statistics.replicates import by_training_seed, replicates, spreads
from cu.reporting.statistics.types import Statistic
from cu.reporting.statistics.verdicts import FEWEST, closer_p, equivalence_p, far_p
from cu.reporting.types import MarginScale

Margins = Mapping[MarginScale, float]
RowName = tuple[str, str]  # method and setting


def margin_of(stat: Statistic, margins: Margins) -> float:
    """The largest gap to retraining that does not matter: the metric's own, else the report's for its scale.

    NaN where neither says so: no verdict.
    """
    return dict(margins).get(scale_of(stat.key), math.nan) if math.isnan(stat.margin) else stat.margin  # type: ignore[call-overload]


def judge(cells: Cells, shown: Callable[[Statistic], Collection[str]], margins: Margins) -> Cells:
    """Cells whose statistics carry p-values; yardsticks claim nothing and have none.

    Args:
        cells: From `aggregate`.
        shown: The metrics that the table of a statistic shows: the family of its row.
        margins: By scale, for metrics that bring no margin of their own.
    """
    stats = [_judged(stat, margins) for stat in cells.stats]
    stats = _corrected(stats, "far_p", "far_holm", lambda s: (s.place, s.row), lambda s: s.key in shown(s))
    stats = _corrected(stats, "tost_p", "tost_holm", lambda s: (s.place, s.key), lambda _: True)
    return replace(cells, stats=tuple(stats))


def _judged(stat: Statistic, margins: Margins) -> Statistic:
    margin = margin_of(stat, margins)
    stat = replace(stat, margin=margin)
    if not is_judged(stat):
        return stat
    gaps, stds, counts = spreads(stat)
    finite = known_variance(stat.key, stat.mean, stat.images) + known_variance(stat.key, stat.ref, stat.images)
    return replace(
        stat,
        far_p=far_p(gaps, stds, counts, known_variance(stat.key, stat.ref, stat.images)),
        tost_p=math.nan if math.isnan(margin) else equivalence_p(gaps, margin, finite),
    )


def is_judged(stat: Statistic) -> bool:
    """Whether there is enough to judge by: a method, a target, two training seeds, two retrained models in each."""
    enough = replicates(stat) >= FEWEST and stat.references >= FEWEST
    return enough and stat.direction == "match_retrained" and stat.method not in YARDSTICKS


def _corrected(
    stats: Sequence[Statistic],
    source: str,
    target: str,
    family: Callable[[Statistic], object],
    member: Callable[[Statistic], bool],
) -> list[Statistic]:
    """With p-values corrected for the number of tests in each family (Holm)."""
    families: dict[object, list[int]] = {}
    for i, stat in enumerate(stats):
        if not math.isnan(getattr(stat, source)) and member(stat):
            families.setdefault(family(stat), []).append(i)
    found = list(stats)
    for places in families.values():
        for i, p in zip(places, holm([getattr(stats[i], source) for i in places]), strict=True):
            found[i] = replace(found[i], **{target: p})
    return found


def is_large(stat: Statistic) -> bool:
    """Whether the gap is larger than that of a retrained model would be: wrong for 5 % of rows of retrained models."""
    return stat.far_holm < LEVEL


def is_equivalent(stat: Statistic) -> bool:
    """Whether the gap is within the margin: wrong in 5 % of the columns of methods whose gap is the margin."""
    return stat.tost_holm < LEVEL


def closest(column: Iterable[Statistic], eligible: Collection[RowName]) -> RowName | None:
    """The row whose mean absolute gap is smallest: within the margin, and smaller than every other's.

    Each comparison is a paired test over seeds, so that of two equally close methods one is named in 5 % of columns.

    Args:
        column: Of one metric; yardsticks do not compete.
        eligible: Rows that may win; the others may only tie.
    """
    rivals = sorted((s for s in column if is_judged(s)), key=lambda s: s.abs_gap)
    if len(rivals) < FEWEST or rivals[0].row not in eligible or not rivals[0].abs_gap <= rivals[0].margin:
        return None
    best, *others = rivals
    return best.row if all(_closer(best, other) < LEVEL for other in others) else None


def _closer(best: Statistic, other: Statistic) -> float:
    common = [seeds for seeds in best.gaps if seeds in other.gaps]
    least = known_variance(best.key, best.mean, best.images) + known_variance(other.key, other.mean, other.images)
    near, far = (by_training_seed({seeds: abs(stat.gaps[seeds]) for seeds in common}) for stat in (best, other))
    return closer_p(list(near.values()), list(far.values()), least)


def exposed(rows: Mapping[RowName, Mapping[str, Statistic]], margins: Margins) -> set[RowName]:
    """Rows of a table that look forgotten and are not; yardsticks claim nothing."""
    return {
        row
        for row, stats in rows.items()
        if row[0] not in YARDSTICKS
        and HEAD in stats
        and exposing_key(stats, _or_zero(margin_of(stats[HEAD], margins))) is not None
    }


def may_win(row: RowName, complete: bool, known: Collection[RowName]) -> bool:
    """Whether a row can be the closest: all its seeds are there, it tries to unlearn, and hides nothing."""
    return complete and row not in known and row[0] not in NULL_BASELINES


def _or_zero(number: float) -> float:
    return 0.0 if math.isnan(number) else number
