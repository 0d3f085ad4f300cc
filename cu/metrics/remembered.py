"""What a metric found out about a case, kept for another metric that asks the same."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from cu.metrics.case import Case

Found = Callable[..., Mapping[str, float]]


def remembered(function: Found) -> Found:
    """The function of a case, computed once for the same models, seed and settings; settings have to be hashable."""

    @wraps(function)
    def recalled(case: Case, /, **settings: Any) -> Mapping[str, float]:
        asked = (case.retrained, case.original, case.seed, tuple(sorted(settings.items())))
        return case.model.once((function.__module__, function.__name__, *asked), lambda: function(case, **settings))

    return recalled
