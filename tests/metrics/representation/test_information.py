from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm, ortho_group

from cu.metrics.findings import DEPTHS, Findings, Stages
from cu.metrics.predictions import ModelPredictions
from cu.metrics.representation.information import (
    SMALLEST,
    binary_information,
    difference_index,
    information_difference,
)


def information(first, second):
    """Jensen-Shannon divergence in nats of two normal densities on a line: what a fair coin's side shares with x."""

    def part(own, other):
        def integrand(x):
            p, q = own.pdf(x), other.pdf(x)
            return p * np.log(2 * p / (p + q)) if p > 0 else 0.0

        return quad(integrand, -20, 20, limit=400)[0]

    return (part(first, second) + part(second, first)) / 2


@pytest.mark.parametrize(("shift", "scale"), [(0.0, 1.0), (1.0, 1.0), (3.0, 1.0), (0.0, 3.0), (8.0, 1.0)])
def test_normal_sides_have_the_known_information(shift, scale):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(3000, 5)), rng.normal(size=(3000, 5))
    y[:, 0] = shift + scale * y[:, 0]
    turned = ortho_group.rvs(5, random_state=1)
    known = information(norm(), norm(shift, scale))
    found = binary_information(x @ turned, y @ turned, np.random.default_rng(1))
    assert found == pytest.approx(known, abs=0.02)
    assert found <= np.log(2)


def test_sides_of_other_sizes_weigh_the_same_and_too_few_are_unknown():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(4000, 2)), rng.normal(size=(1000, 2)) + np.array([2.0, 0])
    found = binary_information(x, y, np.random.default_rng(1))
    assert found == pytest.approx(information(norm(), norm(2)), abs=0.03)
    assert np.isnan(binary_information(x, y[:9], np.random.default_rng(1)))


def test_the_index_of_a_hand_worked_case():
    original, retrained = np.array([0.6, 0.5, 0.1]), np.array([0.2, 0.5, 0.0])
    found = difference_index(np.array([0.4, 0.3, 0.1]), original, retrained)
    # In sum over the depths at which it says anything: (.2 + .1) / (.4 + .1).
    assert found[[0, 2, 3]].tolist() == pytest.approx([0.5, 1.0, 0.6])
    assert np.isnan(found[1])
    assert difference_index(original, original, retrained)[[0, 2, 3]].tolist() == pytest.approx([1, 1, 1])
    assert difference_index(retrained, original, retrained)[[0, 2, 3]].tolist() == pytest.approx([0, 0, 0])


def test_nothing_is_said_where_retraining_tells_more_than_the_original():
    # More is left than in either: no sign of forgetting, whatever (.60 - .45) / (.40 - .45) says.
    assert np.isnan(difference_index(np.array([0.60]), np.array([0.40]), np.array([0.45]))).all()
    found = difference_index(np.array([0.60, 0.3]), np.array([0.40, 0.5]), np.array([0.45, 0.1]))
    assert np.isnan(found[0])
    assert found[1:].tolist() == pytest.approx([0.5, 0.5])


def test_equal_models_that_differ_by_the_draw_of_their_samples_are_not_told_apart():
    found = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        x, y = rng.normal(size=(900, 16)), rng.normal(size=(900, 16)) + np.eye(16)[0]
        found.append(binary_information(x, y, rng))
    assert max(found) - min(found) < SMALLEST
    assert max(found) > SMALLEST, "what they tell is no noise"


def staged(base, shift, seed):
    """A model whose forget samples lie so far from the others at every depth."""
    rng, depths = np.random.default_rng(seed), []
    for _ in range(DEPTHS):
        parts = {}
        for name, part in base.parts.items():
            e = rng.normal(size=(len(part), 3)) + (shift if "forget" in name else 0)
            parts[name] = replace(part, embedding=e.astype(np.float32))
        depths.append(ModelPredictions(**parts))
    return tuple(depths)


def test_it_is_nought_at_retraining_one_at_the_original_and_between_between(make_case):
    case = make_case("class", retrained=2)
    original, *retrained = staged(case.model, 3.0, 0), staged(case.model, 0.5, 1), staged(case.model, 0.5, 2)

    def index(judged):
        stages = Stages(judged, original, tuple(retrained))
        return information_difference(replace(case, findings=Findings.of(stages)), max_samples=200)

    assert index(original) == pytest.approx(dict.fromkeys(information_difference.spec.keys, 1.0))
    middle = index(staged(case.model, 1.5, 3))
    assert 0.2 < middle["idi/sum"] < 0.8
    assert index(staged(case.model, 0.5, 4))["idi/sum"] == pytest.approx(0, abs=0.15)
    assert index(staged(case.model, 0.0, 5))["idi/sum"] < 0.1
