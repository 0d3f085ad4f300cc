"""How far the classes of a model have collapsed to points."""

from __future__ import annotations

import numpy as np

from cu.metrics.case import Case
from cu.metrics.findings import Floats
from cu.metrics.predictions import Integers
from cu.metrics.rows import pieces
from cu.metrics.spec import UNDECIDABLE, metric


def neural_collapse(embedding: Floats, label: Integers) -> float:
    """Within-class against between-class variability, tr(S_W pinv(S_B)) / C (NC1 of Papyan et al. 2020).

    Returns:
        At least 0, smaller is more collapsed; NaN with fewer than two classes or equal class means.
    """
    classes, index = np.unique(label, return_inverse=True)
    cuts = list(pieces(*embedding.shape))
    largest = float(np.max([np.abs(embedding[cut]).max(initial=0.0) for cut in cuts]))
    if not np.isfinite(largest):
        raise ValueError("an embedding holds values that are not finite")
    if len(classes) < 2:
        return float("nan")
    means = np.stack([embedding[index == c].astype(np.float64).mean(axis=0) for c in range(len(classes))])
    offsets = (means - means.mean(axis=0)) / np.sqrt(len(classes))
    _, size, directions = np.linalg.svd(offsets, full_matrices=False)
    kept = size > 1e-10 * largest
    if not kept.any():
        return float("nan")
    axes = directions[kept].T
    squares = [np.square((embedding[cut] - means[index[cut]]) @ axes).sum(axis=0) for cut in cuts]
    spread = np.sum(squares, axis=0) / len(embedding)
    return float((spread / np.square(size[kept])).sum() / len(classes))


@metric(keys=("geom/nc1",), margin=UNDECIDABLE)
def collapse(case: Case, /) -> dict[str, float]:
    """NC1 of the retained test samples' embeddings (at least 0); the target is the retrained model's value."""
    return {"geom/nc1": neural_collapse(case.model.test_retain.embedding, case.model.test_retain.label)}
