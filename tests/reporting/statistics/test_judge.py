import math

import numpy as np
import pytest

from cu.reporting.collect import collect
from cu.reporting.collect.columns import GAP_OF_MEANS, GAP_PARTS
from cu.reporting.render.latex import latex
from cu.reporting.render.markdown import markdown
from cu.reporting.statistics.gap_of_means import gaps_of_means
from cu.reporting.statistics.precision import binomial_variance
from cu.reporting.statistics.types import Statistic
from cu.reporting.statistics.verdicts import equivalence_p, far_p
from cu.reporting.write import judged

NEAR = (0.002, -0.001, 0.003, 0.0, 0.001)
MANY = {"retain": 10**7, "forget": 10**7, "val": 0, "test": 10**7, "test_forget": 10**7}


@pytest.fixture
def fill(run_folders, make_metric):
    """`(method, gaps, key="test_acc", references=2, **entry)`: one run per gap."""

    def add(method, gaps, key="test_acc", references=2, sizes=MANY, **entry):
        for seed, gap in enumerate(gaps):
            metric = make_metric(0.8 + gap, 0.8, **{"ref_std": 0.002, "floor": 0.002, **entry})
            run_folders.add({key: metric}, method=method, seed=seed, split_sizes=sizes, references=references)

    return add


@pytest.fixture
def by_method(run_folders, make_report):
    def cells(keys=("test_acc",), **changes):
        return {s.method: s for s in judged(collect(run_folders.outputs), make_report(list(keys), **changes)).stats}

    return cells


def test_p_values_are_those_of_the_pure_functions(fill, by_method):
    fill("finetune", NEAR)
    stat = by_method()["finetune"]
    finite = binomial_variance(0.801, 10**7) + binomial_variance(0.8, 10**7)
    assert stat.tost_p == stat.tost_holm == pytest.approx(equivalence_p(NEAR, 0.01, finite))
    assert stat.far_p == stat.far_holm == pytest.approx(far_p(NEAR, [0.002] * 5, [2] * 5))
    assert stat.margin == 0.01


def test_holm_counts_the_methods_of_a_column_but_not_yardsticks(fill, by_method):
    gaps = {"a": NEAR, "b": (0.006, 0.002, 0.004), "retrain": (0, 0.001, 0), "original": (0.1, 0.2, 0.15)}
    for method, values in gaps.items():
        fill(method, values)
    cells = by_method()
    a, b = cells["a"].tost_p, cells["b"].tost_p
    assert a < b
    assert (cells["a"].tost_holm, cells["b"].tost_holm) == (pytest.approx(2 * a), pytest.approx(max(2 * a, b)))
    assert all(math.isnan(getattr(cells[name], p)) for name in ("retrain", "original") for p in ("tost_p", "far_p"))


def test_holm_counts_the_shown_metrics_of_a_row(run_folders, make_metric, make_report):
    for seed in range(3):
        metrics = {key: make_metric(0.6 + 0.1 * i, 0.5, ref_std=0.002 + seed / 1e4) for i, key in enumerate("abc")}
        run_folders.add(metrics, seed=seed)
    stats = {s.key: s for s in judged(collect(run_folders.outputs), make_report(["a", "b"])).stats}
    assert stats["b"].far_holm == pytest.approx(2 * stats["b"].far_p)
    assert stats["a"].far_holm == pytest.approx(stats["a"].far_p)
    assert math.isnan(stats["c"].far_holm)


def test_no_verdict_without_seeds_references_margin_or_target(fill, by_method):
    fill("one_seed", [0.001])
    fill("two_seeds", [0.0, 0.001])
    fill("one_reference", [0.0, 0.001, 0.0], references=1, ref_std=None)
    fill("seconds", [0.0, 0.1], key="eff/unlearn_seconds", direction="lower")
    fill("lower", [0.0, 0.1], key="agg/avg_gap", direction="lower")
    assert {name for name, stat in by_method().items() if not math.isnan(stat.tost_p)} == {"two_seeds"}
    assert {name for name, stat in by_method().items() if not math.isnan(stat.far_p)} == {"two_seeds"}
    assert all(math.isnan(stat.tost_p) for stat in by_method(margins={}).values())


def test_the_margin_follows_the_scale_of_the_key(fill, by_method):
    fill("share", [0.0135, 0.015, 0.0145])
    fill("area", [0.0135, 0.015, 0.0145], key="mia/loss_auc")
    cells = by_method()
    assert cells["share"].tost_p > 0.9
    assert cells["area"].tost_p < 0.01


def test_few_images_allow_no_equivalence_and_no_bold(fill, tables, cells):
    few = {"retain": 100, "forget": 36, "val": 0, "test": 36, "test_forget": 36}
    for method, gap in (("near", 0.0), ("far", 0.02)):
        fill(method, (gap, gap, gap), sizes=few)
    (table,) = tables(["test_acc"])
    assert cells(table)["near"] == ("80.0 ± 0.0 (0.0)",)
    assert not any(cell.best for row in table.rows for cell in row.cells)


