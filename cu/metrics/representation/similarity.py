"""Linear centred kernel alignment (CKA): how alike two models represent the same images."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt
from numpy.typing import NDArray

from cu.metrics.case import Case
from cu.metrics.drawn import averaged
from cu.metrics.findings import Floats
from cu.metrics.predictions import ModelPredictions
from cu.metrics.remembered import remembered
from cu.metrics.spec import COSINE, metric


def linear_cka(x: Floats, y: Floats, *, debiased: bool = True) -> float:
    """Linear CKA of two representations of the same samples, invariant to rotation, shift and uniform scale.

    Products are taken over samples or over dimensions, whichever are fewer: time is O(n D min(n, D)).

    Args:
        x: [n, D1].
        y: [n, D2], rows in the order of `x`.
        debiased: With unbiased estimates of HSIC (Song et al. 2012, eq. 5), so that unrelated representations give
            about 0 (it may fall a little below); without, the form of Kornblith et al. 2019, which
            grows towards 1 when D is not small against n.

    Returns:
        At most 1, NaN where a representation is constant or the debiased form has fewer than 4 samples.

    Raises:
        ValueError: If the shapes do not fit or a value is not finite.
    """
    if x.ndim != 2 or y.ndim != 2 or len(x) != len(y):
        raise ValueError(f"expected two matrices with equal numbers of rows, got shapes {x.shape} and {y.shape}")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError("a representation holds values that are not finite")
    if len(x) < (4 if debiased else 2):
        return float("nan")
    a, b = _centred(x), _centred(y)
    if not (a.any() and b.any()):
        return float("nan")
    products = _products(a, b)
    if debiased:
        products = [_unbiased(s, t, p) for (s, t), p in zip(((a, a), (b, b), (a, b)), products, strict=True)]
    own = products[0] * products[1]
    return float(products[2] / np.sqrt(own)) if own > 0 else float("nan")


def _centred(x: Floats) -> NDArray[np.float64]:
    """Columns without their mean, scaled to a largest entry of 1; exact zeros where only rounding is left."""
    values = x.astype(np.float64)
    centred = values - values.mean(axis=0)
    size = np.abs(centred).max(initial=0.0)
    if size <= 1e-12 * np.abs(values).max(initial=0.0):
        return np.zeros_like(centred)
    return centred / size


def _products(a: NDArray[np.float64], b: NDArray[np.float64]) -> list[float]:
    """||A'A||^2, ||B'B||^2 and ||A'B||^2 (Frobenius): the sums of K * K, L * L and K * L, K = AA' and L = BB'."""
    if len(a) < min(a.shape[1], b.shape[1]):
        own, other = a @ a.T, b @ b.T
        return [float((s * t).sum()) for s, t in ((own, own), (other, other), (own, other))]
    return [float(np.square(s.T @ t).sum()) for s, t in ((a, a), (b, b), (a, b))]


def _unbiased(a: NDArray[np.float64], b: NDArray[np.float64], product: float) -> float:
    """Unbiased HSIC from ||A'B||^2."""
    n = len(a)
    diagonal_a, diagonal_b = np.square(a).sum(axis=1), np.square(b).sum(axis=1)
    # With K = A A' and L = B B' the rows of K sum to A (A'1).
    rows_a = a @ a.sum(axis=0) - diagonal_a
    rows_b = b @ b.sum(axis=0) - diagonal_b
    corner = rows_a.sum() * rows_b.sum() / ((n - 1) * (n - 2))
    return float((product - diagonal_a @ diagonal_b + corner - 2 / (n - 2) * (rows_a @ rows_b)) / (n * (n - 3)))


def _forget_images(case: Case, model: ModelPredictions, most: int, draw: int) -> Floats:
    """Embeddings [n, D] of the forget set and as many random retained training samples, the same for every model."""
    rng = case.generator(f"cka/forget/{draw}")
    forget = rng.permutation(len(case.model.forget))[:most]
    retain = rng.permutation(len(case.model.retain))[: len(forget)]
    _assert_same_images(case, model)
    return np.concatenate([model.forget.embedding[forget], model.retain.embedding[retain]])


