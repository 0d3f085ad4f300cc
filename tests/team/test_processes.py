"""One job, several processes (gloo): the weights of one process, whatever the method and however ragged the batches."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from cu.config.processes import Processes, first_host, processes
from cu.engine.sharding import bounds
from cu.jobs.processes import descendants

HERE = Path(__file__).parent
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith(("SLURM", "WANDB", "TORCHELASTIC"))},
    "PYTHONPATH": f"{HERE.parents[1]}{os.pathsep}{HERE.parent}",
    "OMP_NUM_THREADS": "1",
}
TOGETHER = ["-m", "torch.distributed.run", "--nproc_per_node=2", "--master_port=0", "--rdzv_backend=c10d"]
CASES = [
    *("finetune/frozen", "contrastive/frozen", "finetune/train", "contrastive/train", "coun/train", "munba/train"),
    *("contrastive_matching/train", "scrub/train", "l1_sparse/train", "ec/train"),
]


def start(*words, env=ENVIRONMENT):
    """A process in a group of its own."""
    return subprocess.Popen(
        [sys.executable, *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=env,
        start_new_session=True,
    )


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """Weights by case, of one process and of two."""
    folder = tmp_path_factory.mktemp("team")
    running = [
        start(HERE / "lockstep.py", folder / "one.pt", *CASES),
        start(*TOGETHER, HERE / "lockstep.py", folder / "two.pt", *CASES),
    ]
    for process in running:
        said = process.communicate(timeout=120)
        assert process.returncode == 0, said[1]
    return torch.load(folder / "one.pt"), torch.load(folder / "two.pt")


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_two_processes_give_the_weights_of_one(outcomes, case):
    one, two = (found[case] for found in outcomes)
    for name, value in one.items():
        scale = value.float().abs().max().clamp(min=1e-6)
        assert (two[name].float() - value.float()).abs().max() <= 1e-4 * scale, name


@pytest.mark.parametrize("size", [1, 2, 3, 8])
@pytest.mark.parametrize("total", [8, 17, 64])
def test_slices_are_the_whole_batch_and_share_nothing(total, size):
    batch = list(range(total))
    slices = [batch[start:stop] for start, stop in bounds(total, size)]
    assert [sample for piece in slices for sample in piece] == batch
    assert max(map(len, slices)) - min(map(len, slices)) <= 1


def test_what_torchrun_and_slurm_say():
    assert processes({}) == Processes()
    torchrun = {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "MASTER_ADDR": "a", "MASTER_PORT": "5"}
    assert processes(torchrun) == Processes(4, 3, 1, "a", 5)
    slurm = {"SLURM_PROCID": "1", "SLURM_LOCALID": "0", "SLURM_NTASKS": "2", "SLURM_JOB_ID": "7"}
    assert processes(slurm) == Processes(), "a batch script is no step"
    step = {**slurm, "SLURM_STEP_NUM_TASKS": "2", "SLURM_STEP_NODELIST": "n[04-05]"}
    found = processes(step)
    assert (found.count, found.rank, found.local_rank, found.address) == (2, 1, 0, "n04")
    assert first_host("login,n[1-3]") == "login"


@pytest.mark.slow
def test_a_killed_process_ends_the_job_and_typing_again_goes_on(tiny, tmp_path):
    words = ["-m", "cu", "unlearn", *tiny, "reference.k=0", f"paths.outputs={tmp_path}"]
    long = start(*TOGETHER, *words, "recipe.epochs=40", "save_every=0")
    deadline = time.monotonic() + 90
    while not list(tmp_path.glob("models/*/checkpoint.pt")):
        assert time.monotonic() < deadline
        assert long.poll() is None
        time.sleep(0.05)
    below = descendants(long.pid)
    os.kill([pid for pid in below if not descendants(pid)][-1], signal.SIGKILL)  # the last process that works
    long.communicate(timeout=60)
    assert long.returncode != 0
    assert not any(Path(f"/proc/{pid}").exists() for pid in below)
    again = start(*TOGETHER, *words, "recipe.epochs=40", "save_every=60")
    said = "".join(again.communicate(timeout=120))
    assert again.returncode == 0
    assert sum(line.startswith("continuing from epoch") for line in said.splitlines()) == 1
