"""Runs of one training seed share what they are compared with: together they are one replicate."""

import numpy as np
import pytest
from scipy import stats

from cu.reporting.collect import collect
from cu.reporting.statistics.intervals import LEVEL
from cu.reporting.statistics.replicates import by_training_seed, replicates, spreads
from cu.reporting.statistics.types import Statistic
from cu.reporting.statistics.verdicts import far_p
from cu.reporting.write import judged

PLACE = dict.fromkeys(("dataset", "model", "scenario", "data_setting", "method", "setting", "key"), "one")
MANY = {"retain": 10**7, "forget": 10**7, "val": 0, "test": 10**7, "test_forget": 10**7}


def statistic(gaps, std=1.0):
    counts = dict.fromkeys(gaps, 2)
    return Statistic(**PLACE, gaps=gaps, stds=dict.fromkeys(gaps, std), counts=counts)


def test_the_runs_of_a_training_seed_are_averaged():
    gaps = {(0, 0, 0): 1.0, (0, 0, 1): 3.0, (0, 4, 0): 5.0, (1, 1, 1): 7.0}
    assert by_training_seed(gaps) == {0: 3.0, 1: 7.0}
    assert replicates(statistic(gaps)) == 2
    assert spreads(statistic(gaps, std=2.0)) == ([3.0, 7.0], [2.0, 2.0], [2, 2])


@pytest.fixture
def stat_of(run_folders, make_metric, make_report):
    """The judged statistic of runs with these gaps by (seed, forget seed, method seed)."""

    def add(gaps, method="finetune"):
        for (seed, forget_seed, method_seed), gap in gaps.items():
            seeds = {"seed": seed, "forget_seed": forget_seed, "method_seed": method_seed}
            metric = make_metric(0.8 + gap, 0.8, ref_std=0.002, floor=0.002)
            run_folders.add({"test_acc": metric}, method=method, config=seeds, seeds=seeds, split_sizes=MANY)
        found = judged(collect(run_folders.outputs), make_report(["test_acc"])).stats
        return next(stat for stat in found if stat.method == method)

    return add


def test_one_training_seed_gives_no_verdict_however_many_runs_it_has(stat_of):
    stat = stat_of({(0, 0, number): 0.1 + number / 1000 for number in range(5)})
    assert stat.gap_n == 5
    assert np.isnan([stat.far_p, stat.tost_p]).all()


def test_verdicts_are_those_of_the_means_of_each_training_seed(stat_of):
    gaps = {(seed, seed, number): 0.003 * seed + 0.001 * number for seed in range(3) for number in range(4)}
    stat, means = stat_of(gaps), [0.0015, 0.0045, 0.0075]
    t = np.mean(means) / (1.25 * 0.002 * np.sqrt(1.5 / 3))
    assert stat.far_p == pytest.approx(2 * stats.t.sf(t, 3), rel=1e-4)
    error = np.sqrt(np.var(means, ddof=1) / 3)
    assert stat.tost_p == pytest.approx(stats.t.sf((0.01 - np.mean(means)) / error, 2), rel=1e-2)


@pytest.mark.parametrize("k", [2, 3])
def test_retrained_models_in_the_place_of_runs_that_share_references_are_far_in_at_most_5_percent(k):
    draws, rng = 1500, np.random.default_rng(k)

    def fresh(seeds):
        gaps, stds = {}, {}
        for seed in range(seeds):
            others = rng.normal(size=k)
            for number in range(3):
                gaps[seed, seed, number] = rng.normal() - others.mean()
                stds[seed, seed, number] = others.std(ddof=1)
        return Statistic(**PLACE, gaps=gaps, stds=stds, counts=dict.fromkeys(gaps, k))

    def run_by_run(stat):
        return list(stat.gaps.values()), list(stat.stds.values()), list(stat.counts.values())

    called = np.mean([far_p(*spreads(fresh(2))) < LEVEL for _ in range(draws)])
    assert called <= LEVEL + 3 * np.sqrt(LEVEL * (1 - LEVEL) / draws)
    naive = np.mean([far_p(*run_by_run(fresh(1))) < LEVEL for _ in range(draws)])
    assert naive > 0.08, "what it is that averaging cures"
