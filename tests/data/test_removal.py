from dataclasses import replace

import pytest
import torch

from cu.data.removal import without
from cu.data.scenarios.id_files import Named
from cu.data.types import Files
from cu.errors import ConfigError


def ids(numbers):
    return [Named("", int(number)) for number in numbers]


def test_nothing_removed_is_the_same_data(toy_data):
    assert without(toy_data, []) is toy_data


def test_what_was_removed_is_in_no_split_but_its_own(toy_data):
    gone = [*toy_data.train.ids[:7].tolist(), int(toy_data.val.ids[0])]
    data = without(toy_data, ids([*gone, 10_000]))
    assert data.removed.ids.tolist() == gone[:7]
    assert data.train.ids.tolist() == toy_data.train.ids[7:].tolist()
    assert data.val.ids.tolist() == toy_data.val.ids[1:].tolist()
    assert data.test.ids.equal(toy_data.test.ids)


def test_a_class_that_is_gone_is_gone_everywhere(toy_data):
    train = toy_data.train
    data = without(toy_data, ids(train.ids[train.labels == 2]))
    for split in (data.train, data.val, data.test):
        assert 2 not in split.labels
    assert len(data.removed) == int(train.labels.eq(2).sum())
    with pytest.raises(ConfigError, match="removed all training samples"):
        without(toy_data, ids(train.ids))


@pytest.fixture
def pictures(toy_data, tmp_path):
    """The toy data as pictures, of which 3 and 8 have one content."""
    count = len(toy_data.train.images)
    hashes = [f"{number:064x}" for number in range(count)]
    hashes[8] = hashes[3]
    files = Files(tmp_path / "train", tuple(f"c/{number:03d}.png" for number in range(count)), tuple(hashes))
    return replace(toy_data, **{n: replace(getattr(toy_data, n), files=files) for n in ("train", "val", "test")})


def gone(before, after):
    there = {i for split in (after.train, after.val, after.test) for i in split.ids.tolist()}
    return sorted({i for s in (before.train, before.val, before.test) for i in s.ids.tolist()} - there)


def test_a_picture_is_known_by_its_content_whatever_its_name(pictures):
    assert gone(pictures, without(pictures, [Named("", 50, "c/051.png", f"{3:064X}")])) == [3, 8]
    assert gone(pictures, without(pictures, [Named("", 50, "c/050.png", f"{9999:064x}")])) == [], "another picture now"


def test_without_a_content_the_name_counts_and_not_the_id_that_shifts(pictures):
    assert gone(pictures, without(pictures, [Named("", 50, "c/051.png")])) == [51]
    assert gone(pictures, without(pictures, [Named("", 50)])) == [50]
    assert gone(pictures, without(pictures, [Named("", None, "c/05?.png")])) == list(range(50, 60))
    assert gone(pictures, without(pictures, [Named("", None, "gone.png")])) == []


def test_contents_count_in_a_split_with_a_list_of_its_own(pictures):
    files = Files(pictures.train.files.folder.with_name("test"), ("c/x.png", "c/y.png"), (f"{0:064x}", f"{3:064x}"))
    images = torch.zeros(2, 1, 6, 6, dtype=torch.uint8)
    test = replace(pictures.test, images=images, rows=torch.arange(2), ids=torch.arange(2), files=files)
    test = replace(test, labels=torch.zeros(2, dtype=torch.int64))
    data = without(replace(pictures, test=test), [Named("", 0, "c/003.png", f"{3:064x}"), Named("", None, "c/000.png")])
    assert data.test.ids.tolist() == [0], "the name is that of a training image"
