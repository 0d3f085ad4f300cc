from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import kstest, norm

from cu.metrics.findings import Findings
from cu.metrics.poison.gaussian import Poison, gaussian_poisoning, gaussian_scores


def test_without_a_trace_scores_are_standard_normal_whatever_the_gradients():
    rng = np.random.default_rng(0)
    noise = 0.07 * rng.normal(size=(4000, 1, 6, 6))
    slope = rng.exponential(size=(4000, 1, 6, 6)) ** 3 * 10.0 ** rng.integers(-300, 30, size=(4000, 1, 1, 1))
    assert kstest(gaussian_scores(noise, slope, 0.07), "norm").pvalue > 0.01


def test_a_slope_along_the_noise_has_the_closed_form():
    # g = noise / epsilon + tau * other: the score is near sqrt(D) / sqrt(1 + tau^2).
    rng, dims, tau = np.random.default_rng(1), 2500, 4.0
    noise, other = rng.normal(size=(2, 300, dims))
    scores = gaussian_scores(0.1 * noise, noise + tau * other, 0.1)
    assert scores.mean() == pytest.approx(np.sqrt(dims) / np.sqrt(1 + tau**2), rel=0.03)
    assert gaussian_scores(0.1 * noise, -noise, 0.1).max() < -40


def test_no_slope_is_no_score():
    assert gaussian_scores(np.ones((2, 3)), np.zeros((2, 3)), 1.0).tolist() == [0, 0]


def test_one_in_a_hundred_is_seen_without_a_trace(make_case):
    scores = norm.ppf((np.arange(10_000) + 0.5) / 10_000)
    found = gaussian_poisoning(replace(make_case(), findings=Findings.of(Poison(scores))))
    assert found["poison/gaussian_score"] == pytest.approx(0, abs=1e-9)
    assert found["poison/tpr@0.01"] == 0.01
