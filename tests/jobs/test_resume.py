import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from filelock import FileLock

from cu.disk.json_lines import JsonLines
from cu.methods.finetune import FineTune
from cu.seeds import member_seed
from cu.store.checkpoint import EpochCheckpoint

DIE_IN_TRAINING = """
import os, signal
from cu.store.models import EpochCheckpoint
save, calls = EpochCheckpoint.save, []
def dying(self, state):
    save(self, state)
    calls.append(state)
    if len(calls) == {after}:
        os.kill(os.getpid(), signal.{signal})
EpochCheckpoint.save = dying
"""
DIE_IN_UNLEARNING = """
import os, signal
from cu.engine.ledger import Ledger
saw = Ledger.saw
def dying(self, counts):
    saw(self, counts)
    if self.samples["retain"] and "finetune" in repr(__import__("traceback").extract_stack()):
        os.kill(os.getpid(), signal.SIGKILL)
Ledger.saw = dying
"""


def only(outputs, name="."):
    """The folder of the only run, or a file in it."""
    (folder,) = outputs.glob("runs/*/*/*/*/*")
    return folder / name


def status(outputs):
    return json.loads(only(outputs, "status.json").read_text())


@pytest.fixture
def outputs(finished, tmp_path):
    """A copy of the finished run."""
    shutil.copytree(finished, tmp_path / "outputs")
    return tmp_path / "outputs"


@pytest.fixture
def no_unlearning(outputs):
    """The method does not run again: what it wrote stays as it was."""

    def written():
        return {name: only(outputs, name).stat().st_mtime_ns for name in ("predictions.npz", "cost.json")}

    before = written()
    yield
    assert written() == before


@pytest.mark.slow
def test_a_sweep_killed_in_training_goes_on_from_the_last_epoch(command, start, tiny, results, tmp_path):
    words = ["-m", *tiny, "reference.k=0", "recipe.epochs=5", "seed=0,1", "save_every=0"]
    killed = [*words, f"paths.outputs={tmp_path / 'killed'}"]
    process = start("unlearn", *killed, prelude=DIE_IN_TRAINING.format(after=28, signal="SIGKILL"))
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    again = command("unlearn", *killed)
    assert again.code == 0
    assert again.err[-1].startswith("sweep of 2: 1 finished, 1 already finished, 0 skipped, 0 failed, ")
    assert sum(line.startswith("continuing from epoch 3 ") for line in again.err) == 1
    assert command("unlearn", *words, f"paths.outputs={tmp_path / 'whole'}").code == 0
    assert results(tmp_path / "killed") == results(tmp_path / "whole")
    curves = [sorted(p.read_text() for p in (tmp_path / n).glob("models/*/metrics.jsonl")) for n in ("killed", "whole")]
    assert curves[0] == curves[1]
    assert [len(curve.splitlines()) for curve in curves[0]] == [5, 5]


@pytest.mark.slow
def test_a_killed_unlearning_goes_on_where_it_was(command, start, tiny, results, tmp_path):
    words = [*tiny, "method=contrastive", "method.queue=64", "method.stop_on=never", "save_every=0", "reference.k=0"]
    killed = [*words, f"paths.outputs={tmp_path / 'killed'}"]
    training = ("dataset.", "model.", "recipe.", "tracking", "hardware.", "paths.")
    assert command("train", *(word for word in killed if word.startswith(training))).code == 0
    process = start("unlearn", *killed, prelude=DIE_IN_TRAINING.format(after=4, signal="SIGKILL"))
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert only(tmp_path / "killed", "checkpoint-0.pt").exists()
    again = command("unlearn", *killed)
    assert sum("checkpoint-0.pt" in line for line in again.err) == 1
    assert not only(tmp_path / "killed", "checkpoint-0.pt").exists()
    assert command("unlearn", *words, f"paths.outputs={tmp_path / 'whole'}").code == 0
    assert results(tmp_path / "killed") == results(tmp_path / "whole")


@pytest.mark.slow
def test_a_killed_unlearning_is_done_again(command, start, tiny, finished, results, tmp_path):
    words = [*tiny, f"paths.outputs={tmp_path}"]
    process = start("unlearn", *words, prelude=DIE_IN_UNLEARNING)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert status(tmp_path)["state"] == "running"
    again = command("unlearn", *words)
    assert again.err == ["finetune forgets 26 of 270 samples"]
    assert results(tmp_path) == results(finished)
    assert (status(tmp_path)["state"], status(tmp_path)["attempt"]) == ("finished", 2)


