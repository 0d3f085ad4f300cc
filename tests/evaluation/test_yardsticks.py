import math
from itertools import permutations

import numpy as np
import pytest

from cu.evaluation.yardsticks import compared_floor, compared_spread, floor, rank_p, spread, with_draws
from cu.metrics.drawn import Drawn


def test_two_models_of_one_law_differ_by_more_than_one_standard_deviation():
    # 2 s / sqrt(pi): a gap smaller than that is what chance makes, which is why the floor is reported.
    draws = np.random.default_rng(0).normal(5, 3, size=(4000, 3))
    assert np.mean([floor(row) for row in draws]) / 3 == pytest.approx(2 / math.sqrt(math.pi), abs=0.02)
    assert np.mean([spread(row) ** 2 for row in draws]) == pytest.approx(9, rel=0.03)  # type: ignore[operator]


def test_too_few_models_have_no_yardstick():
    assert floor([1.0]) is spread([1.0]) is compared_floor({}, 0.0) is with_draws(None, [Drawn(1, 1)]) is None
    assert compared_spread({(0, 1): 1.0, (1, 0): 1.0}, 2) is None
    assert compared_spread({**dict.fromkeys(permutations(range(3), 2), 1.0), (0, 2): None}, 3) is None


def test_the_floor_of_drawn_values_is_what_two_models_judged_by_their_own_draws_differ_by():
    rng = np.random.default_rng(0)
    models, common = rng.normal(0, 2, size=(6000, 4)), rng.normal(0, 3, size=(6000, 1))
    same = np.mean([with_draws(floor(row), [Drawn(v, 3) for v in row]) for row in models + common])
    own = models[:, :2] + rng.normal(0, 3, size=(6000, 2))
    assert same == pytest.approx(np.abs(own[:, 0] - own[:, 1]).mean(), rel=0.03)
    assert with_draws(0.5, [1.0, 2.0]) == 0.5


@pytest.mark.parametrize("count", [3, 5, 8])
@pytest.mark.parametrize("kind", ["own", "symmetric", "opposed", "mixed"])
def test_the_spread_of_a_comparison_is_that_of_the_judged_models_own_part(count, kind):
    rng, found = np.random.default_rng(1), []
    for _ in range(1500):
        a = rng.normal(0, 2, count)
        b = {"own": 0 * a, "symmetric": a, "opposed": -a, "mixed": rng.normal(0, 3, count)}[kind]
        found.append(compared_spread({(i, j): 7 + a[i] + b[j] for i, j in permutations(range(count), 2)}, count))
    assert np.mean(np.square(found)) == pytest.approx(4, rel=0.08)


@pytest.mark.parametrize("count", [3, 5])
def test_a_further_model_is_as_far_from_the_retrained_ones_as_their_spread_says(count):
    # Squared distances of points in a plane: symmetric, with a part of each model's own and a part of the pair's.
    rng, gaps, variances = np.random.default_rng(2), [], []
    for _ in range(6000):
        points = rng.normal(size=(count + 1, 2)) + 3 * rng.normal(size=(count + 1, 1)) ** 2
        table = np.square(points[:, None] - points[None]).sum(-1)
        known = table[1:, 1:]
        pairs = {(i, j): float(known[i, j]) for i, j in permutations(range(count), 2)}
        variances.append(compared_spread(pairs, count) ** 2)  # type: ignore[operator]
        gaps.append(table[0, 1:].mean() - known.sum() / count / (count - 1))
    assert np.mean(gaps) == pytest.approx(0, abs=4 * np.std(gaps) / math.sqrt(len(gaps)))
    assert np.var(gaps) <= 1.05 * (1 + 1 / count) * np.mean(variances)


def test_rank_p_of_hand_worked_cases():
    # Mean of 9, 1, 2, 3, 5 is 4: distances 5, 3, 2, 1, 1. Of 4, 1, 2, 3, 5 it is 3: distances 1, 2, 1, 0, 2.
    assert rank_p(9, [1, 2, 3, 5]) == 1 / 5
    assert rank_p(4, [1, 2, 3, 5]) == 4 / 5
    assert rank_p(0.1 + 0.2, [0.3, 0.3]) == 1


def test_rank_p_is_5_in_100_as_often_as_it_should_be():
    draws = np.random.default_rng(1).exponential(size=(4000, 20))
    rejected = np.mean([rank_p(row[0], row[1:]) <= 0.05 for row in draws])
    assert rejected == pytest.approx(0.05, abs=4 * math.sqrt(0.05 * 0.95 / 4000))
    assert rank_p(8.0, draws[0, 1:].tolist()) == 0.05
