import numpy as np
import pytest

from cu.metrics.representation.geometry import (
    alignment,
    centroid_cosines,
    class_centroids,
    mean_pairwise_cosine,
    uniformity,
    unit_rows,
)
from cu.metrics.representation.neural_collapse import neural_collapse

CENTROIDS = np.eye(3)


def test_samples_on_their_own_centroid_do_not_escape():
    label = np.array([0, 1, 2, 1])
    found = centroid_cosines(5 * CENTROIDS[label], label, CENTROIDS, CENTROIDS)
    assert found == {"own": 1.0, "nearest": 0.0, "escape": 0.0}


def test_samples_on_another_centroid_escape():
    label = np.array([0, 1, 2])
    found = centroid_cosines(CENTROIDS[(label + 1) % 3], label, CENTROIDS, CENTROIDS)
    assert found == {"own": 0.0, "nearest": 1.0, "escape": 1.0}


def test_escape_rate_is_the_error_rate_of_the_nearest_centroid():
    rng = np.random.default_rng(0)
    label = rng.integers(5, size=300)
    x = np.eye(5)[label] + rng.normal(0, 0.6, (300, 5))
    centroids = class_centroids(x, label, 5)
    nearest = [np.argmax([c @ row / np.linalg.norm(row) for c in centroids]) for row in x]
    expected = np.mean(np.array(nearest) != label)
    assert centroid_cosines(x, label, centroids, centroids)["escape"] == pytest.approx(expected)


def test_a_class_without_a_centroid_is_undefined_not_zero():
    retained = CENTROIDS.copy()
    retained[0] = np.nan
    found = centroid_cosines(np.array([[1.0, 1, 0]]), np.array([0]), np.full((3, 3), np.nan), retained)
    assert np.isnan(found["own"])
    assert np.isnan(found["escape"])
    assert found["nearest"] == pytest.approx(np.sqrt(0.5))
    assert all(np.isnan(list(centroid_cosines(np.empty((0, 3)), np.empty(0, int), retained, retained).values())))


def test_centroids_are_mean_directions():
    x = np.array([[10.0, 0], [0, 0.1], [0, 5]])
    found = class_centroids(x, np.array([0, 0, 2]), 3)
    assert found[0] == pytest.approx([np.sqrt(0.5), np.sqrt(0.5)])
    assert found[2] == pytest.approx([0, 1])
    assert np.isnan(found[1]).all()


def test_mean_pairwise_cosine_equals_the_double_loop():
    x = np.random.default_rng(0).normal(size=(20, 4)) + 1
    cosine = [a @ b / np.linalg.norm(a) / np.linalg.norm(b) for i, a in enumerate(x) for j, b in enumerate(x) if i != j]
    assert mean_pairwise_cosine(x) == pytest.approx(np.mean(cosine))
    assert mean_pairwise_cosine(np.tile(x[:1], (5, 1))) == pytest.approx(1)
    assert np.isnan(mean_pairwise_cosine(x[:1]))


def test_alignment_and_uniformity_equal_double_loops():
    rng = np.random.default_rng(0)
    x, label = rng.normal(size=(25, 3)), rng.integers(3, size=25)
    unit = [row / np.linalg.norm(row) for row in x]
    pairs = [(i, j) for i in range(25) for j in range(25) if i != j]
    distance = {(i, j): sum((a - b) ** 2 for a, b in zip(unit[i], unit[j], strict=True)) for i, j in pairs}
    same = [distance[i, j] for i, j in pairs if label[i] == label[j]]
    assert alignment(x, label) == pytest.approx(np.mean(same))
    assert uniformity(x) == pytest.approx(np.log(np.mean([np.exp(-2 * d) for d in distance.values()])))


def test_ends_of_alignment_and_uniformity():
    label = np.array([0, 0, 1, 1])
    opposite = np.array([[1.0, 0], [-1, 0], [0, 1], [0, -1]])
    assert alignment(np.eye(2)[label], label) == 0
    assert alignment(opposite, label) == 4
    assert uniformity(np.ones((9, 2))) == pytest.approx(0)
    assert uniformity(opposite[:2]) == pytest.approx(-8)
    # Four points of a square: of six pairs four at distance^2 2 and two at 4.
    assert uniformity(opposite) == pytest.approx(np.log((4 * np.exp(-4) + 2 * np.exp(-8)) / 6))
    assert np.isnan(alignment(np.eye(3), np.arange(3)))
    assert np.isnan(uniformity(np.eye(3)[:1]))


def test_neural_collapse_equals_the_definition():
    rng = np.random.default_rng(0)
    label = np.repeat(np.arange(4), [30, 50, 20, 40])
    x = rng.normal(size=(140, 6)) + 3 * rng.normal(size=(4, 6))[label]
    means = np.stack([x[label == c].mean(axis=0) for c in range(4)])
    within = np.mean([np.outer(v, v) for v in x - means[label]], axis=0)
    between = np.mean([np.outer(v, v) for v in means - means.mean(axis=0)], axis=0)
    expected = np.trace(within @ np.linalg.pinv(between, rcond=1e-10)) / 4
    assert neural_collapse(x, label) == pytest.approx(expected, rel=1e-8)


def test_neural_collapse_at_its_ends():
    label = np.repeat([0, 1], 10)
    assert neural_collapse(np.eye(2)[label], label) == pytest.approx(0)
    assert np.isnan(neural_collapse(np.ones((20, 2)), label))
    assert np.isnan(neural_collapse(np.eye(2)[label], np.zeros(20, int)))


def test_unit_rows_keep_zero_and_refuse_nan():
    assert unit_rows(np.array([[0.0, 0], [3, 4]])).tolist() == [[0, 0], [0.6, 0.8]]
    with pytest.raises(ValueError, match="not finite"):
        unit_rows(np.array([[np.nan, 1.0]]))
