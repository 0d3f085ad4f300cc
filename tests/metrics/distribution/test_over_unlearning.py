from dataclasses import replace

import numpy as np
import pytest

from cu.metrics.distribution.over_unlearning import OverUnlearning, over_unlearning
from cu.metrics.findings import Findings


@pytest.fixture
def measured(make_case):
    def value(judged, original):
        found = OverUnlearning(np.array(judged, float), np.array(original, float))
        return over_unlearning(replace(make_case("class"), findings=Findings.of(found)))["over/ou@0.03"]

    return value


def test_a_masked_original_has_changed_nothing_else(measured):
    original = np.random.default_rng(0).normal(0, 3, (50, 4))
    masked = original.copy()
    masked[:, 3] = -1e4
    assert measured(masked, original) == pytest.approx(0, abs=1e-12)
    assert measured(original, original) > 0.01


def test_ends_and_a_hand_worked_case(measured):
    assert measured([[50, 0, 0, 0]], [[0, 50, 0, 0]]) == pytest.approx(1)
    # Original without class 3: (.9, .1, 0); judged: (.1, .9, 0). Divergence .531 bits.
    with np.errstate(divide="ignore"):
        logits = np.log([0.45, 0.05, 1e-300, 0.5]), np.log([0.1, 0.9, 1e-300, 1e-300])
    assert measured([logits[1]], [logits[0]]) == pytest.approx(0.531, abs=5e-4)


def test_what_is_left_of_the_forgotten_class_counts(measured):
    original = [[2.0, 0, 0, 5]]
    assert measured([[2.0, 0, 0, -50]], original) < measured([[2.0, 0, 0, 0]], original) < measured(original, original)


def test_undefined_without_samples(measured):
    assert np.isnan(measured(np.empty((0, 4)), np.empty((0, 4))))
