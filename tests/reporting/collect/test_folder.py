"""One odd run never takes the report down: it is a hole with a reason, and the rest is shown."""

import json
import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from cu.reporting.collect import collect
from cu.reporting.collect.images import images_of
from cu.reporting.write import write_report

pytestmark = pytest.mark.slow  # writes whole reports

HUGE = 10**30
SIZES = {"retain": 100, "forget": 20, "val": 0, "test": 50, "test_forget": 5}


def change(folder, **changes):
    path = folder / "result.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def set_seed(folder, seed):
    config = folder / "config.yaml"
    config.write_text(
        config.read_text().replace("\nseed: 1\n", f"\nseed: {seed}\n").replace("seed: 1", f"seed: {seed}")
    )


ODD = {
    "a seed beyond 64 bits": lambda folder: set_seed(folder, HUGE),
    "a seed that is a word": lambda folder: set_seed(folder, "one"),
    "another schema": lambda folder: change(folder, schema=1),
    "no schema": lambda folder: change(folder, schema=None),
    "metrics of the wrong kind": lambda folder: change(folder, metrics={"test_acc": 1}),
    "metrics that are words": lambda folder: change(folder, metrics=["test_acc"]),
    "an unknown scenario": lambda folder: change(folder, scenario="both"),
    "deep nesting": lambda folder: (folder / "result.json").write_text("[" * 10**5),
    "a folder for a file": lambda folder: ((folder / "result.json").unlink(), (folder / "result.json").mkdir()),
    "a status that is a number": lambda folder: (folder / "status.json").write_text("3"),
    "a config with a tag": lambda folder: (folder / "config.yaml").write_text(
        "a: !!python/object/apply:os.system [id]"
    ),
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_run_is_a_hole(run_folders, make_metric, make_report, tmp_path, name):
    odd = run_folders.add({"test_acc": make_metric(0.5)}, seed=1)
    run_folders.add({"test_acc": make_metric(0.25)}, seed=0)
    ODD[name](odd)
    runs = collect(run_folders.outputs).runs.set_index("path")
    assert runs.loc[str(odd), "state"] == "unreadable"
    assert runs.loc[str(odd), "error"]
    text = write_report(
        make_report(["test_acc"], figures=["front"]), run_folders.outputs, tmp_path
    ).markdown.read_text()
    assert "25.0" in text
    assert "unreadable: " in text


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e308", "-1e308", "1e-320"])
def test_absurd_numbers_are_shown_or_missing(run_folders, make_metric, make_report, tmp_path, value):
    for seed in range(3):
        folder = run_folders.add({"test_acc": make_metric(0.5, 0.25, ref_std=0.1, floor=0.1, original=0.1)}, seed=seed)
        path = folder / "result.json"
        path.write_text(path.read_text().replace("0.5", value).replace("0.1", value))
        run_folders.add({"test_acc": make_metric(0.25, 0.25)}, seed=seed, method="scrub")
    report = make_report(["test_acc"], figures=["front", "gap_map"])
    text = write_report(report, run_folders.outputs, tmp_path).markdown.read_text()
    assert "25.0 ± 0.0" in text


def test_names_with_markup_reach_every_file_and_figure(run_folders, make_metric, make_report, tmp_path):
    evil = "\x1b[31m<b>$\\frac\u202e=1|*"
    for seed in range(2):
        metrics = {key: make_metric(0.5, 0.25, floor=0.1, original=0.9) for key in ("test_acc", "mia/loss_auc")}
        run_folders.add(metrics, method=evil, dataset="=cmd", model="a b", scenario="sample", seed=seed)
    run_folders.add(method=evil, dataset="=cmd", model="a b", scenario="sample", seed=5, state="failed", error=evil)
    report = make_report(["test_acc"], figures=["front", "gap_map"])
    written = write_report(report, run_folders.outputs, tmp_path)
    assert len(written.figures) == 2
    for path in written.files:
        if path.suffix not in (".pdf", ".png"):
            assert not set("\x1b\u202e") & set(path.read_text(encoding="utf-8"))
    assert "\n'=cmd," in (tmp_path / "test.csv").read_text()


@contextmanager
def nobody():
    """Without the rights of root, which may read everything."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("depth", range(6))
def test_a_folder_that_cannot_be_looked_into_is_a_hole(run_folders, make_metric, depth):
    closed = run_folders.add({"test_acc": make_metric(0.5)}, dataset="svhn", model="m", scenario="sample", method="ssd")
    other = run_folders.add({"test_acc": make_metric(0.25)})
    home = Path(tempfile.mkdtemp())
    try:
        home.chmod(0o755)
        shutil.copytree(run_folders.outputs, home / "outputs")
        target = home / "outputs" / closed.relative_to(run_folders.outputs)
        for _ in range(depth):
            target = target.parent
        target.chmod(0)
        with nobody():
            runs = collect(home / "outputs").runs
        target.chmod(0o755)
    finally:
        shutil.rmtree(home)
    assert "unreadable" in set(runs["state"])
    assert runs["error"].str.contains("Permission").any()
    assert (other.name in set(runs["fingerprint"])) == (depth < 5)


@pytest.mark.parametrize(
    ("key", "images"),
    [
        ("forget_train_acc", 20),
        ("retain_test_acc", 45),
        ("probe/linear_forget_test_acc", 5),
        ("probe/fewshot10_forget_acc", 5),
        ("test_acc", 50),
        ("mia/loss_auc", 5),
        ("mia/svc_confidence", 20),
        ("mia/retain_auc", 45),
        ("mia/svc_confidence_heldout", 45),
        ("mia/member_rate_unseen", 5),
        ("relearn/curve@5", 20),
        ("val_acc", None),
        ("cka/forget_to_original", None),
        ("eff/unlearn_seconds", None),
    ],
)
def test_images_behind_a_metric(key, images):
    assert images_of(key, SIZES) == images
    assert images_of("mia/loss_auc", {**SIZES, "test_forget": 0}) == 20


@pytest.mark.parametrize("key", ["relearn/curve@5", "relearn/retain_only_acc", "relearn/retain_only_max"])
def test_audits_that_train_again_watch_a_part_of_many_forget_samples(key):
    assert images_of(key, {**SIZES, "forget": 5000}) == 1000
