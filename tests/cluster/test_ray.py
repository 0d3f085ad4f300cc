import os
import re
import signal

import pytest

pytestmark = pytest.mark.slow
REMOTE = "hydra/launcher=ray"


def test_whatever_ends_a_job_costs_that_job_and_no_other(ray_nodes, typed, fates, ended, last_sweep, tmp_path):
    words = fates("live:1", "kill:0", "exit:0", "raise:0", "diverge:0", "live:2")
    errors, code = ended(typed(ray_nodes, REMOTE, f"hydra.launcher.address={ray_nodes.address}", words))
    assert code == 1
    assert errors[-1].startswith("sweep of 6: 2 finished, 0 already finished, 0 skipped, 3 failed, 1 diverged, 0 pre")
    notes = last_sweep()
    assert notes[1]["reason"].startswith("its process was killed or crashed, perhaps for lack of memory [")
    assert (notes[3]["reason"], notes[4]["reason"]) == ("Stubborn: 1", "nan [run.log]")
    assert sum(re.match(r"\[\d/6\] #\d ", line) is not None for line in errors) == 6
    # The nodes were started elsewhere: what a job writes is where the command was typed all the same.
    assert len(list(tmp_path.glob("outputs/sweeps/*/[0-9].log"))) == 6
    assert not list(ray_nodes.folder.glob("*/outputs"))


def test_a_folder_that_the_machines_do_not_share_is_an_error(tmp_path):
    pytest.importorskip("ray")
    from hydra_plugins.cu_gathering._job import Job
    from hydra_plugins.cu_ray._task import task

    code, returned, reason, _ = task(tmp_path, Job(0, (), tmp_path / "0.log"), 1)
    assert (code, returned) == (2, b"")
    assert re.search(
        r"cannot read .*sweep.pickle \(No such file or directory\): paths.outputs must be on a disk", reason
    )


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("gpus_per_job=1", r"no machine of Ray has room for hydra.launcher.gpus_per_job=1 \(the largest has 0\)"),
        ("cpus_per_job=3", r"no machine of Ray has room for hydra.launcher.cpus_per_job=3 \(the largest has 2\)"),
        ("mem_gb=9000", "no machine of Ray has room for hydra.launcher.mem_gb=9000 "),
        ("address=127.0.0.1:1", "hydra.launcher.address=127.0.0.1:1: no Ray there"),
        ("address=somewhere", "hydra.launcher.address=somewhere must be auto or HOST:PORT"),
        ("adress=auto", "'hydra.launcher.adress' is not a setting: did you mean 'hydra.launcher.address'"),
    ],
)
def test_what_can_never_run_is_one_line(ray_nodes, typed, fates, ended, word, message):
    given = f"hydra.launcher.address={ray_nodes.address}"
    own = [f"hydra.launcher.{word}"] if "address" in word else [given, f"hydra.launcher.{word}"]
    errors, code = ended(typed(ray_nodes, REMOTE, fates("live:1", "live:2"), *own))
    assert (code, len(errors)) == (2, 1), errors
    assert re.match(f"error: {message}", errors[0]), errors


def test_ctrl_c_ends_the_jobs_in_order(ray_nodes, typed, fates, ended, until, tmp_path):
    words = (REMOTE, f"hydra.launcher.address={ray_nodes.address}", fates(*(f"live:{100 + n}" for n in range(6))))
    process = typed(ray_nodes, *words)
    until(lambda: len(list(tmp_path.glob("outputs/sweeps/*/[0-9].json"))) == 4)
    os.killpg(process.pid, signal.SIGINT)
    errors, code = ended(process, 60)
    assert code == 130
    assert errors[-1].endswith(
        "0 finished, 0 already finished, 0 skipped, 0 failed, 0 diverged, 6 preempted, 0 missing"
    )


def test_the_numbers_are_those_of_a_sweep_without_an_engine(start, tiny, finished, results, tmp_path):
    pytest.importorskip("ray", reason="there is no ray: scripts/test_cluster installs it")
    words = ["-m", *tiny, f"paths.outputs={tmp_path / 'outputs'}", REMOTE]
    process = start("unlearn", *words)  # with a Ray of its own
    errors = process.communicate(timeout=300)[1]
    assert process.returncode == 0, errors
    assert results(tmp_path / "outputs") == results(finished)
