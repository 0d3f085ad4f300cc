import numpy as np
import pytest
import torch
from scipy.io import savemat
from torchvision import datasets
from torchvision.datasets.utils import calculate_md5

from cu.errors import ConfigError


@pytest.fixture
def written(monkeypatch, tmp_path):
    """Files in the published format; returns images [N, 3, 32, 32] and digits of both parts."""
    rng = np.random.default_rng(0)
    published, parts = dict(datasets.SVHN.split_list), {}
    for part, count in (("train", 40), ("test", 20)):
        images = rng.integers(0, 256, (count, 3, 32, 32), np.uint8)
        digits = np.arange(count) % 10
        path = tmp_path / "data" / f"{part}_32x32.mat"
        path.parent.mkdir(exist_ok=True)
        # The files number the digit 0 as 10, and put the sample last: [row, column, channel, sample].
        labels = np.where(digits == 0, 10, digits).astype(np.uint8)[:, None]
        savemat(path, {"X": images.transpose(2, 3, 1, 0), "y": labels})
        published[part] = [(tmp_path / "nowhere" / path.name).as_uri(), path.name, calculate_md5(path)]
        parts[part] = images, digits
    monkeypatch.setattr(datasets.SVHN, "split_list", published)
    return tmp_path / "data", parts


def test_loads_the_published_format(written, build_dataset):
    root, parts = written
    data = build_dataset("svhn", val_fraction=0.0).load(root)
    for split in (data.train, data.test):
        images, digits = parts[split.name]
        np.testing.assert_array_equal(split.images.numpy(), images)
        np.testing.assert_array_equal(split.labels.numpy(), digits)
        assert split.images.dtype == torch.uint8
        assert split.images.is_contiguous()
        assert split.labels.dtype == torch.int64
    assert data.shape == (3, 32, 32)
    assert data.class_names == tuple("0123456789")


@pytest.mark.parametrize("part", ["train", "test"])
def test_missing_file_is_named(part, written, build_dataset):
    root, _ = written
    path = root / f"{part}_32x32.mat"
    path.unlink()
    with pytest.raises(ConfigError, match=r"is missing: set dataset\.download=true") as caught:
        build_dataset("svhn").load(root)
    assert str(path) in str(caught.value)


def test_truncated_file_is_named(written, build_dataset):
    root, _ = written
    path = root / "test_32x32.mat"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ConfigError, match=r"truncated or corrupt.*delete it and load again") as caught:
        build_dataset("svhn").load(root)
    assert str(path) in str(caught.value)


def test_failed_download_is_one_line(written, build_dataset):
    root, _ = written
    (root / "train_32x32.mat").unlink()
    with pytest.raises(ConfigError, match=r"train_32x32\.mat is missing: its download failed") as caught:
        build_dataset("svhn", download=True).load(root)
    assert "\n" not in str(caught.value)


def test_a_root_that_is_a_file_is_named(written, build_dataset):
    root, _ = written
    with pytest.raises(ConfigError, match=r"paths\.data: .*train_32x32\.mat is not a folder"):
        build_dataset("svhn").load(root / "train_32x32.mat")
