import hashlib
import json
import os
import re
import sys
from copy import deepcopy

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from cu.config.build import composed
from cu.config.folder import config_folder
from cu.errors import ConfigError
from cu.store.fingerprint import fingerprint, stable_name
from cu.store.identity import retrained_identity, trained_identity
from cu.store.plan import plan_training, plan_unlearning
from cu.store.provenance import provenance
from cu.store.result import TrainResult, write_result

NAMES = {"dataset": "digits", "model": "m", "recipe": "r", "scenario": "class", "method": "contrastive"}


@pytest.fixture(scope="module")
def base():
    with initialize_config_dir(str(config_folder()), version_base="1.3"):
        cfg = compose("unlearn", ["hardware.precision=fp32", "recipe.optimizer.lr=0.1"])
    return OmegaConf.to_container(cfg, resolve=True)


@pytest.fixture
def config(base):
    return deepcopy(base)


@pytest.fixture
def listed(config, tmp_path):
    """A config that forgets a list of ids."""
    path = tmp_path / "listed.csv"
    path.write_text("7\n", encoding="utf-8")
    node = {"_target_": "cu.data.scenarios.indices.IndicesScenario", "file": str(path)}
    return changed(config, "scenario", node)


def changed(config, key, value):
    """A copy with one more or other setting."""
    copy = deepcopy(config)
    node = copy
    *parents, leaf = key.split(".")
    for parent in parents:
        node = node[parent]
    node[leaf] = value
    return copy


def of_original(config):
    return fingerprint(plan_unlearning(config, NAMES).original)


def of_run(config):
    return plan_unlearning(config, NAMES).fingerprint


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("dataset._target_", "cu.data.datasets.cifar.Cifar10"),
        ("dataset.train_size", 500),
        ("dataset.val_fraction", 0.2),
        ("dataset.augment", True),
        ("dataset.mean", [0.5]),
        ("model.width", 8),
        ("model.head", "linear"),
        ("recipe.epochs", 9),
        ("recipe.optimizer.lr", 0.05),
        ("recipe.optimizer.nesterov", True),
        ("recipe.schedule", "cosine"),
        ("seed", 1),
        ("revision", 99),
        ("hardware.precision", "bf16"),
    ],
)
def test_what_changes_the_original_changes_every_outcome(config, key, value):
    other = changed(config, key, value)
    assert of_original(other) != of_original(config)
    assert of_run(other) != of_run(config)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("scenario.classes", [4]),
        ("scenario.classes", [5, 4]),
        ("method.temperature", 0.5),
        ("method.recipe.epochs", 3),
        ("method.recipe.optimizer.lr", 0.5),
        ("method.stop_every", 1),
        ("method.stop_on", "never"),
        ("forget_seed", 1),
        ("method_seed", 1),
        ("hardware.scoring_precision", "bf16"),
    ],
)
def test_what_changes_the_outcome_leaves_the_original_shared(config, key, value):
    other = changed(config, key, value)
    assert of_run(other) != of_run(config)
    assert of_original(other) == of_original(config)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("paths.outputs", "/elsewhere"),
        ("paths.data", "/elsewhere"),
        ("dataset.download", True),
        ("tracking", {"_target_": "cu.tracking.types.NoTracking"}),
        ("hardware.device", "cpu"),
        ("hardware.num_threads", 7),
        ("resume", "rerun"),
        ("save_model", True),
        ("objective", "test_acc"),
        ("evaluation.name", "other"),
        ("evaluation.metrics", {}),
        ("reference.k", 5),
    ],
)
def test_what_changes_no_outcome_changes_no_fingerprint(config, key, value):
    other = changed(config, key, value)
    assert of_original(other) == of_original(config)
    assert of_run(other) == of_run(config)


def test_how_it_is_judged_has_a_fingerprint_of_its_own(config):
    plans = [plan_unlearning(c, NAMES) for c in (config, changed(config, "reference.k", 2), changed(config, "seed", 1))]
    assert plans[0].evaluation_id != plans[1].evaluation_id
    assert plans[0].evaluation_id == plans[2].evaluation_id
    assert plans[0].evaluation_id != plan_unlearning(changed(config, "evaluation.metrics", {}), NAMES).evaluation_id


def test_auto_precision_is_what_it_stands_for_here(config):
    plans = {p: plan_unlearning(changed(config, "hardware.precision", p), NAMES) for p in ("auto", "fp32", "bf16")}
    assert plans["fp32"].fingerprint != plans["bf16"].fingerprint
    assert plans["auto"].fingerprint in (plans["fp32"].fingerprint, plans["bf16"].fingerprint)


