"""The paper's tables by their script on tiny files in the real formats, from the plan to the printed table.

Table 1 with every method, table 4 without the two that take longest (fisher, lcodec), tables 3, 6 and 7 from the same
runs, those of SVHN (2, 5), which have the same cells, with one method. Networks deeper than ResNet-18 are planned in
test_paper_tables.py; a GPU is not needed here.
"""

import json
import os
import pickle
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat
from torchvision.datasets import CIFAR10

SCRIPT = Path(__file__).parents[1] / "scripts" / "paper_tables.sh"
PER_FILE, CLASSES = 20, 10
METHODS = {
    "class": {"retrain", "original", "contrastive", "boundary_shrink", "boundary_expand", "scrub", "unsir"},
    "sample": {"retrain", "original", "contrastive", "finetune", "gradient_ascent"},
}
CASES = {
    "cifar10 class": ("1", "3"),
    "svhn class": ("2",),
    "cifar10 sample": ("4", "6", "7"),
    "svhn sample": ("5",),
}
EVERY_CASE = [pytest.param(case, marks=[pytest.mark.long] * (case != "svhn class")) for case in CASES]
SMALL = ("seed=0", "model=resnet18", "model.width=4", "recipe.epochs=1", "hardware.num_threads=1", "tracking=none")

# The sums of the published files are what readers expect; those of these files take their place, and are checked.
PUBLISH = """
import sys
from pathlib import Path
from torchvision import datasets
from torchvision.datasets.utils import calculate_md5
data = Path({data!r})
folder = data / datasets.CIFAR10.base_folder
for name in ("train_list", "test_list"):
    setattr(datasets.CIFAR10, name, [[f, calculate_md5(folder / f)] for f, _ in getattr(datasets.CIFAR10, name)])
datasets.CIFAR10.meta["md5"] = calculate_md5(folder / datasets.CIFAR10.meta["filename"])
datasets.SVHN.split_list = {{
    part: [url, file, calculate_md5(data / file) if (data / file).exists() else md5]
    for part, (url, file, md5) in datasets.SVHN.split_list.items()
}}
from cu.cli.commands import unlearn
sys.argv[0] = "cu-unlearn"
unlearn()
"""


def images(rng, labels):
    """Noise around a brightness for each class, uint8 [N, 3, 32, 32]."""
    return (rng.integers(0, 60, (len(labels), 3, 32, 32)) + 18 * labels[:, None, None, None]).astype(np.uint8)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder with CIFAR-10's six pickles and SVHN's two Matlab files, of twenty images each or a hundred."""
    root, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    labels = np.arange(PER_FILE) % CLASSES
    folder = root / CIFAR10.base_folder
    folder.mkdir()
    for name, _ in (*CIFAR10.train_list, *CIFAR10.test_list):
        entry = {"data": images(rng, labels).reshape(PER_FILE, -1), "labels": labels.tolist()}
        (folder / name).write_bytes(pickle.dumps(entry))
    meta = {CIFAR10.meta["key"]: [f"class {label}" for label in range(CLASSES)]}
    (folder / CIFAR10.meta["filename"]).write_bytes(pickle.dumps(meta))
    for part, count in (("train", 5 * PER_FILE), ("test", PER_FILE)):
        digits = np.arange(count) % CLASSES
        stored = np.where(digits == 0, 10, digits).astype(np.uint8)[:, None]
        savemat(root / f"{part}_32x32.mat", {"X": images(rng, digits).transpose(2, 3, 1, 0), "y": stored})
    return root


@pytest.fixture(scope="module")
def commands(tmp_path_factory, data):
    """A folder with `cu-unlearn` and `cu-report` that read these files, and report on runs of any size."""
    folder = tmp_path_factory.mktemp("bin")
    (folder / "unlearn.py").write_text(PUBLISH.format(data=str(data)))
    for name, words in (("unlearn", f'"{folder}/unlearn.py" "$@"'), ("report", '-m cu report "$@" $REPORT')):
        command = folder / f"cu-{name}"
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" {words}\n')
        command.chmod(command.stat().st_mode | stat.S_IEXEC)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("case", EVERY_CASE)
def test_tables_are_made_from_files_in_the_real_format(commands, data, tmp_path, case):
    dataset, kind = case.split()
    methods = METHODS[kind] if dataset == "cifar10" else {"contrastive"}
    words = [*SMALL, "hardware.device=cpu", f"paths.data={data}", f"paths.outputs={tmp_path}"]
    words += [f"method={','.join(sorted(methods))}"] + ["scenario.count=12"] * (kind == "sample")
    report = "tracking=none report.models=[resnet18] report.where.model.width=4 report.where.recipe.epochs=1"
    report += " report.where.scenario.count=12" * (kind == "sample")
    environment = {"CU_BIN": str(commands), "TABLES": " ".join(CASES[case]), "REPORT": report, "OMP_NUM_THREADS": "1"}
    run = ["bash", str(SCRIPT), "gpu", *words]
    ended = subprocess.run(run, env={**os.environ, **environment}, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("Data       all there") == 1
    results = [json.loads(path.read_text()) for path in tmp_path.glob("runs/*/*/*/*/*/result.json")]
    made = {(result["names"]["dataset"], result["names"]["method"]) for result in results}
    assert made == {(dataset, method) for method in methods}
    for table in CASES[case]:
        text = (tmp_path / "reports" / "paper" / f"table{table}" / f"table{table}.md").read_text()
        rows = {
            line.split("|")[1].split("/")[-1].strip() for line in text.splitlines() if line.startswith("| resnet18")
        }
        assert {row for row in rows if row in METHODS[kind]} >= methods - {"original"}, text
        assert "published" in text
