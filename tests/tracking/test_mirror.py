import json
import os
import pty
import re
import shutil
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from cu.jobs import job
from cu.tracking import mode as modes
from cu.tracking.mirror import WandbTracker

wandb = pytest.importorskip("wandb")
OFFLINE = ("tracking=wandb", "tracking.mode=offline")
PARTS = ("ref", "ref_std", "gap", "floor", "z", "original")


@pytest.fixture(autouse=True)
def _no_account(monkeypatch, tmp_path):
    for name in [n for n in os.environ if n.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("NETRC", str(tmp_path / "no netrc"))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / "no settings"))
    modes.unreachable.clear()


def chunks(content):
    """Type and payload of each whole chunk of a log, blocks of 32 KiB after a header of 7 bytes; W&B may be writing."""
    position = 7
    while position + 7 <= len(content):
        room = 32768 - position % 32768
        _, size, kind = struct.unpack_from("<IHB", content, position) if room >= 7 else (0, 0, 0)
        if kind == 0:
            position += room
            continue
        if position + 7 + size > len(content):
            return
        yield kind, content[position + 7 : position + 7 + size]
        position += 7 + size


def mirrored(file):
    """What an offline file holds: run, config, rows by step, summary, exit code (None: not closed)."""
    from wandb.proto.wandb_internal_pb2 import Record

    found, payload = SimpleNamespace(run=None, config={}, rows={}, summary={}, exit=None), b""
    for kind, part in chunks(file.read_bytes()):
        payload = part if kind in (1, 2) else payload + part
        if kind in (2, 3):  # first and middle parts of a record
            continue
        record = Record.FromString(payload)
        if record.HasField("run"):
            found.run = record.run
            found.config |= {item.key: json.loads(item.value_json) for item in record.run.config.update}
        elif record.HasField("history"):
            row = {i.key or "/".join(i.nested_key): json.loads(i.value_json) for i in record.history.item}
            own = {key: value for key, value in row.items() if not key.startswith("_")}
            found.rows.setdefault(row["_step"], {}).update(own)
        elif record.HasField("summary"):
            found.summary |= {i.key or "/".join(i.nested_key): json.loads(i.value_json) for i in record.summary.update}
        elif record.HasField("exit"):
            found.exit = record.exit.exit_code
    return found


def mirrors(outputs, closed=True):
    """All offline files below a folder, in the order they were begun; W&B writes the end of a file a moment late."""
    deadline = time.monotonic() + 10
    while True:
        found = [mirrored(file) for file in sorted(outputs.rglob("offline-run-*/*.wandb"))]
        if not closed or all(mirror.exit is not None for mirror in found) or time.monotonic() > deadline:
            return found
        time.sleep(0.02)


def rows_of(path):
    """The rows of a `metrics.jsonl`, merged by step as W&B merges them."""
    rows = {}
    for row in map(json.loads, path.read_text().splitlines()):
        rows.setdefault(row.pop("step"), {}).update(row)
    return rows


@pytest.fixture
def outputs(finished, tmp_path):
    """The models of the finished run, without the run."""
    shutil.copytree(finished / "models", tmp_path / "outputs" / "models")
    return tmp_path / "outputs"


