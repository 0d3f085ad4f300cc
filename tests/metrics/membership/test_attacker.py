import numpy as np
import pytest
from scipy.stats import binomtest

from cu.metrics.membership.attacker import above_chance, draw_halves, halves, held_out_samples, unless_at_chance


def test_halves_are_disjoint_balanced_and_drawn_from_everywhere():
    rows = halves(5000, 300, 1000, np.random.default_rng(0))
    assert [len(side) for side in rows] == [150] * 4
    assert not set(rows.known) & set(rows.held_out)
    assert not set(rows.known_others) & set(rows.held_out_others)
    # Not the first retained samples, as public code takes them.
    assert rows.known.max() > 4000
    assert [len(side) for side in halves(5000, 300, 7, np.random.default_rng(0))] == [7] * 4
    assert [len(side) for side in halves(1, 300, 7, np.random.default_rng(0))] == [0] * 4


def test_draws_differ_and_are_the_same_for_every_model(make_case):
    first, second = (draw_halves(make_case(seed=3, noise=noise), "a", (600, 400), 100, 2) for noise in (1.0, 2.0))
    for one, other in zip(first, second, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    assert not np.array_equal(first[0].known, first[1].known)
    assert not np.array_equal(first[0].known, draw_halves(make_case(seed=4), "a", (600, 400), 100, 1)[0].known)


def test_samples_held_out_more_than_once_count_once():
    rng = np.random.default_rng(0)
    rows = [halves(30, 20, 50, rng) for _ in range(30)]
    assert held_out_samples(rows) == 50
    assert held_out_samples(rows[:1]) == 20


@pytest.mark.parametrize("n", [100, 401])
def test_chance_is_that_of_the_binomial_test(n):
    for right in range(n // 2, n // 2 + 40):
        p = binomtest(right, n, 0.5, alternative="greater").pvalue
        if not 0.03 < p < 0.07:  # the normal approximation may differ by one sample
            assert above_chance(right / n, n) == (p < 0.05)


def test_without_a_held_out_sample_nothing_is_above_chance():
    assert not above_chance(1.0, 0)
    assert unless_at_chance(0.3, 0.9, 50) == 0.3
    gone = unless_at_chance(0.3, 0.51, 50)
    assert np.isnan(gone)
    assert gone.note == "attack at chance: held-out accuracy 0.510 on 50 samples"
