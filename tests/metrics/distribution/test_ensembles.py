from dataclasses import replace

import numpy as np
import pytest

from cu.metrics.distribution.ensembles import forgetting_epsilons, forgetting_scores, klom, klom_gauss
from cu.metrics.findings import Ensembles, Findings, ModelGroup


def group(models, shift=0.0, seed=0, accuracy=0.9, val=20):
    rng = np.random.default_rng(seed)
    sizes = (60, 30, val)
    margins = (rng.normal(shift, 1, (models, size)) for size in sizes)
    return ModelGroup(*margins, np.full(models, accuracy), np.full(models, accuracy / 2))


@pytest.fixture
def case(make_case):
    return lambda judged, retrained: replace(make_case(), findings=Findings.of(Ensembles(judged, retrained)))


def test_identity(case):
    same = case(group(60), group(60))
    assert klom(same, bins=20) == pytest.approx(dict.fromkeys(klom.spec.keys, 0), abs=1e-12)
    assert klom_gauss(same) == pytest.approx(dict.fromkeys(klom_gauss.spec.keys, 0), abs=1e-12)
    # One value each: the groups cannot be told apart at all.
    flat = replace(group(8), forget=np.ones((8, 60)))
    assert forgetting_epsilons(case(flat, flat))["dist/eps_median"] == 0
    assert forgetting_scores(case(flat, flat)) == {"dist/eps_score": 1, "dist/challenge_score": 1}


def test_one_is_out_of_reach_of_two_groups_of_one_distribution(case):
    found = case(group(32), group(32, seed=1))
    score, epsilon = forgetting_scores(found)["dist/eps_score"], forgetting_epsilons(found)
    assert 0.1 < score < 0.4
    assert 0.7 < epsilon["dist/eps_median"] < 2.5
    assert epsilon["dist/eps_median"] <= epsilon["dist/eps_p95"]


def test_disjoint_groups(case):
    found = case(group(32, shift=100), group(32, seed=1))
    assert forgetting_scores(found) == {"dist/eps_score": 0, "dist/challenge_score": 0}
    assert forgetting_epsilons(found)["dist/eps_p95"] == 50


def test_utility_lowers_the_challenge_score(case):
    flat = replace(group(8), forget=np.ones((8, 60)))
    found = forgetting_scores(case(replace(flat, retain_acc=np.full(8, 0.45)), flat))
    assert found == {"dist/eps_score": 1, "dist/challenge_score": 0.5}


@pytest.mark.parametrize(("models", "floor"), [(10, 0.27), (20, 0.115), (100, 0.02)])
def test_floor_of_the_gaussian_form(case, models, floor):
    values = [
        klom_gauss(case(group(models, seed=s), group(models, seed=s + 50)))["dist/klom_gauss_forget_mean"]
        for s in range(8)
    ]
    assert np.mean(values) == pytest.approx(floor, rel=0.2)


def test_a_shift_of_one_deviation(case):
    value = klom_gauss(case(group(3000, shift=1), group(3000, seed=1)))["dist/klom_gauss_retain_median"]
    assert value == pytest.approx(0.5, abs=0.05)


def test_histograms_need_many_models(case):
    assert np.isnan(list(klom(case(group(49), group(49, seed=1)), bins=20).values())).all()
    assert klom(case(group(50, shift=100), group(50, seed=1)), bins=20)["dist/klom_val_mean"] > 10


def test_retraining_is_the_distribution_that_is_expected(case):
    narrow = replace(group(200), forget=group(200).forget / 10)
    wide = group(200, seed=1)
    expected = np.log(1 / 0.1) + (0.01 - 1) / 2  # KL(narrow || wide)
    assert klom_gauss(case(wide, narrow))["dist/klom_gauss_forget_median"] == pytest.approx(expected, abs=0.1)


def test_no_held_out_samples(case):
    found = klom_gauss(case(group(5, val=0), group(5, seed=1, val=0)))
    assert np.isnan(found["dist/klom_gauss_val_mean"])
    assert np.isfinite(found["dist/klom_gauss_forget_mean"])
