"""Embeddings in two dimensions: t-SNE, or the plane in which the retrained model varies most."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from cu.disk.files import Damaged
from cu.metrics.findings import Floats
from cu.store.outputs import load_scores, save_scores

PERPLEXITY = 30
ITERATIONS = 400
SEED = 0
NEIGHBOURS = 10


def tsne(embedding: Floats, cache: Path | None) -> Floats:
    """Two-dimensional t-SNE [N, 2] of embeddings [N, D], from PCA, of unit variance; the same for the same input.

    van der Maaten & Hinton 2008, perplexity 30. It takes some tenths of a second for 300 samples, so that it is kept in
    `cache`, named by its content.
    """
    import sklearn

    content = np.ascontiguousarray(embedding, dtype=np.float32)
    settings = f"{sklearn.__version__} {PERPLEXITY} {ITERATIONS} {SEED} {content.shape}"
    name = hashlib.sha256(settings.encode() + content.tobytes()).hexdigest()[:16]
    path = None if cache is None else cache / f"tsne-{name}.npz"
    if path is not None:
        try:
            kept = load_scores(path)
        except Damaged:  # made again below
            kept = None
        if kept is not None:
            return kept["points"]
    points = _tsne(content)
    if path is not None:
        save_scores(path, {"points": points})
    return points


def _tsne(embedding: Floats) -> Floats:
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    if not embedding.std(axis=0).any():  # all in one place, as a wrecked model puts them
        return np.zeros((len(embedding), 2))
    settings = {"perplexity": min(PERPLEXITY, (len(embedding) - 1) / 3), "max_iter": ITERATIONS}
    with threadpool_limits(1):  # sums of several threads differ in their last digits from run to run
        points = TSNE(init="pca", random_state=SEED, **settings).fit_transform(embedding).astype(np.float64)
    return (points - points.mean(axis=0)) / points.std()


def aligned_plane(embedding: Floats, target: Floats) -> Floats:
    """Embeddings [N, D] turned onto those of the target model and seen in the plane where the target varies most.

    Both are centred and scaled to unit norm; the turn is the orthogonal Procrustes solution (Schönemann 1966), the
    plane is spanned by the first two principal components of the target.

    Args:
        embedding: [N, D] of the model to show.
        target: [N, D] of the retrained model on the same samples.
    """
    from scipy.linalg import orthogonal_procrustes

    own, other = _standardised(embedding), _standardised(target)
    turn, _ = orthogonal_procrustes(own, other)
    _, _, axes = np.linalg.svd(other, full_matrices=False)
    # The sign of a principal component is arbitrary; the largest loading is made positive.
    plane = axes[:2] * np.sign(axes[np.arange(2), np.abs(axes[:2]).argmax(axis=1)])[:, None]
    return own @ turn @ plane.T * np.sqrt(len(own))


def _standardised(embedding: Floats) -> Floats:
    centred = np.asarray(embedding, dtype=np.float64) - np.mean(embedding, axis=0, dtype=np.float64)
    return centred / max(float(np.linalg.norm(centred)), 1e-12)


def neighbour_purity(embedding: Floats, label: np.ndarray, chosen: np.ndarray) -> float:
    """Mean share of the 10 nearest neighbours of the chosen samples that have their class, in [0, 1].

    Neighbours are Euclidean, in the embedding itself, among all samples shown; a sample is not its own neighbour.

    Args:
        embedding: [N, D].
        label: True classes [N].
        chosen: Whether each sample counts, bool [N].
    """
    x = np.asarray(embedding, dtype=np.float64)
    square = np.square(x).sum(axis=1)
    distance = square[chosen][:, None] + square[None, :] - 2 * x[chosen] @ x.T
    distance[np.arange(len(distance)), np.flatnonzero(chosen)] = np.inf
    nearest = np.argsort(distance, axis=1, kind="stable")[:, : min(NEIGHBOURS, len(x) - 1)]
    return float((label[nearest] == label[chosen][:, None]).mean()) if chosen.any() else float("nan")
