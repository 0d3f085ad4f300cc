from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from cu.metrics.findings import Findings, Shadows
from cu.metrics.membership.vulnerable import most_vulnerable, vulnerability, vulnerable_efficacy


def test_vulnerability_is_the_standardised_difference_of_means():
    rng = np.random.default_rng(0)
    shift = np.array([0.0, 1.0, 4.0])
    found = vulnerability(2 * rng.normal(size=(4000, 3)) + 2 * shift, 2 * rng.normal(size=(4000, 3)))
    assert found == pytest.approx(shift, abs=0.1)
    assert vulnerability(np.ones((3, 2)), np.array([[1.0, 0]] * 3)).tolist() == [0, np.inf]
    assert vulnerability(np.ones((3, 2)), np.ones((3, 2))).tolist() == [0, 0]


def test_the_share_of_the_largest():
    assert most_vulnerable(np.array([1.0, 5, 3, 4]), 0.5).tolist() == [False, True, False, True]
    assert most_vulnerable(np.zeros(9), 0.01).sum() == 1


def test_what_is_left_of_a_few_samples_is_found_among_them_and_not_among_the_others(make_case):
    rng, score = np.random.default_rng(1), np.repeat([1.0, 0.0], [100, 300])
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
