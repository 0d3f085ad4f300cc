import math

import pytest
from scipy import stats as scipy_stats

from cu.reporting.collect import collect
from cu.reporting.statistics.aggregate import ORIGINAL, RETRAINED, aggregate


def test_mean_std_gap_and_interval_by_hand(run_folders, make_metric):
    # Gaps .2, -.1, .3, 0, .1 percentage points: mean .10, 95 % interval [-.096, .296].
    refs = [0.80, 0.82, 0.81, 0.79, 0.83]
    gaps = [0.002, -0.001, 0.003, 0.0, 0.001]
    for seed, (ref, gap) in enumerate(zip(refs, gaps, strict=True)):
        run_folders.add({"test_acc": make_metric(ref + gap, ref, floor=0.01 * (seed + 1), original=0.9)}, seed=seed)
    (cell,) = aggregate(collect(run_folders.outputs), None, None).stats
    assert cell.n == 5
    assert cell.mean == pytest.approx(0.811)
    assert cell.ref == pytest.approx(0.81)
    assert cell.gap == pytest.approx(0.001)
    assert cell.floor == pytest.approx(0.03)
    assert cell.original == pytest.approx(0.9)
    # Deviations of the gaps from .001: .001, -.002, .002, -.001, 0; squares sum to 1e-5, over 4.
    assert cell.gap_std == pytest.approx(math.sqrt(1e-5 / 4))
    # Values .802, .819, .813, .790, .831; squared deviations from .811 sum to 9.9e-4.
    assert cell.std == pytest.approx(math.sqrt(9.9e-4 / 4))
    values = [ref + gap for ref, gap in zip(refs, gaps, strict=True)]
    low, high = scipy_stats.t.interval(0.95, 4, loc=cell.mean, scale=scipy_stats.sem(values))
    assert cell.ci95 == pytest.approx((high - low) / 2)
    low, high = scipy_stats.t.interval(0.95, 4, loc=cell.gap, scale=cell.gap_std / math.sqrt(5))
    assert (low, high) == (pytest.approx(-0.00096, abs=1e-5), pytest.approx(0.00296, abs=1e-5))


def test_one_seed_has_no_spread(run_folders, make_metric):
    run_folders.add({"test_acc": make_metric(0.9, 0.8)})
    (cell,) = aggregate(collect(run_folders.outputs), None, None).stats
    assert cell.mean == 0.9
    assert cell.gap == pytest.approx(0.1)
    assert all(math.isnan(getattr(cell, name)) for name in ("std", "gap_std", "ci95", "floor"))


def test_a_run_without_a_value_does_not_count(run_folders, make_metric):
    run_folders.add({"a": make_metric(0.4, 0.5)}, seed=0)
    run_folders.add({"a": make_metric(None, status="skipped: too few samples")}, seed=1)
    (cell,) = aggregate(collect(run_folders.outputs), None, None).stats
    assert (cell.mean, cell.n, cell.reasons) == (0.4, 1, "skipped: too few samples")


def test_an_undefined_value_is_explained_by_what_the_metric_says_of_itself(run_folders, make_metric):
    run_folders.add({"a": make_metric(None, status="undefined", note="attack at chance"), "b": make_metric(math.nan)})
    reasons = {cell.key: cell.reasons for cell in aggregate(collect(run_folders.outputs), None, None).stats}
    assert reasons == {"a": "attack at chance", "b": "undefined"}


def test_notes_of_some_runs_are_told_and_empty_ones_are_not(run_folders, make_metric):
    for seed, note in enumerate(("", "saturated", "saturated")):
        run_folders.add({"a": make_metric(0.4, 0.5, note=note)}, seed=seed)
    (cell,) = aggregate(collect(run_folders.outputs), None, None).stats
    assert cell.notes == "saturated"


def test_expected_seeds_are_those_of_the_scenario(run_folders, make_metric):
    value = {"test_acc": make_metric(0.5)}
    for seed in range(4):
        run_folders.add(value, method="retrain", seed=seed)
    run_folders.add(value, seed=0)
    run_folders.add(state="failed", error="out of memory", seed=1)
    run_folders.add(state="diverged", error="loss is nan", seed=2)
    run_folders.add(value, scenario="sample", seed=9)
    cells = aggregate(collect(run_folders.outputs), None, None)
    counts = cells.counts.set_index(["scenario", "method"])
    contrastive = counts.loc[("class", "contrastive")]
    assert contrastive[["expected", "finished", "failed", "diverged", "missing"]].tolist() == [4, 1, 1, 1, 1]
    assert counts.loc[("class", "retrain"), "finished"] == 4
    assert counts.loc[("sample", "contrastive"), "expected"] == 1
    holes = cells.holes.set_index("seed")
    assert holes["state"].to_dict() == {3: "missing", 1: "failed", 2: "diverged"}
    assert holes.loc[1, "reason"] == "out of memory"


def test_requested_seeds_and_methods_that_never_ran_are_missing(run_folders, make_metric):
    run_folders.add({"test_acc": make_metric(0.5)}, seed=0)
    cells = aggregate(collect(run_folders.outputs), [0, 1], ["contrastive", "scrub"])
    counts = cells.counts.set_index("method")
    assert counts["missing"].to_dict() == {"contrastive": 1, "scrub": 2}
    assert counts["finished"].to_dict() == {"contrastive": 1, "scrub": 0}


