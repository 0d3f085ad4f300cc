"""What every metric is made of: float64 statistics of logits, ROC read-outs, and balanced subsamples.

Nothing here starts from stored probabilities: in float32 they saturate at 1 and tie what the logits still order.
An empty input gives NaN, never 0. Logits that are not finite are an error, never a number.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import rel_entr
from scipy.stats import rankdata

from cu.metrics.findings import Floats
from cu.metrics.predictions import Integers
from cu.metrics.rows import rowwise

Values = NDArray[np.float64]


def checked(logits: Floats) -> Values:
    """Logits [N, C] as float64; raises ValueError if any is inf or NaN."""
    z = np.asarray(logits, dtype=np.float64)
    bad = int((~np.isfinite(z)).any(axis=1).sum())
    if bad:
        raise ValueError(f"logits must be finite, but {bad} of {len(z)} samples have inf or NaN: the model diverged")
    return z


@rowwise
def predicted(logits: Floats) -> Integers:
    """Predicted class int64 [N]; the lower class wins a tie."""
    return checked(logits).argmax(axis=1).astype(np.int64)


def log_softmax(logits: Floats) -> Values:
    """Log-probabilities [N, C]; that of the likeliest class keeps its digits however close to 0 it is."""
    _, rest, shifted = _split(checked(logits))
    return shifted - np.log1p(rest)[:, None]


def softmax(logits: Floats) -> Values:
    """Probabilities [N, C]."""
    return np.exp(log_softmax(logits))


@rowwise
def margin(logits: Floats, label: Integers) -> Values:
    """Logit-scaled confidence log(p_y / (1 - p_y)) [N], from logits, so that it does not saturate.

    Source: Carlini et al. 2022, "Membership Inference Attacks From First Principles".
    """
    others = checked(logits).copy()
    rows = np.arange(len(others))
    own = others[rows, label]
    others[rows, label] = -np.inf
    return own - _log_sum_exp(others)


@rowwise
def loss(logits: Floats, label: Integers) -> Values:
    """Cross-entropy of each sample in nats [N], >= 0.

    Taken as softplus(-margin): -log_softmax rounds to 0 beyond a margin of 36 and ties the most confident samples.
    """
    return np.logaddexp(0.0, -margin(logits, label))


@rowwise
def entropy(logits: Floats) -> Values:
    """Entropy of the predicted distribution in nats [N], in [0, ln C]."""
    lp = log_softmax(logits)
    return -(np.exp(lp) * lp).sum(axis=1)


@rowwise
def modified_entropy(logits: Floats, label: Integers) -> Values:
    """Entropy that knows the label [N]: 0 when confidently right, large when confidently wrong.

    -(1 - p_y) log p_y - sum over i != y of p_i log(1 - p_i), without a difference that rounds 1 - p to 0.
    Source: Song & Mittal 2021, "Systematic Evaluation of Privacy Risks of Machine Learning Models".
    """
    lp, lq, rows = log_softmax(logits), log_complement(logits), np.arange(len(logits))
    wrong = -np.exp(lp) * lq
    wrong[rows, label] = 0.0
    return wrong.sum(axis=1) - np.exp(lq[rows, label]) * lp[rows, label]


def log_complement(logits: Floats) -> Values:
    """log(1 - p) [N, C] of each class, C >= 2; exact also where p rounds to 1."""
    z = checked(logits)
    top, rest, shifted = _split(z)
    lp = shifted - np.log1p(rest)[:, None]
    rows = np.arange(len(z))
    # The likeliest class is replaced below; all others have p <= 1/2, where 1 - p loses nothing.
    lp[rows, top] = -np.inf
    lq, others = np.log1p(-np.exp(lp)), shifted
    others[rows, top] = -np.inf
    lq[rows, top] = _log_sum_exp(others) - np.log1p(rest)
    return lq


def jensen_shannon(p: Floats, q: Floats) -> Values:
    """Jensen-Shannon divergence of each row in bits [N], in [0, 1]; p, q [N, C] are probabilities."""
    p, q = np.asarray(p, dtype=np.float64), np.asarray(q, dtype=np.float64)
    middle = (p + q) / 2
    nats = (rel_entr(p, middle).sum(axis=1) + rel_entr(q, middle).sum(axis=1)) / 2
    return np.clip(nats / np.log(2.0), 0.0, 1.0)


def auc(members: ArrayLike, non_members: ArrayLike) -> float:
    """Area under the ROC curve: chance that a member scores above a non-member, ties counting half.

    0.5 is no leakage, and below 0.5 leaks as much as above it; NaN if a side is empty.
    """
    a, b = np.asarray(members, dtype=np.float64), np.asarray(non_members, dtype=np.float64)
    if not a.size or not b.size:
        return float("nan")
    ranks = rankdata(np.concatenate([a, b]))
    return float((ranks[: a.size].sum() - a.size * (a.size + 1) / 2) / (a.size * b.size))


def two_sided_auc(members: ArrayLike, non_members: ArrayLike) -> float:
    """`auc` of an attacker who knows on which side members are, in [0.5, 1]."""
    area = auc(members, non_members)
    return max(area, 1.0 - area)


def tpr_at_fpr(members: ArrayLike, non_members: ArrayLike, alpha: float) -> float:
    """Largest true-positive rate among thresholds whose false-positive rate is at most `alpha`, in [0, 1].

    The rate is read from a point of the empirical ROC curve, never interpolated and never from the nearest point.
    """
    a, b = np.asarray(members, dtype=np.float64), np.sort(np.asarray(non_members, dtype=np.float64))[::-1]
    if not a.size or not b.size:
        return float("nan")
    allowed = _allowed(alpha, b.size)
    return 1.0 if allowed >= b.size else float(np.mean(a > b[allowed]))


def attained_fpr(non_members: ArrayLike, alpha: float) -> float:
    """The false-positive rate at which `tpr_at_fpr` reads, in [0, alpha]; with few non-members it is below `alpha`."""
    b = np.sort(np.asarray(non_members, dtype=np.float64))[::-1]
    if not b.size:
        return float("nan")
    allowed = _allowed(alpha, b.size)
    return 1.0 if allowed >= b.size else float(np.mean(b > b[allowed]))


def _allowed(alpha: float, count: int) -> int:
    # The decimal that was written, not its binary neighbour: 0.29 * 100 is 28.999...96.
    return int(Fraction(str(alpha)) * count)


def balanced(
    first: NDArray[Any], second: NDArray[Any], generator: np.random.Generator
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Both arrays cut to the length of the shorter one, rows drawn without replacement, order kept."""
    size = min(len(first), len(second))
    return subsample(first, size, generator), subsample(second, size, generator)


def subsample(values: NDArray[Any], size: int, generator: np.random.Generator) -> NDArray[Any]:
    """At most `size` random rows of `values`, without replacement, order kept."""
    if len(values) <= size:
        return values
    return values[np.sort(generator.choice(len(values), size=size, replace=False))]


def mean(values: ArrayLike) -> float:
    """Arithmetic mean, NaN if there is nothing to average."""
    v = np.asarray(values, dtype=np.float64)
    return float(v.mean()) if v.size else float("nan")


def _split(z: Values) -> tuple[Integers, Values, Values]:
    """The likeliest class [N], the sum of exp over all others relative to it [N], and z - max [N, C]."""
    top = z.argmax(axis=1)
    rows = np.arange(len(z))
    shifted = z - z[rows, top][:, None]
    others = np.exp(shifted)
    others[rows, top] = 0.0
    return top, others.sum(axis=1), shifted


def _log_sum_exp(z: Values) -> Values:
    top = z.max(axis=1, keepdims=True)
    return top[:, 0] + np.log(np.exp(z - top).sum(axis=1))
