"""How much one variable depends on others, from nearest neighbours alone, and the choice of variables by it.

Source: Azadkia and Chatterjee, "A Simple Measure of Conditional Dependence" (Annals of Statistics, 2021): the
statistic CODEC and the forward selection FOCI.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


def ranks(outcome: Floats) -> Floats:
    """Ranks float64 [n]: how many values are at most this one; 1 to n without ties."""
    return np.searchsorted(np.sort(outcome), outcome, side="right").astype(float)


def dependence(outcome: Floats, features: Floats) -> Floats:
    """Dependence of `outcome` [n] on each single column of `features` [n, F], as float64 [F].

    About 0 for an independent column, 1 for one that determines the outcome; with R the ranks of the outcome, M(i)
    the nearest neighbour of i in the column and L = n + 1 - R without ties,

        Σ (n min(R_i, R_M(i)) - L_i²) / Σ L_i (n - L_i).
    """
    n, rank, at_least = len(outcome), ranks(outcome), ranks(-outcome)
    nearer = np.minimum(rank[:, None], rank[nearest_by_column(features)])
    excess = (n * nearer - np.square(at_least)[:, None]).sum(0)
    return excess / max(1.0, (at_least * (n - at_least)).sum())


def conditional_dependence(outcome: Floats, feature: Floats, given: Floats) -> float:
    """Dependence of `outcome` [n] on `feature` [n] beyond what `given` [n, k] tells, clipped to [-1, 1].

    About 0 where the feature adds nothing and 1 where both together determine the outcome; with N(i) the nearest
    neighbour in `given` and M(i) that in both together,

        Σ (min(R_i, R_M(i)) - min(R_i, R_N(i))) / Σ (R_i - min(R_i, R_N(i))).

    Where `given` alone nearly determines the outcome both sums vanish: hence the clipping. Distances are Euclidean;
    columns should have equal scales.
    """
    rank, distances = ranks(outcome), _distances(given.T)
    before = np.minimum(rank, rank[distances.argmin(1)])
    return _conditional(rank, before, feature, distances, np.empty_like(distances))


def select(outcome: Floats, features: Floats, most: int, *, standardise: bool = True) -> list[int]:
    """Columns of `features` [n, F] that tell most about `outcome` [n], best first.

    The first has the highest dependence, each next one the highest dependence given those before; it ends where that
    is not positive. Only the `most` columns of highest dependence are ever looked at. Nearest neighbours in several
    columns are found at equal scales, or at the columns' own if they are not to be standardised.
    """
    scaled = features
    if standardise:
        scaled = (features - features.mean(0)) / features.std(0).clip(min=np.finfo(features.dtype).tiny)
    alone, rank = dependence(outcome, scaled), ranks(outcome)
    remaining = np.argsort(-alone, kind="stable")[:most].tolist()
    if not remaining or alone[remaining[0]] <= 0:
        return []
    chosen = [remaining.pop(0)]
    distances = _distances(scaled.T[chosen])
    room = np.empty_like(distances)
    while remaining:
        before = np.minimum(rank, rank[distances.argmin(1)])
        scores = [_conditional(rank, before, scaled[:, column], distances, room) for column in remaining]
        best = int(np.argmax(scores))
        if scores[best] <= 0:
            break
        chosen.append(remaining.pop(best))
        distances = _distances(scaled.T[chosen])
    return chosen


def _conditional(rank: Floats, before: Floats, feature: Floats, distances: Floats, room: Floats) -> float:
    # `room` saves allocating n² numbers per candidate, which would take most of the time.
    np.subtract.outer(feature, feature, out=room)
    np.multiply(room, room, out=room)
    np.add(room, distances, out=room)
    after = np.minimum(rank, rank[room.argmin(1)])
    return float(np.clip((after - before).sum() / max(1.0, (rank - before).sum()), -1, 1))


def _distances(columns: Floats) -> Floats:
    """Squared distances [n, n] of points given as columns [k, n], infinite on the diagonal."""
    total = sum(np.square(np.subtract.outer(column, column)) for column in columns)
    distances = np.asarray(total, columns.dtype)
    np.fill_diagonal(distances, np.inf)
    return distances


def nearest_by_column(features: Floats) -> NDArray[np.integer]:
    """Indices [n, F] of the row with the nearest other value, within each column of `features` [n, F]."""
    order = np.argsort(features, axis=0, kind="stable")
    gaps = np.diff(np.take_along_axis(features, order, 0), axis=0)
    edge = np.full((1, features.shape[1]), np.inf)
    before, after = np.concatenate([edge, gaps]), np.concatenate([gaps, edge])
    neighbour = np.where(before <= after, np.roll(order, 1, 0), np.roll(order, -1, 0))
    nearest = np.empty_like(order)
    np.put_along_axis(nearest, order, neighbour, 0)
    return nearest
