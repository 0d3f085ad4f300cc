"""The paper's tables at their own size: what would be started, and that every cell of them can be."""

import os
import subprocess
from pathlib import Path

import pytest
from torchvision.datasets import CIFAR10

SCRIPT = Path(__file__).parents[1] / "scripts" / "paper_tables.sh"


@pytest.fixture
def started(tmp_path):
    """`(*words, **environment) -> commands` that the script starts."""
    for name in ("cu-unlearn", "cu-report"):
        (tmp_path / name).write_text(f'#!/bin/sh\necho "$(basename $0) $*" >> "{tmp_path}/log"\n')
        (tmp_path / name).chmod(0o755)

    def run(*words, code=0, **environment):
        (tmp_path / "log").write_text("")
        env = {**os.environ, "CU_BIN": str(tmp_path), **environment}
        ended = subprocess.run(["bash", str(SCRIPT), *words], env=env, capture_output=True, text=True)
        assert ended.returncode == code, ended.stderr
        return (tmp_path / "log").read_text().splitlines()

    return run


def test_estimates_come_first_and_tables_that_share_runs_are_planned_once(started):
    lines = started("slurm", "hydra.launcher.partition=gpu", "seed=0")
    planned = [line for line in lines if "plan=true" in line]
    assert lines[:4] == planned == [f"cu-unlearn -m experiment=paper/table{n} seed=0 plan=true" for n in (1, 2, 4, 5)]
    launcher = "hydra/launcher=slurm hydra.launcher.gpus_per_node=1 hardware.device=cuda hydra.launcher.partition=gpu"
    assert lines[4:6] == [f"cu-unlearn -m experiment=paper/table1 {launcher} seed=0", "cu-report report=paper/table1"]
    assert len(lines) == 4 + 2 * 7


def test_a_plan_alone_starts_nothing_else(started):
    assert started("plan=3e13", TABLES="4") == ["cu-unlearn -m experiment=paper/table4 plan=3e13"]
    assert started("pool", "hydra.launcher.devices=[0,1]", TABLES="1")[1].split()[3:] == [
        *("hydra/launcher=pool", "hardware.device=cuda", "hydra.launcher.devices=[0,1]")
    ]
    assert started("cluster", code=2) == []


@pytest.mark.parametrize(
    ("table", "word", "cells", "trainings"),
    [(1, "model=resnet18", 7, 3), (4, "model=resnet18", 7, 3), (1, "method=contrastive", 4, 8)],
)
def test_every_method_and_network_can_be_planned_with_the_files_in_place(
    command, tmp_path, table, word, cells, trainings
):
    folder = tmp_path / CIFAR10.base_folder
    folder.mkdir()
    for name, _ in (*CIFAR10.train_list, *CIFAR10.test_list):
        (folder / name).touch()
    words = [f"paths.data={tmp_path}", f"paths.outputs={tmp_path / 'outputs'}", "seed=0", "plan=3e13", word]
    ended = command("unlearn", "-m", f"experiment=paper/table{table}", *words)
    assert (ended.code, ended.err) == (0, [])
    assert f"{cells}: {cells} to do" in ended.out
    assert f"Trainings  {trainings}, each done once" in ended.out
    assert "Data       all there" in ended.out
