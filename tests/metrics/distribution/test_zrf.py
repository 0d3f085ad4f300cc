from dataclasses import replace

import numpy as np
import pytest

from cu.metrics.distribution.zrf import Initial, zero_retrain_forgetting, zrf
from cu.metrics.findings import Findings


def test_ends_of_the_scale():
    p = np.eye(4)
    assert zero_retrain_forgetting(p, p[None]) == 1
    assert zero_retrain_forgetting(p, p[None, ::-1]) == pytest.approx(0)


def test_true_divergence_where_the_released_formula_gives_another_value():
    two = np.array([[0.9, 0.1]])
    assert zero_retrain_forgetting(two, two[None, :, ::-1]) == pytest.approx(0.469, abs=5e-4)  # released: 0.745
    first, second = np.full((2, 1, 10), 0.01)
    first[0, 0] = second[0, 7] = 0.91
    assert zero_retrain_forgetting(first, second[None]) == pytest.approx(0.160, abs=5e-4)  # released: 0.855


def test_mean_over_samples_and_untrained_models():
    p = np.array([[1.0, 0], [1, 0]])
    untrained = np.array([[[1.0, 0], [0, 1]], [[0, 1], [0, 1]]])
    assert zero_retrain_forgetting(p, untrained) == pytest.approx(0.25)


def test_undefined_without_samples():
    assert np.isnan(zero_retrain_forgetting(np.empty((0, 3)), np.empty((2, 0, 3))))


def test_the_forget_set_is_compared_with_untrained_models(make_case, make_model):
    model, other = make_model(seed=1), make_model(seed=2, boost={"forget": 60.0})
    assert zrf(replace(make_case(model=model), findings=Findings.of(Initial((model,)))))["dist/zrf"] == pytest.approx(1)
    both = zrf(replace(make_case(model=model), findings=Findings.of(Initial((model, other)))))["dist/zrf"]
    assert both == pytest.approx(
        (1 + zrf(replace(make_case(model=model), findings=Findings.of(Initial((other,)))))["dist/zrf"]) / 2
    )
    assert both < 0.99
