import shutil
import struct
from importlib import import_module
from urllib.request import urlopen

import numpy as np
import pytest
from omegaconf import OmegaConf
from torchvision.datasets import utils

from cu.config.folder import config_folder


@pytest.fixture
def build_dataset():
    """A data set as its YAML describes it, without augmentation and downloads unless asked for."""

    def build(name, **overrides):
        settings = OmegaConf.to_container(OmegaConf.load(config_folder() / "dataset" / f"{name}.yaml"), resolve=False)
        settings.update({"augment": False, "download": False, **overrides})
        settings.pop("defaults", None)  # what it sets besides itself
        module, _, kind = settings.pop("_target_").rpartition(".")
        return getattr(import_module(module), kind)(**settings)

    return build


@pytest.fixture
def offline_downloads(monkeypatch):
    """Let torchvision's downloader read `file:` addresses, for which its progress bar finds no length."""

    def copy(url, filename, **_):
        with urlopen(url) as source, open(filename, "wb") as target:
            shutil.copyfileobj(source, target)

    monkeypatch.setattr(utils, "_urlretrieve", copy)


@pytest.fixture
def idx_bytes():
    """The bytes of an IDX file that holds a uint8 array."""

    def encode(array):
        header = struct.pack(">HBB", 0, 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
        return header + np.ascontiguousarray(array, np.uint8).tobytes()

    return encode
