"""What retrained models differ by: the yardsticks that a gap to retraining is held against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations, permutations

import numpy as np

from cu.metrics.drawn import Drawn

PairValues = Mapping[tuple[int, int], float | None]


def floor(references: Sequence[float]) -> float | None:
    """Mean absolute difference between two of the retrained models' values; None for fewer than two."""
    apart = [abs(a - b) for a, b in combinations(references, 2)]
    return float(np.mean(apart)) if apart else None


def compared_floor(pairs: PairValues, identical: float) -> float | None:
    """How far two retrained models are apart by a metric that compares; None for fewer than two.

    The mean over ordered pairs of what the metric says of one set against the other alone, as a distance from what it
    says of two equal models: for a distance the metric itself, for an agreement what is missing to 1. Differences
    between the models' values would be 0 for two models, whatever lies between them, by symmetry.
    """
    values = list(pairs.values())
    known = [abs(value - identical) for value in values if value is not None]
    return float(np.mean(known)) if known and len(known) == len(values) else None


def with_draws(apart: float | None, values: Sequence[float]) -> float | None:
    """A floor for values that also depend on the metric's own random draws.

    All models are judged by the same draws, so that their differences show too little of them. Two models judged by
    draws of their own differ by D' = D + e1 - e2, where e has the variance v of the draws. With normal D and e,
    E|D'|² = (2 / pi) (Var D + 2 v) and E|D|² = (2 / pi) Var D, so the floor is sqrt(floor² + 4 v / pi).
    """
    variances = [value.std**2 for value in values if isinstance(value, Drawn)]
    if apart is None or not variances:
        return apart
    return float(np.sqrt(apart**2 + 4 * np.mean(variances) / np.pi))


def spread(references: Sequence[float]) -> float | None:
    """Sample standard deviation of single retrained models' values; None for fewer than two."""
    return float(np.std(references, ddof=1)) if len(references) > 1 else None


def compared_spread(pairs: PairValues, count: int) -> float | None:
    """Standard deviation that is due to the judged model, of a metric that compares; None for fewer than three.

    Say d_ij = m + a_i + b_j + e_ij, where i is judged and j compared with. The value of a further model against all K
    minus the mean of the K values among themselves is a_0 - mean(a) + e..., with variance (1 + 1/K) Var a if e is
    small: what the t-test of one value against K assumes of their standard deviation, which is therefore that of a.
    The retrained models' own values do not show it: they meet each other, so that with b = a, as in every symmetric
    metric, they differ by (K - 2) / (K - 1) of what they should, and at K = 2 not at all. a_i is estimated from rows
    and columns without the diagonal, as in a round robin (Warner, Kenny and Stoto 1979):
    a_i = [(K - 1)² row_i + (K - 1) column_i] / (K (K - 2)) - (K - 1) / (K - 2) mean. In a symmetric metric e adds
    Var e / (K - 2) to its variance and owes Var e / (K - 1): the estimate is on the safe side.
    """
    if count < 3 or any(pairs.get(pair) is None for pair in permutations(range(count), 2)):
        return None
    table = np.array([[pairs[i, j] if i != j else 0.0 for j in range(count)] for i in range(count)], dtype=np.float64)
    rows, columns = table.sum(1) / (count - 1), table.sum(0) / (count - 1)
    effects = ((count - 1) ** 2 * rows + (count - 1) * columns) / (count * (count - 2))
    return float(np.std(effects, ddof=1))


def rank_p(value: float, references: Sequence[float]) -> float:
    """How rarely one of K + 1 alike models is as far from their mean as the judged model, in (0, 1].

    The p-value of the permutation test that the judged model is one more retrained model; valid whatever the
    distribution. It cannot fall below 1 / (K + 1): 0.05 takes 19 retrained models. It is for values that each model
    has by itself: those of a metric that compares are not exchangeable, since retrained models meet each other.

    Args:
        value: Of the judged model.
        references: Of K >= 2 retrained models.
    """
    values = np.array([value, *references], dtype=np.float64)
    apart = np.abs(values - values.mean())
    # Equal distances must not differ by rounding.
    return float(np.mean(apart >= apart[0] * (1 - 1e-9)))
