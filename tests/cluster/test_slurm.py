import json
import os
import re
import signal
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow
SMALL = ("hydra/launcher=slurm", "hydra.launcher.mem_gb=1", "hydra.launcher.cpus_per_task=1")
SMALL += ("hydra.launcher.poll_seconds=1",)


def test_whatever_ends_a_job_costs_that_job_and_its_reason_is_said(slurm, typed, fates, ended, last_sweep):
    words = fates("live:1", "kill:0", "exit:0", "raise:0", "diverge:0", "segfault:0")
    errors, code = ended(typed(slurm, *SMALL, words))
    assert code == 1
    assert errors[-1].startswith("sweep of 6: 1 finished, 0 already finished, 0 skipped, 4 failed, 1 diverged, 0 pre")
    notes = last_sweep()
    assert [notes[n]["state"] for n in range(6)] == ["finished", "failed", "failed", "failed", "diverged", "failed"]
    assert notes[1]["reason"].startswith("killed by signal 9 (SIGKILL), perhaps for lack of memory [")
    assert notes[2]["reason"].startswith("ended with exit code 7 before it was done [")
    assert notes[5]["reason"].startswith("killed by signal 11 (SIGSEGV): it died in native code")
    assert sum(re.match(r"\[\d/6\] #\d ", line) is not None for line in errors) == 6


def test_cancelling_costs_what_is_cancelled_without_accounting(slurm, typed, fates, ended, last_sweep, until):
    storage = re.search(r"AccountingStorageType\s*=\s*(\S+)", slurm("scontrol", "show", "config"))
    assert storage[1] in ("(null)", "accounting_storage/none")
    process = typed(
        slurm, *SMALL, "hydra.launcher.array_parallelism=2", fates("live:40", "live:6", "live:40", "live:1")
    )
    until(lambda: list(slurm.jobs().values()).count("RUNNING") == 2)
    array = next(iter(slurm.jobs())).partition("_")[0]
    slurm("scancel", f"{array}_0", f"{array}_2")  # one runs, one waits
    errors, code = ended(process)
    assert code == 1
    counted = "2 finished, 0 already finished, 0 skipped, 0 failed, 0 diverged, 2 preempted, 0 missing"
    assert errors[-1].endswith(counted), "\n".join(errors)
    assert [note["state"] for _, note in sorted(last_sweep().items())] == 2 * ["preempted", "finished"]
    assert all(last_sweep()[n]["reason"].startswith("cancelled in Slurm") for n in (0, 2))
    assert not any("sacct" in line or "squeue" in line for line in errors)


def test_ctrl_c_says_how_to_cancel_and_typing_again_attaches(slurm, typed, fates, ended, until):
    words = (*SMALL, fates("live:12", "live:13"))
    first = typed(slurm, *words)
    until(lambda: list(slurm.jobs().values()).count("RUNNING") == 2)
    os.killpg(first.pid, signal.SIGINT)
    errors, code = ended(first)
    assert code == 130
    (line,) = [line for line in errors if "scancel" in line]
    before = slurm.jobs()
    assert len(before) == 2
    array = next(iter(before)).partition("_")[0]
    assert line == (f"2 jobs stay with Slurm; type the command again to attach, or end them: scancel '{array}_[0,1]'")
    second = typed(slurm, *words)
    errors, code = ended(second)
    assert code == 0
    assert errors[0].startswith("2 jobs, 2 wait or run under Slurm already; ")
    assert errors[-1].startswith("sweep of 2: 2 finished, ")
    assert slurm.jobs() == {}
    submitted = slurm("squeue", "--noheader", "--states=all", "--format=%F").split()
    assert max(map(int, submitted)) == int(array), "nothing was submitted twice"


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("partition=nope", "hydra.launcher.partition=nope does not exist: Slurm has cpu, urgent, short"),
        ("gpus_per_node=1", "hydra.launcher asks for what Slurm refuses: Invalid generic resource"),
        ("mem_gb=900", "hydra.launcher asks for what Slurm refuses: .*not available.*mem_gb=900"),
        ("cpus_per_task=64", "hydra.launcher asks for what Slurm refuses: .*not available.*cpus_per_task=64"),
        ("partition=short", r"hydra.launcher.timeout_min=240 is more than partition short allows \(2:00\)"),
        ("timeout_min=2", "hydra.launcher.timeout_min=2: .* must be longer than signal_delay_s=120"),
        ("partitoin=cpu", "'hydra.launcher.partitoin' is not a setting: did you mean 'hydra.launcher.partition'"),
    ],
)
def test_what_can_never_run_is_one_line_before_anything_is_submitted(slurm, typed, fates, ended, word, message):
    errors, code = ended(typed(slurm, "hydra/launcher=slurm", fates("live:1", "live:2"), f"hydra.launcher.{word}"))
    assert (code, len(errors)) == (2, 1), errors
    assert re.match(f"error: {message}", errors[0]), errors
    assert slurm.jobs() == {}


