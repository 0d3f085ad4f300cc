"""Measure every metric of a suite."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from cu.metrics.case import Case
from cu.metrics.drawn import Drawn
from cu.metrics.rows import NotKeptError
from cu.metrics.spec import MetricSpec, named

Metrics = Mapping[str, Any]
Values = Mapping[str, float | str]


def measure(metrics: Metrics, case: Case) -> dict[str, float | str]:
    """Every key of every metric: a number, NaN where undefined, or why it was skipped."""
    values: dict[str, float | str] = {}
    for name, function in metrics.items():
        spec = spec_of(function)
        if (reason := why_skipped(spec, case)) is not None:
            values.update(dict.fromkeys(spec.keys, f"skipped: {reason}"))
            continue
        try:
            found = function(case)
        except NotKeptError as error:
            values.update(dict.fromkeys(spec.keys, f"skipped: {error}"))
            continue
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
        "features": all(m.at_features() for m in (case.model, *case.retrained, *filter(None, [case.original]))),
        "original": case.original is not None,
        "confusion": bool(case.confused_classes),
        "head": case.model.head is not None,
        "cost": case.cost is not None,
        "removed": case.model.removed is not None,
    }
    missing = sorted(named(n) for n in spec.needs if not (there[n] if isinstance(n, str) else n in case.findings))
    return f"needs {' and '.join(missing)}" if missing else None
