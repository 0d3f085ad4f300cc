"""Measure every metric, then set it beside the retrained models' values and the noise floor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np

from cu.evaluation.comparison import Comparison
from cu.metrics.case import Case
from cu.metrics.drawn import Drawn
from cu.metrics.spec import MetricSpec

Metrics = Mapping[str, Any]
Values = Mapping[str, float | str]
AUDITED = ("relearning", "shadows", "ensembles", "over_unlearning", "layers", "retain_relearning", "weights", "poison")


def measure(metrics: Metrics, case: Case) -> dict[str, float | str]:
    """Every key of every metric: a number, NaN where undefined, or why it was skipped."""
    values: dict[str, float | str] = {}
    for name, function in metrics.items():
        spec = spec_of(function)
        if (reason := why_skipped(spec, case)) is not None:
            values.update(dict.fromkeys(spec.keys, f"skipped: {reason}"))
            continue
        found = function(case)
        if set(found) != set(spec.keys):
            raise AssertionError(f"metric {name} promised {sorted(spec.keys)} and returned {sorted(found)}")
        values.update({key: value if isinstance(value, Drawn) else float(value) for key, value in found.items()})
    return values


def spec_of(function: Any) -> MetricSpec:
    """The spec of a metric, through `functools.partial`."""
    return function.func.spec if isinstance(function, partial) else function.spec


def why_skipped(spec: MetricSpec, case: Case) -> str | None:
    """What a metric misses in this case, or None."""
    if case.scenario not in spec.scenarios:
        return f"only for {' and '.join(sorted(spec.scenarios))} scenarios"
    there = {
        "retrained": bool(case.retrained),
        "original": case.original is not None,
        "confusion": bool(case.confused_classes),
        "head": case.model.head is not None,
        "cost": case.cost is not None,
        "initial": bool(case.initial),
        **{audit: getattr(case, audit) is not None for audit in AUDITED},
    }
    missing = sorted(need for need in spec.needs if not there[need])
    return f"needs {' and '.join(missing)}" if missing else None


def compare(metrics: Metrics, judged: Values, references: Sequence[Values], original: Values) -> dict[str, Comparison]:
    """Each key's value beside the retrained models'.

    Args:
        metrics: For directions and versions.
        judged: Values of the judged model.
        references: Values of each retrained model, judged against the others.
        original: Values of the original model.

    Returns:
        By key; missing numbers are None.
    """
    specs = {key: spec_of(function) for function in metrics.values() for key in spec_of(function).keys}
    return {
        key: comparison(judged[key], [r.get(key) for r in references], original.get(key), spec)
        for key, spec in specs.items()
    }


def comparison(
    judged: float | str, references: Sequence[float | str | None], original: float | str | None, spec: MetricSpec
) -> Comparison:
    """One key: the gap to the mean of the retrained models; floor, `z` and `rank_p` from two of them on."""
    refs = [v for v in map(number, references) if v is not None]
    value = number(judged)
    ref = float(np.mean(refs)) if refs else None
    std = float(np.std(refs, ddof=1)) if len(refs) > 1 else None
    gap = None if value is None or ref is None else value - ref
    return Comparison(
        value=value,
        ref=ref,
        ref_std=std,
        gap=gap,
        floor=float(np.mean([abs(a - b) for a, b in combinations(refs, 2)])) if len(refs) > 1 else None,
        z=gap / std if gap is not None and std else None,
        rank_p=None if value is None or len(refs) < 2 else rank_p(value, refs),
        original=number(original),
        direction=spec.direction,
        status=judged if isinstance(judged, str) else "undefined" if value is None else "ok",
        version=spec.version,
    )


def rank_p(value: float, references: Sequence[float]) -> float:
    """How rarely one of K + 1 alike models is as far from their mean as the judged model, in (0, 1].

    The p-value of the permutation test that the judged model is one more retrained model; valid whatever the
    distribution. It cannot fall below 1 / (K + 1): 0.05 takes 19 retrained models.

    Args:
        value: Of the judged model.
        references: Of K >= 2 retrained models.
    """
    values = np.array([value, *references], dtype=np.float64)
    apart = np.abs(values - values.mean())
    # Equal distances must not differ by rounding.
    return float(np.mean(apart >= apart[0] * (1 - 1e-9)))


def number(value: float | str | None) -> float | None:
    """A finite number, or None for skipped, undefined and missing values."""
    return value if isinstance(value, (int, float)) and np.isfinite(value) else None
