import numpy as np
import pytest
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from sklearn.preprocessing import normalize

from cu.metrics.folds import paired_folds
from cu.metrics.representation.neighbour_probes import knn_classify, nearest_class_mean
from cu.metrics.representation.probes import (
    LINEAR_C,
    few_shot_rows,
    logistic_probe,
    stratified_rows,
)
from cu.metrics.representation.probes import (
    cross_fitted_auc as fitted_auc,
)


def cross_fitted_auc(members, others, rng):
    """With all samples of one class."""
    return fitted_auc(members, others, np.zeros(len(members) + len(others), int), rng)


def blobs(rng, n, distance, classes=4, dims=16):
    centres = np.eye(classes, dims) * distance
    label = rng.integers(classes, size=n)
    return (centres[label] + rng.normal(size=(n, dims))).astype(np.float32), label


def test_separable_classes_are_probed_perfectly():
    rng = np.random.default_rng(0)
    (x, y), (qx, qy) = blobs(rng, 800, 30), blobs(rng, 400, 30)
    assert (logistic_probe(LINEAR_C).fit(x, y).predict(qx) == qy).all()
    assert (knn_classify(x, y, qx, k=20, temperature=0.07) == qy).all()
    assert (nearest_class_mean(x, y, qx) == qy).all()


def test_two_blobs_six_sigma_apart():
    # 6 sigma between the centres in angle, as neighbours are found by cosine: (30, 0) and (29.4, 6).
    rng = np.random.default_rng(1)
    label = np.repeat([3, 8], 300)
    centres = np.where(label[:, None] == 3, [30.0, 0], [np.sqrt(864), 6])
    bank, query = centres + rng.normal(size=(600, 2)), centres + rng.normal(size=(600, 2))
    # Beyond the middle, 3 sigma away, lie 0.13 % of a blob.
    assert (knn_classify(bank, label, query, k=20, temperature=0.07) == label).mean() > 0.99
    assert (nearest_class_mean(bank, label, query) == label).mean() > 0.99


def test_random_features_stay_at_chance():
    rng = np.random.default_rng(0)
    (x, y), (qx, qy) = blobs(rng, 2000, 0), blobs(rng, 2000, 0)
    error = 3 * np.sqrt(0.25 * 0.75 / 2000)
    for predicted in (
        logistic_probe(LINEAR_C).fit(x, y).predict(qx),
        knn_classify(x, y, qx, k=20, temperature=0.07),
        nearest_class_mean(x, y, qx),
    ):
        assert (predicted == qy).mean() == pytest.approx(0.25, abs=error)


def test_knn_agrees_with_scikit_learn():
    rng = np.random.default_rng(0)
    (x, y), (qx, _) = blobs(rng, 500, 2), blobs(rng, 1500, 2)
    oracle = KNeighborsClassifier(20, metric="cosine", weights=lambda d: np.exp((1 - d) / 0.07))
    assert (knn_classify(x, y, qx, k=20, temperature=0.07) == oracle.fit(x, y).predict(qx)).all()


def test_nearest_class_mean_agrees_with_scikit_learn():
    rng = np.random.default_rng(0)
    (x, y), (qx, _) = blobs(rng, 500, 2), blobs(rng, 500, 2)
    oracle = NearestCentroid().fit(normalize(x), y)
    assert (nearest_class_mean(x, y, qx) == oracle.predict(normalize(qx))).all()


def test_knn_with_a_bank_smaller_than_k_and_zero_vectors():
    bank, label = np.array([[1.0, 0], [0, 1], [0, 0]]), np.array([4, 7, 9])
    assert knn_classify(bank, label, np.array([[2.0, 0.1], [0.1, 3]]), k=20, temperature=0.07).tolist() == [4, 7]


def test_values_that_are_not_finite_raise():
    with pytest.raises(ValueError, match="not finite"):
        knn_classify(np.array([[np.inf, 0]]), np.array([0]), np.ones((1, 2)), k=1, temperature=1)