@pytest.mark.slow
def test_sigterm_ends_a_process_in_order_and_frees_its_lock(start, tiny, tmp_path):
    words = [*tiny, f"paths.outputs={tmp_path}", "recipe.epochs=100000", "tracking=wandb", "tracking.mode=offline"]
    process = start("unlearn", *words)
    deadline = time.monotonic() + 60
    while not any("\n" in path.read_text() for path in tmp_path.glob("models/*/metrics.jsonl")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.terminate()
    errors = process.communicate(timeout=60)[1].splitlines()
    assert process.returncode == 143
    assert errors[-1] == "preempted; type the command again to go on"
    assert status(tmp_path)["state"] == "preempted"
    for lock in tmp_path.rglob(".lock"):
        FileLock(lock).acquire(timeout=0).lock.release()


@pytest.mark.parametrize(("number", "code", "word"), [("SIGTERM", 143, "preempted"), ("SIGINT", 130, "interrupted")])
def test_a_signal_is_recorded_and_the_next_command_goes_on(
    command, tiny, finished, results, tmp_path, monkeypatch, number, code, word
):
    save = EpochCheckpoint.save

    def interrupted(self, state):
        save(self, state)
        os.kill(os.getpid(), getattr(signal, number))

    words = [*tiny, f"paths.outputs={tmp_path}", "save_every=0"]
    with monkeypatch.context() as patch:
        patch.setattr(EpochCheckpoint, "save", interrupted)
        ended = command("unlearn", *words)
    assert (ended.code, ended.err[-1]) == (code, f"{word}; type the command again to go on")
    assert status(tmp_path)["state"] == "preempted"
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    again = command("unlearn", *words)
    assert again.code == 0
    assert sum(line.startswith("continuing from epoch 0 ") for line in again.err) == 1
    assert results(tmp_path) == results(finished)


def test_a_signal_stops_a_sweep(command, tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(FineTune, "unlearn", lambda *args: os.kill(os.getpid(), signal.SIGTERM))
    ended = command("unlearn", "-m", *tiny, f"paths.outputs={tmp_path}", "method_seed=0,1,2")
    assert ended.code == 143
    assert ended.err[-1].startswith("sweep of 3: 0 finished, 0 already finished, ")
    assert ended.err[-1].endswith(", 1 preempted, 2 missing")


def test_a_finished_run_is_skipped(command, tiny, finished):
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("*")}
    ended = command("unlearn", *tiny, f"paths.outputs={finished}")
    assert ended.code == 0
    assert "retain_test_acc" in ended.out
    assert ended.err == [f"already finished: {only(finished)}"]
    assert {path: path.stat().st_mtime_ns for path in finished.rglob("*")} == before


def test_killed_between_result_and_status(command, tiny, finished, outputs, results, no_unlearning):
    only(outputs, "status.json").write_text(json.dumps({**status(outputs), "state": "running"}), encoding="utf-8")
    assert command("unlearn", *tiny, f"paths.outputs={outputs}").code == 0
    assert status(outputs)["state"] == "finished"
    assert results(outputs) == results(finished)


def test_other_metrics_need_no_training_and_no_method(command, tiny, finished, outputs, results, no_unlearning):
    words = [*tiny, f"paths.outputs={outputs}"]
    less = command("unlearn", *words, "evaluation.metrics.member_rates=null")
    assert (less.code, sum("training" in line for line in less.err)) == (0, 0)
    (result,) = results(outputs).values()
    assert "mia/member_rate_forget" not in result["metrics"]
    assert "test_acc" in result["metrics"]
    assert command("unlearn", *words).code == 0
    assert results(outputs) == results(finished)


def test_more_references_train_only_themselves(command, tiny, outputs, results, no_unlearning):
    more = command("unlearn", *tiny, f"paths.outputs={outputs}", "reference.k=2")
    assert more.code == 0
    (line,) = [line for line in more.err if "training" in line]
    assert line == f"training the retrained model on 244 samples, seed {member_seed(0, 'reference', 1)}"
    (result,) = results(outputs).values()
    assert result["metrics"]["test_acc"]["floor"] is not None


@pytest.mark.parametrize("name", ["forget_ids.csv", "metrics.jsonl"])
def test_a_list_that_was_cut_is_made_again(command, tiny, finished, outputs, results, name):
    path = only(outputs, name)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert command("unlearn", *tiny, f"paths.outputs={outputs}").code == 0
    assert path.read_bytes() == whole
    assert results(outputs) == results(finished)


def test_a_trajectory_asked_for_later_is_made(command, tiny, finished, outputs, results):
    words = [*tiny, f"paths.outputs={outputs}", "evaluation.trajectory_every=1"]
    assert command("unlearn", *words).code == 0
    rows = [json.loads(line) for line in only(outputs, "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if "trajectory/val_acc" in row] == [1, 2]
    drop = {"evaluation_id": None, "lists": None}
    now, before = (next(iter(results(folder).values())) for folder in (outputs, finished))
    assert {**now, **drop} == {**before, **drop}


def test_a_trajectory_cut_short_is_not_set_beside_an_earlier_outcome(command, tiny, outputs, monkeypatch):
    only(outputs, "result.json").unlink()
    words, append = [*tiny, f"paths.outputs={outputs}", "evaluation.trajectory_every=1"], JsonLines.append

    def stopped(self, values, step):
        append(self, values, step)
        if "trajectory/val_acc" in values:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(JsonLines, "append", stopped)
        assert command("unlearn", *words).code == 130
    assert command("unlearn", *words).code == 0
    rows = [json.loads(line) for line in only(outputs, "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if "trajectory/val_acc" in row] == [1, 2]


def test_weights_asked_for_later_are_made(command, tiny, finished, outputs, results):
    words = [*tiny, f"paths.outputs={outputs}", "save_model=true"]
    assert command("unlearn", *words).code == 0
    assert only(outputs, "model.safetensors").exists()
    assert results(outputs) == results(finished)
    assert command("unlearn", *words).err == [f"already finished: {only(outputs)}"]


def test_rerun_does_it_again_with_the_same_numbers(command, tiny, finished, outputs, results):
    before = only(outputs, "predictions.npz").stat().st_mtime_ns
    ended = command("unlearn", *tiny, f"paths.outputs={outputs}", "resume=rerun")
    assert (ended.code, status(outputs)["attempt"]) == (0, 2)
    assert only(outputs, "predictions.npz").stat().st_mtime_ns > before
    assert not any("training" in line for line in ended.err)
    assert results(outputs) == results(finished)


def test_without_the_kept_models_the_numbers_are_the_same(command, tiny, finished, outputs, results):
    shutil.rmtree(outputs / "models")
    ended = command("unlearn", *tiny, f"paths.outputs={outputs}", "resume=rerun")
    assert sum("training" in line for line in ended.err) == 2
    assert results(outputs) == results(finished)


@pytest.mark.parametrize(
    ("pattern", "resume"),
    [
        ("models/*/model.safetensors", "rerun"),
        ("models/*/model.json", "rerun"),
        ("models/*/predictions-fp32.npz", "rerun"),
        ("runs/*/*/*/*/*/result.json", "skip"),
        ("runs/*/*/*/*/*/status.json", "skip"),
    ],
)
def test_a_damaged_artefact_is_one_warning_and_made_again(command, tiny, finished, outputs, results, pattern, resume):
    path = sorted(outputs.glob(pattern))[0]
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    ended = command("unlearn", *tiny, f"paths.outputs={outputs}", f"resume={resume}")
    assert ended.code == 0
    assert sum(path.name in line for line in ended.err) == 1, ended.err
    assert results(outputs) == results(finished)
    assert command("unlearn", *tiny, f"paths.outputs={outputs}").err == [f"already finished: {only(outputs)}"]


@pytest.mark.parametrize("name", ["predictions.npz", "cost.json"])
def test_a_damaged_outcome_is_one_warning_and_unlearned_again(command, tiny, finished, outputs, results, name):
    path = only(outputs, name)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    only(outputs, "result.json").unlink()
    ended = command("unlearn", *tiny, f"paths.outputs={outputs}")
    assert (ended.code, sum(name in line for line in ended.err)) == (0, 1)
    assert results(outputs) == results(finished)


def test_a_damaged_checkpoint_is_one_warning_and_training_starts_again(
    command, tiny, finished, results, tmp_path, monkeypatch
):
    def cut(self, state):
        self.path.write_bytes(b"PK\x03\x04 cut off")
        raise KeyboardInterrupt

    words = [*tiny, f"paths.outputs={tmp_path}", "save_every=0"]
    with monkeypatch.context() as patch:
        patch.setattr(EpochCheckpoint, "save", cut)
        assert command("unlearn", *words).code == 130
    ended = command("unlearn", *words)
    assert (ended.code, sum("checkpoint.pt is damaged" in line for line in ended.err)) == (0, 1)
    assert results(tmp_path) == results(finished)


TRAINING = ("dataset.train_size=300", "model.width=4", "recipe.epochs=2", "tracking=none", "hardware.num_threads=1")


def test_a_trained_model_is_found_by_both_commands_and_made_again_if_lost(command, finished, tmp_path):
    shutil.copytree(finished, tmp_path / "outputs")
    words = [*TRAINING, f"paths.outputs={tmp_path / 'outputs'}"]
    first = command("train", *words)
    assert (first.code, first.err) == (0, [])
    again = command("train", *words)
    assert again.err[0].startswith("already finished: ")
    assert again.out == first.out
    (line,) = [line for line in first.out.splitlines() if line.startswith("model: ")]
    model = Path(line.removeprefix("model: "))
    whole = model.read_bytes()
    model.write_bytes(whole[:100])
    damaged = command("train", *words)
    assert (damaged.code, sum("model.safetensors" in line for line in damaged.err)) == (0, 1)
    model.unlink()
    lost = command("train", *words)
    assert (lost.code, model.read_bytes()) == (0, whole)
    assert damaged.out == lost.out == first.out