def test_settings_are_never_averaged(run_folders, make_metric):
    for lr, value in ((0.1, 0.2), (0.01, 0.8)):
        for seed in range(3):
            run_folders.add({"test_acc": make_metric(value)}, seed=seed, config={"method.lr": lr})
    for size in (10, 20):
        run_folders.add({"test_acc": make_metric(size / 100)}, dataset="svhn", config={"dataset.train_size": size})
    stats = aggregate(collect(run_folders.outputs), None, None).stats
    means = {(stat.dataset, stat.data_setting, stat.setting): stat.mean for stat in stats}
    assert means == {
        ("digits", "", "lr=0.1"): pytest.approx(0.2),
        ("digits", "", "lr=0.01"): pytest.approx(0.8),
        ("svhn", "dataset.train_size=10", ""): pytest.approx(0.1),
        ("svhn", "dataset.train_size=20", ""): pytest.approx(0.2),
    }


def test_references_count_once_per_seed(run_folders, make_metric):
    for seed, ref in enumerate((0.1, 0.3)):
        for method in ("contrastive", "finetune", "scrub")[: seed + 2]:
            run_folders.add({"test_acc": make_metric(0.5, ref, original=0.9)}, method=method, seed=seed)
    found = {s.method: s for s in aggregate(collect(run_folders.outputs), None, None).references}
    assert (found[RETRAINED].mean, found[RETRAINED].n) == (pytest.approx(0.2), 2)
    assert found[RETRAINED].std == pytest.approx(math.sqrt(0.02))
    assert (found[ORIGINAL].mean, found[ORIGINAL].gap) == (pytest.approx(0.9), pytest.approx(0.7))


def test_retrained_models_spread_as_single_ones_not_as_their_means(run_folders, make_metric):
    # Two runs with standard deviations .03 (3 models) and .01 (2 models): pooled sqrt((2 * 9e-4 + 1e-4) / 3).
    for seed, (std, count) in enumerate(((0.03, 3), (0.01, 2))):
        run_folders.add({"test_acc": make_metric(0.5, 0.4, ref_std=std)}, seed=seed, references=count)
    cells = aggregate(collect(run_folders.outputs), None, None)
    expected = pytest.approx(math.sqrt(19e-4 / 3))
    assert {s.method: s.std for s in cells.references} == {RETRAINED: expected}
    assert (cells.stats[0].ref_std, cells.stats[0].references) == (expected, 2)


def test_absolute_gaps_do_not_cancel(run_folders, make_metric):
    for seed, gap in enumerate((0.1, -0.1, 0.0)):
        run_folders.add({"test_acc": make_metric(0.5 + gap, 0.5)}, seed=seed)
    (stat,) = aggregate(collect(run_folders.outputs), None, None).stats
    assert (stat.gap, stat.abs_gap) == (pytest.approx(0), pytest.approx(0.2 / 3))


def test_references_do_not_depend_on_the_method_seed(run_folders, make_metric):
    for method_seed in range(3):
        run_folders.add({"test_acc": make_metric(0.5, 0.4)}, config={"method_seed": method_seed})
    cells = aggregate(collect(run_folders.outputs), None, None)
    assert [s.n for s in cells.stats] == [3]
    assert [s.n for s in cells.references] == [1]


def test_long_form_keeps_cells_without_a_finished_run(run_folders, make_metric):
    run_folders.add({"test_acc": make_metric(0.5)})
    run_folders.add(method="scrub", state="failed", error="no")
    long = aggregate(collect(run_folders.outputs), None, None).long_form().set_index("method")
    assert long["n"].to_dict() == {"contrastive": 1, "scrub": 0}
    assert long.loc["scrub", ["expected", "failed"]].tolist() == [1, 1]


def test_no_finished_run_at_all(run_folders):
    run_folders.add(state="failed", error="no")
    cells = aggregate(collect(run_folders.outputs), None, None)
    assert cells.stats == ()
    assert cells.references == ()
    assert cells.counts["failed"].tolist() == [1]


def test_an_interval_counts_training_seeds_and_not_runs(run_folders, make_metric):
    values = {(0, 0): 0.80, (0, 1): 0.82, (1, 0): 0.86, (1, 1): 0.88, (2, 0): 0.83, (2, 1): 0.83}
    for (seed, draw), value in values.items():
        run_folders.add({"a": make_metric(value, 0.8)}, config={"seed": seed, "method_seed": draw})
    (cell,) = aggregate(collect(run_folders.outputs), None, None).stats
    low, high = scipy_stats.t.interval(0.95, 2, loc=0, scale=scipy_stats.sem([0.81, 0.87, 0.83]))
    assert (cell.n, cell.ci95) == (6, pytest.approx((high - low) / 2))
    assert cell.gap_ci95 == pytest.approx((high - low) / 2)
    assert cell.std == pytest.approx(scipy_stats.tstd(list(values.values())))
