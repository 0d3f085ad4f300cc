import numpy as np
import pytest
from scipy.stats import ortho_group

from cu.metrics.representation.similarity import linear_cka


def gram_cka(x, y):
    """Debiased CKA straight from the definition, with both Gram matrices."""
    n, ones = len(x), np.ones(len(x))
    first, second = x @ x.T, y @ y.T
    np.fill_diagonal(first, 0)
    np.fill_diagonal(second, 0)

    def hsic(a, b):
        corner = (ones @ a @ ones) * (ones @ b @ ones) / ((n - 1) * (n - 2))
        return (np.trace(a @ b) + corner - 2 / (n - 2) * (ones @ a @ b @ ones)) / (n * (n - 3))

    return hsic(first, second) / np.sqrt(hsic(first, first) * hsic(second, second))


@pytest.mark.parametrize(("n", "d1", "d2"), [(6, 3, 3), (40, 5, 9), (30, 80, 4), (12, 30, 40)])
def test_debiased_equals_the_definition_with_gram_matrices(n, d1, d2):
    rng = np.random.default_rng(0)
    x, noise = rng.normal(size=(n, d1)), rng.normal(size=(n, d2))
    y = noise + x[:, :1] + 3
    assert linear_cka(x, y) == pytest.approx(gram_cka(x, y), abs=1e-10)


def test_biased_equals_the_definition_with_centred_grams():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 4))
    y = np.concatenate([x[:, :2] ** 2, rng.normal(size=(50, 3))], axis=1)
    h = np.eye(50) - 1 / 50
    first, second = h @ x @ x.T @ h, h @ y @ y.T @ h
    expected = (first * second).sum() / np.linalg.norm(first) / np.linalg.norm(second)
    assert linear_cka(x, y, debiased=False) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("debiased", [True, False])
def test_rotation_scale_and_shift_change_nothing(debiased):
    rng = np.random.default_rng(0)
    x, q = rng.normal(size=(200, 16)), ortho_group.rvs(16, random_state=0)
    assert linear_cka(x, 3 * x @ q + 7, debiased=debiased) == pytest.approx(1, abs=1e-9)
    assert linear_cka(x, x[:, ::-1] * 1e-9, debiased=debiased) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize(("n", "biased"), [(100, 0.84), (500, 0.51), (1000, 0.34), (5000, 0.09)])
def test_unrelated_features(n, biased):
    rng = np.random.default_rng(n)
    x, y = rng.normal(size=(2, n, 512))
    assert linear_cka(x, y, debiased=False) == pytest.approx(biased, abs=0.01)
    if n >= 500:
        assert abs(linear_cka(x, y)) < 0.01


def test_order_of_samples_and_of_arguments_is_irrelevant():
    rng = np.random.default_rng(0)
    x, y, order = rng.normal(size=(60, 5)), rng.normal(size=(60, 7)), rng.permutation(60)
    y[:, 0] += x[:, 0]
    assert linear_cka(x[order], y[order]) == pytest.approx(linear_cka(y, x), abs=1e-12)


@pytest.mark.parametrize("debiased", [True, False])
def test_constant_features_have_no_similarity(debiased):
    constant = np.full((50, 4), 0.1, dtype=np.float32)
    assert np.isnan(linear_cka(constant, np.random.default_rng(0).normal(size=(50, 4)), debiased=debiased))


def test_too_few_samples():
    assert np.isnan(linear_cka(np.eye(3), np.eye(3)))
    assert np.isnan(linear_cka(np.empty((0, 3)), np.empty((0, 3))))


def test_bad_input_raises():
    with pytest.raises(ValueError, match="not finite"):
        linear_cka(np.full((5, 2), np.nan), np.ones((5, 2)))
    with pytest.raises(ValueError, match="rows"):
        linear_cka(np.ones((5, 2)), np.ones((4, 2)))
