import numpy as np
import pytest
from scipy.stats import norm

from cu.metrics.findings import Findings, Shadows
from cu.metrics.membership.ulira import (
    READ_OUTS,
    attack,
    example_accuracy,
    likelihood_ratios,
    ulira_efficacy,
    ulira_privacy,
)
from cu.metrics.primitives import auc


def worlds(models, samples=6000, shift=2.0, seed=0):
    """Samples of difficulty N(0, 5^2); membership moves the statistic by `shift`, noise is 1."""
    rng = np.random.default_rng(seed)
    difficulty = rng.normal(0, 5, samples)
    first, second = rng.normal(size=(2, models, samples)) + difficulty
    return first + shift, second


def area(models, pooled):
    members, others = likelihood_ratios(*worlds(models + 1, 40000 // models), pooled=pooled)
    return auc(members.ravel(), others.ravel())


@pytest.mark.parametrize(
    ("models", "own", "pooled"), [(4, 0.844, 0.897), (8, 0.892, 0.907), (16, 0.908, 0.913), (64, 0.915, 0.917)]
)
def test_simulated_power_by_models_per_world(models, own, pooled):
    assert area(models, pooled=False) == pytest.approx(own, abs=0.006)
    assert area(models, pooled=True) == pytest.approx(pooled, abs=0.006)


def test_a_global_threshold_is_weaker():
    first, second = worlds(20)
    assert auc(first.ravel(), second.ravel()) == pytest.approx(0.609, abs=0.01)
    assert attack(first, second)["auc"] > 0.9


def test_equals_a_loop():
    first, second = worlds(5, samples=7)
    found = likelihood_ratios(first, second, pooled=False)
    for j in range(5):
        for x in range(7):
            a, b = (np.delete(world[:, x], j) for world in (first, second))
            for value, ratios in zip((first[j, x], second[j, x]), found, strict=True):
                expected = norm(a.mean(), a.std(ddof=1)).logpdf(value) - norm(b.mean(), b.std(ddof=1)).logpdf(value)
                assert ratios[j, x] == pytest.approx(expected)


@pytest.mark.parametrize("models", [3, 8, 40])
def test_chance_where_membership_has_no_effect(models):
    first, second = worlds(models, shift=0.0)
    values = attack(first, second)
    assert values["auc"] == pytest.approx(0.5, abs=0.015)
    assert values["bacc"] == pytest.approx(0.5, abs=0.015)
    assert values["tpr@0.01"] == pytest.approx(0.01, abs=0.005)


def test_bits_that_say_nothing_give_chance():
    values = np.random.default_rng(1).normal(size=(16, 4000)) + np.random.default_rng(2).normal(0, 5, 4000)
    order = np.random.default_rng(3).permuted(np.tile(np.arange(16), (4000, 1)), axis=1).T
    first, second = np.split(np.take_along_axis(values, order, axis=0), 2)
    assert attack(first, second)["auc"] == pytest.approx(0.5, abs=0.015)


@pytest.mark.parametrize("pooled", [True, False])
def test_swapping_the_worlds_mirrors_the_ratio(pooled):
    first, second = worlds(6, samples=200)
    members, others = likelihood_ratios(first, second, pooled=pooled)
    swapped_members, swapped_others = likelihood_ratios(second, first, pooled=pooled)
    assert np.allclose(swapped_members, -others)
    assert np.allclose(swapped_others, -members)
    # The attacker still asks for the first world: 1 - AUC.
    assert auc(others.ravel(), members.ravel()) == pytest.approx(1 - auc(members.ravel(), others.ravel()))


def test_separated_worlds():
    first, second = worlds(4, samples=50, shift=40)
    assert attack(first, second) == dict.fromkeys(READ_OUTS, 1)


def test_constant_margins_are_no_error():
    flat = np.ones((4, 10))
    chance = {"auc": 0.5, "bacc": 0.5, "tpr@0.01": 0, "tpr@0.001": 0}
    chance |= dict.fromkeys(("example_median", "example_p95", "example_max"), 0.5)
    assert attack(flat, flat) == pytest.approx(chance)


def test_accuracy_of_each_sample_equals_a_loop():
    members, others = np.random.default_rng(0).integers(-1, 2, size=(2, 5, 8)).astype(float)
    points = {1.0: 1.0, 0.0: 0.5, -1.0: 0.0}
    for x, found in enumerate(example_accuracy(members, others)):
        right = [points[v] for v in members[:, x]] + [1 - points[v] for v in others[:, x]]
        assert found == pytest.approx(np.mean(right))


def test_a_few_samples_that_are_always_recognised_show_in_the_quantiles_not_in_the_mean():
    first, second = worlds(10, samples=1000, shift=0.0)
    first[:, :60] += 30  # 6 % of the samples
    values = attack(first, second)
    assert values["bacc"] < 0.56
    assert values["example_median"] == pytest.approx(0.5, abs=0.051)
    assert values["example_p95"] == values["example_max"] == 1


def test_mean_over_samples_is_the_balanced_accuracy_with_its_closed_form():
    members, others = likelihood_ratios(*worlds(40), pooled=True)
    assert example_accuracy(members, others).mean() == pytest.approx(norm.cdf(1), abs=0.01)  # shift 2: Phi(2 / 2)


def test_unequal_or_too_few_models_are_an_error():
    with pytest.raises(ValueError, match="equally many"):
        likelihood_ratios(np.zeros((4, 2)), np.zeros((3, 2)), pooled=True)
    with pytest.raises(ValueError, match="at least 3"):
        likelihood_ratios(np.zeros((2, 2)), np.zeros((2, 2)), pooled=True)


def test_games_read_their_worlds(make_case):
    from dataclasses import replace

    member, other = worlds(6, samples=500)
    case = replace(
        make_case(), findings=Findings.of(Shadows(forgotten=member, unseen=other, retrained=member[::-1] + 0))
    )
    assert ulira_privacy(case)["mia/ulira_priv_auc"] > 0.85
    assert ulira_efficacy(case)["mia/ulira_eff_auc"] < 0.6
