from dataclasses import replace

import pytest

from cu.errors import ConfigError
from cu.reporting.collect import collect
from cu.reporting.collect.columns import missing_columns
from cu.reporting.render.texts import heading_text, label_text, note_text, row_texts, seeds_text
from cu.reporting.tables.build import build_tables
from cu.reporting.write import judged


def labels(rows):
    return [label_text(row.label) for row in rows]


def best(table):
    """Columns in which a row is the closest, by its name."""
    found = {row.label.name: {i for i, cell in enumerate(row.cells) if cell.best} for row in table.rows}
    return {name: columns for name, columns in found.items() if columns}


def headings(table):
    return [heading_text(heading) for heading in table.headings]


def seeds(table):
    return {row.label.name: seeds_text(row.seeds) for row in table.rows}


def test_cell_is_value_spread_and_gap(run_folders, make_metric, tables, cells):
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
    assert headings(table) == ["retain [%] →ref", "eff/unlearn_seconds [s] ↓", "agg/tow ↑"]
    assert cells(table)["contrastive"] == ("91.2 ± 0.3 (−0.4)", "12.3 ± 0.0", "0.900 ± 0.000")
    assert seeds(table)["contrastive"] == "3/3"
    assert [cell.value for cell in table.rows[-1].cells] == pytest.approx([0.912, 12.34, 0.9])


def test_scale_of_a_column_can_be_chosen(run_folders, make_metric, tables, cells):
    run_folders.add({"eff/unlearn_seconds": make_metric(158.4, direction="lower")})
    (table,) = tables([{"key": "eff/unlearn_seconds", "scale": "minutes"}])
    assert cells(table)["contrastive"] == ("2.64",)
    with pytest.raises(ConfigError, match=r"report.columns.class\[0\].scale: 'hours' is none of percent"):
        tables([{"key": "eff/unlearn_seconds", "scale": "hours"}])
    with pytest.raises(ConfigError, match="expected a metric key"):
        tables([{"titel": "time"}])


def test_rows_start_with_the_yardsticks_unless_told_otherwise(run_folders, make_metric, tables, cells):
    for method in ("zeta", "original", "alpha", "retrain"):
        run_folders.add({"test_acc": make_metric(0.5)}, method=method)
    assert labels(tables(["test_acc"])[0].rows) == ["retrain", "original", "alpha", "zeta"]
    chosen = tables(["test_acc"], methods=["zeta", "retrain", "original", "alpha"])[0]
    assert labels(chosen.rows) == ["zeta", "retrain", "original", "alpha"]


def test_references_stand_in_for_yardsticks_that_did_not_run(run_folders, make_metric, tables, cells):
    run_folders.add({"test_acc": make_metric(0.5, 0.75, original=0.9)})
    (table,) = tables(["test_acc"])
    assert cells(table) == {
        "retrained (reference)": ("75.0",),
        "original (before)": ("90.0 (+15.0)",),
        "contrastive": ("50.0 (−25.0)",),
    }


def test_one_table_per_data_and_one_row_per_setting(run_folders, make_metric, tables, cells):
    for lr in (0.1, 10, 9):
        run_folders.add({"test_acc": make_metric(lr / 100)}, config={"method.lr": lr})
    for size in (200, 1000):
        run_folders.add({"test_acc": make_metric(0.5)}, dataset="svhn", config={"dataset.train_size": size})
    digits, small, large = tables(["test_acc"])
    assert labels(digits.rows) == ["contrastive (lr=0.1)", "contrastive (lr=9)", "contrastive (lr=10)"]
    assert small.title == "svhn / slim / class (dataset.train_size=200)"
    assert large.title == "svhn / slim / class (dataset.train_size=1000)"


def test_holes_are_visible_in_cells_seeds_and_footer(run_folders, make_metric, tables, cells):
    for seed in range(3):
        run_folders.add({"test_acc": make_metric(0.5)}, method="retrain", seed=seed)
    run_folders.add({"test_acc": make_metric(0.5)}, seed=0)
    run_folders.add(seed=1, state="diverged", error="Traceback ...\n  line\nValueError: loss is nan\n")
    run_folders.add(method="scrub", seed=0, state="failed", error="out of memory")
    run_folders.add(method="scrub", seed=1, state="failed", error="out of memory")
    (table,) = tables(["test_acc", "other"], methods=["retrain", "contrastive", "scrub", "ssd"])
    assert seeds(table)["retrain"] == "3/3"
    assert seeds(table)["contrastive"] == "1/3 (diverged 1, missing 1)"
    assert cells(table)["contrastive"][0] == "50.0"
    assert cells(table)["scrub"] == ("— (failed 2/3)", "— (failed 2/3)")
    assert cells(table)["ssd"] == ("— (missing)", "— (missing)")
    assert "contrastive, seed 1: diverged: ValueError: loss is nan" in table.holes
    assert "scrub, seed 2: missing: no run" in table.holes
    assert sum(hole.startswith("ssd") for hole in table.holes) == 3
    assert table.provenance == "4 of 7 runs finished; commit aaaaaaaaaaaa; torch 2.5.0"


