"""One process of a job goes wrong: all end soon, one line says why, and typing the command again goes on."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from cu.jobs.processes import descendants

HERE = Path(__file__).parent
LINE = {
    "loss": "diverged: the loss became nan by step ",
    "weights": "diverged: weights of another process are not finite after training",
    "error": "failed: PeerLost: process 1: ValueError: a bad [",
}
NEWS = ("error", "failed", "diverged", "preempted", "interrupted", "Traceback")


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """Where the faults share one original model."""
    return tmp_path_factory.mktemp("faults")


@pytest.mark.slow
@pytest.mark.parametrize(
    "fault", ["loss", pytest.param("weights", marks=pytest.mark.long), pytest.param("error", marks=pytest.mark.long)]
)
def test_a_fault_of_one_process_is_one_line_of_the_job(tiny, outputs, fault, two_of):
    words = ["--config-dir", HERE / "own", *tiny, "method=faulty", f"method.fault={fault}", "reference.k=0"]
    running = two_of("-m", "cu", "unlearn", *words, f"paths.outputs={outputs}")
    started = time.monotonic()
    said = [process.communicate(timeout=300)[1].splitlines() for process in running]
    first, second = ([line for line in lines if line.startswith(NEWS)] for lines in said)
    assert [process.returncode for process in running] == [1, 1]
    assert (len(first), second) == (1, [])
    assert first[0].startswith(LINE[fault])
    (status,) = (json.loads(path.read_text()) for path in outputs.rglob("status.json") if "faulty" in str(path))
    assert status["state"] == LINE[fault].partition(":")[0]
    (log,) = outputs.rglob("run.log")
    assert fault != "error" or "day" in log.read_text(), "the whole message, and where it came from"
    assert time.monotonic() - started < 150, "nobody waits for a process that has left"
    log.unlink()
    next(path for path in outputs.rglob("status.json") if "faulty" in str(path)).unlink()


@pytest.mark.slow
def test_a_mistake_that_all_see_is_one_line(tmp_path, two_of):
    running = two_of("-m", "cu", "unlearn", "method=finetun", f"paths.outputs={tmp_path}")
    said = [process.communicate(timeout=200)[1].splitlines() for process in running]
    assert [process.returncode for process in running] == [2, 2]
    assert [len(lines) for lines in said] == [1, 0]


@pytest.mark.slow
@pytest.mark.long
def test_a_killed_process_ends_the_job_and_typing_again_gives_the_same_numbers(tiny, tmp_path, results, torchrun):
    words = ["-m", "cu", "unlearn", *tiny, "reference.k=0", "recipe.epochs=12"]
    long = torchrun(*words, "save_every=0", f"paths.outputs={tmp_path / 'killed'}")
    deadline = time.monotonic() + 200
    while not list(tmp_path.glob("killed/models/*/checkpoint.pt")):
        assert time.monotonic() < deadline
        assert long.poll() is None
        time.sleep(0.05)
    below = descendants(long.pid)
    os.kill([pid for pid in below if not descendants(pid)][-1], signal.SIGKILL)  # the last process that works
    long.communicate(timeout=200)
    assert long.returncode != 0
    assert not any(Path(f"/proc/{pid}").exists() for pid in below)
    again = torchrun(*words, "save_every=60", f"paths.outputs={tmp_path / 'killed'}")
    said = "".join(again.communicate(timeout=300))
    assert again.returncode == 0
    assert sum(line.startswith("continuing from epoch") for line in said.splitlines()) == 1
    whole = torchrun(*words, "save_every=60", f"paths.outputs={tmp_path / 'whole'}")
    whole.communicate(timeout=300)
    assert results(tmp_path / "killed") == results(tmp_path / "whole") != {}