def test_content_counts_and_the_order_of_keys_does_not():
    assert fingerprint({"a": 1, "b": [1, 2]}) == fingerprint({"b": [1, 2], "a": 1})
    assert fingerprint([1, 2]) != fingerprint([2, 1])
    assert fingerprint({"a": None}) != fingerprint({})
    assert len({fingerprint(value) for value in (1, True, "1", None, 1.5, [1], {"1": 1})}) == 7
    assert re.fullmatch("[0-9a-f]{16}", fingerprint({"ä": 1e-3}))


def test_a_fingerprint_is_the_start_of_a_hash_of_compact_json():
    text = '{"a":[1,0.5,null,"x"],"b":true}'
    assert fingerprint({"b": True, "a": [1, 0.5, None, "x"]}) == hashlib.sha256(text.encode()).hexdigest()[:16]


def test_whole_numbers_are_equal_however_they_are_written(config):
    assert of_run(changed(config, "method.temperature", 1)) == of_run(changed(config, "method.temperature", 1.0))
    assert of_run(changed(config, "method.temperature", 1)) != of_run(changed(config, "method.temperature", 1.5))


def test_identities_are_plain_json(config):
    plan = plan_unlearning(config, NAMES)
    for identity in (plan.original, retrained_identity(plan.original, 0, [1]), plan.identity):
        assert json.loads(json.dumps(identity)) == identity


def test_a_retrained_model_depends_on_who_is_left_out_and_on_its_seed(config):
    original = plan_unlearning(config, NAMES).original
    print_of = {
        (seed, ids): fingerprint(retrained_identity(original, seed, ids)) for seed in (0, 1) for ids in ((1, 2), (1, 3))
    }
    assert len(set(print_of.values())) == 4
    assert fingerprint(retrained_identity(original, 0, (2, 1))) == print_of[0, (1, 2)]
    assert fingerprint(original) not in print_of.values()
    assert fingerprint(retrained_identity({**original, "checkpoint": "x"}, 0, (1, 2))) == print_of[0, (1, 2)]


@pytest.mark.parametrize("key", ["scenario.file", "model.checkpoint"])
def test_files_count_by_content(listed, tmp_path, key):
    config = listed
    one, moved, other = (tmp_path / name for name in ("one", "moved", "other"))
    one.write_text("1\n2\n", encoding="utf-8")
    moved.write_text("1\n2\n", encoding="utf-8")
    other.write_text("1\n3\n", encoding="utf-8")
    prints = {path.name: of_run(changed(config, key, str(path))) for path in (one, moved, other)}
    assert prints["one"] == prints["moved"] != prints["other"]
    assert of_run(config) not in prints.values()
    before = of_run(changed(config, key, str(one)))
    one.write_text("4\n", encoding="utf-8")
    assert of_run(changed(config, key, str(one))) != before


def test_a_checkpoint_is_the_original_but_not_the_retrained_model(config, tmp_path):
    path = tmp_path / "weights"
    path.write_bytes(b"weights")
    given = plan_unlearning(changed(config, "model.checkpoint", str(path)), NAMES).original
    trained = plan_unlearning(config, NAMES).original
    assert trained_identity(given) == trained
    assert fingerprint(given) != fingerprint(trained)
    assert retrained_identity(given, 0, [1]) == retrained_identity(trained, 0, [1])


def test_the_home_folder_may_be_written_as_a_tilde(listed, tmp_path, monkeypatch):
    config = listed
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "ids.csv").write_text("1\n", encoding="utf-8")
    short, full = (of_run(changed(config, "scenario.file", f)) for f in ("~/ids.csv", str(tmp_path / "ids.csv")))
    assert short == full


@pytest.mark.parametrize("key", ["scenario.file", "model.checkpoint", "dataset.folder"])
def test_what_cannot_be_read_is_named(listed, key):
    with pytest.raises(ConfigError, match=f"^{key}=missing/thing (cannot be read|is not a folder)") as caught:
        of_run(changed(listed, key, "missing/thing"))
    assert "\n" not in str(caught.value)


def test_a_missing_folder_names_the_command_that_makes_it(listed):
    of_unknown_origin = changed(listed, "dataset.folder", "missing/glyphs")
    with pytest.raises(ConfigError, match=r"is not a folder$"):
        of_run(of_unknown_origin)
    with pytest.raises(ConfigError, match=r"is not a folder; python draw\.py glyphs makes it$"):
        of_run(changed(of_unknown_origin, "dataset.made_by", "python draw.py glyphs"))


