"""What a statement says, from hand-made results; and the command on a real run."""

import json
import math
import shutil
import sys
from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from scipy.stats import binomtest

from cu.cli.statement import statement as command
from cu.cli.statement import write
from cu.errors import ConfigError
from cu.evaluation.comparison import Comparison
from cu.reporting.collect.runs import collect
from cu.reporting.render.page.page import page as report_page
from cu.reporting.statement.evidence import evidence, interval
from cu.reporting.statement.of_report import write_statements
from cu.reporting.statement.page import page
from cu.reporting.statement.record import Record
from cu.reporting.statement.statement import NO_REFERENCE, statement
from cu.store.result import Models, Provenance, RunResult, Seeds

CONFIG = {"model": {"checkpoint": "my.pth"}, "method": {"_target_": "X", "lr": 1}}


def entry(value, ref=None, floor=None, original=0.99, status="ok"):
    gap = None if ref is None else value - ref
    return Comparison(
        value=value, ref=ref, ref_std=None, gap=gap, floor=floor, z=None, rank_p=None, original=original,
        direction="match_retrained", status=status, version=1,
    )  # fmt: skip


def result(scenario="sample", references=2, **metrics):
    sizes = {"retain": 900, "forget": 100, "val": 100, "test": 400, "test_forget": 40 if scenario == "class" else 0}
    return RunResult(
        fingerprint="abc", evaluation_id="e", names={"dataset": "mine", "model": "user", "method": "contrastive"},
        scenario=scenario, forget_classes=(1,) if scenario == "class" else (), class_names=("ant", "<bee>"),
        seeds=Seeds(seed=0, forget_seed=0, method_seed=0), references=references,
        models=Models(original="o", retrained=tuple("ab"[:references])), split_sizes=sizes, timings={}, cost={},
        evaluation="default", metrics={key.replace("__", "/"): value for key, value in metrics.items()},
        provenance=Provenance(versions={"cu": "0.1"}, commit=None, dirty=None, machine={}),
    )  # fmt: skip


def record(of, tmp_path, **about):
    given = {
        "folder": tmp_path, "result": of, "config": CONFIG,
        "status": {"ended": "today"}, "original": {"source": "my.pth", "source_sha256": "aa", "sha256": "bb"},
        "unlearned": {"sha256": "cc"}, "handed_back": {"file": "unlearned.pth", "sha256": "dd"},
        "forgotten": [{"id": str(i)} for i in range(100)], "forgotten_sha256": "ee",
    }  # fmt: skip
    return Record(**{**given, **about})


@pytest.mark.parametrize(
    ("scenario", "key", "value", "ref", "finding"),
    [
        ("sample", "forget_train_acc", 0.95, 0.80, "under-forgotten"),
        ("sample", "forget_train_acc", 0.35, 0.80, "over-forgotten"),
        ("sample", "forget_train_acc", 0.81, 0.80, "in line"),
        ("class", "forget_test_acc", 0.40, 0.0, "under-forgotten"),
        ("class", "forget_test_acc", 0.0, 0.30, "over-forgotten"),
        ("class", "forget_test_acc", 0.02, 0.0, "in line"),
        ("sample", "retain_test_acc", 0.60, 0.80, "lost"),
        ("sample", "mia/loss_auc", 0.75, 0.50, "under-forgotten"),
    ],
)
def test_under_and_over_forgetting_are_named_for_samples_as_for_classes(scenario, key, value, ref, finding):
    (row,) = evidence(result(scenario, **{key.replace("/", "__"): entry(value, ref, floor=0.01)}))
    assert row.finding == finding


@pytest.mark.parametrize(
    ("value", "finding"), [(0.355, "over-forgotten"), (0.99, "under-forgotten"), (0.80, "in line")]
)
def test_without_a_reference_forgotten_samples_stand_against_unseen_ones(value, finding):
    found = result(references=0, forget_train_acc=entry(value), test_acc=entry(0.817), mia__loss_auc=entry(0.51))
    accuracy, membership = evidence(found)
    assert accuracy.finding == finding
    assert membership.finding == "in line"


def test_without_a_reference_a_class_gets_no_finding_and_the_statement_says_what_that_means(tmp_path):
    found = result("class", references=0, forget_test_acc=entry(0.0))
    facts = statement(record(found, tmp_path), "2030-01-01")
    assert [row["finding"] for row in facts["evidence"]] == ["cannot be said"]
    assert facts["references"]["meaning"] == NO_REFERENCE
    assert facts["conclusion"][0] == "nothing can be said about whether the model has forgotten"
    assert NO_REFERENCE in page(facts)


def test_intervals_are_those_of_others():
    low, high = interval("forget_train_acc", 0.3, 50, 0)
    expected = binomtest(15, 50).proportion_ci(method="wilson")
    assert (low, high) == pytest.approx((expected.low, expected.high))
    low, high = interval("mia/loss_auc", 0.5, 40, 400)
    spread = math.sqrt((2 * 40 + 1) / (12 * 40 * 40))  # of Mann and Whitney's statistic where nothing can be told
    assert (high - low) / 2 == pytest.approx(1.959964 * spread)
    rng = np.random.default_rng(0)
    areas = [np.mean(rng.exponential(1, (60, 1)) < rng.exponential(3, (1, 60))) for _ in range(2000)]
    low, high = interval("mia/loss_auc", 0.75, 60, 60)  # Hanley and McNeil's formula is exact for exponential scores
    assert (high - low) / 2 / 1.959964 == pytest.approx(np.std(areas), rel=0.06)


