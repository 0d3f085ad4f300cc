import math

import pytest

from cu.errors import ConfigError
from cu.reporting.aggregate import aggregate
from cu.reporting.collect import collect
from cu.reporting.columns import missing_columns
from cu.reporting.marks import closest
from cu.reporting.table import Table
from cu.reporting.tables import build_tables


@pytest.fixture
def tables(run_folders, make_report):
    def build(chosen, **changes) -> list[Table]:
        report = make_report(chosen, **changes)
        collection = collect(run_folders.outputs)
        return build_tables(collection, aggregate(collection, report.seeds, report.methods, report.margins), report)

    return build


def cells(table: Table) -> dict[str, tuple[str, ...]]:
    return {row.label: row.cells for row in table.rows}


def test_cell_is_value_spread_and_gap(run_folders, make_metric, tables):
    # Values .909, .912, .915: mean .912, std .003; gaps -.007, -.004, -.001: mean -.004.
    for seed, value in enumerate((0.909, 0.912, 0.915)):
        metrics = {
            "retain_test_acc": make_metric(value, 0.916),
            "eff/unlearn_seconds": make_metric(12.34, 100, direction="lower"),
            "agg/tow": make_metric(0.9, 1, direction="higher"),
        }
        run_folders.add(metrics, seed=seed)
    columns = [{"key": "retain_test_acc", "title": "retain"}, "eff/unlearn_seconds", "agg/tow"]
    (table,) = tables(columns)
    assert table.headings == ("retain [%] →ref", "eff/unlearn_seconds [s] ↓", "agg/tow ↑")
    assert cells(table)["contrastive"] == ("91.2 ± 0.3 (−0.4) ≈", "12.3 ± 0.0", "0.900 ± 0.000")
    assert table.rows[-1].seeds == "3/3"
    assert table.rows[-1].values == pytest.approx((91.2, 12.34, 0.9))


def test_scale_of_a_column_can_be_chosen(run_folders, make_metric, tables):
    run_folders.add({"eff/unlearn_seconds": make_metric(158.4, direction="lower")})
    (table,) = tables([{"key": "eff/unlearn_seconds", "scale": "minutes"}])
    assert cells(table)["contrastive"] == ("2.64",)
    with pytest.raises(ConfigError, match=r"report.columns.class\[0\].scale: 'hours' is none of percent"):
        tables([{"key": "eff/unlearn_seconds", "scale": "hours"}])
    with pytest.raises(ConfigError, match="expected a metric key"):
        tables([{"titel": "time"}])


def test_rows_start_with_the_yardsticks_unless_told_otherwise(run_folders, make_metric, tables):
    for method in ("zeta", "original", "alpha", "retrain"):
        run_folders.add({"test_acc": make_metric(0.5)}, method=method)
    assert [row.label for row in tables(["test_acc"])[0].rows] == ["retrain", "original", "alpha", "zeta"]
    chosen = tables(["test_acc"], methods=["zeta", "retrain", "original", "alpha"])[0]
    assert [row.label for row in chosen.rows] == ["zeta", "retrain", "original", "alpha"]


def test_references_stand_in_for_yardsticks_that_did_not_run(run_folders, make_metric, tables):
    run_folders.add({"test_acc": make_metric(0.5, 0.75, original=0.9)})
    (table,) = tables(["test_acc"])
    assert cells(table) == {
        "retrained (reference)": ("75.0",),
        "original (before)": ("90.0 (+15.0)",),
        "contrastive": ("50.0 (−25.0)",),
    }


def test_one_table_per_data_and_one_row_per_setting(run_folders, make_metric, tables):
    for lr in (0.1, 10, 9):
        run_folders.add({"test_acc": make_metric(lr / 100)}, config={"method.lr": lr})
    for size in (200, 1000):
        run_folders.add({"test_acc": make_metric(0.5)}, dataset="svhn", config={"dataset.train_size": size})
    digits, small, large = tables(["test_acc"])
    assert [row.label for row in digits.rows] == ["contrastive (lr=0.1)", "contrastive (lr=9)", "contrastive (lr=10)"]
    assert small.title == "svhn / slim / class (dataset.train_size=200)"
    assert large.title == "svhn / slim / class (dataset.train_size=1000)"


