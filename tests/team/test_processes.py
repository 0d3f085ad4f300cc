"""One job, several processes (gloo): the weights of one process, whatever the method and however ragged the batches."""

import pytest
import torch

from cu.config.processes import Processes, first_host, processes
from cu.engine.sharding import bounds

CASES = [
    *("finetune/frozen", "contrastive/frozen", "finetune/train", "contrastive/train", "coun/train", "munba/train"),
    *("contrastive_matching/train", "scrub/train", "l1_sparse/train", "ec/train"),
    *("esc_t/train", "contrastive_matching/train/stage_weight=0.5", "neggrad_plus/train", "scissorhands/train"),
]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory, single, torchrun):
    """Weights by case, and whether passes were shared out, of one process and of two."""
    folder = tmp_path_factory.mktemp("team")
    running = [
        single("-m", "lockstep", folder / "one.pt", *CASES, "ssd/train"),
        torchrun("-m", "lockstep", folder / "two.pt", *CASES, "ssd/train"),
    ]
    for process in running:
        said = process.communicate(timeout=400)
        assert process.returncode == 0, said[1]
    return torch.load(folder / "one.pt"), torch.load(folder / "two.pt")


@pytest.mark.slow
def test_two_processes_give_the_weights_of_one_and_share_out_whatever_descends(outcomes):
    # One test for all cases: spread over several workers, each would start the processes anew.
    (one, alone), (two, together) = outcomes
    assert not any(alone.values())
    assert together == {**dict.fromkeys(CASES, True), "ssd/train": False}
    for case in CASES:
        for name, value in one[case].items():
            scale = value.float().abs().max().clamp(min=1e-6)
            assert (two[case][name].float() - value.float()).abs().max() <= 1e-4 * scale, f"{case}: {name}"


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
