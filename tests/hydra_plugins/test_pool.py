import json
import os
import re
import signal
import time
from pathlib import Path

import pytest

from cu.engine.precision import available_cores
from cu.errors import ConfigError
from cu.jobs.bounded_log import BoundedLog
from cu.jobs.processes import death
from hydra_plugins.cu_gathering._gather import distinctions
from hydra_plugins.cu_pool._slots import Slot, checked, slots


@pytest.fixture
def sweep(doomed, fates, tmp_path):
    """`(fates, *words, safe=False) -> Popen`: a sweep under the pool in which job i does what `fates[i]` says."""
    under = ("hydra/launcher=pool", "hydra.launcher.preload=[]", f"paths.outputs={tmp_path}")

    def begin(words, *more, safe=False):
        return doomed(*under, fates(*words), *more, options=("-P",) if safe else ())

    return begin


def ended(process):
    return process.communicate(timeout=120)[1].splitlines()


def notes(outputs):
    return [json.loads(path.read_text()) for path in sorted(outputs.glob("sweeps/*/[0-9].json"))]


def logs(outputs):
    return [path.read_text() for path in sorted(outputs.glob("sweeps/*/[0-9].log"))]


def processes_of(outputs):
    """Processes whose environment names this folder: the launcher's and its jobs'."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if str(outputs).encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def wait_for(condition):
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.slow
def test_whatever_kills_a_job_costs_that_job_and_no_other(sweep, tmp_path):
    process = sweep(["kill", "exit", "segfault", "raise", "diverge", "term", "live"], "hydra.launcher.n_jobs=2")
    errors = ended(process)
    assert process.returncode == 1
    assert errors[-1] == (
        "sweep of 7: 1 finished, 0 already finished, 0 skipped, 4 failed, 1 diverged, 1 preempted, 0 missing"
    )
    states = ["failed", "failed", "failed", "failed", "diverged", "preempted", "finished"]
    assert [note["state"] for note in notes(tmp_path)] == states
    reasons = [note["reason"] for note in notes(tmp_path)]
    assert reasons[0].startswith("killed by signal 9 (SIGKILL), perhaps for lack of memory [")
    assert reasons[1].startswith("ended with exit code 7 before it was done [")
    assert reasons[2].startswith("killed by signal 11 (SIGSEGV): it died in native code; ")
    assert (reasons[3], reasons[4]) == ("Stubborn: 1", "nan [run.log]")
    assert "Traceback" in logs(tmp_path)[3]
    progress = [line for line in errors if re.match(r"\[\d/7\] #\d ", line)]
    assert len(progress) == 7
    (line,) = [line for line in progress if " #0 " in line]
    assert re.fullmatch(r"\[\d/7\] #0 failed, \d+ s: model.checkpoint='kill:0': killed by signal 9 .*0\.log\]", line)
    assert not any("Traceback" in line for line in errors)


@pytest.mark.slow
def test_no_job_escapes_however_it_ends(sweep, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # what it holds is not imported, and the sockets of libraries do not fit below it
    (tmp_path / "cu").mkdir()
    (tmp_path / "cu" / "__init__.py").write_text("raise SystemExit(77)", encoding="utf-8")
    (tmp_path / "threadpoolctl.py").write_text("raise SystemExit(77)", encoding="utf-8")
    (tmp_path / "long").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "long" / ("x" * 115)))
    process = sweep(["zero", "child", "thread", "closed"], "hydra.launcher.n_jobs=2", safe=True)
    errors = ended(process)
    assert errors[-1].startswith("sweep of 4: 2 finished, 0 already finished, 0 skipped, 2 failed, "), errors
    assert [note["state"] for note in notes(tmp_path)] == ["failed", "failed", "finished", "finished"]
    assert notes(tmp_path)[0]["reason"].startswith("ended with exit code 0 before it was done [")
    assert processes_of(tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize(("number", "times"), [("SIGINT", 2), ("SIGHUP", 1)])
def test_deaf_jobs_and_what_they_started_end_with_the_sweep(sweep, tmp_path, number, times):
    process = sweep(["deaf"], f"hydra.launcher.seconds_to_close={60 if times == 2 else 1}")
    wait_for(lambda: any("deaf\n" in text for text in logs(tmp_path)))
    for _ in range(times):
        os.killpg(process.pid, getattr(signal, number))
        time.sleep(0.5)
    ended(process)
    assert process.returncode
    assert [note["state"] for note in notes(tmp_path)] == ["preempted"]
    assert processes_of(tmp_path) == []


def test_what_a_job_prints_is_bounded(tmp_path):
    log = BoundedLog(tmp_path / "0.log", limit=1000)
    for number in range(300):
        log.write(b"%9d\n" % number)
    log.close()
    kept = (tmp_path / "0.log.1").read_bytes() + (tmp_path / "0.log").read_bytes()
    assert len(kept) <= 1000
    assert kept.splitlines() == [b"%9d" % number for number in range(300)][-len(kept) // 10 :]


@pytest.mark.slow
def test_jobs_share_the_slots_and_keep_what_they_print(sweep, tmp_path):
    fates = ["live:0.3", "live:0.2", "live:0.1", "live:0.3"]
    process = sweep(fates, "hydra.launcher.devices=[3,GPU-b]", "hydra.launcher.threads=5")
    errors = ended(process)
    assert (process.returncode, errors[0].split(";")[0]) == (0, "4 jobs, 2 at once")
    printed = [text.splitlines() for text in logs(tmp_path)]
    assert all(lines[1:] == ["printed by another process"] for lines in printed)
    assert {lines[0] for lines in printed} == {"printed live 3 5", "printed live GPU-b 5"}


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code", "word"), [("SIGTERM", 143, "preempted"), ("SIGINT", 130, "interrupted")])
def test_a_signal_to_the_launcher_ends_its_jobs_in_order(sweep, tmp_path, number, code, word):
    process = sweep(["live:0", "live:100", "live:101", "live:1"], "hydra.launcher.n_jobs=2")
    wait_for(lambda: sum("printed live" in text for text in logs(tmp_path)) == 3)
    os.killpg(process.pid, getattr(signal, number))  # as a terminal or a job scheduler does
    errors = ended(process)
    assert process.returncode == code
    assert f"{word}; type the command again to go on" in errors
    assert errors[-1].endswith(
        "1 finished, 0 already finished, 0 skipped, 0 failed, 0 diverged, 2 preempted, 1 missing"
    )
    assert [note["state"] for note in notes(tmp_path)] == ["finished", "preempted", "preempted"]
    wait_for(lambda: not processes_of(tmp_path))


@pytest.mark.slow
def test_jobs_do_not_outlive_a_launcher_that_is_killed(sweep, tmp_path):
    process = sweep(["live:100"])
    wait_for(lambda: any("printed live" in text for text in logs(tmp_path)))
    process.kill()
    ended(process)
    wait_for(lambda: not processes_of(tmp_path))
    assert [note["state"] for note in notes(tmp_path)] == ["preempted"]


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("n_jobs=0", "hydra.launcher.n_jobs must be greater than 0"),
        ("n_jobs=many", "hydra.launcher.n_jobs must be an integer"),
        ("devices=[]", "hydra.launcher.devices "),
        ("preload=torch", "hydra.launcher.preload must be a list"),
        ("seconds_to_close=-1", "hydra.launcher.seconds_to_close must be greater than or equal to 0"),
        ("+width=2", "hydra.launcher.width is not a setting"),
    ],
)
def test_a_wrong_setting_is_one_line(command, tmp_path, word, message):
    plus = "+" if word.startswith("+") else ""
    setting = f"{plus}hydra.launcher.{word.lstrip('+')}"
    ended = command("unlearn", "-m", "hydra/launcher=pool", setting, f"paths.outputs={tmp_path}", "seed=0,1")
    assert (ended.code, len(ended.err)) == (2, 1), ended
    assert ended.err[0].startswith(f"error: {message}")
    assert list(tmp_path.iterdir()) == []


def settings(**given):
    return checked({"n_jobs": None, "devices": None, "threads": None, "preload": [], "seconds_to_close": 1, **given})


def test_slots_are_devices_or_shares_of_the_cores(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    cores = available_cores()
    assert slots(settings()) == [Slot(None, cores)]
    assert slots(settings(n_jobs=3 * cores)) == [Slot(None, 1)] * 3 * cores
    assert slots(settings(devices=[0, 0, "GPU-x"], threads=2)) == [Slot("0", 2), Slot("0", 2), Slot("GPU-x", 2)]
    assert [slot.device for slot in slots(settings(devices=[4, 5], n_jobs=1))] == ["4"]
    with pytest.raises(ConfigError, match=r"n_jobs=3, but .* has 2 slots"):
        slots(settings(devices=[0, 1], n_jobs=3))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert slots(settings()) == [Slot(None, 1)]


def test_a_jobs_name_is_what_others_do_not_share():
    assert distinctions([["a=1", "b=1"], ["a=1", "b=2"]], 5) == {5: "b=1", 6: "b=2"}
    assert distinctions([["a=1", "b=1"]], 0) == {0: "a=1 b=1"}


def test_an_exit_code_is_put_into_words():
    assert death(-9) == "killed by signal 9 (SIGKILL), perhaps for lack of memory"
    assert death(-11).startswith("killed by signal 11 (SIGSEGV): it died in native code; try hardware.num_threads=1 ")
    assert death(-99) == "killed by signal 99"
    assert death(255) == "ended with exit code 255 before it was done"
