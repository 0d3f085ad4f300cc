import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import cu
from cu.config.folder import config_folder
from cu.data.datasets.digits import Digits
from cu.reporting.collect.folder import run_folders

MISTAKES = [
    ("method.lr=1", "method.lr", "did you mean 'method.recipe.optimizer.lr'?"),
    ("scenario.file=x", "scenario.file", "did you mean scenario=indices scenario.file=x?"),
    ("scenario.count=9", "scenario.count", "scenario.count=9? (so have"),
    ("method.temperature=a;b", "method.temperature", "type 'method.temperature='\"'\"'a;b'\"'\"''"),
    ("scenario=indices scenario.file=x", "scenario.file=x", "cannot be read"),
    (
        "dataset.val_fraction=0",
        "method.stop_on=val",
        "set dataset.val_fraction above 0, or method.stop_on to test or never",
    ),
    ("method.temprature=1", "method.temprature", "did you mean 'method.temperature'?"),
    ("metod=finetune", "metod", "did you mean 'method'?"),
    ("recipe.optimiser.lr=1", "recipe.optimiser.lr", "there is no 'recipe.optimiser'"),
    ("tracking.project=x tracking=none", "tracking.project", "tracking has no settings"),
    ("method=xx", "method=xx", "contrastive, "),
    ("method=fintune", "method=fintune", "did you mean method=finetune?"),
    ("dataset=mnist", "dataset=mnist", "digits"),
    ("settings=publishd", "settings=publishd", "did you mean settings=published?"),
    ("settings=searched/fashion_mnist/resnet18", "settings=", "resnet18_slim_w8, searched/"),
    ("experiment=small/table1 settings=null", "settings=null", "it may be baselines/digits, baselines/trial, none"),
    ("method=null", "method=null", "it may be amun"),
    ("settings=trial", "trial", "must be given"),
    ("settings=trial trial=a method=retrain", "search=retrain", "contrastive"),
    ("method.temperature=abc", "method.temperature", "must be a number"),
    ("method.temperature=0", "method.temperature", "must be greater than 0"),
    ("method.stop_on=train", "method.stop_on", "'val', 'test' or 'never'"),
    ("dataset.val_fraction=2", "dataset.val_fraction", "must be less than 1"),
    ("recipe.epochs=-1", "recipe.epochs", "must be greater than or equal to 0"),
    ("recipe.epochs=1.5", "recipe.epochs", "must be an integer"),
    ("scenario.classes=5", "scenario.classes", "must be a list"),
    ("method.temperature=[", "method.temperature=[", "cannot read"),
    ("method", "'method'", "cannot read"),
    ("seed=abc", "seed", "must be an integer"),
    ("forget_seed=abc", "forget_seed", "must be an integer"),
    ("save_model=maybe", "save_model", "must be a boolean"),
    ("reference.k=-1", "reference.k", "must be greater than or equal to 0"),
    ("reference.k=two", "reference.k", "must be an integer"),
    ("evaluation.trajectory_every=-1", "evaluation.trajectory_every", "must be greater than or equal to 0"),
    ("resume=maybe", "resume", "'skip', 'rerun' or 'error'"),
    ("tracking.mode=live", "tracking.mode", "'auto', 'online', 'offline' or 'disabled'"),
    ("tracking.init_timeout=0", "tracking.init_timeout", "must be greater than 0"),
    ("objective=agg/val_gab", "objective=agg/val_gab", "did you mean agg/val_gap?"),
    ("objective=loss evaluation=paper", "objective=loss", "it has "),
    ("objective=3", "objective", "must be a string"),
    ("+method.tau=1", "method.tau", "is not a setting"),
    ("scenario=indices", "scenario.file", "must be given"),
    ("scenario=indices scenario.file=none.csv", "scenario.file=none.csv", "cannot be read"),
    ("dataset=image_folder", "dataset.folder", "must be given"),
    ("dataset=image_folder dataset.folder=nowhere", "dataset.folder", "nowhere"),
    ("model.checkpoint=none.pt", "model.checkpoint=none.pt", "cannot be read"),
    ("paths.outputs=null", "paths.outputs", "must be a folder"),
    ("--config-dir=nowhere", "nowhere", "not found"),
]


@pytest.mark.parametrize(("words", "key", "advice"), MISTAKES)
def test_a_mistake_is_one_line_that_names_the_key_before_data_is_read(
    command, tmp_path, monkeypatch, words, key, advice
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Digits, "load", lambda self, root: pytest.fail("data was read"))
    ended = command("unlearn", "hardware.num_threads=1", *words.split())
    assert (ended.code, ended.out, len(ended.err)) == (2, "", 1), ended
    assert ended.err[0].startswith("error: ")
    assert key in ended.err[0]
    assert advice in ended.err[0]
    assert list(tmp_path.iterdir()) == []


