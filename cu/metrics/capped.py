"""What metrics that fit a classifier leave out where classes are many, the same for all models, and how they say so."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from cu.metrics.case import Case
from cu.metrics.drawn import Drawn, noted
from cu.metrics.predictions import Integers, Predictions

CAPPED_DRAWS = 3  # of what is left, where something is left out: a fit takes seconds there


def class_subset(case: Case, most: int) -> Integers:
    """The classes [n] that a fit has to tell apart, ascending: all of them, or `most` where there are more.

    Of these, forgotten classes are at most half, all of them if they are no more than that; the others are random.
    """
    if case.num_classes <= most:
        return np.arange(case.num_classes)
    rng = case.generator("capped/classes")
    forgotten = rng.permutation(np.unique(np.array(case.forget_classes, dtype=np.int64)))[: max(1, most // 2)]
    others = rng.permutation(np.setdiff1d(np.arange(case.num_classes), case.forget_classes))
    return np.sort(np.concatenate([forgotten, others[: most - len(forgotten)]]))


def of_classes(part: Predictions, classes: Integers) -> Predictions:
    """The samples of some classes."""
    return part.take(np.isin(part.label, classes))


def capped_note(kept: int, there: int, what: str) -> str:
    """What was left out, for the reader of a table; empty if nothing was."""
    return f"{kept:,} of {there:,} {what}" if kept < there else ""


def with_note(values: Mapping[str, float], note: str) -> dict[str, float]:
    """Values of which each says what was left out, behind what it says already; as they are without a note."""
    if not note:
        return dict(values)
    return {
        key: Drawn(value, getattr(value, "std", 0.0), "; ".join(filter(None, [noted(value), note])))
        for key, value in values.items()
    }
