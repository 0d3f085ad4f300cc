"""Set the values of the judged model beside those of the retrained models and the yardsticks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from cu.evaluation import yardsticks
from cu.evaluation.comparison import Comparison
from cu.evaluation.facing import Pairs, compares
from cu.evaluation.suite import Metrics, Values, spec_of
from cu.metrics.spec import MetricSpec

Value = float | str | None


def compare(
    metrics: Metrics, judged: Values, references: Sequence[Values], original: Values, pairs: Pairs | None = None
) -> dict[str, Comparison]:
    """Each key's value beside the retrained models'.

    Args:
        metrics: For directions, versions, and what a metric says of equal models.
        judged: Values of the judged model.
        references: Values of each retrained model, judged against the others.
        original: Values of the original model.
        pairs: Values (i, j) of the retrained model i judged against j alone, by the metrics that compare.

    Returns:
        By key; missing numbers are None.
    """
    specs = {key: spec_of(function) for function in metrics.values() for key in spec_of(function).keys}
    return {
        key: comparison(
            judged[key],
            [r.get(key) for r in references],
            original.get(key),
            spec,
            {pair: values.get(key) for pair, values in (pairs or {}).items()},
        )
        for key, spec in specs.items()
    }


def comparison(
    judged: Value,
    references: Sequence[Value],
    original: Value,
    spec: MetricSpec,
    pairs: Mapping[tuple[int, int], Value],
) -> Comparison:
    """One key: the gap to the mean of the retrained models, and what retrained models differ by."""
    refs = [v for v in map(number, references) if v is not None]
    value, ref = number(judged), float(np.mean(refs)) if refs else None
    gap = None if value is None or ref is None else value - ref
    seen = {pair: number(v) for pair, v in pairs.items()}
    known = yardstick(refs, spec, seen, len(references))
    return Comparison(
        value=value,
        ref=ref,
        ref_std=known.std,
        gap=gap,
        floor=known.floor,
        z=gap / known.std if gap is not None and known.std else None,
        rank_p=None if value is None or len(refs) < 2 or compares(spec) else yardsticks.rank_p(value, refs),
        original=number(original),
        direction=spec.direction,
        status=judged if isinstance(judged, str) else "undefined" if value is None else "ok",
        version=spec.version,
    )


class Yardstick(NamedTuple):
    """What two retrained models differ by, and the standard deviation of one; None where too few are known."""

    floor: float | None
    std: float | None


def yardstick(
    refs: Sequence[float], spec: MetricSpec, pairs: Mapping[tuple[int, int], float | None], count: int
) -> Yardstick:
    """The yardstick of one key, from the values of retrained models and, where a metric compares, of their pairs."""
    if not compares(spec):
        return Yardstick(yardsticks.with_draws(yardsticks.floor(refs), refs), yardsticks.spread(refs))
    apart = yardsticks.floor(refs) if spec.identical is None else yardsticks.compared_floor(pairs, spec.identical)
    return Yardstick(yardsticks.with_draws(apart, refs), yardsticks.compared_spread(pairs, count))


def number(value: Value) -> float | None:
    """A finite number, or None for skipped, undefined and missing values."""
    return value if isinstance(value, (int, float)) and np.isfinite(value) else None
