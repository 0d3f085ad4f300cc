import numpy as np
import pytest
from sklearn.metrics import log_loss

from cu.metrics.calibration import brier_score, calibration, expected_calibration_error
from cu.metrics.types import Case, ModelPredictions, Predictions


def case_of(logits, label):
    n = len(label)
    empty = Predictions(logits[:0], np.zeros((0, 1)), label[:0], label[:0])
    test = Predictions(logits, np.zeros((n, 1)), label, np.arange(n))
    model = ModelPredictions(empty, empty, empty, test, empty)
    return Case(model=model, retrained=(), original=None, scenario="sample", forget_classes=(), num_classes=3)


def test_confidence_above_accuracy():
    confidence, correct = np.full(100, 0.8), np.arange(100) < 60
    assert expected_calibration_error(confidence, correct, 15) == pytest.approx(0.2)


def test_equals_a_loop_over_bins():
    rng = np.random.default_rng(0)
    confidence, correct = rng.uniform(size=500), rng.random(500) < 0.6
    total = 0.0
    for b in range(15):
        inside = (confidence > b / 15) & (confidence <= (b + 1) / 15)
        if inside.any():
            total += inside.mean() * abs(correct[inside].mean() - confidence[inside].mean())
    assert expected_calibration_error(confidence, correct, 15) == pytest.approx(total, abs=1e-12)


def test_ends_of_the_scale_are_counted():
    assert expected_calibration_error(np.array([0.0, 1.0]), np.array([True, False]), 15) == 1.0


@pytest.mark.parametrize(("n", "floor"), [(500, 0.057), (1000, 0.039), (5000, 0.017), (10_000, 0.0125)])
def test_a_calibrated_model_does_not_reach_zero(n, floor):
    rng = np.random.default_rng(0)
    found = []
    for _ in range(100):
        confidence = rng.uniform(size=n)
        found.append(expected_calibration_error(confidence, rng.random(n) < confidence, 15))
    assert np.mean(found) == pytest.approx(floor, rel=0.1)


def test_likelihood_and_brier_score():
    rng = np.random.default_rng(0)
    logits, label = rng.normal(size=(200, 3)), rng.integers(3, size=200)
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    found = calibration(case_of(logits, label), bins=15)
    assert found["calib/retain_test_nll"] == pytest.approx(log_loss(label, p))
    assert found["calib/retain_test_brier"] == pytest.approx(
        np.mean([((q - np.eye(3)[y]) ** 2).sum() for q, y in zip(p, label, strict=True)])
    )
    assert brier_score(np.eye(3)[label], label) == 0
    assert brier_score(np.eye(3)[(label + 1) % 3], label) == 2


def test_a_constant_added_to_the_logits_of_a_sample_changes_nothing():
    rng = np.random.default_rng(0)
    logits, label = rng.normal(size=(50, 3)), rng.integers(3, size=50)
    shifted = calibration(case_of(logits + rng.normal(0, 5, (50, 1)), label), bins=15)
    for key, value in calibration(case_of(logits, label), bins=15).items():
        assert shifted[key] == pytest.approx(value)


def test_undefined_without_samples():
    found = calibration(case_of(np.zeros((0, 3)), np.zeros(0, np.int64)), bins=15)
    assert len(found) == 3
    assert all(np.isnan(v) for v in found.values())