def test_holes_are_visible_in_cells_seeds_and_footer(run_folders, make_metric, tables):
    for seed in range(3):
        run_folders.add({"test_acc": make_metric(0.5)}, method="retrain", seed=seed)
    run_folders.add({"test_acc": make_metric(0.5)}, seed=0)
    run_folders.add(seed=1, state="diverged", error="Traceback ...\n  line\nValueError: loss is nan\n")
    run_folders.add(method="scrub", seed=0, state="failed", error="out of memory")
    run_folders.add(method="scrub", seed=1, state="failed", error="out of memory")
    (table,) = tables(["test_acc", "other"], methods=["retrain", "contrastive", "scrub", "ssd"])
    rows = {row.label: row for row in table.rows}
    assert rows["retrain"].seeds == "3/3"
    assert rows["contrastive"].seeds == "1/3 (diverged 1, missing 1)"
    assert rows["contrastive"].cells[0] == "50.0"
    assert rows["scrub"].cells == ("— (failed 2/3)", "— (failed 2/3)")
    assert rows["ssd"].cells == ("— (missing)", "— (missing)")
    assert "contrastive, seed 1: diverged: ValueError: loss is nan" in table.holes
    assert "scrub, seed 2: missing: no run" in table.holes
    assert sum(hole.startswith("ssd") for hole in table.holes) == 3
    assert table.provenance == "4 of 7 runs finished; commit aaaaaaaaaaaa; torch 2.5.0"


def test_a_table_without_any_finished_run_is_all_holes(run_folders, tables):
    run_folders.add(state="failed", error="no")
    (table,) = tables(["test_acc"])
    assert cells(table) == {"contrastive": ("— (failed 1/1)",)}
    assert table.floor is None


def test_skipped_and_unknown_metrics_have_footnotes(run_folders, make_metric, tables):
    skipped = make_metric(None, status="skipped: needs reference.k=1")
    for method in ("contrastive", "finetune"):
        run_folders.add({"a": skipped, "b": make_metric(None, status="undefined")}, method=method)
    (table,) = tables(["a", "b", "nowhere"])
    assert cells(table) == dict.fromkeys(("contrastive", "finetune"), ("n/a [1]", "n/a [2]", "n/a [3]"))
    assert table.footnotes[0] == "[1] a: skipped: needs reference.k=1"
    assert table.footnotes[1] == "[2] b: undefined"
    assert table.footnotes[2].startswith("[3] nowhere: no run")


def test_a_value_of_only_some_seeds_says_so(run_folders, make_metric, tables):
    run_folders.add({"test_acc": make_metric(0.5)}, seed=0)
    run_folders.add({"test_acc": make_metric(None, status="undefined")}, seed=1)
    assert cells(tables(["test_acc"])[0])["contrastive"] == ("50.0, 1 of 2",)


def test_misspelt_columns_are_named_with_what_was_meant(run_folders, make_metric, make_report):
    run_folders.add({"retain_test_acc": make_metric(0.5)})
    collection = collect(run_folders.outputs)
    report = make_report(["retain_tset_acc", "retain_test_acc", "far/away"])
    expected = "report.columns: no run reports retain_tset_acc (did you mean retain_test_acc?), far/away"
    assert missing_columns(collection, report) == [expected]
    assert missing_columns(collection, make_report(["retain_test_acc"])) == []


@pytest.mark.parametrize(
    ("gaps", "floor", "winner"),
    [
        ({"a": 0.01, "b": -0.05}, 0.01, "a"),
        ({"a": 0.05, "b": -0.01}, 0.01, "b"),
        ({"a": 0.01, "b": -0.015}, 0.01, None),
        ({"a": 0.01, "b": -0.02}, 0.01, None),
        ({"a": 0.0, "b": 0.0, "c": 0.1}, math.nan, None),
        ({"a": 0.01, "b": 0.02}, math.nan, "a"),
        ({"a": 0.01, "b": math.nan}, 0.0, None),
        ({"a": 0.01}, 0.0, None),
        ({}, 0.0, None),
    ],
)
def test_closest(gaps, floor, winner):
    assert closest(gaps, floor) == winner