def test_every_number_of_a_finished_run_is_mirrored(command, tiny, outputs):
    words = ["evaluation=default", "evaluation.trajectory_every=1", "reference.k=2", "save_model=true"]
    assert command("unlearn", *tiny, *OFFLINE, *words, f"paths.outputs={outputs}").code == 0
    (folder,) = outputs.glob("runs/*/*/*/*/*")
    (mirror,) = mirrors(outputs)
    result = json.loads((folder / "result.json").read_text())
    expected = {}
    for key, entry in result["metrics"].items():
        expected |= {key: entry["value"]} | {f"{part}/{key}": entry[part] for part in PARTS}
    about = result.pop("provenance")
    result |= {"versions": about["versions"], "machine": about["machine"]}
    result["git"] = {"commit": about["commit"], "dirty": about["dirty"]}
    for group in ("cost", "timings", "split_sizes", "seeds", "versions", "machine", "git"):
        expected |= {f"{group}/{name}": value for name, value in result[group].items()}
    expected |= {"fingerprint": result["fingerprint"], "references": 2}
    for key, value in expected.items():
        assert mirror.summary.get(key) == value, key
    assert sum(expected[f"floor/{key}"] is not None for key in result["metrics"]) > 20
    assert any(entry["status"].startswith("skipped") for entry in result["metrics"].values())
    rows = rows_of(folder / "metrics.jsonl")
    assert mirror.rows == rows
    assert sorted(rows) == [1, 2]
    assert set(rows[2]) > {"loss", "lr", "trajectory/val_acc"}
    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert {key: mirror.config[key] for key in config} == config
    assert mirror.exit == 0
    assert re.fullmatch(rf"{result['fingerprint']}-[0-9a-f]{{6}}-1", mirror.run.run_id)
    assert mirror.run.job_type == "unlearn"
    assert (mirror.run.run_group, mirror.run.project) == ("digits/resnet18_slim/short/class", "cu")
    assert set(mirror.run.tags) == {"digits", "resnet18_slim", "short", "class", "finetune"}


