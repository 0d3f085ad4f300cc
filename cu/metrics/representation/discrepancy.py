"""How far the embeddings of forget samples lie from where a retrained model puts them, as distributions."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt
from numpy.typing import NDArray
from scipy.linalg import orthogonal_procrustes
from scipy.spatial.distance import cdist, pdist

from cu.metrics.case import Case
from cu.metrics.drawn import averaged
from cu.metrics.findings import Floats
from cu.metrics.predictions import Integers, ModelPredictions
from cu.metrics.remembered import remembered
from cu.metrics.spec import metric

Doubles = NDArray[np.float64]
# Fixed, because a metric is an instrument: widths of the kernels in median distances of the retrained model's samples.
WIDTHS = (0.5, 1.0, 2.0)


def paired_mmd2(x: Floats, y: Floats, widths: tuple[float, ...]) -> float:
    """Squared maximum mean discrepancy of two representations of the same samples, unbiased.

    Gretton et al. 2012, lemma 6: the mean over i != j of k(x_i, x_j) + k(y_i, y_j) - k(x_i, y_j) - k(x_j, y_i), with k
    the mean of the Gaussian kernels exp(-d^2 / (2 w^2)). 0 for equal representations, and in expectation for equal
    distributions.

    Args:
        x: [n, D].
        y: [n, D], rows in the order of `x`.
        widths: w of each kernel, above 0.

    Returns:
        In [-2, 2], a little below 0 by chance; NaN below two rows.
    """
    n = len(x)
    if n < 2:
        return float("nan")
    total = 0.0
    for a, b, sign in ((x, x, 1), (y, y, 1), (x, y, -2)):
        squared = cdist(a.astype(np.float64), b.astype(np.float64), "sqeuclidean")
        for width in widths:
            kernel = np.exp(-squared / (2 * width**2))
            total += sign * float(kernel.sum() - np.trace(kernel)) / len(widths)
    return total / (n * (n - 1))


def carried(forget: Floats, retain: Floats, target: Floats) -> Doubles:
    """Forget embeddings of one model in the standardised space of another.

    The orthogonal map that best carries the first model's standardised retain samples onto the second's (Procrustes)
    is applied to its standardised forget samples: what the models only differ by in origin, scale and axes is gone.

    Args:
        forget: Of the first model [n, D1].
        retain: Of the first model [m, D1].
        target: Of the second model, the same m samples [m, D2].

    Returns:
        [n, max(D1, D2)].
    """
    return standardised(forget, retain, max(retain.shape[1], target.shape[1])) @ rotation_to(retain, target)


def rotation_to(retain: Floats, target: Floats) -> Doubles:
    """The orthogonal map [max(D1, D2), max(D1, D2)] of `carried`; retain [m, D1], target [m, D2]."""
    width = max(retain.shape[1], target.shape[1])
    rotation, _ = orthogonal_procrustes(standardised(retain, retain, width), standardised(target, target, width))
    return rotation


def standardised(part: Floats, retain: Floats, width: int) -> Doubles:
    """`part` minus the mean of `retain`, over the root mean square length of `retain`; columns of zeros to `width`."""
    middle = retain.astype(np.float64).mean(axis=0)
    length = np.sqrt(np.square(retain - middle).sum(axis=1).mean()) or 1.0
    return np.pad((part - middle) / length, ((0, 0), (0, width - part.shape[1])))


def discrepancy(judged: ModelPredictions, other: ModelPredictions, rows: Integers, most: int) -> float:
    """Squared MMD of the forget samples at `rows` between two models, aligned by at most about `most` retain samples.

    Kernels have `WIDTHS` times the median distance of the other model's forget samples. NaN where that is 0.
    """
    assert np.array_equal(judged.forget.id, other.forget.id), "the models were not scored on the same forget samples"
    assert np.array_equal(judged.retain.id, other.retain.id), "the models were not scored on the same retain samples"
    known = np.arange(0, len(judged.retain), max(1, len(judged.retain) // most))
    target, retain = other.retain.embedding[known], judged.retain.embedding[known]
    width = max(retain.shape[1], target.shape[1])
    # For wide embeddings it takes most of the time, and all draws of forget samples have the same one.
    rotation = judged.once(("rotation_to", other, most), lambda: rotation_to(retain, target))
    moved = standardised(judged.forget.embedding[rows], retain, width) @ rotation
    there = standardised(other.forget.embedding[rows], target, moved.shape[1])
    middle = float(np.median(pdist(there))) if len(there) > 1 else 0.0
    return paired_mmd2(moved, there, tuple(w * middle for w in WIDTHS)) if middle > 0 else float("nan")


@metric(keys=("mmd/forget_to_retrain",), direction="lower", needs=("retrained",), identical=0.0)
@remembered
def mmd_to_retrained(
    case: Case, /, *, max_samples: Annotated[int, Gt(1)], draws: Annotated[int, Ge(2)]
) -> dict[str, float]:
    """Squared MMD between the forget samples' embeddings and those by the retrained models (mean), after alignment.

    See `discrepancy`. Lower is closer to retraining; two retrained models do not reach 0, so read it beside `ref`.

    Args:
        case: The judged model and what it is compared with.
        max_samples: At most this many forget samples; about four times as many retained ones align.
        draws: How many choices of forget samples are averaged, where there are more.
    """
    count = len(case.model.forget)

    def draw(number: int) -> dict[str, float]:
        rows = case.generator(f"mmd/forget/{number}").permutation(count)[:max_samples]
        found = [discrepancy(case.model, other, rows, 4 * max_samples) for other in case.retrained]
        return {"mmd/forget_to_retrain": float(np.mean(found))}

    return averaged(draws if count > max_samples else 1, draw)
