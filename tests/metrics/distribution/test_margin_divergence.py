import numpy as np
import pytest
from scipy.stats import entropy

from cu.metrics.distribution.margin_divergence import gaussian_divergence, histogram_divergence, summary


def test_equals_numpy_and_scipy_one_example_at_a_time():
    rng = np.random.default_rng(0)
    p, q = rng.normal(size=(60, 30)), rng.normal(0.5, 2, size=(40, 30))
    for column, found in enumerate(histogram_divergence(p, q)):
        edges = np.histogram_bin_edges(np.concatenate([p[:, column], q[:, column]]), 20)
        a, b = (np.histogram(v[:, column], edges)[0] / len(v) for v in (p, q))
        b = np.where((a > 0) & (b < 1e-5), 1e-5, b)
        assert found == pytest.approx(entropy(a, b), abs=1e-12)


def test_the_first_argument_is_the_reference_distribution():
    narrow, wide = np.random.default_rng(0).normal(size=(2, 200, 1)) * [[[0.1]], [[3.0]]]
    assert histogram_divergence(narrow, wide) < histogram_divergence(wide, narrow)
    assert gaussian_divergence(narrow, wide) < gaussian_divergence(wide, narrow)


def test_same_array_and_disjoint_groups():
    values = np.random.default_rng(0).normal(size=(50, 4))
    assert histogram_divergence(values, values) == pytest.approx([0] * 4, abs=1e-12)
    assert gaussian_divergence(values, values) == pytest.approx([0] * 4, abs=1e-12)
    apart = histogram_divergence(values, values + 50)
    assert (apart > 10).all()
    assert (apart <= -np.log(1e-5) + 1e-3).all()


def test_the_joint_maximum_is_counted():
    zeros, ones = np.zeros((10, 1)), np.ones((10, 1))
    mixed = np.repeat([0.0, 1], [1, 9])[:, None]
    assert histogram_divergence(mixed, ones)[0] == pytest.approx(0.9 * np.log(0.9) + 0.1 * np.log(0.1 / 1e-5), abs=1e-3)
    assert histogram_divergence(ones, mixed)[0] == pytest.approx(-np.log(0.9))
    assert histogram_divergence(ones, zeros)[0] > 10


def test_constant_groups():
    one, spread = np.ones((5, 1)), np.arange(5.0)[:, None]
    assert histogram_divergence(one, one).tolist() == [0]
    assert gaussian_divergence(one * 0.1, one * 0.1).tolist() == [0]
    assert gaussian_divergence(one, one + 1).tolist() == [np.inf]
    assert gaussian_divergence(spread, one).tolist() == [np.inf]
    assert gaussian_divergence(one, spread).tolist() == [np.inf]


def test_unbounded_margins_are_clipped():
    p = np.array([[np.inf], [1e6], [100.0]])
    assert histogram_divergence(p, np.full((3, 1), 100.0)).tolist() == [0]
    with pytest.raises(ValueError, match="NaN"):
        histogram_divergence(np.full((3, 1), np.nan), p)


def test_gaussian_closed_form():
    rng = np.random.default_rng(0)
    p, q = rng.normal(size=(5000, 20)), rng.normal(1, 1, size=(5000, 20))
    assert gaussian_divergence(p, q).mean() == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize(
    ("runs", "histogram", "gaussian"),
    [(10, 5.58, 0.27), (20, 3.08, 0.115), (50, 0.90, None), (100, 0.36, 0.02), (200, 0.15, None)],
)
def test_floor_of_two_groups_of_one_law(runs, histogram, gaussian):
    p, q = np.random.default_rng(runs).normal(size=(2, runs, 2000))
    assert histogram_divergence(p, q).mean() == pytest.approx(histogram, rel=0.06)
    if gaussian is not None:
        assert gaussian_divergence(p, q).mean() == pytest.approx(gaussian, rel=0.12)


def test_summary():
    found = summary(np.arange(101.0), "dist/klom_forget")
    assert found == {"dist/klom_forget_mean": 50, "dist/klom_forget_median": 50, "dist/klom_forget_p95": 95}
    assert summary(np.array([0.0, np.inf]), "k")["k_p95"] == np.inf
    assert all(np.isnan(v) for v in summary(np.empty(0), "k").values())
