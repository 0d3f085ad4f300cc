from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import ks_2samp, norm, permutation_test

from cu.metrics import divergence
from cu.metrics.types import Predictions

SPLITS = ("forget_train", "retain_test", "forget_test")


def test_agreement_of_equal_and_random_models():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(20_000, 5)), rng.normal(size=(20_000, 5))
    assert divergence.agreement(a, a) == 1
    assert divergence.agreement(a, b) == pytest.approx(1 / 5, abs=0.012)


def test_output_distances_of_hand_worked_cases():
    p, q = np.log([[0.9, 0.1]]), np.log([[0.1, 0.9]])
    assert divergence.js_distance(p, q) == pytest.approx(0.53100, abs=1e-5)
    assert divergence.activation_distance(p, q) == pytest.approx(0.8 * np.sqrt(2))
    one, other = np.array([[500.0, 0.0]]), np.array([[0.0, 500.0]])
    assert divergence.js_distance(one, other) == pytest.approx(1)
    assert divergence.activation_distance(one, other) == pytest.approx(np.sqrt(2))


def test_a_disjoint_prediction_over_ten_classes_is_far_away():
    # 0.91 on one class each and 0.01 elsewhere: public code that swaps the arguments reports 0.1447.
    p = np.full(10, 0.01)
    q = p.copy()
    p[0] = q[1] = 0.91
    assert divergence.js_distance(np.log([p]), np.log([q])) == pytest.approx(0.840, abs=1e-3)


def test_kolmogorov_smirnov_of_shifted_gaussians():
    rng = np.random.default_rng(1)
    a = rng.normal(size=20_000)
    distance, log_p = divergence.kolmogorov_smirnov(a, rng.normal(size=20_000) + 1)
    assert distance == pytest.approx(2 * norm.cdf(0.5) - 1, abs=0.02)
    assert 2 * norm.cdf(0.5) - 1 == pytest.approx(0.3829, abs=1e-4)
    assert log_p == -300
    assert divergence.kolmogorov_smirnov(a, a) == (0, 0)
    assert np.isnan(divergence.kolmogorov_smirnov([], [])).all()


@pytest.mark.parametrize(("size", "p", "tolerance"), [(100, 0.47, 0.2), (1000, 0.055, 0.36), (5000, 3e-5, 0.7)])
def test_the_p_value_depends_on_the_number_of_samples(size, p, tolerance):
    # Tolerance: four standard errors of the median of 200 draws of log10 p.
    rng = np.random.default_rng(2)
    draws = [divergence.kolmogorov_smirnov(rng.normal(size=size), rng.normal(size=size) + 0.1)[1] for _ in range(200)]
    assert np.median(draws) == pytest.approx(np.log10(p), abs=tolerance)


def test_every_split_is_compared_and_averaged_over_retrained_models(make_case):
    case = make_case("class", retrained=3)
    agree, distance = divergence.agreements(case), divergence.output_distances(case)
    for split, name in zip(SPLITS, ("forget", "test_retain", "test_forget"), strict=True):
        own = getattr(case.model, name)
        others = [getattr(model, name) for model in case.retrained]
        same = [np.mean(own.logits.argmax(1) == other.logits.argmax(1)) for other in others]
        assert agree[f"agree/{split}"] == pytest.approx(np.mean(same))
        js = [divergence.js_distance(own.logits, other.logits) for other in others]
        assert distance[f"dist/js_{split}"] == pytest.approx(np.mean(js))
    assert len({round(v, 6) for v in agree.values()}) == 3


def test_a_model_is_at_no_distance_from_itself(make_case, make_model):
    model = make_model("class")
    case = make_case("class", model=model, retrained=(model, model))
    assert set(divergence.agreements(case).values()) == {1.0}
    assert set(divergence.output_distances(case).values()) == {0.0}
    assert divergence.loss_distance(case)["dist/ks_loss_stat"] == 0
    assert divergence.loss_log_p(case)["dist/ks_loss_logp"] == 0