def test_marks_and_their_explanation(fill, tables, cells, notes):
    fill("near", NEAR)
    fill("far", (0.05, 0.06, 0.04, 0.05, 0.05))
    fill("noisy", (0.013, -0.013, 0.012, -0.012, 0.0), ref_std=0.01)
    (table,) = tables(["test_acc"])
    assert {label: text for label, (text,) in cells(table).items()} == {
        "retrained (reference)": "80.0 ± 0.2",
        "near": "80.1 ± 0.2 (+0.1) ≈",
        "far": "85.0 ± 0.7 (+5.0) *",
        "noisy": "80.0 ± 1.3 (0.0)",
    }
    equivalent, large = notes(table)
    assert equivalent.startswith("≈ equivalent to retraining: the paired gap is within 1 point or 0.02")
    assert large.startswith("* further from the retrained models")
    assert r"$\approx$ equivalent to retraining" in latex([table])
    assert "\n\n≈ equivalent to retraining" in markdown("test", [table], [])
    assert r"85.0 ± 0.7 (+5.0) \*" in markdown("test", [table], [])


def bold(tables, **changes):
    (table,) = tables(["test_acc"], **changes)
    return [row.label.name for row in table.rows if row.cells[0].best]


def test_bold_is_within_the_margin_and_closer_than_every_other(fill, tables):
    fill("steady", (0.002, 0.0021, 0.0019))
    fill("worse", (0.008, 0.0081, 0.0082))
    assert bold(tables) == ["steady"]
    assert bold(tables, margins={"percent": 0.001}) == []
    fill("noisy", (0.02, 0.0, 0.01))  # on average farther than "steady", but one cannot be sure
    assert bold(tables) == []


def test_gaps_to_both_sides_are_never_bold(fill, tables):
    fill("cancels", (0.1, -0.1, 0.0001))
    fill("steady", (0.02, 0.021, 0.019))
    assert bold(tables, margins={"percent": 0.05}) == []
    assert bold(tables, margins={"percent": 1.0}) == []


def test_a_row_that_lost_a_seed_earns_no_mark(fill, run_folders, tables, cells):
    fill("near", NEAR)
    run_folders.add(method="near", seed=5, state="diverged", error="loss is nan")
    (table,) = tables(["test_acc"])
    assert "≈" not in cells(table)["near"][0]
    assert table.rows[-1].seeds.others == (("diverged", 1),)


def test_too_few_runs_for_verdicts_are_said_in_the_legend(fill, tables):
    for method, gap in (("near", 0.0), ("far", 0.3)):
        fill(method, [gap, gap + 0.001, gap], references=1, ref_std=None, floor=None)
    (table,) = tables(["test_acc"])
    assert "no verdicts" in table.legend
    assert not any(cell.best or cell.marks for row in table.rows for cell in row.cells)


@pytest.mark.parametrize(("seeds", "floor"), [(1, 1.128), (3, 0.65), (5, 0.50), (10, 0.36)])
def test_floor_of_the_gap_of_means_falls_with_the_number_of_seeds(seeds, floor):
    # Gaps between two models of one law, each of standard deviation 1; one cell per draw.
    gaps = np.random.default_rng(seeds).normal(0, np.sqrt(2), size=(3000, len(GAP_PARTS), seeds))
    per_run = np.abs(gaps).mean()
    assert per_run == pytest.approx(1.128, abs=0.02)
    place = dict.fromkeys(("dataset", "model", "scenario", "data_setting", "setting"), "")
    rows = [
        Statistic(**place, method=str(cell), key=key, gap=gap, gap_n=seeds)
        for cell, own in enumerate(gaps.mean(axis=2))
        for key, gap in zip(GAP_PARTS, own, strict=True)
    ]
    assert np.mean([stat.mean for stat in gaps_of_means(rows)]) == pytest.approx(floor, abs=0.02)


def test_gap_of_means_lets_noise_cancel(run_folders, make_metric, tables, cells):
    gaps = np.array([[0.02, 0.01, -0.03, 0.1], [-0.02, 0.01, -0.01, 0.3]])
    for seed, row in enumerate(gaps):
        metrics = {key: make_metric(0.5 + gap, 0.5) for key, gap in zip(GAP_PARTS, row, strict=True)}
        run_folders.add(metrics, seed=seed)
        run_folders.add({"forget_train_acc": make_metric(0.5, 0.5)}, method="partial", seed=seed)
    # |0|, |.01|, |-.02|, |.2|: mean .0575; the mean of absolute gaps would be .0625.
    (table,) = tables([GAP_OF_MEANS])
    assert cells(table)["contrastive"] == ("5.8",)
    assert cells(table)["partial"] == ("n/a [1]",)
