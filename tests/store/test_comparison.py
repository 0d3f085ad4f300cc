import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from cu.store.comparison import differences

SCRIPT = Path(__file__).parents[2] / "scripts" / "compare_results.py"
CONFIG = {
    "seed": 0,
    "method": {"_target_": "cu.methods.finetune.FineTune", "lr": 1.0},
    "scenario": {"_target_": "cu.data.scenarios.classes.ClassScenario", "classes": [5]},
}


@pytest.fixture
def outputs(tmp_path):
    """`(folder, config, **metrics) -> Path`: an outputs folder with one finished run."""

    def make(folder, config, **metrics):
        run = tmp_path / folder / "runs/digits/m/class/finetune" / f"fingerprint{len(json.dumps(config))}"
        run.mkdir(parents=True)
        (run / "status.json").write_text('{"state": "finished"}')
        (run / "config.yaml").write_text(yaml.safe_dump(config))
        entries = {key.replace("__", "/"): {"value": value, "gap": 0.0} for key, value in metrics.items()}
        (run / "result.json").write_text(json.dumps({"metrics": entries}))
        return tmp_path / folder

    return make


def test_numbers_are_compared_to_the_last_digit_and_clocks_are_not(outputs):
    moved = {**CONFIG, "method": {"_target_": "cu.old_place.FineTune", "lr": 1}}
    a = outputs("a", CONFIG, acc=0.1 + 0.2, same=1.0, eff__unlearn_seconds=1.0, gone=0.0)
    b = outputs("b", moved, acc=0.3, same=1.0, eff__unlearn_seconds=2.0)
    found = differences(a, b)
    assert [change[1:] for change in found.changed] == [("acc", "value", 0.1 + 0.2, 0.3)]
    assert found.only_a == ["digits/m/class/finetune: gone"]
    assert found.only_b == []
    assert found.compared == 2 * 8


def test_runs_told_otherwise_are_no_pair(outputs):
    a, b = outputs("a", CONFIG, acc=1.0), outputs("b", {**CONFIG, "seed": 1}, acc=1.0)
    found = differences(a, b)
    assert (found.only_a, found.only_b) == (["digits/m/class/finetune"], ["digits/m/class/finetune"])
    assert found.compared == 0


@pytest.mark.parametrize(("other", "code", "line"), [(1.0, 0, "8 numbers compared, 0 differ"), (2.0, 1, "1.0 != 2.0")])
def test_the_script_says_so_by_its_exit_code(outputs, other, code, line):
    a, b = outputs("a", CONFIG, acc=1.0), outputs("b", CONFIG, acc=other)
    ended = subprocess.run([sys.executable, SCRIPT, a, b], capture_output=True, text=True, cwd=SCRIPT.parents[1])
    assert ended.returncode == code
    assert line in ended.stdout


def test_settings_that_came_later_part_no_runs(outputs):
    base = {**CONFIG, "dataset": {"crop": 4}, "model": {"width": 8}}
    later = {**CONFIG, "dataset": {"crop": 4, "crop_scale": None, "crop_ratio": [0.75, 1.3]}}
    later["model"] = {"width": 8, "stem": "small"}
    same = differences(outputs("a", base, acc=0.5), outputs("b", later, acc=0.5))
    assert (same.only_a, same.only_b, same.changed) == ([], [], [])
    assert same.compared > 0
    later["model"]["stem"] = "large"
    assert differences(outputs("c", base, acc=0.5), outputs("d", later, acc=0.5)).only_b


@pytest.mark.parametrize("wrong", [("missing", "missing"), ("a/runs", "a/runs"), ("a", "missing")])
def test_a_folder_without_runs_is_an_error_and_not_alike(outputs, tmp_path, wrong):
    outputs("a", CONFIG, acc=1.0)
    words = [sys.executable, SCRIPT, *(tmp_path / name for name in wrong)]
    ended = subprocess.run(words, capture_output=True, text=True, cwd=SCRIPT.parents[1])
    (line,) = ended.stderr.splitlines()
    assert (ended.returncode, line) == (1, f"error: {words[-1]} has no finished run in runs/: name an outputs folder")