def test_a_controller_that_is_down_is_one_line(slurm, typed, fates, ended, until):
    slurm.stop("slurmctld")
    try:
        errors, code = ended(typed(slurm, *SMALL, fates("live:1", "live:2")))
    finally:
        slurm.start_controller()
        until(slurm.idle)
    assert (code, len(errors)) == (2, 1), errors
    assert errors[0].startswith("error: Slurm's controller does not answer (")


def test_a_preempted_job_and_one_that_is_out_of_time_run_again(slurm, typed, fates, ended, until, last_sweep):
    process = typed(slurm, *SMALL, fates("live:8", "live:9"))
    until(lambda: list(slurm.jobs().values()).count("RUNNING") == 2)
    array = next(iter(slurm.jobs())).partition("_")[0]
    until(lambda: len(last_sweep()) == 2)
    slurm("scancel", "--batch", "--signal=USR1", f"{array}_0")  # what Slurm sends when the time is nearly up
    hogs = ("--partition=urgent", "--nodes=2", "--exclusive", "--time=1", "--output=/dev/null")
    slurm("sbatch", *hogs, script="#!/bin/sh\nsleep 2\n")
    until(lambda: [slurm.jobs().get(f"{array}_{n}") for n in (0, 1)] == ["PENDING"] * 2)
    for number in (0, 1):  # Slurm lets a job that is queued again wait for two minutes
        slurm("scontrol", "update", f"jobid={array}_{number}", "starttime=now")
    errors, code = ended(process)
    assert code == 0, errors
    assert errors[-1].startswith("sweep of 2: 2 finished, ")
    entries = subprocess.run(
        ["scontrol", "show", "job", array], capture_output=True, text=True, env=slurm.environment, check=True
    ).stdout
    assert [int(count) for count in re.findall(r"Restarts=(\d+)", entries)] == [1, 1] or "Restarts=2" in entries


def test_the_numbers_are_those_of_a_sweep_without_an_engine(slurm, start, tiny, finished, results, tmp_path):
    words = ["-m", *tiny, f"paths.outputs={tmp_path / 'outputs'}", *SMALL]
    process = start("unlearn", *words, SLURM_CONF=slurm.environment["SLURM_CONF"])
    errors = process.communicate(timeout=300)[1]
    assert process.returncode == 0, errors
    assert results(tmp_path / "outputs") == results(finished)
    (status,) = (tmp_path / "outputs").glob("runs/*/*/*/*/*/status.json")
    assert '"slurm_job": "' in status.read_text()


def test_tasks_of_srun_on_two_nodes_work_on_one_job_together(slurm, tiny, tmp_path):
    words = [word for word in tiny if not word.startswith("method")] + ["method=ssd", "hardware.precision=fp32"]
    place = {"SLURM_CONF": slurm.environment["SLURM_CONF"], "MASTER_ADDR": "127.0.0.1"}  # both nodes are this machine
    tables, said = {}, {}
    for tasks in (1, 2):
        srun = ["srun", f"--ntasks={tasks}", f"--nodes={tasks}", sys.executable, "-m", "cu", "unlearn", *words]
        done = subprocess.run(
            [*srun, f"paths.outputs={tmp_path / str(tasks)}"],
            capture_output=True, text=True, env={**os.environ, **place}, timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        (path,) = tmp_path.glob(f"{tasks}/runs/*/*/*/*/*/result.json")
        tables[tasks], said[tasks] = json.loads(path.read_text()), done.stderr
    assert said[1].count("training the original model") == said[2].count("training the original model") == 1
    assert "ssd works whole in every process: 2 are no faster than one" in said[2]
    assert tables[1]["fingerprint"] == tables[2]["fingerprint"]
    for key in ("retain_test_acc", "forget_test_acc", "retain_train_acc"):
        values = [tables[tasks]["metrics"][key]["value"] for tasks in (1, 2)]
        assert values[0] == pytest.approx(values[1], abs=0.02), key
