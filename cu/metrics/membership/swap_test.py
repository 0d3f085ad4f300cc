"""Advantage of an attacker in a game that retraining wins exactly: every sample plays both roles (SWAP test)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm
from scipy.stats import t as student

from cu.metrics.case import Case
from cu.metrics.findings import Floats, Shadows
from cu.metrics.membership.thresholds import best_threshold
from cu.metrics.membership.ulira import ENOUGH_FOR_OWN_SPREAD, fit_normals
from cu.metrics.spec import RATE, UNDECIDABLE, metric

Doubles = NDArray[np.float64]
CONFIDENCE = 0.95
ATTACKS = ("threshold", "lira")


def learnt(pairs: int) -> int:
    """Of so many pairs, how many the attack learns from: half of them, at least 2; it is judged on the others.

    Attacks learnt on all pairs but the judged one would share what they learn from, and their advantages would not be
    independent: intervals that say 95 % would hold in 82 %.
    """
    return max(2, pairs // 2)


def threshold_advantages(forgotten: Floats, unseen: Floats) -> Doubles:
    """Advantage of one threshold on the margin in each judged pair of models, in [-1, 1].

    The threshold, and whether large or small margins are called forgotten, is what separates the first half best.

    Args:
        forgotten: Margins [n, q] of q samples under models that forgot them.
        unseen: The same [n, q] under models that never saw them and forgot the others; row j belongs to the same pair.
    """
    a, b, half = forgotten.astype(np.float64), unseen.astype(np.float64), learnt(len(forgotten))
    known = [world[:half].ravel() for world in (a, b)]
    cuts = [(sign, best_threshold(sign * known[0], sign * known[1])) for sign in (1.0, -1.0)]
    gains = [np.mean(s * known[0] >= t) - np.mean(s * known[1] >= t) for s, t in cuts]
    sign, cut = cuts[int(np.argmax(gains))]
    return np.mean(sign * a[half:] >= cut, axis=1) - np.mean(sign * b[half:] >= cut, axis=1)


def lira_advantages(forgotten: Floats, unseen: Floats) -> Doubles:
    """Advantage of the likelihood ratio of each sample, fitted on the first half, in each judged pair; as above."""
    a, b, half = forgotten.astype(np.float64), unseen.astype(np.float64), learnt(len(forgotten))
    fits = [fit_normals(world[:half], pooled=2 * half < ENOUGH_FOR_OWN_SPREAD) for world in (a, b)]

    def called_forgotten(values: Doubles) -> Doubles:
        one, other = (norm.logpdf(values, *fit) for fit in fits)
        return (np.sign(one - other).mean(axis=1) + 1) / 2

    return called_forgotten(a[half:]) - called_forgotten(b[half:])


def interval(values: Doubles) -> tuple[float, float, float]:
    """Mean of independent values and its 95 % t-interval; NaN bounds for fewer than two."""
    if len(values) < 2:
        return float(values.mean()) if len(values) else float("nan"), float("nan"), float("nan")
    half = student.ppf((1 + CONFIDENCE) / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean()), float(values.mean() - half), float(values.mean() + half)


@metric(
    keys=tuple(f"mia/swap_{name}_{part}" for name in ATTACKS for part in ("adv", "low", "high")),
    needs=(Shadows,),
    scenarios=("sample",),
    margin={"adv": RATE, "low": UNDECIDABLE, "high": UNDECIDABLE},
)
def swap_advantage(case: Case, /) -> dict[str, float]:
    """How much oftener an attacker calls a sample forgotten where it was than where it never was trained on.

    In [-1, 1], mean over pairs of shadow models of which each forgot what the other never saw, with its 95 % interval;
    the attack is learnt on half of the pairs and judged on the others. Since every
    sample plays both roles in a pair, what is easy or hard about it cancels: retraining has an advantage of 0 whatever
    the attack. By one `threshold` for all samples, and by each sample's likelihood ratio (`lira`).
    Tu et al., "Towards Reliable Empirical Machine Unlearning Evaluation", NeurIPS 2025 (arXiv 2404.11577).
    """
    shadows = case.findings[Shadows]
    assert shadows.unseen is not None
    worlds = (shadows.forgotten, shadows.unseen)
    found = {"threshold": threshold_advantages(*worlds), "lira": lira_advantages(*worlds)}
    return {
        f"mia/swap_{name}_{part}": value
        for name in ATTACKS
        for part, value in zip(("adv", "low", "high"), interval(found[name]), strict=True)
    }