def test_a_table_without_any_finished_run_is_all_holes(run_folders, tables, cells):
    run_folders.add(state="failed", error="no")
    (table,) = tables(["test_acc"])
    assert cells(table) == {"contrastive": ("— (failed 1/1)",)}
    assert table.floor is None


def test_skipped_and_unknown_metrics_have_footnotes(run_folders, make_metric, tables, cells, notes):
    skipped = make_metric(None, status="skipped: needs reference.k=1")
    for method in ("contrastive", "finetune"):
        run_folders.add({"a": skipped, "b": make_metric(None, status="undefined")}, method=method)
    (table,) = tables(["a", "b", "nowhere"])
    assert cells(table) == dict.fromkeys(("contrastive", "finetune"), ("n/a [1]", "n/a [2]", "n/a [3]"))
    assert notes(table)[0] == "[1] a: skipped: needs reference.k=1"
    assert notes(table)[1] == "[2] b: undefined"
    assert notes(table)[2].startswith("[3] nowhere: no run")


def test_a_value_of_only_some_seeds_says_so(run_folders, make_metric, tables, cells):
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


SIZES = {"retain": 10**7, "forget": 10**7, "val": 0, "test": 2 * 10**7, "test_forget": 10**7}


def test_marks_only_unlearning_methods_and_not_ties(run_folders, make_metric, tables):
    gaps = {"retrain": (0, 0), "original": (0, 0), "near": (0.002, 0.002), "far": (0.008, 0.002), "farther": (0.2, 0.3)}
    for method, (clear, tied) in gaps.items():
        for seed, noise in enumerate((0, 1e-4, -1e-4)):
            metrics = {
                "forget_train_acc": make_metric(0.5 - clear + noise, 0.5, floor=0.01),
                "retain_test_acc": make_metric(0.5 + tied + noise, 0.5, floor=0.01),
                # Retrainings take unequally long too, which is no floor for a method's time.
                "eff/unlearn_seconds": make_metric(clear, 1, direction="lower", floor=3.1),
            }
            run_folders.add(metrics, method=method, seed=seed, split_sizes=SIZES)
    (table,) = tables(["forget_train_acc", "retain_test_acc", "eff/unlearn_seconds"])
    assert best(table) == {"near": {0}}
    assert table.floor is not None
    assert row_texts(table.floor, table) == ["noise floor", "1.0", "1.0", "", ""]


def test_an_incomplete_row_cannot_win(run_folders, make_metric, tables):
    for method, gap in (("near", 0.001), ("far", 0.1)):
        for seed in range(3):
            metrics = {"test_acc": make_metric(0.5 + gap + seed / 1e4, 0.5)}
            run_folders.add(metrics, method=method, seed=seed, split_sizes=SIZES)
    assert best(tables(["test_acc"])[0]) == {"near": {0}}
    run_folders.add(method="near", seed=3, state="diverged", error="loss is nan")
    assert best(tables(["test_acc"])[0]) == {}


def test_what_a_metric_says_of_itself_is_a_note(run_folders, make_metric, make_report):
    """The record may come to hold it: such as the false-positive rate in effect, or that a metric is saturated."""
    run_folders.add({"a": make_metric(1.0)})
    collection = collect(run_folders.outputs)
    collection = replace(collection, values=collection.values.assign(note="saturated"))
    report = make_report(["a"])
    (table,) = build_tables(collection, judged(collection, report), report)
    assert row_texts(table.rows[-1], table)[1] == "1.000 [1]"
    assert note_text(table.notes[0]) == "[1] a: saturated"


def test_mixtures_are_flagged(run_folders, make_metric, tables, cells):
    run_folders.add({"test_acc": make_metric(0.5)}, seed=0)
    assert tables(["test_acc"])[0].warnings == ()
    provenance = {"commit": "b" * 40, "dirty": True, "versions": {"torch": "2.6.0"}, "machine": {}}
    run_folders.add({"test_acc": make_metric(0.5, version=2)}, seed=1, provenance=provenance)
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


def test_columns_follow_the_kind_of_the_scenario(run_folders, make_metric, tables, cells):
    run_folders.add({"a": make_metric(0.1), "b": make_metric(0.2)}, scenario="class")
    run_folders.add({"a": make_metric(0.1), "b": make_metric(0.2)}, scenario="indices")
    by_class, by_sample = tables([], columns={"class": ["a"], "sample": ["b"]})
    assert (headings(by_class), headings(by_sample)) == (["a →ref"], ["b →ref"])
    with pytest.raises(ConfigError, match=r"report.columns.sample: no columns"):
        tables([], columns={"class": ["a"]})


@pytest.mark.parametrize("null", ["untrained", "head_only", "logit_mask"])
def test_a_null_baseline_may_tie_but_is_never_the_closest(run_folders, make_metric, tables, null):
    for seed, noise in enumerate((0, 1e-4, -1e-4)):
        for method, a, b in ((null, 0.5, 0.9), ("contrastive", 0.9, 0.505)):
            metrics = {"a": make_metric(a + noise, 0.5), "b": make_metric(b + noise * a, 0.5)}
            run_folders.add(metrics, method=method, seed=seed)
    (table,) = tables(["a", "b"])
    assert best(table) == {"contrastive": {1}}
