from dataclasses import replace

import numpy as np
import pytest

from cu.metrics.findings import Findings, Relearning
from cu.metrics.relearning.speed import relearning_curve, relearning_speed, steps_to

STEPS = np.array([0, 1, 2, 5, 10])


def measured(make_case, judged, retrained, original=1.0):
    found = Relearning(
        STEPS, np.array(judged, float), np.array(retrained, float).reshape(-1, *np.shape(judged)), original
    )
    return relearning_speed(replace(make_case(), findings=Findings.of(found)), tolerance=0.1)


def test_first_step_at_the_threshold():
    steps, never = steps_to(np.array([[0.1, 0.9, 0.2, 0.95, 1], [0, 0, 0, 0.1, 0.2], [1, 0, 0, 0, 0]]), STEPS, 0.9)
    assert steps.tolist() == [1, 10, 0]
    assert never.tolist() == [False, True, False]


def test_reaching_it_exactly_counts():
    assert steps_to(np.array([0.0, 0.855]), np.array([0, 1]), 0.95 * 0.9)[0] == 1


def test_index_is_a_ratio_of_steps_plus_one(make_case):
    values = measured(make_case, [[0, 0.9, 1, 1, 1]], [[[0, 0, 0, 0, 0.95]]])
    assert values == {"relearn/steps": 1, "relearn/ain": pytest.approx(2 / 11), "relearn/unreached": 0}


def test_means_over_orders_and_retrained_models(make_case):
    fast, slow, never = [0, 1, 1, 1, 1], [0, 0, 0, 1, 1], [0, 0, 0, 0, 0]
    values = measured(make_case, [fast, never], [[slow, slow], [fast, slow]])
    assert values["relearn/steps"] == 5.5
    assert values["relearn/ain"] == pytest.approx((2 + 11) / 2 / ((6 + 6 + 2 + 6) / 4))
    assert values["relearn/unreached"] == 0.5


def test_against_itself_it_is_exactly_one(make_case):
    rng = np.random.default_rng(0)
    curves = np.sort(rng.random((3, 5)))
    assert measured(make_case, curves, [curves])["relearn/ain"] == 1


def test_the_threshold_is_the_originals_accuracy(make_case):
    curve = [[0.0, 0.45, 0.5, 0.5, 0.5]]
    assert measured(make_case, curve, [curve], original=0.5)["relearn/steps"] == 1
    assert measured(make_case, curve, [curve], original=1.0)["relearn/unreached"] == 1


def test_no_index_without_retrained_models(make_case):
    values = measured(make_case, [[0, 1, 1, 1, 1]], np.empty((0, 1, 5)))
    assert values["relearn/steps"] == 1
    assert np.isnan(values["relearn/ain"])


def test_the_curve_is_the_mean_over_orders_where_it_was_looked_at(make_case):
    found = Relearning(STEPS, np.array([[0, 0.2, 0.4, 0.8, 1], [0, 0.4, 0.6, 1, 1]]), np.empty((0, 2, 5)), 1.0)
    values = relearning_curve(replace(make_case(), findings=Findings.of(found)))
    assert [values[f"relearn/curve@{step}"] for step in STEPS] == pytest.approx([0, 0.3, 0.5, 0.9, 1])
    assert np.isnan([values[f"relearn/curve@{step}"] for step in (20, 50, 100)]).all()
