import math

import numpy as np
import pytest
from scipy import stats

from cu.reporting.statistics.intervals import holm, t_half_width, wilson_interval

DIFFERENCES = [0.2, -0.1, 0.3, 0.0, 0.1]


def summarised(values):
    return float(np.mean(values)), float(np.std(values, ddof=1)), len(values)


@pytest.mark.parametrize(("n", "multiplier"), [(3, 4.303), (5, 2.776), (10, 2.262)])
def test_multipliers_of_small_samples(n, multiplier):
    assert t_half_width(math.sqrt(n), n) == pytest.approx(multiplier, abs=5e-4)


def test_interval_is_that_of_a_t_distribution():
    mean, std, n = summarised(DIFFERENCES)
    half = t_half_width(std, n)
    assert (mean - half, mean + half) == (pytest.approx(-0.096, abs=5e-4), pytest.approx(0.296, abs=5e-4))
    assert (mean - half, mean + half) == pytest.approx(
        stats.t.interval(0.95, n - 1, loc=mean, scale=stats.sem(DIFFERENCES))
    )
    assert math.isnan(t_half_width(math.nan, 1))


def test_interval_covers_as_often_as_it_says():
    draws = np.random.default_rng(0).normal(size=(4000, 5))
    half = np.array([t_half_width(std, 5) for std in draws.std(axis=1, ddof=1)])
    assert np.mean(np.abs(draws.mean(axis=1)) <= half) == pytest.approx(0.95, abs=0.014)


def test_holm_by_hand():
    # Sorted .005, .01, .03, .04 times 4, 3, 2, 1: .02, .03, .06, .04, then never falling: .02, .03, .06, .06.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1, 1]
    assert holm([]) == []
    one, two, three = holm([0.01, math.nan, 0.03])
    assert (one, three) == (pytest.approx(0.02), pytest.approx(0.03))
    assert math.isnan(two)


def test_holm_rejects_what_the_step_down_procedure_rejects():
    rng = np.random.default_rng(2)
    for p in rng.beta(0.3, 2, size=(200, 6)):
        rejected, order = set(), np.argsort(p)
        for step, i in enumerate(order):
            if p[i] > 0.05 / (len(p) - step):
                break
            rejected.add(int(i))
        assert {i for i, adjusted in enumerate(holm(p.tolist())) if adjusted <= 0.05} == rejected


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"), [(900, 1000, 0.8798, 0.9171), (0, 1000, 0.0, 0.0038), (7, 7, 0.6457, 1.0)]
)
def test_wilson(successes, trials, low, high):
    assert wilson_interval(successes, trials) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))
    expected = stats.binomtest(successes, trials).proportion_ci(0.95, method="wilson")
    assert wilson_interval(successes, trials) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_wilson_of_nothing():
    assert all(math.isnan(bound) for bound in wilson_interval(0, 0))


@pytest.mark.parametrize(("n", "p"), [(5, 0.0625), (6, 0.03125)])
def test_why_not_the_signed_rank_test(n, p):
    assert stats.wilcoxon(np.arange(1, n + 1)).pvalue == pytest.approx(p)
