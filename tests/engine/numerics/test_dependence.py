import numpy as np
import pytest

from cu.engine.numerics.dependence import conditional_dependence, dependence, nearest_by_column, ranks, select


def draw(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def naive_nearest(points):
    rows = []
    for i, point in enumerate(points):
        others = [np.inf if j == i else np.square(point - other).sum() for j, other in enumerate(points)]
        rows.append(int(np.argmin(others)))
    return np.array(rows)


def naive_dependence(y, z):
    n = len(y)
    r = np.array([(y <= v).sum() for v in y])
    least = n + 1 - r
    m = naive_nearest(z[:, None])
    top = sum(n * min(r[i], r[m[i]]) - least[i] ** 2 for i in range(n))
    return top / sum(least[i] * (n - least[i]) for i in range(n))


def naive_conditional(y, z, x):
    r = np.array([(y <= v).sum() for v in y])
    m, near = naive_nearest(np.column_stack([x, z])), naive_nearest(x)
    top = sum(min(r[i], r[m[i]]) - min(r[i], r[near[i]]) for i in range(len(y)))
    return top / sum(r[i] - min(r[i], r[near[i]]) for i in range(len(y)))


def test_dependence_is_that_of_a_loop():
    y, z = draw(60, seed=1), draw(60, 3, seed=2)
    z[:, 1] += y
    assert dependence(y, z) == pytest.approx([naive_dependence(y, column) for column in z.T])


def test_conditional_dependence_is_that_of_a_loop():
    y, z, x = draw(60, seed=1), draw(60, seed=2), draw(60, 2, seed=3)
    y = y + z * x[:, 0]
    assert conditional_dependence(y, z, x) == pytest.approx(naive_conditional(y, z, x))


def test_independent_is_about_zero_and_functional_about_one():
    z = draw(1000, 2)
    assert dependence(draw(1000, seed=7), z) == pytest.approx([0, 0], abs=0.1)
    y = np.sin(3 * z[:, 0])
    assert dependence(y, z)[0] > 0.95
    assert abs(dependence(y, z)[1]) < 0.1


def test_a_pair_can_tell_what_neither_tells_alone():
    x, z = np.random.default_rng(1).random((2, 1000))
    y = (x + z) % 1
    assert np.abs(dependence(y, np.column_stack([x, z]))).max() < 0.15
    assert conditional_dependence(y, z, x[:, None]) > 0.85


def test_conditional_dependence_is_clipped_where_nothing_is_left_to_explain():
    x = np.linspace(0, 1, 50)[:, None]
    assert -1 <= conditional_dependence(x[:, 0], draw(50), x) <= 1


def test_selection_finds_the_causes_and_stops():
    features = draw(800, 12)
    outcome = features[:, 4] ** 3 + 2 * features[:, 9]
    chosen = select(outcome, features, most=12)
    assert set(chosen[:2]) == {4, 9}
    assert len(chosen) <= 4
    assert set(select(outcome, features, most=1)) <= {9}


def test_selection_does_not_depend_on_scale_and_survives_constants():
    features = draw(300, 4)
    outcome = features[:, 2] - features[:, 0]
    scaled = features * np.array([1e3, 1, 1e-3, 1])
    assert select(outcome, features, 4) == select(outcome, scaled, 4)
    features[:, 1] = 5.0
    assert set(select(outcome, features, 4)[:2]) == {0, 2}


def test_nothing_is_selected_for_an_independent_outcome_without_candidates():
    assert select(draw(20), np.empty((20, 0)), 5) == []


def test_ranks_and_neighbours_by_hand():
    assert ranks(np.array([0.3, 0.1, 0.2, 0.2])).tolist() == [4, 1, 3, 3]
    column = np.array([[5.0], [0.0], [1.0], [4.5]])
    assert nearest_by_column(column)[:, 0].tolist() == [3, 2, 1, 0]