def test_the_page_has_hashes_settings_limits_and_nothing_unescaped(tmp_path):
    metrics = {"forget_test_acc": entry(0.4, 0.0, 0.01), "mia/rmia_auc": entry(None, status="skipped: needs retrained")}
    found = replace(result("class"), metrics=metrics, doubts=("the original is at <chance>",))
    facts = statement(record(found, tmp_path), "2030-01-01")
    text = page(facts)
    for word in (
        "my.pth",
        "aa",
        "dd",
        "ee",
        "lr=1",
        "class &lt;bee&gt;",
        "60 more",
        "needs retrained",
        "&lt;chance&gt;",
    ):
        assert word in text, word
    assert "<bee>" not in text
    assert "_target_" not in json.dumps(facts)
    assert facts["weights"]["after"] == {"file": str(tmp_path / "unlearned.pth"), "sha256": "dd"}
    assert facts["conclusion"][0].startswith("the forgotten classes: under-forgotten, told by accuracy on unseen")
    files = record(found, tmp_path, forgotten=[{"id": "3", "file": "bee/Zoë.png"}])
    assert "bee/Zoë.png" in page(statement(files, "2030-01-01"))


def test_weights_without_a_record_are_doubted(tmp_path):
    told = {"original": {}, "unlearned": {}, "handed_back": {}}
    assert len(statement(record(result(), tmp_path), "2030-01-01")["doubts"]) == 0
    assert len(statement(record(result(), tmp_path, **told), "2030-01-01")["doubts"]) == 1
    (tmp_path / "model.safetensors").touch()
    doubts = statement(record(result(), tmp_path, **told), "2030-01-01")["doubts"]
    assert [word for doubt in doubts for word in ("before", "after") if word in doubt] == ["before", "after"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "content"),
    [("model.json", "[1, 2]"), ("status.json", "[1, 2]"), ("config.yaml", "[1, 2]"), ("config.yaml", "{}")],
)
def test_a_record_of_another_type_is_one_line(finished, tmp_path, name, content):
    (path,) = finished.glob("runs/*/*/*/*/*")
    shutil.copytree(path, tmp_path / "run")
    (tmp_path / "run" / name).write_text(content)
    with pytest.raises(ConfigError, match=f"{name} is damaged"):
        write(tmp_path / "run", None)


@pytest.mark.slow
def test_the_command_writes_page_and_json_of_a_run(finished, tmp_path, capsys, monkeypatch):
    (path,) = finished.glob("runs/*/*/*/*/*")
    lines = write(path, tmp_path)
    facts = json.loads((tmp_path / "statement.json").read_text())
    assert facts["forgotten"]["count"] == len(facts["forgotten"]["ids"]) > 0
    assert len(facts["weights"]["before"]["sha256"]) == 64
    assert [line for line in lines if line.startswith("doubt: ")] == [f"doubt: {doubt}" for doubt in facts["doubts"]]
    assert facts["run"]["fingerprint"] in (tmp_path / "statement.html").read_text(encoding="utf-8")
    assert lines[-1].startswith("written: ")
    monkeypatch.setattr(sys, "argv", ["cu-statement", str(tmp_path)])
    with pytest.raises(SystemExit) as stop:
        command()
    assert stop.value.code == 2
    assert "no folder of a run: it has no result.json" in capsys.readouterr().err


@pytest.mark.slow
def test_a_report_links_a_statement_on_every_run_that_can_be_read(finished, tmp_path, caplog):
    shutil.copytree(finished, tmp_path / "outputs")
    (path,) = (tmp_path / "outputs").glob("runs/*/*/*/*/*")
    (link,) = write_statements(collect(tmp_path / "outputs"), tmp_path, date(2030, 1, 2))
    facts = json.loads((tmp_path / link.place).with_suffix(".json").read_text())
    assert facts["date"] == "2030-01-02"
    assert facts["run"]["fingerprint"] == path.name
    assert path.name in (tmp_path / link.place).read_text(encoding="utf-8")
    assert link.note.startswith(facts["conclusion"][0])
    assert f'href="{link.place}"' in report_page("r", [], [], [], [link])
    (path / "forget_ids.csv").write_text("id\n1\n")
    assert write_statements(collect(tmp_path / "outputs"), tmp_path, date(2030, 1, 2)) == []
    assert "forget_ids.csv is damaged" in caplog.messages[-1]


def test_what_is_no_run_is_one_line(tmp_path):
    with pytest.raises(ConfigError, match="is no folder of a run"):
        write(tmp_path / "none", None)
    (tmp_path / "result.json").write_text("{")
    with pytest.raises(ConfigError, match="damaged"):
        write(tmp_path, None)