def _retain_images(case: Case, model: ModelPredictions, most: int, draw: int) -> Floats:
    rows = case.generator(f"cka/retain/{draw}").permutation(len(case.model.test_retain))[:most]
    _assert_same_images(case, model)
    return model.test_retain.embedding[rows]


def _assert_same_images(case: Case, model: ModelPredictions) -> None:
    for split in ("forget", "retain", "test_retain"):
        here, there = getattr(case.model, split).id, getattr(model, split).id
        assert np.array_equal(here, there), f"the models were not scored on the same {split} samples"


def _forget_cka(case: Case, others: tuple[ModelPredictions, ...], most: int, draw: int) -> float:
    """Mean CKA with other models, each pair of models compared once for all metrics and cases that ask for it."""
    judged = _forget_images(case, case.model, most, draw)

    def similarity(other: ModelPredictions) -> float:
        found = partial(linear_cka, judged, _forget_images(case, other, most, draw))
        return case.model.once(("cka", other, case.seed, most, draw), found)

    return float(np.mean([similarity(other) for other in others]))


@metric(keys=("cka/forget_to_retrain",), direction="higher", needs=("retrained",), version=2, identical=1.0)
@remembered
def cka_to_retrained(
    case: Case, /, *, max_samples: Annotated[int, Gt(0)], draws: Annotated[int, Ge(2)]
) -> dict[str, float]:
    """Debiased linear CKA with the retrained models (mean), on the forget set and as many retained images.

    Higher is closer to retraining; two retrained models do not reach 1, so read it beside `ref`.

    Args:
        case: The judged model and what it is compared with.
        max_samples: At most this many forget images and as many retained ones.
        draws: How many choices of images are averaged.
    """
    return averaged(draws, lambda n: {"cka/forget_to_retrain": _forget_cka(case, case.retrained, max_samples, n)})


@metric(keys=("cka/forget_to_original", "cka/retain_to_original"), needs=("original",), version=2, margin=COSINE)
@remembered
def cka_to_original(
    case: Case, /, *, max_samples: Annotated[int, Gt(0)], draws: Annotated[int, Ge(2)]
) -> dict[str, float]:
    """Debiased linear CKA with the original model, on forget images and on retained test images.

    The target is the retrained model's value: 1 on forget images means that the representation never moved.

    Args:
        case: The judged model and what it is compared with.
        max_samples: At most this many images of each split.
        draws: How many choices of images are averaged.
    """
    original = case.original
    assert original is not None

    def draw(number: int) -> dict[str, float]:
        retain = [_retain_images(case, model, max_samples, number) for model in (case.model, original)]
        return {
            "cka/forget_to_original": _forget_cka(case, (original,), max_samples, number),
            "cka/retain_to_original": linear_cka(*retain),
        }

    return averaged(draws, draw)


@metric(keys=("cka/shift",), direction="higher", needs=("retrained", "original"), version=2)
@remembered
def cka_shift(case: Case, /, *, max_samples: Annotated[int, Gt(0)], draws: Annotated[int, Ge(2)]) -> dict[str, float]:
    """CKA with the retrained models minus CKA with the original one, on forget images.

    In [-1, 1] up to estimation error; higher means that the representation moved from the original towards retraining.

    Args:
        case: The judged model and what it is compared with.
        max_samples: At most this many forget images and as many retained ones.
        draws: How many choices of images are averaged.
    """
    original = case.original
    assert original is not None

    def draw(number: int) -> dict[str, float]:
        to_retrained = _forget_cka(case, case.retrained, max_samples, number)
        return {"cka/shift": to_retrained - _forget_cka(case, (original,), max_samples, number)}

    return averaged(draws, draw)