def test_how_a_folder_is_made_is_no_part_of_what_it_is(listed):
    assert of_run(listed) == of_run(changed(listed, "dataset.made_by", "python draw.py"))


def test_characters_name_the_script_that_draws_them():
    dataset = composed("dataset=glyphs", "paths.data=elsewhere")["dataset"]
    assert dataset["made_by"] == "python scripts/render_glyphs.py elsewhere/glyphs"


@pytest.fixture
def folder(tmp_path):
    for name in ("train/cat/1.bmp", "train/dog/2.bmp", "test/cat/3.bmp"):
        path = tmp_path / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return tmp_path / "images"


@pytest.fixture
def of_folder(config, tmp_path):
    """`(folder, **settings) -> fingerprint`: the original of a folder of images."""
    config["paths"]["data"] = str(tmp_path / "cache")
    config["dataset"] = {
        **OmegaConf.to_container(OmegaConf.load(config_folder() / "dataset/image_folder.yaml")),
        "augment": False,
    }
    del config["dataset"]["defaults"]

    def now(path, **settings):
        return of_original({**config, "dataset": {**config["dataset"], "folder": str(path), **settings}})

    return now


def test_an_image_folder_counts_by_what_is_in_it(of_folder, folder):
    before = of_folder(folder)
    moved = folder.rename(folder.with_name("moved"))
    assert of_folder(moved) == before
    (moved / "train/cat/1.bmp").write_bytes(b"train/cow/1.bmp")
    assert of_folder(moved) != before, "another content of the same size"
    (moved / "train/cat/1.bmp").write_bytes(b"train/cat/1.bmp")
    assert of_folder(moved) == before
    assert of_folder(moved, skip_unreadable=True) == before
    assert of_folder(moved, class_names=["dog", "cat"]) != before
    os.rename(moved / "train/cat/1.bmp", moved / "train/dog/1.bmp")
    assert of_folder(moved) != before, "another label"


def test_what_is_behind_links_counts_and_loops_end(of_folder, folder, tmp_path):
    before = of_folder(folder)
    (folder / "train/dog").rename(tmp_path / "dogs")
    (folder / "train/dog").symlink_to(tmp_path / "dogs")
    assert of_folder(folder) == before
    (folder / "train/dog/loop").symlink_to(folder / "train")
    assert of_folder(folder) == before, "the loader does not see it"
    victim = sorted((tmp_path / "dogs").iterdir())[0]
    victim.unlink()
    assert of_folder(folder) != before, "a picture behind a link is gone"


def test_only_the_split_folders_are_the_data_set(of_folder, folder, config):
    before = of_folder(folder)
    (folder / "image_folder").mkdir()
    (folder / "image_folder/train-0.npy").write_bytes(b"cache")
    (folder / "train/cat/notes.txt").write_bytes(b"no image")
    assert of_folder(folder) == before
    config["paths"]["data"] = str(folder / "train" / "cache")
    with pytest.raises(ConfigError, match=r"paths\.data=.* is inside the images' own"):
        of_folder(folder)


def test_a_change_that_keeps_size_and_time_is_seen(of_folder, folder):
    path = folder / "train/cat/1.bmp"
    for old in sorted(folder.rglob("*.bmp")):
        os.utime(old, (1, 1))
    before = of_folder(folder)
    path.write_bytes(b"train/cow/1.bmp")
    os.utime(path, (1, 1))
    assert of_folder(folder) != before


def test_where_records_go(config, tmp_path):
    config["paths"]["outputs"] = str(tmp_path)
    names = {**NAMES, "method": "mine/special"}
    plan = plan_unlearning(config, names)
    assert plan.folder.path == tmp_path / "runs/digits/m/class/mine-special" / plan.fingerprint
    training = plan_training(config, names)
    assert training.folder.path == tmp_path / "trained/digits/m" / of_original(config)


def test_a_finished_training_is_finished(config, tmp_path):
    training = {k: v for k, v in config.items() if k not in ("evaluation", "reference", "method", "scenario")}
    plan = plan_training(changed(training, "paths.outputs", str(tmp_path)), NAMES)
    plan.folder.begin()
    result = TrainResult(
        fingerprint=plan.fingerprint, names=NAMES, model="m", accuracies={}, cost=None, provenance=provenance({})
    )
    write_result(plan.folder.path, result)
    plan.folder.end("finished")
    assert plan.finished() is None, "there is a record, but no model"
    weights = tmp_path / "models" / plan.fingerprint / "model.safetensors"
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"weights")
    assert plan.finished() is None, "nobody knows whether the weights are whole"
    record = {"sha256": hashlib.sha256(b"weights").hexdigest()}
    weights.with_name("model.json").write_text(json.dumps(record), encoding="utf-8")
    assert plan.finished() == result
    weights.write_bytes(b"other")
    assert plan.finished() is None


