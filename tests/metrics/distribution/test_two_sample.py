import numpy as np
import pytest

from cu.metrics.distribution.two_sample import paired_two_sample_auc


def log_profiles(rng, n, alpha):
    return np.log(rng.dirichlet(alpha, size=n) + 1e-9)


def test_noisy_copies_cannot_be_told_apart():
    rng = np.random.default_rng(0)
    images = rng.normal(0, 3, (400, 5))
    found = paired_two_sample_auc(images + rng.normal(0, 0.3, images.shape), images + rng.normal(0, 0.3, images.shape))
    assert found == pytest.approx(0.494, abs=0.05)


def test_different_profiles_are_told_apart():
    rng = np.random.default_rng(0)
    concentrated, uniform = log_profiles(rng, 300, [1, 8, 1, 0.5]), log_profiles(rng, 300, [5, 5, 5, 5])
    assert paired_two_sample_auc(concentrated, uniform) == pytest.approx(0.987, abs=0.013)


def test_identical_copies_give_exactly_a_half():
    images = np.random.default_rng(0).normal(size=(100, 3))
    assert paired_two_sample_auc(images, images) == 0.5


def test_undefined_with_fewer_images_than_folds():
    assert np.isnan(paired_two_sample_auc(np.zeros((4, 2)), np.ones((4, 2))))