def ids(*lines):
    return lambda folder: (folder / "ids.csv").write_text("\n".join(map(str, lines)), encoding="utf-8")


def truncated(folder):
    save_file({"a": torch.zeros(1000)}, folder / "weights.safetensors")
    whole = (folder / "weights.safetensors").read_bytes()
    (folder / "weights.safetensors").write_bytes(whole[: len(whole) // 2])


def foreign(folder):
    save_file({"encoder.0.weight": torch.zeros(3, 3)}, folder / "weights.safetensors")


class Anything:
    pass


def pickled(folder):
    torch.save({"model": Anything()}, folder / "weights.pt")


def text(folder):
    (folder / "weights.pt").write_text("not weights", encoding="utf-8")


NO_DATA = "scenario=indices scenario.file=ids.csv"
DATA_MISTAKES = [
    ("scenario.classes=[12]", None, "scenario.classes", "classes run from 0 to 9"),
    ("scenario.classes=[]", None, "scenario.classes", "name at least one class"),
    ("scenario=sample scenario.count=270", None, "scenario.count=270", "forget at least 1, but not all"),
    ("dataset.train_size=100000", None, "dataset.train_size=100000", "there are only 1438"),
    (NO_DATA, ids(2, 3, 99999), "scenario.file", "99999 is out of range"),
    (NO_DATA, ids("x"), "scenario.file", "not a sample id"),
    (NO_DATA, ids(), "scenario.file", "holds no sample ids and no file names"),
    ("dataset=cifar10 dataset.download=false", None, "dataset:", "is missing: set dataset.download=true"),
    ("model.checkpoint=weights.safetensors", truncated, "model.checkpoint=weights.safetensors", "damaged"),
    ("model.checkpoint=weights.safetensors", foreign, "model.checkpoint=weights.safetensors", "does not fit the model"),
    ("model.checkpoint=weights.pt", pickled, "model.checkpoint=weights.pt", "holds no state_dict"),
    ("model.checkpoint=weights.pt", text, "model.checkpoint=weights.pt", "damaged"),
    ("hardware.device=warp", None, "hardware.device='warp'", "try auto or cpu"),
]


@pytest.mark.parametrize(("words", "prepare", "key", "advice"), DATA_MISTAKES)
def test_a_mistake_that_data_reveals_is_one_line_too_and_recorded(
    command, tiny, tmp_path, monkeypatch, words, prepare, key, advice
):
    monkeypatch.chdir(tmp_path)
    if prepare:
        prepare(tmp_path)
    ended = command("unlearn", *tiny, *words.split())
    assert (ended.code, ended.out, len(ended.err)) == (2, "", 1), ended
    assert key in ended.err[0]
    assert advice in ended.err[0]
    (status,) = tmp_path.glob("outputs/runs/*/*/*/*/*/status.json")
    assert json.loads(status.read_text())["state"] == "failed"
    assert json.loads(status.read_text())["error"] == ended.err[0].removeprefix("error: ")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there_is_one_line(command, tiny, tmp_path):
    ended = command("unlearn", *tiny, "hardware.device=cuda", f"paths.outputs={tmp_path}")
    assert (ended.code, len(ended.err)) == (2, 1)
    assert "hardware.device='cuda' cannot be used here" in ended.err[0]


def test_a_method_that_blows_up_is_diverged(command, tiny, tmp_path):
    ascent = "method=gradient_ascent method.recipe.optimizer.lr=1e6 method.recipe.clip_norm=null method.recipe.epochs=9"
    ended = command("unlearn", *tiny, *ascent.split(), f"paths.outputs={tmp_path}")
    assert ended.code == 1
    assert ended.err[-1].startswith("diverged: ")
    assert "lr" in ended.err[-1]
    (status,) = tmp_path.glob("runs/*/*/*/*/*/status.json")
    assert json.loads(status.read_text())["state"] == "diverged"
    assert not status.with_name("result.json").exists()


def test_a_method_that_blows_up_without_descending_is_diverged(command, tiny, tmp_path):
    others = [word for word in tiny if not word.startswith("method.recipe")]
    ended = command("unlearn", *others, "method=influence", "method.scale=1e30", f"paths.outputs={tmp_path}")
    assert ended.code == 1
    assert ended.err[-1].startswith("diverged: ")
    assert "samples have logits of inf or NaN" in ended.err[-1]
    (status,) = tmp_path.glob("runs/*/*/*/*/*/status.json")
    assert json.loads(status.read_text())["state"] == "diverged"


def test_an_unexpected_failure_is_one_line_that_says_where_the_traceback_is(command, tiny, tmp_path, monkeypatch):
    monkeypatch.setattr("cu.experiment.unlearn.requested", lambda *args: 1 / 0)
    ended = command("unlearn", *tiny, f"paths.outputs={tmp_path}")
    assert (ended.code, len(ended.err)) == (1, 1)
    found = re.fullmatch(r"failed: ZeroDivisionError: division by zero \[(.*run\.log)\]", ended.err[0])
    assert found
    assert "Traceback" in Path(found[1]).read_text()
    assert json.loads(Path(found[1]).with_name("status.json").read_text())["error"].startswith("ZeroDivisionError")


def test_outputs_that_cannot_be_written_are_one_line(command, tiny, tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    for words in (["-m", "seed=0,1"], []):
        ended = command("unlearn", *words, *tiny, f"paths.outputs={tmp_path / 'file' / 'outputs'}")
        assert (ended.code, len(ended.err)) == (2, 1)
        assert ended.err[0].startswith("error: paths.outputs")


def test_a_full_disk_is_one_line_and_leaves_no_half_file(command, tiny, tmp_path):
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, limits[1]))  # enough for a status, too small for weights
    try:
        ended = command("unlearn", *tiny, f"paths.outputs={tmp_path}")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert ended.code == 1
    assert ended.err[-1].startswith("failed: ")
    assert "File too large" in ended.err[-1]
    assert not any("Traceback" in line for line in ended.err)
    assert not list(tmp_path.rglob("*.tmp"))
    assert not list(tmp_path.rglob("*.safetensors"))
    (status,) = tmp_path.glob("runs/*/*/*/*/*/status.json")
    assert json.loads(status.read_text())["state"] == "failed"
    assert command("unlearn", *tiny, f"paths.outputs={tmp_path}").code == 0


def test_resume_error_refuses_a_finished_run(command, tiny, finished):
    ended = command("unlearn", *tiny, f"paths.outputs={finished}", "resume=error")
    assert (ended.code, len(ended.err)) == (2, 1)
    assert "resume=skip or resume=rerun" in ended.err[0]


def test_a_misspelt_objective_of_a_finished_run_is_one_line_too(command, tiny, finished):
    ended = command("unlearn", *tiny, f"paths.outputs={finished}", "objective=retain_tset_acc")
    assert (ended.code, len(ended.err)) == (2, 2)
    assert "did you mean retain_test_acc?" in ended.err[1]


def test_settings_made_for_something_else_are_one_warning(command, tiny, finished):
    words = ("settings=searched/fashion_mnist/resnet18_slim_w8", "resume=error", f"paths.outputs={finished}")
    ended = command("unlearn", *tiny, *words, "method.recipe.optimizer.lr=0.01")
    assert ended.err[0] == (
        "warning: settings=searched/fashion_mnist/resnet18_slim_w8 were made for dataset=fashion_mnist, "
        "dataset.train_size=10000, model.width=8; this run has dataset=digits, dataset.train_size=300, model.width=4"
    )
    assert (ended.code, len(ended.err)) == (2, 2), "the same numbers as a finished run's: it is the same run"


def test_chosen_settings_are_recorded(command, tiny, finished, tmp_path):
    (result,) = finished.glob("runs/*/*/*/*/*/result.json")
    assert json.loads(result.read_text())["names"]["settings"] == "none"
    words = ("settings=baselines/digits", "scenario=sample", f"paths.outputs={tmp_path}")
    assert command("unlearn", *tiny, *words).code == 0
    (result,) = tmp_path.glob("runs/digits/resnet18_slim/sample/finetune/*/result.json")
    content = json.loads(result.read_text())
    assert content["names"]["settings"] == "baselines/digits"
    assert content["split_sizes"]["forget"] == 100


def test_a_report_of_nothing_is_one_line_and_leaves_nothing(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ended = command("report", "tracking=none")
    assert (ended.code, ended.out, len(ended.err)) == (2, "", 1)
    assert "make some with cu-unlearn first" in ended.err[0]
    assert list(tmp_path.iterdir()) == []


def test_the_config_can_be_shown(command):
    for name in ("unlearn", "train", "report"):
        ended = command(name, "--cfg", "job")
        assert (ended.code, ended.err) == (0, [])
        assert "paths:\n  outputs: outputs\n" in ended.out


def test_a_grid_that_is_not_swept_is_said(command, tmp_path):
    (tmp_path / "experiment").mkdir()
    grid = "# @package _global_\nhydra: {sweeper: {params: {seed: '0,1'}}}\n"
    (tmp_path / "experiment" / "grid.yaml").write_text(grid, encoding="utf-8")
    ended = command("unlearn", f"--config-dir={tmp_path}", "experiment=grid", "recipe.epochs=-1")
    assert ended.code == 2
    assert ended.err[0] == "warning: the grid over seed is not swept; add -m, and sweep one experiment per command"


def test_help_lists_the_options_of_the_commands_groups(command, tmp_path):
    (tmp_path / "method").mkdir()
    (tmp_path / "method" / "mine.yaml").write_text("_target_: a.b", encoding="utf-8")
    ended = command("unlearn", "--config-dir", tmp_path, "--help")
    assert (ended.code, ended.err) == (0, [])
    words = ended.out.replace(",", " ").split()
    for group in ("dataset", "model", "recipe", "scenario", "method", "evaluation", "tracking"):
        for path in (config_folder() / group).glob("*.yaml"):
            assert path.stem in words
    assert "mine" in words
    assert {"settings:", "none", "published", "searched/fashion_mnist/resnet18_slim_w8"} <= set(words)
    assert not {"cells:", "search:", "class/contrastive"} & set(words)
    assert not {"dataset:", "method:", "settings:"} & set(command("report", "--help").out.split())


HEAVY = "import sys; print(*{'torch', 'wandb', 'sklearn', 'pandas', 'matplotlib'} & set(sys.modules), file=sys.stderr)"


def light(name, *words):
    code = f"import atexit; atexit.register(lambda: exec({HEAVY!r})); from cu.cli.commands import {name}; {name}()"
    return subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)


@pytest.mark.slow
def test_help_and_a_finished_run_do_without_torch(tiny, finished):
    ended = light("unlearn", "--help")
    assert "Often set" in ended.stdout
    assert ended.stderr == "\n"
    ended = light("unlearn", *tiny, f"paths.outputs={finished}")
    assert ended.stderr.splitlines()[0].startswith("already finished: ")
    assert ended.stderr.splitlines()[1:] == [""]
    assert "forget_train_acc" in ended.stdout, "the numbers are there"
    (run,) = finished.glob("runs/*/*/*/*/*")
    assert f"Run      {run}" in ended.stdout
    assert "Weights  not kept; save_model=true keeps them" in ended.stdout


def test_a_sweep_says_which_option_lacks_a_setting(command, tmp_path):
    ended = command("unlearn", "-m", "scenario=class,sample", "scenario.classes=[5]", f"paths.outputs={tmp_path}")
    assert ended.code == 2
    assert ended.err[0].endswith("option that is swept over: scenario=sample does not have it; sweep over the others")


def test_the_version_is_that_of_cu(command):
    ended = command("unlearn", "--version")
    assert (ended.code, ended.out) == (0, f"cu {cu.__version__}\n")


def test_a_path_with_anything_in_it_is_one_path(command, tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_file({"a": torch.zeros(2)}, tmp_path / "epoch=9-step=1 [a].safetensors")
    ended = command("unlearn", *tiny, "model.checkpoint=epoch=9-step=1 [a].safetensors", "paths.outputs=my outputs (1)")
    assert ended.code == 2
    assert ended.err[0].startswith("error: model.checkpoint=epoch=9-step=1 [a].safetensors holds no state_dict")
    assert (tmp_path / "my outputs (1)").is_dir()


def test_a_hint_that_is_followed_leads_on(command, tiny, tmp_path):
    """Listed ids in the validation split, a method that looks at it: no way back and forth."""
    (tmp_path / "ids.csv").write_text("2\n3\n5\n10\n22\n38\n", encoding="utf-8")
    words = [*tiny, "method=contrastive", "scenario=indices", f"scenario.file={tmp_path / 'ids.csv'}"]
    words = [word for word in words if not word.startswith("method.recipe")]
    words += [f"paths.outputs={tmp_path}", "method.recipe.epochs=1"]
    held_out = "dataset.val_fraction=0.5"
    first = command("unlearn", *words, held_out).err[-1]
    assert (
        "and 1 more are held out in the validation split: set dataset.val_fraction=0 if they are to be forgotten"
        in first
    )
    assert "and method.stop_on to test or never, since method.stop_on=val needs validation data" in first
    second = command("unlearn", *words, "dataset.val_fraction=0")
    assert second.err[-1] == "error: method.stop_on=val needs validation data; set method.stop_on to test or never"
    assert list(tmp_path.glob("runs/*/*/*/*/*/status.json"))
    assert list(run_folders(tmp_path / "runs")) == [], "the mistakes are no rows of a report"


@pytest.mark.parametrize(
    ("name", "word", "told"),
    [
        ("report", "report=paper/tabel1", "report=paper/tabel1 does not exist: did you mean report=paper/table1?"),
        ("unlearn", "experiment=small/tabel1", "did you mean experiment=small/table1?"),
        ("unlearn", "experiment=typo", "baselines/fashion_mnist, baselines/search, fashion_mnist, paper/figure2"),
        ("unlearn", "hydra/launcher=pol", "did you mean hydra/launcher=pool? it may be basic, joblib, pool"),
    ],
)
def test_options_in_subfolders_are_named_as_one_types_them(command, name, word, told):
    ended = command(name, word)
    assert ended.code == 2
    assert len(ended.err) == 1
    assert told in ended.err[0]
