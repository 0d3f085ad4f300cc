from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from cu.metrics.accuracy.calibration import (
    brier_score,
    calibration,
    expected_calibration_error,
    forget_calibration,
    out_of_distribution,
)
from cu.metrics.case import Case
from cu.metrics.predictions import ModelPredictions, Predictions
from cu.metrics.primitives import softmax


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


def test_forgotten_samples_have_a_calibration_of_their_own(make_case, make_model):
    case = make_case(model=make_model(boost={"forget": -4.0, "retain": 5.0, "test_retain": 2.0}))
    found = forget_calibration(case, bins=15)
    swapped = replace(case.model, test_retain=case.model.forget)
    as_test = calibration(replace(case, model=swapped), bins=15)
    assert list(found.values()) == list(as_test.values())
    assert found["calib/forget_train_nll"] > calibration(case, bins=15)["calib/retain_test_nll"] + 2


def test_low_confidence_shows_what_was_never_seen(make_case, make_model):
    model = make_model("class", boost={"retain": 9.0, "test_retain": 6.0, "forget": 0.0, "test_forget": 0.0})
    found = out_of_distribution(make_case("class", model=model))["calib/ood_auroc"]
    confidence = [softmax(part.logits).max(axis=1) for part in (model.test_forget, model.test_retain)]
    label = np.repeat([1, 0], [len(side) for side in confidence])
    assert found == pytest.approx(roc_auc_score(label, -np.concatenate(confidence)))
    assert found > 0.9
    mirrored = replace(model, test_forget=model.test_retain, test_retain=model.test_forget)
    assert out_of_distribution(make_case("class", model=mirrored))["calib/ood_auroc"] == pytest.approx(1 - found)


def test_confidence_beyond_rounding_still_ranks(make_case, make_model, make_predictions):
    sure, surer = (make_predictions([[z, 0.0, 0.0, 0.0]] * 3, [0] * 3) for z in (50.0, 60.0))
    model = replace(make_model("class"), test_forget=sure, test_retain=surer)
    assert out_of_distribution(make_case("class", model=model))["calib/ood_auroc"] == 1
