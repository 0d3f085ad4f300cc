import numpy as np
import pytest
from scipy.special import expit, logit
from scipy.stats import norm

from cu.metrics.case import Case
from cu.metrics.membership.strong_membership import (
    lira_offline,
    lira_offline_score,
    rmia,
    rmia_log_ratio,
    rmia_score,
)
from cu.metrics.predictions import ModelPredictions, Predictions
from cu.metrics.primitives import auc


def simulated(rng, n, references, shift):
    """Margins with a difficulty of each sample N(0, 25), noise 1, and `shift` for members of the judged model."""
    difficulty = rng.normal(0, 5, (2, n))
    judged = difficulty + rng.normal(size=(2, n))
    judged[0] += shift
    out = difficulty[:, None] + rng.normal(size=(2, references, n))
    return judged, out


def test_population_attack_is_blind_where_a_calibrated_one_is_not():
    judged, _ = simulated(np.random.default_rng(0), 20_000, 1, 2)
    assert auc(*judged) == pytest.approx(0.609, abs=0.01)


@pytest.mark.parametrize(("references", "expected"), [(1, 0.841), (2, 0.876), (3, 0.890), (5, 0.902), (10, 0.911)])
def test_offline_lira_reaches_its_closed_form(references, expected):
    judged, out = simulated(np.random.default_rng(references), 20_000, references, 2)
    found = auc(*(lira_offline_score(j, o) for j, o in zip(judged, out, strict=True)))
    assert found == pytest.approx(norm.cdf(2 / np.sqrt(2 * (1 + 1 / references))), abs=0.01)
    assert found == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("references", [1, 3])
def test_a_left_out_reference_cannot_be_told_apart(references):
    (members, others), out = simulated(np.random.default_rng(0), 5000, references, 0)
    population, population_out = simulated(np.random.default_rng(1), 5000, references, 0)
    error = 3 * np.sqrt(10_001 / (12 * 5000**2))
    assert auc(lira_offline_score(members, out[0]), lira_offline_score(others, out[1])) == pytest.approx(0.5, abs=error)
    z = rmia_log_ratio(population[0], population_out[0], 0.3)
    scores = [rmia_score(rmia_log_ratio(j, o, 0.3), z, 1.0) for j, o in ((members, out[0]), (others, out[1]))]
    assert auc(*scores) == pytest.approx(0.5, abs=error)


def test_offline_prior_of_rmia():
    ratio = np.exp(rmia_log_ratio(logit(np.array([0.7])), logit(np.array([[0.4]])), 0.3))
    assert ratio == pytest.approx(0.7 / 0.61)
    two = np.exp(rmia_log_ratio(logit(np.array([0.7])), logit(np.array([[0.9], [0.1]])), 1.0))
    assert two == pytest.approx(0.7 / 0.5)


def test_rmia_by_hand():
    half = np.zeros((1, 4))
    x = rmia_log_ratio(logit(np.array([0.9, 0.5, 0.1])), half[:, :3], 1.0)
    z = rmia_log_ratio(logit(np.array([0.8, 0.6, 0.4, 0.2])), half, 1.0)
    assert rmia_score(x, z, 1.0).tolist() == [1, 0.5, 0]


def test_rmia_counts_ties_as_the_definition_does():
    ratio, population = np.log([2.0, 1.0, 0.5]), np.log([1.0, 1.0, 0.5, 4.0])
    assert rmia_score(ratio, population, 1.0).tolist() == [0.75, 0.75, 0.25]
    assert rmia_score(np.zeros(3), np.zeros(5), 1.0).tolist() == [1, 1, 1]
    loop = [np.mean([np.exp(r) / np.exp(z) >= 2 - 1e-12 for z in population]) for r in ratio]
    assert rmia_score(ratio, population, 2.0).tolist() == loop


def test_saturated_probabilities_keep_their_order():
    judged, out = np.array([38.0, 39, 40, 60]), np.full((2, 4), 30.0)
    assert (expit(judged) == 1).all()
    assert (np.diff(rmia_log_ratio(judged, out, 0.3)) > 0).all()
    same = rmia_log_ratio(np.full(3, 50.0), np.array([[45.0, 40, 41]]), 0.3)
    assert len(np.unique(same)) == 3


def test_ratio_of_impossible_samples():
    found = rmia_log_ratio(np.array([-1e4, 0.0]), np.full((1, 2), -1e4), 1.0)
    assert found[1] == np.inf
    assert np.isfinite(rmia_log_ratio(np.array([-1e4]), np.full((1, 1), -1e4), 0.3)).all()


def predictions(margins, first):
    """Two classes, label 0: the margin is the first logit minus the second."""
    n = len(margins)
    logits = np.stack([margins, np.zeros(n)], axis=1).astype(np.float32)
    return Predictions(logits, np.zeros((n, 1), np.float32), np.zeros(n, np.int64), np.arange(first, first + n))


def sample_case(*, val, shift, test=400):
    rng = np.random.default_rng(0)
    difficulty = {"forget": rng.normal(0, 3, 200), "test": rng.normal(0, 3, test), "val": rng.normal(0, 3, val)}

    def model(boost):
        noisy = {name: values + rng.normal(size=len(values)) for name, values in difficulty.items()}
        nothing = predictions(np.empty(0), 0)
        return ModelPredictions(
            retain=nothing,
            forget=predictions(noisy["forget"] + boost, 0),
            val=predictions(noisy["val"], 1000),
            test_retain=predictions(noisy["test"], 2000),
            test_forget=nothing,
        )

    models = [model(shift), model(0), model(0)]
    return Case(
        model=models[0],
        retrained=tuple(models[1:]),
        original=None,
        scenario="sample",
        forget_classes=(),
        num_classes=2,
    )


@pytest.mark.parametrize("val", [300, 0])
def test_remembered_samples_score_high_and_over_forgotten_ones_low(val):
    high, low = sample_case(val=val, shift=4), sample_case(val=val, shift=-4)
    assert rmia(high, gamma=1, offline_a=0.3, draws=3)["mia/rmia_auc"] > 0.9
    assert rmia(low, gamma=1, offline_a=0.3, draws=3)["mia/rmia_auc"] < 0.2
    assert lira_offline(high, draws=3)["mia/lira_off_auc"] > 0.95
    assert lira_offline(low, draws=3)["mia/lira_off_auc"] < 0.05
    assert lira_offline(high, draws=3)["mia/lira_off_tpr@0.01"] > 0.5
    assert lira_offline(low, draws=3)["mia/lira_off_tpr@0.01"] == 0


def test_population_attack_without_any_unused_sample_is_undefined():
    found = rmia(
        sample_case(val=0, shift=1, test=200), gamma=1, offline_a=0.3, draws=3
    )  # every test sample is a non-member
    assert all(np.isnan(value) for value in found.values())