def test_a_run_is_finished_once_it_was_judged_as_asked(config, tmp_path, run_result):
    plan = plan_unlearning(changed(config, "paths.outputs", str(tmp_path)), NAMES)
    plan.folder.begin()
    write_result(plan.folder.path, run_result(evaluation_id=plan.evaluation_id))
    assert plan.finished() is None, "killed between the result and the last status"
    plan.folder.end("finished")
    assert plan.finished() is not None
    other = plan_unlearning(changed(plan.written, "reference.k", 4), NAMES)
    assert other.folder == plan.folder
    assert other.finished() is None


def test_swapped_labels_make_another_original(config):
    config["scenario"] = {"_target_": "cu.data.scenarios.confusion.ConfusionScenario", "swap": [3, 5], "count": 100}
    known = of_original(config)
    for key, value in (("scenario.swap", [3, 4]), ("scenario.count", 50), ("forget_seed", 7)):
        assert of_original(changed(config, key, value)) != known, key
    assert of_original(changed(config, "scenario.swap", [5, 3])) == known
    node = {"_target_": "cu.data.scenarios.samples.SampleScenario", "count": 100, "fraction": None}
    plain = changed(config, "scenario", node)
    assert of_original(plain) != known
    assert of_original(changed(plain, "scenario.count", 50)) == of_original(plain)
    with pytest.raises(ConfigError, match=r"model\.checkpoint must be null"):
        of_original(changed(config, "model.checkpoint", "mine.safetensors"))


def test_a_class_is_named_wherever_it_stands_and_the_users_code_by_its_source(tmp_path, monkeypatch):
    assert stable_name("cu.methods.finetune.FineTune") == stable_name("cu.elsewhere.FineTune") == {"_name_": "FineTune"}
    monkeypatch.syspath_prepend(tmp_path)
    package = tmp_path / "own_code_of_a_user"
    package.mkdir()
    for path, target in (
        (tmp_path / "own_file.py", "own_file.Net"),
        (package / "nets.py", "own_code_of_a_user.nets.Net"),
    ):
        path.write_text("class Net: ...", encoding="utf-8")
        before = stable_name(target)
        path.write_text("class Net: depth = 2", encoding="utf-8")
        assert before["_name_"] == stable_name(target)["_name_"] == "Net"
        assert before != stable_name(target), "another source"
    assert "own_file" not in sys.modules, "looking does not import"


def test_a_factory_of_the_users_counts_with_its_source(config, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / "factory_of_a_user.py"
    node = {"_target_": "cu.models.user.UserModel", "factory": "factory_of_a_user:net", "settings": {}, "head": "fc"}
    config = changed(config, "model", {**node, "checkpoint": None})
    path.write_text("def net(): ...", encoding="utf-8")
    before = of_original(config)
    assert of_original(config) == before
    path.write_text("def net(): return 1", encoding="utf-8")
    assert of_original(config) != before


def test_settings_that_came_later_leave_earlier_runs_their_identity(config):
    earlier = deepcopy(config)
    for group, name in (("dataset", "crop_scale"), ("dataset", "crop_ratio"), ("model", "stem")):
        del earlier[group][name]
    assert of_run(earlier) == of_run(config)
    assert of_run(changed(config, "dataset.crop_ratio", [0.5, 2.0])) == of_run(config), "no box, no shape of a box"
    scaled = changed(config, "dataset.crop_scale", [0.08, 1.0])
    others = [changed(config, "model.stem", "large"), scaled, changed(scaled, "dataset.crop_ratio", [0.5, 2.0])]
    assert len({of_original(config), *map(of_original, others)}) == 4


def test_compiled_training_is_another_training(config):
    earlier = deepcopy(config)
    del earlier["hardware"]["compile"]
    assert of_run(earlier) == of_run(config)
    assert of_original(changed(config, "hardware.compile", True)) != of_original(config)
    assert of_run(changed(config, "hardware.data", "host")) == of_run(config)


def test_several_processes_count_where_a_network_may_have_dropout(config, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "net_of_a_user.py").write_text("def net(): ...", encoding="utf-8")
    node = {"_target_": "cu.models.user.UserModel", "factory": "net_of_a_user:net", "settings": {}, "head": "fc"}
    users = changed(config, "model", {**node, "checkpoint": None})
    alone = of_original(config), of_original(users)
    for name, value in {"WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    assert of_original(config) == alone[0]
    assert of_original(users) != alone[1]
