import json
from argparse import Namespace
from pathlib import Path

import pytest

from cu.cli.purge import purged
from cu.data.scenarios.id_files import Named
from cu.errors import ConfigError
from cu.store.forget_ids import EARLIER, write_forget_ids
from cu.store.purge import plan_purge


def array(cache, name, hashes):
    """A decoded array, as `cu.data.datasets.decoded_store` keeps it."""
    for suffix in (".npy", ".csv"):
        (cache / name).with_suffix(suffix).write_bytes(b"pixels")
    about = {"revision": 2, "size": 8, "channels": 3, "hashes": hashes, "problems": {}, "broken": []}
    (cache / name).with_suffix(".json").write_text(json.dumps(about))


@pytest.fixture
def run(tmp_path):
    """A run that forgot `aa` after another one forgot `bb`, with its models, outputs and decoded images."""
    run, cache = tmp_path / "outputs/runs/image_folder/m/indices/finetune/0f", tmp_path / "data/image_folder"
    for folder in (run / "wandb", cache):
        folder.mkdir(parents=True)
    write_forget_ids(run, [Named("", 3, "cat/a.png", "aa")])
    write_forget_ids(run, [Named("", 9, "cat/b.png", "bb")], EARLIER)
    result = {"models": {"original": "o", "retrained": ["r"]}, "names": {"dataset": "image_folder"}}
    (run / "result.json").write_text(json.dumps(result))
    (run / "config.yaml").write_text(f"paths: {{data: '{tmp_path / 'data'}'}}")
    (run / "predictions.npz").write_bytes(b"1234")
    for name in ("o", "r", "other"):
        (tmp_path / "outputs/models" / name / "audited").mkdir(parents=True)
        for file in ("predictions-fp32.npz", "audited/logits-1.npz", "model.safetensors"):
            (tmp_path / "outputs/models" / name / file).write_bytes(b"12")
    array(cache, "train-0", ["cc", "aa"])
    array(cache, "train-1", ["bb", None])
    array(cache, "train-2", ["cc", "dd"])
    (cache / "train-3.partial").write_bytes(b"pixels")
    return run


def purge(run, dry_run=False):
    return purged(Namespace(runs=[run], data=None, dry_run=dry_run))


def test_pixels_and_outputs_of_the_forgotten_go_and_nothing_else(run, tmp_path, capsys):
    before = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()}
    assert purge(run) == 0
    gone = before - {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()}
    cache, own = "data/image_folder", run.relative_to(tmp_path).as_posix()
    assert gone == {
        *(f"{cache}/train-{n}.{suffix}" for n in (0, 1) for suffix in ("npy", "csv", "json")),
        f"{cache}/train-3.partial",
        f"{own}/predictions.npz",
        *(f"outputs/models/{m}/{f}" for m in "or" for f in ("predictions-fp32.npz", "audited/logits-1.npz")),
    }
    told = capsys.readouterr().out
    assert "2 forgotten samples; removed: 12 files" in told
    assert all(file in told for file in gone)
    assert "the weights of the original, which was trained on them" in told
    assert "wandb" in told
    assert purge(run) == 0
    assert "removed: 0 files" in capsys.readouterr().out


def test_a_dry_run_removes_nothing(run, capsys):
    found = plan_purge(run)
    assert purge(run, dry_run=True) == 0
    assert "would be removed: 12 files" in capsys.readouterr().out
    assert all(path.exists() for path in found.files)


def test_another_folder_is_one_line(tmp_path, capsys):
    with pytest.raises(ConfigError, match=r"is no run's folder: it has no forget_ids\.csv"):
        plan_purge(tmp_path)
    assert purge(tmp_path) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_run_named_from_beside_it_is_purged_as_well(run, tmp_path, monkeypatch):
    beside = run.with_name("1f")
    beside.mkdir()
    monkeypatch.chdir(beside)
    assert purge(Path("..", run.name)) == 0
    assert not list(tmp_path.glob("outputs/models/[or]/predictions-*.npz"))


@pytest.mark.parametrize(
    ("result", "line"),
    [
        (None, "the run has no result that names them"),
        ({"models": {"original": "o", "retrained": ["away"]}}, "its models away: they are not in"),
    ],
)
def test_what_holds_outputs_and_cannot_be_found_is_said(run, capsys, result, line):
    path = run / "result.json"
    path.unlink() if result is None else path.write_text(json.dumps(result))
    assert purge(run) == 0
    assert sum(line in told for told in capsys.readouterr().out.splitlines()) == 1
