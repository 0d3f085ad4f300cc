from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from cu.metrics.findings import Findings, Shadows
from cu.metrics.membership.vulnerable import most_vulnerable, vulnerability, vulnerable_efficacy


def test_vulnerability_is_the_standardised_difference_of_means():
    rng = np.random.default_rng(0)
    shift = np.array([0.0, 1.0, 4.0])
    found = vulnerability(2 * rng.normal(size=(2000, 3)) + 2 * shift, 2 * rng.normal(size=(2000, 3)))
    assert found[7] == pytest.approx(shift, abs=0.15)
    assert vulnerability(np.ones((3, 2)), np.array([[1.0, 0]] * 3)).tolist() == [[0, np.inf]] * 3
    assert vulnerability(np.ones((3, 2)), np.ones((3, 2))).tolist() == [[0, 0]] * 3


def test_a_row_leaves_out_its_own_models():
    members, others = np.random.default_rng(0).normal(size=(2, 5, 4))
    for j in range(5):
        a, b = (np.delete(world, j, axis=0) for world in (members, others))
        expected = (a.mean(0) - b.mean(0)) / np.sqrt((a.var(0, ddof=1) + b.var(0, ddof=1)) / 2)
        assert vulnerability(members, others)[j] == pytest.approx(expected)


def test_the_share_of_the_largest():
    scores = np.array([[1.0, 5, 3, 4], [9, 0, 1, 8]])
    assert most_vulnerable(scores, 0.5).tolist() == [[False, True, False, True], [True, False, False, True]]
    assert most_vulnerable(np.zeros((2, 9)), 0.01).sum(axis=1).tolist() == [1, 1]


def test_what_is_left_of_a_few_samples_is_found_among_them_and_not_among_the_others(make_case):
    rng, score = np.random.default_rng(1), np.tile(np.repeat([1.0, 0.0], [100, 300]), (40, 1))
    forgotten, retrained = rng.normal(size=(2, 40, 400))
    forgotten[:, :100] += 2
    case = replace(make_case(), findings=Findings.of(Shadows(forgotten, None, retrained, score)))
    found = vulnerable_efficacy(case, share=0.25)
    assert found["mia/ruli_vulnerable_auc"] == pytest.approx(norm.cdf(np.sqrt(2)), abs=0.02)
    assert found["mia/ruli_protected_auc"] == pytest.approx(0.5, abs=0.02)


def test_retraining_is_at_chance_on_the_samples_chosen_for_their_vulnerability(make_case):
    """The choice must not lean on the worlds that are compared: chosen by other models, it does not."""
    areas = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        members, others, forgotten, retrained = rng.normal(size=(4, 8, 120))
        case = replace(
            make_case(),
            findings=Findings.of(Shadows(forgotten, None, retrained, vulnerability(members, others))),
        )
        areas.append(vulnerable_efficacy(case, share=0.25)["mia/ruli_vulnerable_auc"])
    assert np.mean(areas) == pytest.approx(0.5, abs=0.02)


def test_samples_that_nothing_was_learnt_of_are_not_found_again_by_the_models_that_chose_them(make_case):
    """Models that were left as they were, and remember no sample: chosen by themselves, the AUC is 0.60."""
    areas = []
    for seed in range(40):
        members, others, retrained = np.random.default_rng(seed).normal(size=(3, 4, 400))
        shadows = Shadows(members, others, retrained, vulnerability(members, others))
        case = replace(make_case(), findings=Findings.of(shadows))
        areas.append(vulnerable_efficacy(case, share=0.1)["mia/ruli_vulnerable_auc"])
    assert np.mean(areas) == pytest.approx(0.5, abs=0.02)
