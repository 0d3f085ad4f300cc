from dataclasses import replace

import pytest
import torch

from cu.data.types import Poisoning
from cu.engine import residence
from cu.engine.residence import at_home
from cu.errors import ConfigError

SIZE = 240 * 36  # bytes of the toy images


def free(monkeypatch, size):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (size, 10 * size))
    monkeypatch.setattr(residence, "moved", lambda data, device: device)


@pytest.mark.parametrize("home", ["auto", "device", "host"])
def test_a_cpu_has_everything_at_home(toy_data, home):
    assert at_home(toy_data, "cpu", home) is toy_data


def test_half_of_the_free_memory_is_the_most_that_images_take_by_themselves(monkeypatch, toy_data):
    for size, expected in ((2 * SIZE, "cuda"), (2 * SIZE - 2, toy_data)):
        free(monkeypatch, size)
        assert at_home(toy_data, "cuda", "auto") is expected
    assert at_home(toy_data, "cuda", "device") == "cuda"
    assert at_home(toy_data, "cuda", "host") is toy_data


def test_images_that_cannot_fit_are_an_error_of_one_line(monkeypatch, toy_data):
    free(monkeypatch, SIZE - 1)
    with pytest.raises(ConfigError, match=r"hardware\.data=device: the images take 0\.0 GiB.* use auto or host"):
        at_home(toy_data, "cuda", "device")


def test_other_devices_get_images_only_when_told(toy_data):
    assert at_home(toy_data, "meta", "auto") is toy_data
    noisy = replace(toy_data, poisoning=Poisoning(toy_data.train.subset(torch.arange(3)), torch.zeros(3), 0.1))
    there = at_home(noisy, "meta", "device")
    assert there.poisoning is not None
    splits = (there.train, there.val, there.test, there.poisoning.clean)
    assert all(split.images is there.train.images for split in splits)
    assert there.train.images.is_meta
    assert not any(getattr(split, name).is_meta for split in splits for name in ("rows", "labels", "ids"))
    assert torch.equal(there.test.ids, toy_data.test.ids)
    assert not toy_data.train.images.is_meta