def test_a_method_under_two_names_has_a_mirror_for_each(tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr("cu.config.build.build", lambda component: component)
    tracking = SimpleNamespace(open=lambda label, folder, written: opened.append(label.id))
    for method in ("ssd", "ssd_det", "ssd"):
        folder = SimpleNamespace(path=tmp_path / "digits" / "resnet18" / "class" / method / "0123")
        plan = SimpleNamespace(
            fingerprint="f" * 16, names={"method": method}, folder=folder, kind="unlearn", written={},
            config=SimpleNamespace(tracking=tracking),
        )  # fmt: skip
        job.mirror(plan, 1)
    assert opened[0] == opened[2] != opened[1]


def test_an_evaluation_of_a_known_outcome_mirrors_its_trajectory_again(command, tiny, outputs):
    words = [*tiny, *OFFLINE, f"paths.outputs={outputs}"]
    assert command("unlearn", *words).code == 0
    assert command("unlearn", *words, "evaluation.metrics.member_rates=null").code == 0
    first, second = mirrors(outputs)
    assert first.rows == second.rows != {}
    assert "mia/member_rate_forget" not in second.summary


@pytest.mark.parametrize(
    ("befalls", "code"), [("ValueError", 1), ("ConfigError", 1), ("SIGTERM", 143), ("SIGINT", 130)]
)
def test_the_rows_of_a_run_that_ends_early_are_kept(command, tiny, outputs, monkeypatch, befalls, code):
    from cu.errors import ConfigError

    def end(*args):
        if befalls.startswith("SIG"):
            os.kill(os.getpid(), getattr(signal, befalls))
            time.sleep(10)
        raise {"ValueError": ValueError, "ConfigError": ConfigError}[befalls]("no")

    monkeypatch.setattr("cu.experiment.unlearn.compare_with_references", end)
    ended = command("unlearn", *tiny, *OFFLINE, f"paths.outputs={outputs}")
    assert ended.code == (2 if befalls == "ConfigError" else code)
    (mirror,) = mirrors(outputs)
    (path,) = outputs.glob("runs/*/*/*/*/*/metrics.jsonl")
    assert mirror.rows == rows_of(path) != {}
    assert mirror.exit == code


def test_each_job_of_a_sweep_has_its_own_run(command, tiny, outputs, monkeypatch):
    from cu.experiment import unlearn as experiment

    compare = experiment.compare_with_references

    def sometimes(workspace, *args, **more):
        if workspace.config.method_seed == 1:
            raise RuntimeError("the second one")
        return compare(workspace, *args, **more)

    monkeypatch.setattr("cu.experiment.unlearn.compare_with_references", sometimes)
    ended = command("unlearn", "-m", *tiny, *OFFLINE, f"paths.outputs={outputs}", "method_seed=0,1,2")
    assert ended.code == 1
    found = {mirror.config["method_seed"]: mirror for mirror in mirrors(outputs)}
    assert {seed: mirror.exit for seed, mirror in found.items()} == {0: 0, 1: 1, 2: 0}
    assert len({mirror.run.run_id for mirror in found.values()}) == 3
    for path in outputs.glob("runs/*/*/*/*/*/metrics.jsonl"):
        seed = yaml.safe_load(path.with_name("config.yaml").read_text())["method_seed"]
        assert found[seed].rows == rows_of(path)
        assert ("test_acc" in found[seed].summary) == (seed != 1)


def test_tracking_can_be_off(command, tiny, outputs, monkeypatch):
    words = [*tiny, f"paths.outputs={outputs}", "resume=rerun"]
    assert command("unlearn", *words).code == 0
    assert command("unlearn", *words, "tracking=wandb", "tracking.mode=disabled").code == 0
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert command("unlearn", *words, "tracking=wandb").code == 0
    assert not list(outputs.rglob("wandb"))


def test_without_a_key_it_is_offline(command, tiny, outputs):
    words = [*tiny, f"paths.outputs={outputs}", "resume=rerun", "tracking=wandb"]
    quiet = command("unlearn", *words)
    assert not any("W&B" in line for line in quiet.err)
    online = command("unlearn", *words, "tracking.mode=online")
    assert [line for line in online.err if "W&B" in line] == [
        "W&B has no API key (WANDB_API_KEY or `wandb login`): tracking offline"
    ]
    assert [mirror.exit for mirror in mirrors(outputs)] == [0, 0]


@pytest.mark.parametrize("method", ["log", "finish"])
def test_a_failure_of_wandb_is_one_warning(command, tiny, outputs, monkeypatch, method):
    original = getattr(wandb.Run, method)

    def broken(self, *args, **more):
        if method == "finish":
            original(self, *args, **more)
        raise RuntimeError("wandb-core is gone\nsorry")

    monkeypatch.setattr(wandb.Run, method, broken)
    ended = command("unlearn", *tiny, *OFFLINE, f"paths.outputs={outputs}", "evaluation.trajectory_every=1")
    assert ended.code == 0
    (line,) = [line for line in ended.err if "W&B" in line]
    assert line.endswith(": wandb-core is gone")
    (mirror,) = mirrors(outputs)
    assert mirror.exit == 0


def test_a_wandb_that_does_not_start_is_one_warning(command, tiny, outputs, monkeypatch):
    monkeypatch.setattr(wandb, "init", lambda **settings: 1 / 0)
    ended = command("unlearn", *tiny, *OFFLINE, f"paths.outputs={outputs}")
    assert ended.code == 0
    assert [line for line in ended.err if "W&B" in line] == ["W&B did not start, going on without it: division by zero"]


def test_a_training_curve_is_mirrored_live_and_again_when_the_model_was_there(command, tmp_path):
    words = ["dataset.train_size=300", "model.width=4", "recipe.epochs=3", "hardware.num_threads=1", *OFFLINE]
    live = command("train", *words, f"paths.outputs={tmp_path}")
    assert live.code == 0
    (record,) = tmp_path.glob("trained/*/*/*/result.json")
    (curve,) = tmp_path.glob("models/*/metrics.jsonl")
    (first,) = mirrors(tmp_path)
    record.unlink()
    replayed = command("train", *words, f"paths.outputs={tmp_path}")
    assert (replayed.code, replayed.err) == (0, [])
    _, second = mirrors(tmp_path)
    assert first.rows == second.rows == rows_of(curve)
    assert len(first.rows) == 3
    result = json.loads(record.read_text())
    for mirror in (first, second):
        assert (mirror.exit, mirror.run.job_type) == (0, "train")
        assert mirror.summary["accuracies/test_acc"] == result["accuracies"]["test_acc"]


@pytest.mark.parametrize(
    ("mode", "variable", "key", "resolved"),
    [
        ("auto", None, False, "offline"),
        ("auto", None, True, "online"),
        ("auto", "offline", True, "offline"),
        ("auto", "dryrun", True, "offline"),
        ("auto", "disabled", True, "disabled"),
        ("auto", "online", False, "offline"),
        ("offline", "online", True, "offline"),
        ("online", "disabled", True, "online"),
        ("disabled", "online", True, "disabled"),
    ],
)
def test_the_mode_follows_setting_then_variable_then_key(monkeypatch, mode, variable, key, resolved):
    if variable:
        monkeypatch.setenv("WANDB_MODE", variable)
    if key:
        monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
    assert modes.resolve_mode(mode) == resolved


def test_a_key_is_that_of_the_server_in_use(monkeypatch, tmp_path):
    settings = SimpleNamespace(api_key=None, base_url="https://experiments.example.org")
    monkeypatch.setattr(wandb, "setup", lambda: SimpleNamespace(settings=settings))
    netrc = tmp_path / "netrc"
    monkeypatch.setenv("NETRC", str(netrc))
    assert not modes.has_key()
    netrc.write_text("machine git.example.org login a password b\n", encoding="utf-8")
    assert not modes.has_key()
    netrc.write_text("machine experiments.example.org login user password k\n", encoding="utf-8")
    assert modes.has_key()


def test_after_an_upload_that_did_not_end_later_jobs_are_offline(monkeypatch, caplog):
    def finish(exit_code):
        raise TimeoutError("Timed out finishing run.")

    monkeypatch.setenv("WANDB_API_KEY", "k" * 40)
    assert modes.resolve_mode("auto") == "online"
    WandbTracker(SimpleNamespace(finish=finish)).close(0)
    assert modes.resolve_mode("auto") == "offline"
    (message,) = caplog.messages
    assert message == "W&B did not take everything, `wandb sync` sends the rest: Timed out finishing run."


@pytest.mark.slow
def test_an_unreachable_server_costs_one_warning_and_one_wait(start, tiny, outputs):
    words = ["-m", *tiny, "tracking=wandb", "tracking.init_timeout=1", f"paths.outputs={outputs}", "method_seed=0,1"]
    process = start("unlearn", *words, WANDB_API_KEY="k" * 40, WANDB_BASE_URL="http://127.0.0.1:9")
    errors = process.communicate(timeout=120)[1].splitlines()
    assert process.returncode == 0, errors
    assert sum("W&B cannot be reached, tracking offline" in line for line in errors) == 1
    assert [line for line in errors if "wandb" in line.replace("tracking=wandb", "").lower()] == []
    found = mirrors(outputs)
    assert [mirror.exit for mirror in found] == [0, 0]
    assert sorted(mirror.config["method_seed"] for mirror in found) == [0, 1]


@pytest.mark.slow
def test_nobody_is_asked_for_a_key(tiny, outputs, tmp_path):
    (tmp_path / "netrc").write_text("machine wandb.example.org login user password k\n", encoding="utf-8")
    terminal, end = pty.openpty()
    words = [*tiny, "tracking=wandb", "tracking.init_timeout=2", f"paths.outputs={outputs}"]
    process = subprocess.Popen(
        [sys.executable, "-c", "from cu.cli.commands import unlearn; unlearn()", *words],
        **dict.fromkeys(("stdin", "stdout", "stderr"), end),
        env={**os.environ, "NETRC": str(tmp_path / "netrc"), "TERM": "xterm", "PYTHONPATH": os.getcwd()},
    )
    os.close(end)
    said = b""
    try:
        while chunk := os.read(terminal, 4096):
            said += chunk
    except OSError:  # how Linux says that the other end is closed
        pass
    os.close(terminal)
    assert process.wait(timeout=60) == 0
    assert said.count(b"W&B") == 1
    assert b"tracking offline" in said
    assert [mirror.exit for mirror in mirrors(outputs)] == [0]


@pytest.mark.slow
@pytest.mark.skipif(
    "x_transaction_log_flush_interval" not in wandb.Settings.model_fields, reason="this W&B writes every 15 s"
)
def test_rows_survive_even_a_kill_once_a_second_has_passed(start, tiny, outputs):
    prelude = """
import os, signal, time
from cu.experiment import unlearn as experiment
def compare_with_references(*args):
    time.sleep(2)
    os.kill(os.getpid(), signal.SIGKILL)
experiment.compare_with_references = compare_with_references
"""
    words = [*tiny, *OFFLINE, "evaluation.trajectory_every=1", f"paths.outputs={outputs}"]
    process = start("unlearn", *words, prelude=prelude)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    (mirror,) = mirrors(outputs, closed=False)
    assert 1 in mirror.rows
    assert mirror.exit is None
    assert Path(mirror.config["paths"]["outputs"]) == outputs


def test_media_arrive_as_tables_pictures_and_pages(tmp_path):
    from PIL import Image

    from cu.tracking.mirror import WandbTracking
    from cu.tracking.types import RunLabel

    Image.new("RGB", (8, 6)).save(tmp_path / "figure.png")
    (tmp_path / "page.html").write_text("<p>report</p>", encoding="utf-8")
    settings = {"project": "cu", "entity": None, "tags": [], "init_timeout": 5.0, "finish_timeout": 5.0}
    label = RunLabel("id", "name", "group", "report", ())
    tracker = WandbTracking(mode="offline", **settings).open(label, tmp_path, {})
    tracker.table("table", ["method", "gap"], [["contrastive", 0.5], ["retrain", None]])
    tracker.image("picture", tmp_path / "figure.png", "what it shows")
    tracker.page("page", tmp_path / "page.html")
    tracker.close(0)
    (found,) = mirrors(tmp_path)
    media = {name: value for row in found.rows.values() for name, value in row.items()}
    assert media["table/_type"] == "table-file"
    assert (media["table/nrows"], media["table/ncols"]) == (2, 2)
    assert (media["picture/width"], media["picture/height"]) == (8, 6)
    assert media["picture/caption"] == "what it shows"
    assert media["page/_type"] == "html-file"
    (kept,) = tmp_path.rglob("media/table/*.json")
    assert json.loads(kept.read_text())["data"] == [["contrastive", 0.5], ["retrain", None]]


@pytest.mark.slow
def test_a_trial_of_a_wandb_sweep_reports_under_the_servers_run_even_if_it_is_known(start, tiny, outputs, tmp_path):
    trial = {"WANDB_SWEEP_ID": "s1", "WANDB_SWEEP_PARAM_PATH": str(tmp_path / "params.yaml")}
    (tmp_path / "params.yaml").write_text("wandb_version: 1\nmethod.recipe.epochs: {value: 1}\n", encoding="utf-8")
    for name, setting in (("first", "resume=rerun"), ("second", "resume=skip")):
        words = [*tiny, *OFFLINE, f"paths.outputs={outputs}", setting]
        process = start("unlearn", *words, WANDB_RUN_ID=name, NETRC=str(tmp_path / "none"), **trial)
        errors = process.communicate(timeout=120)[1]
        assert process.returncode == 0, errors
    assert "already finished" in errors
    first, second = mirrors(outputs)
    assert [mirror.run.run_id for mirror in (first, second)] == ["first", "second"]
    assert [mirror.run.sweep_id for mirror in (first, second)] == ["s1", "s1"]
    assert first.summary["forget_train_acc"] == second.summary["forget_train_acc"]
    assert first.config["method"] == second.config["method"]
    assert (first.exit, second.exit) == (0, 0)
