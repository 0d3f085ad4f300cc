import io
import pickle
import shutil
import tarfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision import datasets
from torchvision.datasets import utils
from torchvision.datasets.utils import calculate_md5

from cu.data.datasets.pickles import plain_pickle
from cu.data.scenarios.subclass import SubclassScenario
from cu.data.task import make_task
from cu.errors import ConfigError

PER_FILE = 20


def write_batches(folder, kind):
    """Files in the published format; returns rows [N, 3072] and labels of the training and the test part."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    key, num_classes = ("labels", 10) if kind is datasets.CIFAR10 else ("fine_labels", 100)
    parts = []
    for listed in (kind.train_list, kind.test_list):
        rows, labels = [], []
        for name, _ in listed:
            entry = {"data": rng.integers(0, 256, (PER_FILE, 3072), np.uint8)}
            entry[key] = rng.integers(0, num_classes, PER_FILE).tolist()
            entry["coarse_labels"] = [label // 5 for label in entry[key]]
            (folder / name).write_bytes(pickle.dumps(entry))
            rows.append(entry["data"])
            labels += entry[key]
        parts.append((np.concatenate(rows), labels))
    names = [f"class {label}" for label in range(num_classes)]
    coarse = [f"superclass {label}" for label in range(num_classes // 5)]
    meta = {kind.meta["key"]: names, "coarse_label_names": coarse}
    (folder / kind.meta["filename"]).write_bytes(pickle.dumps(meta))
    return parts


def publish(monkeypatch, kind, folder):
    """Make torchvision expect the MD5 sums of the files in `folder`; its check itself stays on."""
    for name in ("train_list", "test_list"):
        listed = [[file, calculate_md5(folder / file)] for file, _ in getattr(kind, name)]
        monkeypatch.setattr(kind, name, listed)
    monkeypatch.setattr(kind, "meta", {**kind.meta, "md5": calculate_md5(folder / kind.meta["filename"])})


@pytest.fixture(params=["cifar10", "cifar100"])
def written(request, monkeypatch, tmp_path):
    kind = {"cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100}[request.param]
    folder = tmp_path / kind.base_folder
    parts = write_batches(folder, kind)
    publish(monkeypatch, kind, folder)
    return request.param, kind, folder, parts


@pytest.fixture
def archived(written, monkeypatch, tmp_path):
    """The files in an archive at a local address instead of on disk; `tmp_path / "data"` is still empty."""
    name, kind, folder, parts = written
    archive = tmp_path / "mirror" / kind.filename
    archive.parent.mkdir()
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(folder, kind.base_folder)
    shutil.rmtree(folder)
    monkeypatch.setattr(kind, "url", archive.as_uri())
    monkeypatch.setattr(kind, "tgz_md5", calculate_md5(archive))
    return name, kind, parts, archive


def test_loads_the_published_format(written, build_dataset, tmp_path):
    name, _, _, parts = written
    data = build_dataset(name, val_fraction=0.0).load(tmp_path)
    for split, (rows, labels) in zip((data.train, data.test), parts, strict=True):
        # A row is 1,024 red, 1,024 green, then 1,024 blue values, each row by row.
        for index, row in enumerate(rows):
            for channel, y, x in ((0, 0, 0), (0, 0, 31), (1, 5, 7), (2, 31, 30)):
                assert int(split.images[index, channel, y, x]) == row[1024 * channel + 32 * y + x]
        assert split.labels.tolist() == labels
        assert split.images.dtype == torch.uint8
        assert split.images.is_contiguous()
        assert split.ids.tolist() == list(range(len(labels)))
    assert data.shape == (3, 32, 32)
    assert data.class_names == tuple(f"class {label}" for label in range(data.num_classes))
    assert data.num_classes == (10 if name == "cifar10" else 100)


def test_superclasses_have_the_classes_as_parts(monkeypatch, build_dataset, tmp_path):
    kind = datasets.CIFAR100
    (_, fine), _ = write_batches(tmp_path / kind.base_folder, kind)
    publish(monkeypatch, kind, tmp_path / kind.base_folder)
    data = build_dataset("cifar100_superclasses", val_fraction=0.0).load(tmp_path)
    assert data.class_names == tuple(f"superclass {number}" for number in range(20))
    assert data.train.labels.tolist() == [label // 5 for label in fine]
    assert data.train.parts == tuple((f"superclass {label // 5}/class {label}",) for label in fine)
    own = next(label for label in fine if {other for other in fine if other // 5 == label // 5} != {label})
    chosen = f"superclass {own // 5}/class {own}"
    task = make_task(data, SubclassScenario(parts=[chosen]), torch.Generator())
    assert task.forget.ids.tolist() == [i for i, label in enumerate(fine) if label == own]


@pytest.mark.parametrize("named", [io.open, Path, np.load])
def test_a_pickle_of_more_than_data_is_refused(tmp_path, named):
    (tmp_path / "meta").write_bytes(pickle.dumps({"coarse_label_names": named}))
    with pytest.raises(ConfigError, match=r"meta is truncated or corrupt \(it names"):
        plain_pickle(tmp_path / "meta")
    (tmp_path / "meta").write_bytes(pickle.dumps({"array": np.arange(3), "names": ["é"]}))
    assert plain_pickle(tmp_path / "meta")["array"].tolist() == [0, 1, 2]


def test_validation_ids_are_positions_in_the_training_files(written, build_dataset, tmp_path):
    name, _, _, parts = written
    data = build_dataset(name, val_fraction=0.25, train_size=16).load(tmp_path)
    assert (len(data.train), len(data.val)) == (12, 4)
    for split in (data.train, data.val):
        for position in range(len(split)):
            row = parts[0][0][split.ids[position]].reshape(3, 32, 32)
            np.testing.assert_array_equal(split.images[split.rows[position]].numpy(), row)


def test_missing_file_is_named(written, build_dataset, tmp_path):
    name, kind, folder, _ = written
    absent = folder / kind.train_list[-1][0]
    absent.unlink()
    with pytest.raises(ConfigError, match=r"is missing: set dataset\.download=true") as caught:
        build_dataset(name).load(tmp_path)
    assert str(absent) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_class_names_are_named(written, build_dataset, tmp_path):
    name, kind, folder, _ = written
    (folder / kind.meta["filename"]).unlink()
    with pytest.raises(ConfigError, match=f"{kind.meta['filename']} is missing"):
        build_dataset(name).load(tmp_path)


def test_truncated_file_is_named(written, build_dataset, tmp_path):
    name, kind, folder, _ = written
    path = folder / kind.test_list[0][0]
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ConfigError, match=r"truncated or corrupt.*delete it and load again") as caught:
        build_dataset(name).load(tmp_path)
    assert str(path) in str(caught.value)


def test_a_tampered_pickle_is_never_opened(written, build_dataset, tmp_path):
    name, kind, folder, _ = written

    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    (folder / kind.train_list[0][0]).write_bytes(pickle.dumps(Trap()))
    with pytest.raises(ConfigError):
        build_dataset(name).load(tmp_path)
    assert not (tmp_path / "sprung").exists()


def test_downloads_and_repairs(offline_downloads, archived, build_dataset, tmp_path):
    name, kind, parts, _ = archived
    root = tmp_path / "data"
    dataset = build_dataset(name, download=True, val_fraction=0.0)
    assert dataset.load(root).train.labels.tolist() == parts[0][1]
    damaged = root / kind.base_folder / kind.train_list[0][0]
    damaged.write_bytes(b"cut short")
    assert dataset.load(root).train.labels.tolist() == parts[0][1]


def test_failed_download_is_one_line(archived, build_dataset, tmp_path):
    name, kind, _, archive = archived
    archive.unlink()
    with pytest.raises(ConfigError, match="is missing: its download failed") as caught:
        build_dataset(name, download=True).load(tmp_path / "data")
    message = str(caught.value)
    assert str(tmp_path / "data" / kind.base_folder / kind.train_list[0][0]) in message
    assert archive.as_uri() in message
    assert "\n" not in message


def test_two_loads_at_once_download_once(archived, build_dataset, monkeypatch, tmp_path):
    name, _, parts, archive = archived
    content, started, downloads = archive.read_bytes(), threading.Event(), []

    def slow_download(url, filename, **_):
        downloads.append(filename)
        with io.BytesIO(content) as source, open(filename, "wb") as target:
            while chunk := source.read(1 + len(content) // 4):
                target.write(chunk)
                target.flush()
                started.set()
                time.sleep(0.05)

    monkeypatch.setattr(utils, "_urlretrieve", slow_download)
    dataset = build_dataset(name, download=True, val_fraction=0.0)
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(dataset.load, tmp_path / "data")
        assert started.wait(10)
        second = threads.submit(dataset.load, tmp_path / "data")
        assert first.result().train.labels.tolist() == second.result().train.labels.tolist() == parts[0][1]
    assert len(downloads) == 1