def test_an_empty_split_is_nan(make_case):
    case = make_case("sample")
    assert np.isnan(divergence.agreements(case)["agree/forget_test"])
    assert np.isnan(divergence.output_distances(case)["dist/js_forget_test"])
    assert np.isfinite(divergence.output_distances(case)["dist/js_retain_test"])


def test_models_on_different_samples_cannot_be_compared(make_case, make_model):
    other = make_model(seed=9)
    for name, call in (
        ("forget", divergence.loss_distance),
        ("forget", divergence.agreements),
        ("test_retain", divergence.output_distances),
    ):
        part = getattr(other, name)
        shuffled = part.take(np.arange(len(part))[::-1])
        with pytest.raises(ValueError, match="same samples in the same order"):
            call(make_case(retrained=(replace(other, **{name: shuffled}),)))


def test_the_loss_test_reads_the_label(make_case, make_model):
    # The same outputs, attributed to other labels: outputs agree, losses do not.
    other = make_model(seed=0)
    f = other.forget
    relabelled = replace(other, forget=Predictions(f.logits, f.embedding, (f.label + 1) % 4, f.id))
    case = make_case(model=make_model(seed=0), retrained=(relabelled,))
    assert divergence.agreements(case)["agree/forget_train"] == 1
    assert divergence.loss_distance(case)["dist/ks_loss_stat"] > 0.5
    assert divergence.loss_log_p(case)["dist/ks_loss_logp"] < -10


def test_paired_distance_equals_scipys_and_counts_ties():
    rng = np.random.default_rng(4)
    for values in (rng.normal(size=(2, 90)), rng.integers(5, size=(2, 60)), np.ones((2, 7))):
        distance, _ = divergence.paired_kolmogorov_smirnov(*values, 1, rng)
        assert distance == pytest.approx(ks_2samp(*values).statistic)


def test_paired_p_value_equals_scipys_permutation_test():
    # Five pairs: 2 ** 5 swaps, which scipy goes through one by one.
    a, b = np.array([0.1, 1.0, 2.0, 3.0, 4.0]), np.array([2.5, 3.3, 4.2, 2.9, 6.1])

    def statistic(x, y):
        return ks_2samp(x, y, method="asymp").statistic

    exact = permutation_test((a, b), statistic, permutation_type="samples", alternative="greater", n_resamples=np.inf)
    found = divergence.paired_kolmogorov_smirnov(a, b, 20_000, np.random.default_rng(0))
    assert found[0] == pytest.approx(exact.statistic)
    assert 0.05 < exact.pvalue < 0.9
    assert 10 ** found[1] == pytest.approx(exact.pvalue, abs=0.01)


def test_the_paired_p_value_is_valid_where_the_unpaired_one_is_blind():
    rng = np.random.default_rng(5)
    difficulty = rng.normal(0, 5, 400)
    # Half a standard deviation of noise moves every sample; among the difficulties it is lost.
    a, b = difficulty + 0.3 * rng.normal(size=400), difficulty + 0.3 * rng.normal(size=400) + 0.4
    assert divergence.kolmogorov_smirnov(a, b)[1] > np.log10(0.05)
    assert divergence.paired_kolmogorov_smirnov(a, b, 999, rng)[1] < -2
    null = [
        10 ** divergence.paired_kolmogorov_smirnov(*(difficulty[:80] + rng.normal(size=(2, 80))), 99, rng)[1]
        for _ in range(200)
    ]
    assert np.mean(np.array(null) <= 0.1) <= 0.1 + 4 * np.sqrt(0.09 / 200)


def test_margins_are_as_far_apart_as_losses(make_case):
    case = make_case(retrained=2)
    found = divergence.margin_distance(case, permutations=99)
    assert found["dist/ks_margin_stat"] == pytest.approx(divergence.loss_distance(case)["dist/ks_loss_stat"])
    assert -2 <= found["dist/ks_margin_logp"] <= 0
    empty = make_case(sizes={"forget": 0})
    assert np.isnan(list(divergence.margin_distance(empty, permutations=9).values())).all()