def test_marks_only_unlearning_methods_and_not_ties(run_folders, make_metric, tables):
    gaps = {"retrain": (0, 0), "original": (0, 0), "near": (0.02, 0.020), "far": (0.08, 0.025), "farther": (0.2, 0.3)}
    for method, (clear, tied) in gaps.items():
        metrics = {
            "forget_train_acc": make_metric(0.5 - clear, 0.5, floor=0.01),
            "retain_test_acc": make_metric(0.5 + tied, 0.5, floor=0.01),
            # Retrainings take unequally long too, which is no floor for a method's time.
            "eff/unlearn_seconds": make_metric(clear, 1, direction="lower", floor=3.1),
        }
        run_folders.add(metrics, method=method)
    (table,) = tables(["forget_train_acc", "retain_test_acc", "eff/unlearn_seconds"])
    assert {row.label: set(row.best) for row in table.rows if row.best} == {"near": {0}}
    assert table.floor is not None
    assert table.floor.cells == ("1.0", "1.0", "")


def test_an_incomplete_row_cannot_win(run_folders, make_metric, tables):
    for method, gap in (("near", 0.01), ("far", 0.1)):
        run_folders.add({"test_acc": make_metric(0.5 + gap, 0.5)}, method=method, seed=0)
    assert any(row.best for row in tables(["test_acc"])[0].rows)
    run_folders.add(method="near", seed=1, state="diverged", error="loss is nan")
    assert not any(row.best for row in tables(["test_acc"])[0].rows)


def test_mixtures_are_flagged(run_folders, make_metric, tables):
    run_folders.add({"test_acc": make_metric(0.5)}, seed=0)
    assert tables(["test_acc"])[0].warnings == ()
    git = {"commit": "b" * 40, "dirty": True}
    run_folders.add({"test_acc": make_metric(0.5, version=2)}, seed=1, git=git, versions={"torch": "2.6.0"})
    run_folders.add({"test_acc": make_metric(0.5)}, seed=0)
    (table,) = tables(["test_acc"])
    assert table.warnings == (
        "mixes 2 commits of the code",
        "mixes 2 versions of torch",
        "some runs were made with uncommitted changes",
        "test_acc mixes versions 1, 2 of its formula",
        "contrastive, seed 0: 2 runs whose settings do not differ; shown apart by fingerprint, not averaged",
    )
    assert "commit aaaaaaaaaaaa, bbbbbbbbbbbb+dirty" in table.provenance


def test_columns_follow_the_kind_of_the_scenario(run_folders, make_metric, tables):
    run_folders.add({"a": make_metric(0.1), "b": make_metric(0.2)}, scenario="class")
    run_folders.add({"a": make_metric(0.1), "b": make_metric(0.2)}, scenario="indices")
    by_class, by_sample = tables([], columns={"class": ["a"], "sample": ["b"]})
    assert (by_class.headings, by_sample.headings) == (("a →ref",), ("b →ref",))
    with pytest.raises(ConfigError, match=r"report.columns.sample: no columns"):
        tables([], columns={"class": ["a"]})


@pytest.mark.parametrize("null", ["untrained", "head_only", "logit_mask"])
def test_a_null_baseline_may_tie_but_is_never_the_closest(run_folders, make_metric, tables, null):
    run_folders.add({"a": make_metric(0.5, 0.5), "b": make_metric(0.9, 0.5)}, method=null)
    run_folders.add({"a": make_metric(0.9, 0.5), "b": make_metric(0.6, 0.5)}, method="contrastive")
    (table,) = tables(["a", "b"])
    assert {row.label: set(row.best) for row in table.rows if row.best} == {"contrastive": {1}}
