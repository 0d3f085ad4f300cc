from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from cu.metrics.findings import Findings, Shadows
from cu.metrics.membership.swap_test import interval, lira_advantages, swap_advantage, threshold_advantages


def worlds(pairs, samples, shift, seed=0, spread=0.0):
    """Margins of samples of difficulty N(0, spread^2) with noise 1; forgotten ones are higher by `shift`."""
    rng = np.random.default_rng(seed)
    first, second = rng.normal(size=(2, pairs, samples)) + rng.normal(0, spread, samples)
    return first + shift, second


@pytest.mark.parametrize("shift", [0.5, -1.0])
def test_a_threshold_reaches_the_closed_form_on_either_side(shift):
    expected = 2 * norm.cdf(abs(shift) / 2) - 1
    assert threshold_advantages(*worlds(6, 4000, shift)).mean() == pytest.approx(expected, abs=0.02)


def test_a_ratio_of_each_sample_is_blind_to_difficulty_and_one_threshold_is_not():
    hard = worlds(12, 2000, 2.0, spread=8)
    assert threshold_advantages(*hard).mean() < 0.2
    assert lira_advantages(*hard).mean() == pytest.approx(2 * norm.cdf(1) - 1, abs=0.04)


def test_one_retrained_model_in_both_roles_has_an_advantage_of_exactly_zero():
    same = np.random.default_rng(1).normal(size=(5, 50))
    assert not threshold_advantages(same, same).any()
    assert not lira_advantages(same, same).any()


def test_retraining_is_within_its_interval_of_zero_in_95_of_100_cases(make_case):
    inside = []
    for seed in range(300):
        low, high = interval(threshold_advantages(*worlds(6, 60, 0.0, seed)))[1:]
        inside.append(low <= 0 <= high)
    assert np.mean(inside) == pytest.approx(0.95, abs=0.04)


def test_the_interval_is_students():
    assert interval(np.array([1.0, 3.0])) == pytest.approx((2.0, 2 - 12.7062, 2 + 12.7062), abs=1e-3)
    assert np.isnan(interval(np.array([1.0]))[1:]).all()


def test_keys(make_case):
    first, second = worlds(6, 500, 1.0)
    case = replace(make_case(), findings=Findings.of(Shadows(first, second, second)))
    found = swap_advantage(case)
    assert tuple(found) == swap_advantage.spec.keys
    assert found["mia/swap_lira_low"] < found["mia/swap_lira_adv"] < found["mia/swap_lira_high"]
