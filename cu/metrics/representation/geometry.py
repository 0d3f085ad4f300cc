"""Where forget samples lie among the classes: the mechanism of a contrastive loss, measured by cosines."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt
from numpy.typing import NDArray
from scipy.linalg import orthogonal_procrustes
from scipy.spatial.distance import pdist

from cu.metrics.case import Case
from cu.metrics.drawn import averaged
from cu.metrics.findings import Floats
from cu.metrics.predictions import Integers
from cu.metrics.spec import COSINE, RATE, UNDECIDABLE, metric

Doubles = NDArray[np.float64]


def unit_rows(embedding: Floats) -> Doubles:
    """Rows [n, D] scaled to length 1 in float64; a zero row stays zero.

    Raises:
        ValueError: If a value is not finite.
    """
    rows = embedding.astype(np.float64)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    if not np.isfinite(length).all():
        raise ValueError("an embedding holds values that are not finite")
    return np.divide(rows, length, out=np.zeros_like(rows), where=length > 0)


def class_centroids(embedding: Floats, label: Integers, num_classes: int) -> Doubles:
    """Unit mean direction [num_classes, D] of each class; NaN rows for classes without a sample."""
    centroids = np.full((num_classes, embedding.shape[1]), np.nan)
    for c in np.unique(label):  # class by class, since all rows in float64 may be more than memory holds
        centroids[c] = unit_rows(unit_rows(embedding[label == c]).mean(axis=0, keepdims=True))[0]
    return centroids


def mean_pairwise_cosine(embedding: Floats) -> float:
    """Mean cosine over all pairs of different rows; 1 if all point the same way, NaN below two rows."""
    n = len(embedding)
    if n < 2:
        return float("nan")
    unit = unit_rows(embedding)
    return float((np.square(unit.sum(axis=0)).sum() - np.square(unit).sum()) / (n * (n - 1)))


def centroid_cosines(embedding: Floats, label: Integers, own: Doubles, retained: Doubles) -> dict[str, float]:
    """How samples lie between the centroid of their own class and those of the retained classes.

    Args:
        embedding: [n, D].
        label: [n], in [0, C).
        own: Unit centroids [C, D] of the class a sample belongs to; NaN rows where unknown.
        retained: Unit centroids [C, D] of what was kept; NaN rows for classes of which nothing was kept.

    Returns:
        `own`, the mean cosine to the own centroid; `nearest`, the mean over samples of the largest cosine to a retained
        centroid of another class; `escape`, the share whose nearest retained centroid of another class is strictly
        nearer than the own one. NaN where samples, own centroids or other centroids are missing.
    """
    unknown = float("nan")
    if not len(label):
        return {"own": unknown, "nearest": unknown, "escape": unknown}
    unit = unit_rows(embedding)
    to_own = (unit * own[label]).sum(axis=1)
    to_other = unit @ retained.T
    to_other[np.arange(len(label)), label] = np.nan
    nearest = np.where(np.isnan(to_other), -np.inf, to_other).max(axis=1)
    nearest[np.isneginf(nearest)] = np.nan
    known = not (np.isnan(to_own).any() or np.isnan(nearest).any())
    escape = float((nearest > to_own).mean()) if known else unknown
    return {"own": float(to_own.mean()), "nearest": float(nearest.mean()), "escape": escape}


def alignment(embedding: Floats, label: Integers) -> float:
    """Mean squared distance of two unit embeddings of one class, over all such pairs (Wang & Isola 2020, eq. 2).

    Returns:
        In [0, 4], smaller is more aligned; NaN without a pair.
    """
    total, pairs = 0.0, 0
    for c in np.unique(label):
        own = unit_rows(embedding[label == c])
        # The sum over ordered pairs is 2 n sum |x|^2 - 2 |sum x|^2.
        total += 2 * float(len(own) * np.square(own).sum() - np.square(own.sum(axis=0)).sum())
        pairs += len(own) * (len(own) - 1)
    return total / pairs if pairs else float("nan")


def uniformity(embedding: Floats) -> float:
    """Log of the mean Gaussian potential exp(-2 d^2) over pairs of unit embeddings (Wang & Isola 2020, eq. 3).

    Returns:
        In [-8, 0], smaller is more evenly spread over the sphere; NaN below two rows. O(n^2) time and memory.
    """
    if len(embedding) < 2:
        return float("nan")
    return float(np.log(np.exp(-2 * pdist(unit_rows(embedding), "sqeuclidean")).mean()))


def _forgotten_centroids(case: Case, most: int) -> Doubles:
    """Centroids [C, D] of forgotten classes as the original had them, carried into the judged model's space.

    The orthogonal map that carries the original's unit embeddings of retained training samples onto the judged model's
    own is estimated by Procrustes; at most `most` samples take part, evenly spaced, so that nothing is random.
    """
    judged, original = case.model, case.original
    if original is None or judged.retain.embedding.shape[1] != original.retain.embedding.shape[1]:
        return np.full((case.num_classes, judged.retain.embedding.shape[1]), np.nan)
    assert np.array_equal(judged.retain.id, original.retain.id), "models were not scored on the same retain samples"
    rows = np.arange(0, len(judged.retain), max(1, -(-len(judged.retain) // most)))
    source, target = unit_rows(original.retain.embedding[rows]), unit_rows(judged.retain.embedding[rows])
    rotation, _ = orthogonal_procrustes(source, target)
    return class_centroids(original.forget.embedding, original.forget.label, case.num_classes) @ rotation


@metric(
    keys=("geom/own_centroid_cos", "geom/nearest_retained_cos", "geom/escape_rate", "geom/forget_dispersion"),
    version=2,
    margin={"": COSINE, "escape_rate": RATE},
)
def forget_geometry(case: Case, /, *, max_samples: Annotated[int, Gt(0)]) -> dict[str, float]:
    """Where the forget training samples lie among the class centroids of the retained training samples.

    Cosines in [-1, 1], the escape rate in [0, 1]; the target is the retrained model's value. In sample scenarios the
    own centroid is that of the retained samples of the label, and escaping means what misclassification by the nearest
    centroid means. In class scenarios nothing of the own class was kept: the original's centroid of the forget class
    takes its place, carried over by Procrustes; without an original the two keys that need it are NaN.
    `geom/forget_dispersion` is the mean pairwise cosine of the forget samples: 1 is one point, 0 is scattered.

    Args:
        case: The judged model and what it is compared with.
        max_samples: At most this many retained samples estimate the Procrustes map.
    """
    retain, forget = case.model.retain, case.model.forget
    retained = class_centroids(retain.embedding, retain.label, case.num_classes)
    own = _forgotten_centroids(case, max_samples) if case.scenario == "class" else retained
    cosines = centroid_cosines(forget.embedding, forget.label, own, retained)
    return {
        "geom/own_centroid_cos": cosines["own"],
        "geom/nearest_retained_cos": cosines["nearest"],
        "geom/escape_rate": cosines["escape"],
        "geom/forget_dispersion": mean_pairwise_cosine(forget.embedding),
    }


@metric(keys=("geom/retain_alignment", "geom/retain_uniformity"), version=2, margin=UNDECIDABLE)
def retained_spread(
    case: Case, /, *, max_samples: Annotated[int, Gt(0)], draws: Annotated[int, Ge(2)]
) -> dict[str, float]:
    """Alignment (in [0, 4]) and uniformity (in [-8, 0]) of the retained test samples' unit embeddings.

    What a contrastive loss trades against each other. The target is the retrained model's value: classes that fell
    apart raise alignment, a representation that collapsed raises uniformity.

    Args:
        case: The judged model and what it is compared with.
        max_samples: Uniformity takes the pairs of at most this many samples.
        draws: How many choices of them are averaged, where there are more.
    """
    test = case.model.test_retain

    def draw(number: int) -> dict[str, float]:
        rows = case.generator(f"geometry/uniformity/{number}").permutation(len(test))[:max_samples]
        return {"geom/retain_uniformity": uniformity(test.embedding[rows])}

    spread = averaged(draws if len(test) > max_samples else 1, draw)
    return {"geom/retain_alignment": alignment(test.embedding, test.label), **spread}
