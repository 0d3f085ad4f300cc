import logging
import multiprocessing
import threading
import time

import pytest
import torch
from torch import nn

from cu.disk.files import Damaged
from cu.errors import ConfigError
from cu.store.checkpoint import EpochCheckpoint
from cu.store.models import ModelStore, load_into, read_model, save_weights, write_model

IDENTITY = {"kind": "original", "seed": 0}


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 3))


def trainer(calls, seed=0, seconds=0.0):
    def train(checkpoint, rows):
        calls.append(threading.get_ident())
        time.sleep(seconds)
        rows.append({"loss": 1.0}, 1)
        return network(seed), {"cost": {"unlearn_seconds": 2.0}}

    return train


@pytest.fixture
def store(tmp_path):
    return ModelStore(tmp_path / "models")


def same(weights, model):
    own = model.state_dict()
    return weights.keys() == own.keys() and all(torch.equal(weights[name], own[name]) for name in own)


def test_a_model_is_trained_once_and_then_read(store):
    calls = []
    for _ in range(3):
        stored = store.obtain(IDENTITY, trainer(calls))
        assert same(stored.weights, network())
        assert stored.record["cost"] == {"unlearn_seconds": 2.0}
        assert (stored.record["identity"], stored.record["fingerprint"]) == (IDENTITY, stored.folder.name)
    assert len(calls) == 1
    assert (stored.folder / "metrics.jsonl").exists()


def test_each_identity_has_a_model_of_its_own(store):
    calls = []
    folders = {store.obtain({**IDENTITY, "seed": seed}, trainer(calls, seed)).folder for seed in (0, 1, 0)}
    assert (len(folders), len(calls)) == (2, 2)


def test_threads_that_want_one_model_train_it_once(store):
    calls, found = [], []

    def want():
        found.append(store.obtain(IDENTITY, trainer(calls, seconds=0.3)))

    threads = [threading.Thread(target=want) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(calls) == 1
    assert len(found) == 4
    assert all(same(stored.weights, network()) for stored in found)


def want_in_process(root, notes):
    def train(checkpoint, rows):
        (notes / str(multiprocessing.current_process().pid)).touch()
        time.sleep(0.3)
        return network(), {}

    ModelStore(root).obtain(IDENTITY, train)


def test_processes_that_want_one_model_train_it_once(store, tmp_path):
    notes = tmp_path / "notes"
    notes.mkdir()
    if "fork" not in multiprocessing.get_all_start_methods():
        pytest.skip("needs fork to be fast")
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=want_in_process, args=(store.root, notes)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)
    assert [process.exitcode for process in processes] == [0, 0]
    assert len(list(notes.iterdir())) == 1


def test_a_training_that_fails_leaves_no_model_and_the_next_one_trains(store):
    def fail(checkpoint, rows):
        checkpoint.save({"epoch": 1})
        rows.append({"loss": 3.0}, 5)
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        store.obtain(IDENTITY, fail)
    assert read_model(store.folder(IDENTITY)) is None
    states = []

    def go_on(checkpoint, rows):
        states.append(checkpoint.load())
        rows.append({"loss": 2.0}, 10)
        return network(), {}

    stored = store.obtain(IDENTITY, go_on)
    assert states == [{"epoch": 1}]
    assert (stored.folder / "metrics.jsonl").read_text().count("\n") == 2, "the interrupted file goes on"
    assert not (stored.folder / "checkpoint.pt").exists()


@pytest.mark.parametrize("damage", ["cut", "flip", "missing weights", "foreign weights", "record", "no hash"])
def test_damaged_models_are_trained_again_with_a_warning(store, caplog, damage):
    calls = []
    folder = store.obtain(IDENTITY, trainer(calls)).folder
    path, record = folder / "model.safetensors", folder / "model.json"
    content = path.read_bytes()
    if damage == "cut":
        path.write_bytes(content[:-8])
    elif damage == "flip":
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif damage == "missing weights":
        path.unlink()
    elif damage == "foreign weights":
        save_weights(path, network(5))
    elif damage == "record":
        record.write_text(record.read_text()[:20], encoding="utf-8")
    else:
        record.write_text("{}", encoding="utf-8")
    assert read_model(folder) is None
    assert "it is trained again" in caplog.text
    assert same(store.obtain(IDENTITY, trainer(calls)).weights, network())
    assert len(calls) == 2


