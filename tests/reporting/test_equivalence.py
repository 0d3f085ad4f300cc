import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats as scipy_stats

from cu.reporting.aggregate import aggregate
from cu.reporting.collect import CELL, collect
from cu.reporting.equivalence import footnote
from cu.reporting.gap_of_means import COMPONENTS, KEY, gaps_of_means
from cu.reporting.render import latex, markdown
from cu.reporting.tables import build_tables

MARGINS = {"percent": 0.01, "fraction": 0.02}
NEAR = (0.002, -0.001, 0.003, 0.0, 0.001)


@pytest.fixture
def fill(run_folders, make_metric):
    """`(method, gaps, key="test_acc", ref=0.8, **entry)`: one run per gap."""

    def add(method, gaps, key="test_acc", **entry):
        for seed, gap in enumerate(gaps):
            run_folders.add({key: make_metric(0.8 + gap, 0.8, **entry)}, method=method, seed=seed)

    return add


@pytest.fixture
def by_method(run_folders):
    def cells(margins=MARGINS):
        frame = aggregate(collect(run_folders.outputs), None, None, margins).long_form()
        return {row["method"]: row for row in frame.to_dict("records")}

    return cells


def test_the_worked_example_in_points(fill, by_method):
    # Gaps .2, -.1, .3, 0, .1 points: mean .10, 95 % interval [-.096, .296], p = 1.1e-4 at a margin of 1 point.
    fill("finetune", NEAR)
    cell = by_method()["finetune"]
    assert cell["gap"] - cell["gap_ci95"] == pytest.approx(-0.00096, abs=5e-6)
    assert cell["gap"] + cell["gap_ci95"] == pytest.approx(0.00296, abs=5e-6)
    assert cell["tost_p"] == pytest.approx(1.1e-4, abs=5e-6)
    assert cell["holm_p"] == cell["tost_p"]
    low, high = scipy_stats.t.interval(0.95, 4, loc=0, scale=scipy_stats.sem(NEAR))
    assert cell["ci95"] == pytest.approx((high - low) / 2)


def test_holm_counts_the_methods_of_a_table_but_not_yardsticks(fill, by_method):
    gaps = {"a": NEAR, "b": (0.006, 0.002, 0.004), "retrain": (0, 0, 0), "original": (0.1, 0.2, 0.15)}
    for method, values in gaps.items():
        fill(method, values)
    cells = by_method()
    a, b = cells["a"]["tost_p"], cells["b"]["tost_p"]
    assert a < b
    assert (cells["a"]["holm_p"], cells["b"]["holm_p"]) == (pytest.approx(2 * a), pytest.approx(max(2 * a, b)))
    assert cells["retrain"]["tost_p"] == 0
    assert all(math.isnan(cells[name]["holm_p"]) for name in ("retrain", "original"))


def test_no_verdict_without_seeds_margin_or_target(fill, by_method):
    fill("one_seed", [0.0])
    fill("two_seeds", [0.0, 0.001])
    fill("seconds", [0.0, 0.0], key="eff/unlearn_seconds")
    fill("lower", [0.0, 0.0], key="agg/avg_gap", direction="lower")
    cells = by_method()
    assert {name for name, cell in cells.items() if not math.isnan(cell["tost_p"])} == {"two_seeds"}
    assert all(math.isnan(cell["tost_p"]) for cell in by_method({}).values())


def test_the_margin_follows_the_scale_of_the_key(fill, by_method):
    fill("share", [0.014, 0.015, 0.016])
    fill("area", [0.014, 0.015, 0.016], key="mia/loss_auc")
    cells = by_method()
    assert cells["share"]["tost_p"] > 0.9
    assert cells["area"]["tost_p"] < 0.01


def test_marks_and_their_explanation(fill, run_folders, make_report):
    fill("near", NEAR)
    fill("far", (0.05, 0.06, 0.04, 0.05, 0.05))
    fill("noisy", (0.03, -0.03, 0.02, -0.02, 0.0))
    report = make_report(["test_acc"])
    collection = collect(run_folders.outputs)
    (table,) = build_tables(collection, aggregate(collection, None, None, MARGINS), report)
    rows = {row.label: row.cells[0] for row in table.rows}
    assert rows["near"] == "80.1 ± 0.2 (+0.1) ≈"
    assert [label for label, text in rows.items() if "≈" in text] == ["near"]
    assert table.footnotes == (footnote(MARGINS),)
    assert "within 1 point or 0.02" in table.footnotes[0]
    assert r"$\approx$ equivalent to retraining" in latex([table])
    assert "\n\n≈ equivalent to retraining" in markdown("test", [table], [])


def test_a_row_that_lost_a_seed_earns_no_mark(fill, run_folders, make_report):
    fill("near", NEAR)
    run_folders.add(method="near", seed=5, state="diverged", error="loss is nan")
    collection = collect(run_folders.outputs)
    cells = aggregate(collection, None, None, MARGINS)
    (table,) = build_tables(collection, cells, make_report(["test_acc"]))
    assert "≈" not in table.rows[-1].cells[0]
    assert table.rows[-1].seeds == "5/6 (diverged 1)"
    assert cells.long_form()["diverged"].tolist() == [1]


@pytest.mark.parametrize(("seeds", "floor"), [(1, 1.128), (3, 0.65), (5, 0.50), (10, 0.36)])
def test_floor_of_the_gap_of_means_falls_with_the_number_of_seeds(seeds, floor):
    # Gaps between two models of one law, each of standard deviation 1; one cell per draw.
    gaps = np.random.default_rng(seeds).normal(0, np.sqrt(2), size=(3000, len(COMPONENTS), seeds))
    per_run = np.abs(gaps).mean()
    assert per_run == pytest.approx(1.128, abs=0.02)
    rows = [
        {**dict.fromkeys(CELL, ""), "method": str(cell), "key": key, "gap": gap, "gap_n": seeds}
        for cell, own in enumerate(gaps.mean(axis=2))
        for key, gap in zip(COMPONENTS, own, strict=True)
    ]
    found = gaps_of_means(pd.DataFrame(rows).assign(mean=0.0, n=seeds, direction="match_retrained", versions="1"))
    assert found["mean"].mean() == pytest.approx(floor, abs=0.02)


def test_gap_of_means_lets_noise_cancel(run_folders, make_metric, make_report):
    gaps = np.array([[0.02, 0.01, -0.03, 0.1], [-0.02, 0.01, -0.01, 0.3]])
    for seed, row in enumerate(gaps):
        metrics = {key: make_metric(0.5 + gap, 0.5) for key, gap in zip(COMPONENTS, row, strict=True)}
        run_folders.add(metrics, seed=seed)
        run_folders.add({"forget_train_acc": make_metric(0.5, 0.5)}, method="partial", seed=seed)
    collection = collect(run_folders.outputs)
    cells = aggregate(collection, None, None, MARGINS)
    # |0|, |.01|, |-.02|, |.2|: mean .0575; the mean of absolute gaps would be .0625.
    (row,) = cells.stats.loc[cells.stats["key"] == KEY].to_dict("records")
    assert (row["method"], row["n"]) == ("contrastive", 2)
    assert row["mean"] == pytest.approx(np.abs(gaps.mean(axis=0)).mean()) == pytest.approx(0.0575)
    (table,) = build_tables(collection, cells, make_report([KEY]))
    assert table.headings == ("agg/avg_gap_of_means [%] ↓",)
    assert {row.label: row.cells[0] for row in table.rows}["contrastive"] == "5.8"