def test_membership_probe_at_chance_on_noise_even_when_wide():
    values = [
        cross_fitted_auc(*np.random.default_rng(s).normal(size=(2, 150, 400)), np.random.default_rng(s))
        for s in range(6)
    ]
    # Six times 150 against 150: a standard error of 0.0334 / sqrt(6) under the null.
    assert np.mean(values) == pytest.approx(0.5, abs=4 * 0.0334 / np.sqrt(6))


def test_membership_probe_finds_a_shift_whatever_its_sign():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(300, 8)), rng.normal(size=(900, 8))
    a[:, 0] += 2
    assert cross_fitted_auc(a, b, np.random.default_rng(0)) == pytest.approx(0.921, abs=0.03)
    assert cross_fitted_auc(-a, -b, np.random.default_rng(0)) == pytest.approx(0.921, abs=0.03)


@pytest.mark.parametrize(("members", "others"), [(0, 5), (5, 0), (1, 5)])
def test_membership_probe_is_undefined_without_two_on_each_side(members, others):
    assert np.isnan(cross_fitted_auc(np.ones((members, 2)), np.ones((others, 2)), np.random.default_rng(0)))


def test_membership_probe_on_constant_features():
    assert cross_fitted_auc(np.ones((30, 3)), np.ones((20, 3)), np.random.default_rng(0)) == pytest.approx(0.5)


def test_stratified_rows_keep_shares_and_rare_classes():
    label = np.repeat([0, 1, 2], [900, 99, 1])
    rows = stratified_rows(label, 100, np.random.default_rng(0))
    assert np.bincount(label[rows]).tolist() == [90, 10, 1]
    assert len(np.unique(rows)) == len(rows)
    assert stratified_rows(label, 5000, np.random.default_rng(0)).tolist() == list(range(1000))


def test_few_shot_rows():
    label = np.repeat([0, 1, 2], [50, 50, 8])
    rows = few_shot_rows(label, (1, 2), 10, 30, np.random.default_rng(0))
    assert np.bincount(label[rows]).tolist() == [30, 10, 8]
    many = np.repeat(np.arange(200), 100)
    assert len(few_shot_rows(many, (0,), 10, 100, np.random.default_rng(0))) == 199 * 50 + 10


@pytest.mark.parametrize("classes", [1, 10, 40])
def test_membership_without_a_trace_has_an_auc_of_a_half(classes):
    """Embeddings that know the class and nothing else; membership permuted within classes, of unequal size."""
    rng, areas = np.random.default_rng(classes), []
    for _ in range(12):
        label = np.sort(rng.integers(classes, size=300))
        features = rng.normal(size=(classes, 24))[label] * 2 + rng.normal(size=(300, 24))
        member = np.concatenate([rng.permutation(np.arange(n) % 2) for n in np.unique(label, return_counts=True)[1]])
        inside = member == 1
        both = np.concatenate([label[inside], label[~inside]])
        areas.append(fitted_auc(features[inside], features[~inside], both, rng))
    # Standard error 0.0334 / sqrt(12) = 0.0096; folds stratified by membership alone gave 0.39 to 0.48.
    assert 0.48 < np.mean(areas) < 0.52


@pytest.mark.parametrize(("members", "others"), [(200, 200), (90, 210), (7, 5)])
def test_folds_hold_each_class_in_equal_shares(members, others):
    rng = np.random.default_rng(0)
    member = np.repeat([1, 0], [members, others])
    label = rng.integers(6, size=len(member))
    seen = []
    for known, judged in paired_folds(label, member, 5, rng):
        assert sorted([*known, *judged]) == list(range(len(member)))
        seen += judged.tolist()
        for c in range(6):
            for side in (0, 1):
                group = (label == c) & (member == side)
                assert abs(group[judged].sum() - group.sum() / 5) < 1
    assert sorted(seen) == list(range(len(member)))