def test_what_was_computed_from_lost_weights_goes_with_them(store):
    folder = store.obtain(IDENTITY, trainer([])).folder
    outputs = [folder / name for name in ("predictions-fp32.npz", "audited/logits-1.npz", "judged/2.json")]
    for path in outputs:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"of the old weights")
    store.obtain(IDENTITY, trainer([]))
    assert all(path.exists() for path in outputs)
    (folder / "model.safetensors").unlink()
    store.obtain(IDENTITY, trainer([], seed=1))
    assert not any(path.exists() for path in outputs)


def test_weights_without_a_record_do_not_count(store, caplog):
    folder = store.folder(IDENTITY)
    save_weights(folder / "model.safetensors", network())
    assert read_model(folder) is None
    assert caplog.text == ""


def test_weights_survive_layout_and_shared_storage(tmp_path):
    model = network().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    model.add_module("tied", model[3])
    write_model(tmp_path, model, {})
    stored = read_model(tmp_path)
    assert stored is not None
    assert same(stored.weights, model)


def test_a_store_that_cannot_read_back_says_so(store, monkeypatch):
    from cu.store import models

    monkeypatch.setattr(models, "read_model", lambda folder: None)
    with pytest.raises(Damaged, match="could not be read back"):
        store.obtain(IDENTITY, trainer([]))


@pytest.mark.parametrize("content", [b"", b"text", None])
def test_a_damaged_checkpoint_starts_again_with_a_warning(tmp_path, caplog, content):
    checkpoint = EpochCheckpoint(tmp_path / "checkpoint.pt")
    assert checkpoint.load() is None
    checkpoint.save({"epoch": 2, "model": {"a": torch.ones(2)}})
    state = checkpoint.load()
    assert state is not None
    assert (state["epoch"], state["model"]["a"].tolist()) == (2, [1, 1])
    whole = checkpoint.path.read_bytes()
    checkpoint.path.write_bytes(whole[: len(whole) // 2] if content is None else content)
    assert checkpoint.load() is None
    assert "training starts again" in caplog.text


def test_weights_must_fit_exactly():
    weights = dict(network().state_dict())
    del weights["0.bias"], weights["1.weight"]
    weights |= {"9.weight": torch.zeros(1), "3.weight": torch.zeros(2, 2)}
    model = network(4)
    with pytest.raises(ConfigError) as caught:
        load_into(model, weights, "model.checkpoint=x.pt")
    assert str(caught.value) == (
        "model.checkpoint=x.pt does not fit the model: "
        "2 missing (e.g. 0.bias), 1 unknown (e.g. 9.weight), 1 of another shape (e.g. 3.weight)"
    )
    assert same(model.state_dict(), network(4)), "nothing is loaded by halves"


def test_warnings_are_the_only_noise(store, caplog):
    caplog.set_level(logging.DEBUG, "cu")
    store.obtain(IDENTITY, trainer([]))
    store.obtain(IDENTITY, trainer([]))
    assert caplog.text == ""


def test_one_flipped_bit_in_a_training_s_state_starts_it_again(tmp_path, caplog):
    checkpoint = EpochCheckpoint(tmp_path / "checkpoint.pt")
    checkpoint.save({"epoch": 3, "model": {"w": torch.arange(1000.0)}})
    assert checkpoint.load()["epoch"] == 3
    content = bytearray(checkpoint.path.read_bytes())
    position = content.index(torch.tensor(700.0).numpy().tobytes())
    content[position] ^= 1
    checkpoint.path.write_bytes(content)
    assert checkpoint.load() is None
    assert "starts again" in caplog.text


def test_weights_can_be_read_by_whoever_the_umask_allows(tmp_path):
    save_weights(tmp_path / "model.safetensors", torch.nn.Linear(2, 2))
    ordinary = tmp_path / "ordinary"
    ordinary.write_text("x")
    assert (tmp_path / "model.safetensors").stat().st_mode == ordinary.stat().st_mode
