import gzip

import numpy as np
import pytest
import torch

from cu.data.datasets import fashion_mnist
from cu.errors import ConfigError

NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


@pytest.fixture(autouse=True)
def debian(monkeypatch, tmp_path):
    folder = tmp_path / "usr"
    monkeypatch.setattr(fashion_mnist, "DEBIAN_FOLDER", folder)
    return folder


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    return (
        rng.integers(0, 256, (60, 28, 28), np.uint8),
        np.arange(60, dtype=np.uint8) % 10,
        rng.integers(0, 256, (20, 28, 28), np.uint8),
        np.arange(20, dtype=np.uint8) % 10,
    )


@pytest.fixture
def write(arrays, idx_bytes):
    def write_files(folder, gzipped):
        folder.mkdir(parents=True, exist_ok=True)
        for name, array in zip(NAMES, arrays, strict=True):
            content = idx_bytes(array)
            if gzipped:
                (folder / f"{name}.gz").write_bytes(gzip.compress(content))
            else:
                (folder / name).write_bytes(content)

    return write_files


@pytest.mark.parametrize("gzipped", [False, True])
@pytest.mark.parametrize("place", ["FashionMNIST/raw", "fashion_mnist", "."])
def test_loads_plain_and_gzipped_files_from_each_folder(place, gzipped, write, arrays, build_dataset, tmp_path):
    root = tmp_path / "data"
    write(root / place, gzipped)
    data = build_dataset("fashion_mnist", val_fraction=0.0).load(root)
    np.testing.assert_array_equal(data.train.images.squeeze(1).numpy(), arrays[0])
    np.testing.assert_array_equal(data.train.labels.numpy(), arrays[1])
    np.testing.assert_array_equal(data.test.images.squeeze(1).numpy(), arrays[2])
    np.testing.assert_array_equal(data.test.labels.numpy(), arrays[3])
    assert data.train.images.dtype == torch.uint8
    assert data.train.labels.dtype == torch.int64
    assert data.shape == (1, 28, 28)
    assert data.class_names[5] == "Sandal"
    assert data.num_classes == 10


def test_loads_from_the_debian_package(write, debian, arrays, build_dataset, tmp_path):
    write(debian, gzipped=True)
    data = build_dataset("fashion_mnist", download=True).load(tmp_path / "data")
    assert len(data.test) == len(arrays[3])


def test_missing_files_are_named_with_their_place_and_remedy(build_dataset, tmp_path):
    root = tmp_path / "data"
    with pytest.raises(ConfigError) as caught:
        build_dataset("fashion_mnist").load(root)
    message = str(caught.value)
    assert str(root / "FashionMNIST" / "raw" / NAMES[0]) in message
    assert "dataset.download=true" in message
    assert "dataset-fashion-mnist" in message
    assert "\n" not in message


def test_one_missing_file_of_four_is_named_where_the_others_are(write, build_dataset, tmp_path):
    root = tmp_path / "data"
    write(root / "fashion_mnist", gzipped=True)
    absent = root / "fashion_mnist" / f"{NAMES[3]}.gz"
    absent.unlink()
    with pytest.raises(ConfigError, match="is missing") as caught:
        build_dataset("fashion_mnist").load(root)
    assert str(absent) in str(caught.value)


@pytest.mark.parametrize("gzipped", [False, True])
@pytest.mark.parametrize("kept", [0, 3, 10, 400])
def test_truncated_file_is_named(gzipped, kept, write, build_dataset, tmp_path):
    root = tmp_path / "data"
    write(root, gzipped)
    path = root / (f"{NAMES[0]}.gz" if gzipped else NAMES[0])
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ConfigError, match=r"truncated or corrupt.*delete it and load again") as caught:
        build_dataset("fashion_mnist").load(root)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_damaged_gzip_file_is_named(write, build_dataset, tmp_path):
    write(tmp_path, gzipped=True)
    path = tmp_path / f"{NAMES[2]}.gz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(bytes(content))
    with pytest.raises(ConfigError, match="truncated or corrupt"):
        build_dataset("fashion_mnist").load(tmp_path)


def test_a_corrupt_file_of_the_debian_package_is_not_to_be_deleted(write, debian, build_dataset, tmp_path):
    write(debian, gzipped=True)
    (debian / f"{NAMES[1]}.gz").write_bytes(b"no gzip")
    with pytest.raises(ConfigError, match="reinstall the Debian package"):
        build_dataset("fashion_mnist").load(tmp_path / "data")


def test_other_idx_types_and_lengths_are_refused(write, idx_bytes, build_dataset, tmp_path):
    write(tmp_path, gzipped=False)
    (tmp_path / NAMES[1]).write_bytes(idx_bytes(np.zeros(59, np.uint8)))
    with pytest.raises(ConfigError, match=f"{NAMES[1]} is truncated or corrupt .labels .59,. do not match"):
        build_dataset("fashion_mnist").load(tmp_path)
    (tmp_path / NAMES[1]).write_bytes(idx_bytes(np.full(60, 10, np.uint8)))
    with pytest.raises(ConfigError, match="a label above 9"):
        build_dataset("fashion_mnist").load(tmp_path)
    (tmp_path / NAMES[1]).write_bytes(b"\0\0\x0d\1" + idx_bytes(np.zeros(60, np.uint8))[4:])
    with pytest.raises(ConfigError, match="not an IDX file of bytes"):
        build_dataset("fashion_mnist").load(tmp_path)


def test_downloads_what_is_nowhere(offline_downloads, write, arrays, build_dataset, monkeypatch, tmp_path):
    from torchvision import datasets
    from torchvision.datasets.utils import calculate_md5

    write(tmp_path / "mirror", gzipped=True)
    published = [(f"{name}.gz", calculate_md5(tmp_path / "mirror" / f"{name}.gz")) for name in NAMES]
    monkeypatch.setattr(datasets.FashionMNIST, "mirrors", [f"{(tmp_path / 'mirror').as_uri()}/"])
    monkeypatch.setattr(datasets.FashionMNIST, "resources", published)
    data = build_dataset("fashion_mnist", download=True, val_fraction=0.0).load(tmp_path / "data")
    np.testing.assert_array_equal(data.train.images.squeeze(1).numpy(), arrays[0])


def test_failed_download_is_one_line(build_dataset, monkeypatch, tmp_path):
    from torchvision import datasets

    monkeypatch.setattr(datasets.FashionMNIST, "mirrors", [f"{(tmp_path / 'nowhere').as_uri()}/"])
    with pytest.raises(ConfigError, match=r"missing: its download failed") as caught:
        build_dataset("fashion_mnist", download=True).load(tmp_path / "data")
    message = str(caught.value)
    assert "\n" not in message
    assert str(tmp_path / "data" / "FashionMNIST" / "raw" / f"{NAMES[0]}.gz") in message
    assert "dataset-fashion-mnist" in message
