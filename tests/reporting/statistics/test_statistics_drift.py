import numpy as np
import pytest
from scipy import stats as scipy_stats

from cu.reporting.statistics.statistics_drift import BASELINE, DISTANCE, no_better_than_statistics
from cu.reporting.statistics.types import Statistic

PLACE = dict.fromkeys(("dataset", "model", "scenario", "data_setting"), "")


def row(values):
    """Average gaps by seed, all runs with a reference of 0.01."""
    gaps = {(seed, seed, seed): value - 0.01 for seed, value in enumerate(values)}
    return {DISTANCE: Statistic(**PLACE, method="", setting="", key=DISTANCE, mean=float(np.mean(values)), gaps=gaps)}


NULL = [0.20, 0.22, 0.21]


@pytest.mark.parametrize(
    ("values", "marked"),
    [
        ([0.02, 0.03, 0.02], False),
        ([0.19, 0.23, 0.20], True),
        ([0.30, 0.31, 0.33], True),
        (NULL, True),
        ([0.02], False),  # one seed says nothing
    ],
)
def test_a_method_has_to_be_shown_nearer(values, marked):
    table = {BASELINE: row(NULL), ("mine", ""): row(values), ("retrain", ""): row(NULL), ("head_only", ""): row(NULL)}
    assert no_better_than_statistics(table) == ({("mine", "")} if marked else set())


def test_the_test_is_scipys_paired_one():
    rng = np.random.default_rng(0)
    for _ in range(40):
        null, own = rng.normal(0.2, 0.02, 4), rng.normal(0.17, 0.02, 4)
        better = own.mean() < null.mean() and scipy_stats.ttest_rel(own, null).pvalue < 0.05
        table = {BASELINE: row(null), ("mine", ""): row(own)}
        assert (no_better_than_statistics(table) == set()) == better


def test_without_the_baseline_nothing_is_marked():
    assert no_better_than_statistics({("mine", ""): row(NULL)}) == set()
    assert no_better_than_statistics({BASELINE: {}, ("mine", ""): row(NULL)}) == set()


def test_the_table_says_it(run_folders, make_metric, tables, notes):
    gaps = {"statistics_only": NULL, "idle": [0.21, 0.22, 0.20], "good": [0.02, 0.03, 0.01]}
    for method, values in gaps.items():
        for seed, value in enumerate(values):
            metrics = {DISTANCE: make_metric(value, 0.01, ref_std=0.001, floor=0.001)}
            run_folders.add(metrics, method=method, seed=seed)
    (table,) = tables([DISTANCE])
    assert {row.label.name: row.label.marks for row in table.rows if row.label.name in gaps} == {
        "statistics_only": (),
        "idle": ("drift",),
        "good": (),
    }
    assert any("moves no weight" in note for note in notes(table))
