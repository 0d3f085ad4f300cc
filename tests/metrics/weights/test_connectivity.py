from dataclasses import replace

import numpy as np
import pytest

from cu.metrics.findings import Findings, Segment, Weights
from cu.metrics.weights.connectivity import l2_distance, loss_barrier, to_original, to_retrained


def test_distance_is_that_of_all_numbers_in_one_vector():
    rng = np.random.default_rng(0)
    a, b = ([rng.normal(size=shape) for shape in ((3, 4), (5,), ())] for _ in range(2))
    flat = [np.concatenate([x.ravel() for x in side]) for side in (a, b)]
    assert l2_distance(a, b) == pytest.approx(np.linalg.norm(flat[0] - flat[1]))
    with pytest.raises(ValueError, match="zip"):
        l2_distance(a, b[:2])


def test_the_barrier_of_a_parabola_has_a_closed_form_and_a_valley_has_none():
    x = np.linspace(0, 1, 9)
    # a x (1 - x) + line: its height above the line is a / 4, in the middle.
    assert loss_barrier(6 * x * (1 - x) + 2 + 3 * x) == pytest.approx(1.5)
    assert loss_barrier((x - 0.5) ** 2) == pytest.approx(0)
    assert loss_barrier(1 - x) == pytest.approx(0)


def test_means_over_retrained_models(make_case):
    near, far = Segment(1.0, np.array([0.0, 0, 0])), Segment(3.0, np.array([0.0, 2, 0]))
    case = replace(make_case(), findings=Findings.of(Weights(near, (near, far))))
    assert to_original(case) == {"weights/l2_to_original": 1, "weights/barrier_to_original": 0}
    assert to_retrained(case) == {"weights/l2_to_retrain": 2, "weights/barrier_to_retrain": 1}
