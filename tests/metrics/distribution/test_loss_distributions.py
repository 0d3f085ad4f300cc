from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import ks_2samp, norm, permutation_test

from cu.metrics import primitives
from cu.metrics.distribution import divergence, loss_distributions
from cu.metrics.predictions import Predictions


def test_kolmogorov_smirnov_of_shifted_gaussians():
    rng = np.random.default_rng(1)
    a = rng.normal(size=20_000)
    distance, log_p = loss_distributions.kolmogorov_smirnov(a, rng.normal(size=20_000) + 1)
    assert distance == pytest.approx(2 * norm.cdf(0.5) - 1, abs=0.02)
    assert 2 * norm.cdf(0.5) - 1 == pytest.approx(0.3829, abs=1e-4)
    assert log_p == -300
    assert loss_distributions.kolmogorov_smirnov(a, a) == (0, 0)
    assert np.isnan(loss_distributions.kolmogorov_smirnov([], [])).all()


@pytest.mark.parametrize(("size", "p", "tolerance"), [(100, 0.47, 0.2), (1000, 0.055, 0.36), (5000, 3e-5, 0.7)])
def test_the_p_value_depends_on_the_number_of_samples(size, p, tolerance):
    # Tolerance: four standard errors of the median of 200 draws of log10 p.
    rng = np.random.default_rng(2)
    pairs = [(rng.normal(size=size), rng.normal(size=size) + 0.1) for _ in range(200)]
    draws = [loss_distributions.kolmogorov_smirnov(*pair)[1] for pair in pairs]
    assert np.median(draws) == pytest.approx(np.log10(p), abs=tolerance)


def test_the_loss_test_reads_the_label(make_case, make_model):
    # The same outputs, attributed to other labels: outputs agree, losses do not.
    other = make_model(seed=0)
    f = other.forget
    relabelled = replace(other, forget=Predictions(f.logits, f.embedding, (f.label + 1) % 4, f.id))
    case = make_case(model=make_model(seed=0), retrained=(relabelled,))
    assert divergence.agreements(case)["agree/forget_train"] == 1
    assert loss_distributions.loss_distance(case)["dist/ks_loss_stat"] > 0.5
    assert loss_distributions.loss_log_p(case)["dist/ks_loss_logp"] < -10


def test_paired_distance_equals_scipys_and_counts_ties():
    rng = np.random.default_rng(4)
    for values in (rng.normal(size=(2, 90)), rng.integers(5, size=(2, 60)), np.ones((2, 7))):
        distance, _ = loss_distributions.paired_kolmogorov_smirnov(*values, 1, rng)
        assert distance == pytest.approx(ks_2samp(*values).statistic)


def test_paired_p_value_equals_scipys_permutation_test():
    # Five pairs: 2 ** 5 swaps, which scipy goes through one by one.
    a, b = np.array([0.1, 1.0, 2.0, 3.0, 4.0]), np.array([2.5, 3.3, 4.2, 2.9, 6.1])

    def statistic(x, y):
        return ks_2samp(x, y, method="asymp").statistic

    exact = permutation_test((a, b), statistic, permutation_type="samples", alternative="greater", n_resamples=np.inf)
    found = loss_distributions.paired_kolmogorov_smirnov(a, b, 20_000, np.random.default_rng(0))
    assert found[0] == pytest.approx(exact.statistic)
    assert 0.05 < exact.pvalue < 0.9
    assert 10 ** found[1] == pytest.approx(exact.pvalue, abs=0.01)


def test_the_paired_p_value_is_valid_where_the_unpaired_one_is_blind():
    rng = np.random.default_rng(5)
    difficulty = rng.normal(0, 5, 400)
    # Half a standard deviation of noise moves every sample; among the difficulties it is lost.
    a, b = difficulty + 0.3 * rng.normal(size=400), difficulty + 0.3 * rng.normal(size=400) + 0.4
    assert loss_distributions.kolmogorov_smirnov(a, b)[1] > np.log10(0.05)
    assert loss_distributions.paired_kolmogorov_smirnov(a, b, 999, rng)[1] < -2
    null = [
        10 ** loss_distributions.paired_kolmogorov_smirnov(*(difficulty[:80] + rng.normal(size=(2, 80))), 99, rng)[1]
        for _ in range(200)
    ]
    assert np.mean(np.array(null) <= 0.1) <= 0.1 + 4 * np.sqrt(0.09 / 200)


def test_margins_are_as_far_apart_as_losses(make_case):
    case = make_case(retrained=2)
    found = loss_distributions.margin_distance(case, permutations=99)
    assert found["dist/ks_margin_stat"] == pytest.approx(loss_distributions.loss_distance(case)["dist/ks_loss_stat"])
    assert -2 <= found["dist/ks_margin_logp"] <= 0
    empty = make_case(sizes={"forget": 0})
    assert np.isnan(list(loss_distributions.margin_distance(empty, permutations=9).values())).all()


def test_transport_of_shifted_losses(make_case, make_model):
    # Pairs of logits (z, 0) have the loss log(1 + exp(-z)): choose z for losses x and x + 0.37.
    x = np.random.default_rng(6).uniform(0.1, 2, 200)

    def with_losses(losses):
        base = make_model(num_classes=2)
        logits = np.column_stack([-np.log(np.expm1(losses)), np.zeros(len(losses))]).astype(np.float32)
        label = np.zeros(len(losses), int)
        return replace(base, forget=Predictions(logits, np.zeros((200, 2), np.float32), label, np.arange(200)))

    case = make_case(model=with_losses(x + 0.37), retrained=(with_losses(x),), num_classes=2)
    assert primitives.loss(case.model.forget.logits, case.model.forget.label) == pytest.approx(x + 0.37, abs=1e-5)
    assert loss_distributions.loss_transport(case)["dist/w1_loss"] == pytest.approx(0.37, abs=1e-4)
    assert loss_distributions.loss_transport(replace(case, retrained=(case.model,)))["dist/w1_loss"] == 0
    assert np.isnan(loss_distributions.loss_transport(make_case(sizes={"forget": 0}))["dist/w1_loss"])
