import numpy as np
import pytest

from cu.metrics.distribution.forgetting_score import (
    challenge_score,
    example_scores,
    forgetting_epsilon,
    forgetting_score,
)

DELTA = 1e-5


def grid_epsilon(u, r, rule):
    """One example of values in sixteenths (exact in binary), thresholds on a grid of half of that."""
    step = 1 / 32
    if rule == "threshold":
        negative, positive = sorted((r, u), key=np.median)
        at = np.arange(-20, 20, step)[:, None]
        rates = [(values >= at).mean(axis=-1) for values in (negative, positive)]
    else:
        positive, negative = sorted((u, r), key=np.ptp)
        offsets = np.arange(-64, 65) * step
        right = (positive.max() + offsets)[:, None, None]
        left = right - (np.ptp(positive) + offsets)[None, :, None]
        rates = [((left <= values) & (values <= right)).mean(axis=-1) for values in (negative, positive)]
    best = float("nan")
    for fpr, fnr in set(zip(rates[0].ravel(), 1 - rates[1].ravel(), strict=True)):
        if fpr == 0 and fnr == 0:
            return 50.0
        if fpr > 0 and fnr > 0:
            terms = [np.log(a) - np.log(b) for a, b in ((1 - DELTA - fpr, fnr), (1 - DELTA - fnr, fpr)) if a > 0]
            best = np.nanmax([best, 0, *terms])
    return best


def test_by_hand():
    u, r = np.repeat([1.0, 0], [18, 2])[:, None], np.repeat([1.0, 0], [2, 18])[:, None]
    for rules in (("threshold",), ("interval",), ("threshold", "interval")):
        epsilon = forgetting_epsilon(u, r, rules=rules)
        assert epsilon == pytest.approx([np.log(9)], abs=1e-4)
        assert epsilon == pytest.approx([2.197], abs=1e-3)
    assert example_scores(epsilon, 20).tolist() == [0.0625]


def test_the_larger_of_both_logs_counts():
    # 1 false positive and 4 false negatives of ten; taking the smaller log would report 0.81.
    u, r = np.repeat([1.0, 0], [6, 4])[:, None], np.repeat([1.0, 0], [1, 9])[:, None]
    assert forgetting_epsilon(u, r, rules=("threshold",)) == pytest.approx([1.79], abs=0.005)


@pytest.mark.parametrize("rule", ["threshold", "interval"])
def test_equals_a_dense_grid(rule):
    rng = np.random.default_rng(0)
    for shift, scale in ((0, 1), (1, 1), (0.3, 0.4), (0, 3), (2, 3), (0.5, 6)):
        u, r = (np.round(16 * rng.normal(at, spread, 16)) / 16 for at, spread in ((shift, scale), (0, 1)))
        found = forgetting_epsilon(u[:, None], r[:, None], rules=(rule,))[0]
        assert found == pytest.approx(grid_epsilon(u, r, rule), abs=1e-9)


def test_identical_and_disjoint_groups():
    values = np.random.default_rng(0).normal(size=(20, 7))
    assert forgetting_epsilon(values, values).tolist() == [0] * 7
    assert forgetting_score(values, values)["dist/eps_score"] == 1
    assert forgetting_epsilon(values, values + 100).tolist() == [50] * 7
    assert forgetting_score(values, values + 100)["dist/eps_score"] == 0


def test_constant_groups():
    one, two, spread = np.ones((9, 1)), np.full((9, 1), 2.0), np.arange(9.0)[:, None]
    assert forgetting_epsilon(one, one).tolist() == [0]
    assert forgetting_epsilon(one, two).tolist() == [50]
    assert forgetting_epsilon(one, spread).tolist() == [50]


def test_undefined_where_every_decision_makes_one_kind_of_error():
    u, r = np.array([[0.0], [0], [5]]), np.array([[5.0], [9], [9]])
    assert np.isnan(forgetting_epsilon(u, r, rules=("threshold",))).all()
    assert np.isnan(example_scores(np.array([np.nan]), 10)).all()
    assert all(np.isnan(v) for v in forgetting_score(np.empty((5, 0)), np.empty((5, 0))).values())


@pytest.mark.parametrize("runs", [10, 32, 128])
def test_two_groups_of_one_law_do_not_reach_one(runs):
    u, r = np.random.default_rng(runs).normal(size=(2, runs, 300))
    epsilon = forgetting_epsilon(u, r, rules=("threshold",))
    assert epsilon.mean() == pytest.approx(1.17, abs=0.12)
    assert example_scores(epsilon, runs).mean() == pytest.approx(0.335, abs=0.06)
    assert forgetting_score(u, r)["dist/eps_score"] == pytest.approx(0.19, abs=0.04)


def test_a_shift_of_one_standard_deviation():
    u, r = np.random.default_rng(0).normal(size=(2, 512, 30))
    found = forgetting_score(u + 1, r)
    assert found["dist/eps_mean"] == pytest.approx(3.4, abs=0.3)
    assert found["dist/eps_score"] == pytest.approx(0.016, abs=0.008)
    assert found["dist/eps_undefined"] == 0


def test_buckets():
    epsilon = np.array([0, 0.49, 0.5, 1.0, 2.4, 2.5, 3.0, 50])
    assert example_scores(epsilon, 20).tolist() == [1, 1, 0.5, 0.25, 0.0625, 2.0**-5, 0, 0]
    with pytest.raises(ValueError, match="at least 2"):
        example_scores(epsilon, 1)


def test_challenge_score_takes_arrays_of_runs():
    score = challenge_score(0.5, np.array([0.8, 1.0]), np.array([1.0, 1.0]), np.array([0.6]), np.array([0.7, 0.9]))
    assert score == pytest.approx(0.5 * 0.9 * 0.75)
    assert np.isnan(challenge_score(0.5, [1.0], [0.0], [1.0], [1.0]))


def test_values_that_are_not_finite_raise():
    with pytest.raises(ValueError, match="not finite"):
        forgetting_epsilon(np.array([[np.nan], [0.0]]), np.zeros((2, 1)))
