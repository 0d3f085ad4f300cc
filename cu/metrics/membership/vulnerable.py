"""Whether the samples that models remember best are forgotten: what a mean over all samples hides."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Gt, Lt
from numpy.typing import NDArray

from cu.metrics.case import Case
from cu.metrics.findings import Floats, Shadows
from cu.metrics.membership.ulira import pools_spread, row_ratios, told_apart
from cu.metrics.spec import AUC, RATE, UNDECIDABLE, metric

Doubles = NDArray[np.float64]
SETS = ("vulnerable", "protected")
READ_OUTS = ("auc", "bacc", "tpr@0.01")


def vulnerability(members: Floats, others: Floats) -> Doubles:
    """How well membership in the training set is told from each sample's margin, before anything is forgotten.

    The difference of means over models trained with the sample and without it, in units of their spread. Row j leaves
    out row j of both: a sample must not be chosen by the model that it is then judged by, for among samples that are
    all alike those with the largest margins would be found again.

    Args:
        members: Margins [n, q] under models trained on the samples, n >= 3.
        others: The same [n, q] under models that were not.

    Returns:
        [n, q].
    """
    worlds = (members.astype(np.float64), others.astype(np.float64))
    return np.stack([_apart(*(np.delete(world, j, axis=0) for world in worlds)) for j in range(len(members))])


def _apart(a: Doubles, b: Doubles) -> Doubles:
    spread = np.sqrt((a.var(axis=0, ddof=1) + b.var(axis=0, ddof=1)) / 2)
    apart = a.mean(axis=0) - b.mean(axis=0)
    unlimited = np.where(apart == 0, 0.0, np.copysign(np.inf, apart))
    return np.divide(apart, spread, out=unlimited, where=spread > 0)


def most_vulnerable(scores: Floats, share: float) -> NDArray[np.bool_]:
    """In each row [n, q] the given share of the samples with the largest scores, at least one; the first win ties."""
    count = max(1, round(share * scores.shape[1]))
    chosen = np.zeros(scores.shape, dtype=bool)
    np.put_along_axis(chosen, np.argsort(-scores, axis=1, kind="stable")[:, :count], True, axis=1)
    return chosen


@metric(
    keys=tuple(f"mia/ruli_{name}_{read_out}" for name in SETS for read_out in READ_OUTS),
    needs=(Shadows,),
    scenarios=("sample",),
    version=2,
    margin={"auc": AUC, "bacc": RATE, "tpr@0.01": UNDECIDABLE},
)
def vulnerable_efficacy(case: Case, /, *, share: Annotated[float, Gt(0), Lt(1)]) -> dict[str, float]:
    """U-LiRA's efficacy game on the most vulnerable samples and on the rest, in [0, 1].

    Vulnerable are those whose membership shows most in models before unlearning, all but the pair that is judged; which
    they are is the same for every method. A method may be like retraining on average and still leave exactly these. The
    target is the value of retrained against retrained models, about 0.5. NaN where all samples are on one side.
    Naderloui et al., "Rectifying Privacy and Efficacy Measurements in Machine Unlearning" (RULI), arXiv 2506.13009; our
    choice of statistic.

    Args:
        case: The worlds.
        share: Of the samples, those that count as vulnerable.
    """
    shadows = case.findings[Shadows]
    assert shadows.vulnerability is not None
    chosen, values = most_vulnerable(shadows.vulnerability, share), {}
    for name, rows in zip(SETS, (chosen, ~chosen), strict=True):
        found = _attacked(shadows.forgotten, shadows.retrained, rows) if rows.any() else {}
        values |= {f"mia/ruli_{name}_{key}": found.get(key, float("nan")) for key in READ_OUTS}
    return values


def _attacked(first: Floats, second: Floats, chosen: NDArray[np.bool_]) -> dict[str, float]:
    """The attack, which looks in each pair of models at the samples [n, q] that are chosen there."""
    pooled = pools_spread(len(first))
    a, b = first.astype(np.float64), second.astype(np.float64)
    rows = [row_ratios(a[:, own], b[:, own], j, pooled=pooled) for j, own in enumerate(chosen)]
    members, others = (np.concatenate(world) for world in zip(*rows, strict=True))
    return told_apart(members, others)
