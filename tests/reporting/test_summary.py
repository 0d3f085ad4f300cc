import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from scipy.stats import binomtest

from cu.evaluation.comparison import Comparison
from cu.reporting.summary import show, text


def having(result, metrics):
    added = {key: Comparison(**entry) for key, entry in metrics.items()}
    return replace(result, metrics={**result.metrics, **added})


@pytest.fixture
def full(make_metric, make_result):
    keys = ["forget_train_acc", "forget_test_acc", "unlearn_score", "retain_train_acc", "retain_test_acc", "test_acc"]
    keys += ["mia/svc_confidence", "mia/rmia_auc", "cmia/gap_nn", "probe/member_auc", "cka/shift", "agg/avg_gap"]
    metrics = {key: make_metric(0.53, 0.5, floor=0.05, original=0.9) for key in keys}
    metrics["forget_train_acc"] = make_metric(0.1, 0.02, floor=0.01, original=0.99)
    metrics["retain_test_acc"] = make_metric(0.9, 0.8, original=0.95)
    metrics["cmia/gap_nn"] = make_metric(None, status="skipped: " + "a very long reason " * 20)
    metrics["eff/unlearn_seconds"] = make_metric(12.34, 100, direction="lower")
    metrics["eff/samples_seen_forget"] = make_metric(1290, 0, direction="lower")
    metrics["eff/samples_seen_retain"] = make_metric(12900, 99999, direction="lower")
    metrics["eff/speedup_vs_retrain"] = make_metric(8.1, 1, direction="higher")
    return make_result(metrics)


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


def test_fits_one_screen(full):
    lines = text(full).splitlines()
    assert len(lines) < 30
    assert max(map(len, lines)) <= 100


def test_says_what_was_forgotten_and_what_it_cost(full):
    shown = text(full)
    assert "Forgot   class 5: 129 of 1,294 training samples" in shown
    assert "12.3 s, 14,190 samples seen (1,290 forget, 12,900 retain), 8.1× as fast as retraining" in shown
    assert "Forgot   classes 1, 7: 129" in text(replace(full, forget_classes=(1, 7)))
    sample = text(replace(full, scenario="sample", forget_classes=()))
    assert "Forgot   129 of 1,294 training samples" in sample
    assert "unlearn_score" in sample
    assert "forget_test_acc" not in sample


@pytest.mark.parametrize("seconds", [0.0, 0.004])
def test_no_time_at_all_is_no_speed(full, make_metric, seconds):
    costs = {"eff/unlearn_seconds": seconds, "eff/speedup_vs_retrain": 40 / seconds if seconds else None}
    shown = text(having(full, {key: make_metric(value) for key, value in costs.items()}))
    assert "Cost     0.0 s, 14,190 samples seen" in shown
    assert "retraining" not in shown


def test_the_number_of_images_bounds_what_an_accuracy_says(full, make_metric):
    # Wilson: 0 of 37 leaves 9.4 % open, 13 of 129 (10.1 %) lies in [6.0, 16.5] %.
    nothing = text(having(full, {"forget_test_acc": make_metric(0.0)}))
    assert "forget_test_acc of 37 images: 95 % interval 0.0 to 9.4 %, within this run" in nothing
    sample = replace(full, scenario="sample", forget_classes=())
    sample = having(sample, {"forget_train_acc": make_metric(13 / 129)})
    low, high = binomtest(13, 129).proportion_ci(method="wilson")
    wanted = f"forget_train_acc of 129 images: 95 % interval {100 * low:.1f} to {100 * high:.1f} %"
    assert wanted in text(sample)
    assert "interval" not in text(replace(full, split_sizes={**full.split_sizes, "test_forget": 0}))
    assert "interval" not in text(replace(full, metrics={}))


def test_gaps_stand_beside_floors_and_one_run_gives_no_verdict(full):
    shown = text(full)
    rows = {line.split()[0]: line.split() for line in shown.splitlines() if "_acc" in line or "cka" in line}
    assert rows["forget_train_acc"][2:] == ["99.0", "10.0", "2.0", "+8.0", "1.0"]
    assert rows["cka/shift"][1:] == ["0.900", "0.530", "0.500", "+0.030", "0.050"]
    assert rows["retain_test_acc"][2:] == ["95.0", "90.0", "80.0", "+10.0", "n/a"]
    assert "*" not in shown
    assert "One run gives no verdict: cu-report over seeds does." in shown


def test_a_narrow_terminal_loses_columns_knowingly_and_no_gap(full):
    shown = text(full, width=62)
    assert max(map(len, shown.splitlines())) <= 62
    row = next(line for line in shown.splitlines() if line.startswith("forget_train_acc"))
    assert row.split()[2:] == ["10.0", "2.0", "+8.0"]
    assert "No room for floor and original: result.json has them." in shown


def test_a_terminal_gets_the_same_lines(full, monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal, file = Terminal(), io.StringIO()
    show(full, terminal)
    show(full, file)
    plain = re.sub("\x1b\\[[0-9;]*m", "", terminal.getvalue())
    assert [line.rstrip() for line in plain.splitlines()] == file.getvalue().splitlines()
    assert "\x1b" not in file.getvalue()
    assert file.getvalue() == text(full)


def test_names_cannot_move_the_cursor_or_be_markup(full):
    evil = replace(
        full, names={**full.names, "method": "\x1b[31mred[bold]\u202e\n\x07"}, class_names=("\x1b]0;x\x07",) * 6
    )
    shown = text(evil)
    assert not set("\x1b\x07\u202e") & set(shown)
    assert "[U+001B][31mred[bold][U+202E] [U+0007] on digits" in shown


def test_a_stream_that_cannot_write_every_character_is_not_an_error(full):
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    show(full, stream)
    stream.flush()
    assert b"Forgot   class 5" in raw.getvalue()


def test_missing_references_are_explained(full):
    assert "set reference.k=1" in text(replace(full, references=0))
    assert "no noise floor" in text(replace(full, references=1))
    assert "skipped: a very long reason" in text(full)


def test_a_result_without_metrics_still_has_a_summary(make_result):
    shown = text(make_result({}))
    assert "Cost     1.5 s" in shown
    assert "None of the headline metrics was evaluated." in shown


def test_confusion_is_told_where_labels_were_swapped(full, make_metric):
    sample = replace(full, scenario="sample", forget_classes=())
    told = having(sample, {"ic/error": make_metric(0.25), "ic/fgt": make_metric(0.125)})
    assert [line.split()[:2] for line in text(told).splitlines() if "ic/" in line] == [
        ["ic/error", "[%]"],
        ["ic/fgt", "[%]"],
    ]
    skipped = {key: make_metric(None, status="skipped: needs confusion") for key in ("ic/error", "ic/fgt")}
    assert "ic/" not in text(having(sample, skipped))


def test_it_says_where_things_are_and_which_settings_were_chosen(full):
    stream = io.StringIO()
    chosen = replace(full, names={**full.names, "settings": "published"})
    show(chosen, stream, Path("outputs/runs/a"), Path("outputs/runs/a/model.safetensors"))
    assert stream.getvalue().endswith("Run      outputs/runs/a\nWeights  outputs/runs/a/model.safetensors\n")
    assert "\nSettings published\n" in stream.getvalue()
    assert "Settings" not in text(full)


def test_nothing_that_is_said_below_the_table_is_cut_where_a_terminal_is_narrow(full):
    said = "No retrained model to compare with: set reference.k=1, or 2 for a noise floor."
    for width in (200, 60):
        assert said in " ".join(text(replace(full, references=0), width).split())
