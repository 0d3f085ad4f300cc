import pytest

from cu.config.component import Component
from cu.config.schema import Paths
from cu.data.datasets.listing import CACHE, list_images
from cu.disk import hash_cache
from cu.disk.whole import known_whole
from cu.store.folder_hash import folder_hash

LONG_AGO = (3, 10**9, 10**9, 7)


@pytest.fixture
def asked(tmp_path):
    """`(files, readable=True) -> (hash, how often the files were compared one by one so far)`."""
    count, whole = [], [True]

    def ask(files, readable=True):
        whole[0] = readable
        return known_whole(
            {"train": files}, tmp_path / "whole.json", lambda: (count.append(1) or "abc", whole[0])
        ), len(count)

    return ask


def test_the_same_files_are_compared_once(asked):
    files = (["a/1.png", "a/2.png"], [LONG_AGO, (4, 10**9, 10**9, 2**63 + 1)])
    assert [asked(files), asked(files)] == [("abc", 1)] * 2


@pytest.mark.parametrize("place", range(4))
def test_whatever_changes_a_signature_or_a_name_is_noticed(asked, place):
    asked((["a/1.png"], [LONG_AGO]))
    changed = tuple(value + (number == place) for number, value in enumerate(LONG_AGO))
    assert asked((["a/1.png"], [changed])) == ("abc", 2)
    assert asked((["a/2.png"], [changed])) == ("abc", 3)


@pytest.mark.parametrize("own", [None, (3, 10**19, 10**9, 7)])
def test_files_that_may_still_change_are_not_remembered(asked, own):
    files = (["a/1.png", "a/2.png"], [LONG_AGO, own])
    assert [asked(files)[1], asked(files)[1]] == [1, 2]


def test_a_hash_without_a_file_that_could_not_be_read_is_not_remembered(asked):
    files = (["a/1.png"], [LONG_AGO])
    assert [asked(files, readable=False)[1], asked(files)[1], asked(files)[1]] == [1, 2, 2]


def test_a_damaged_record_is_made_again(asked, tmp_path):
    files = (["a/1.png"], [LONG_AGO])
    asked(files)
    for content in ("[]", "{", '{"signatures": 1}'):
        before = asked(files)[1]
        (tmp_path / "whole.json").write_text(content)
        assert [asked(files)[1], asked(files)[1]] == [before + 1] * 2


@pytest.fixture
def by_folders(tmp_path, monkeypatch):
    """`(folder of images, hash of it by its folders' times, how often its files were listed so far)`."""
    monkeypatch.setattr(hash_cache, "SETTLED", 0)
    images, listed = tmp_path / "images", []
    for name in ("train/a/deep/1.png", "train/b/1.png"):
        (images / name).parent.mkdir(parents=True)
        (images / name).write_bytes(b"one")
    monkeypatch.setattr("cu.store.folder_hash.list_images", lambda place: listed.append(place) or list_images(place))
    dataset = Component({"_target_": "cu.data.datasets.folder.ImageFolder", "recheck": "folders"})
    paths = Paths(data=tmp_path / "data", outputs=tmp_path / "outputs")
    return images, lambda: folder_hash(dataset, images, paths), listed


def test_by_folders_a_folder_is_listed_once_and_the_hash_is_that_by_files(by_folders, tmp_path):
    images, found, listed = by_folders
    assert found() == found()
    assert len(listed) == 1
    by_files = Component({"_target_": "cu.data.datasets.folder.ImageFolder"})
    assert folder_hash(by_files, images, Paths(data=tmp_path / "other", outputs=tmp_path / "outputs")) == found()


@pytest.mark.parametrize(
    "change",
    [
        lambda images: (images / "train/a/deep/2.png").write_bytes(b"two"),
        lambda images: (images / "train/b/1.png").unlink(),
        lambda images: (images / "train/b/1.png").rename(images / "train/b/2.png"),
        lambda images: (images / "train/b").rename(images / "train/c"),
        lambda images: (images / "test/a").mkdir(parents=True) or (images / "test/a/1.png").write_bytes(b"one"),
    ],
)
def test_by_folders_what_is_added_removed_or_renamed_is_noticed(by_folders, change):
    images, found, _ = by_folders
    first = found()
    change(images)
    assert found() != first


def test_by_folders_a_file_that_cannot_be_read_is_looked_at_again(by_folders):
    images, found, listed = by_folders
    (images / "train/b/2.png").symlink_to("nowhere")
    first = found()
    (images / "train/nowhere").write_bytes(b"of another folder")
    (images / "train/b/nowhere").write_bytes(b"two")
    assert found() != first
    assert len(listed) > 1


def test_a_file_rewritten_in_place_with_the_same_size_is_another_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(hash_cache, "SETTLED", 0)
    dataset = Component({"_target_": "cu.data.datasets.folder.ImageFolder"})
    for name in ("a/1.png", "b/1.png"):
        (tmp_path / "images" / "train" / name).parent.mkdir(parents=True)
        (tmp_path / "images" / "train" / name).write_bytes(b"one")
    paths = Paths(data=tmp_path / "data", outputs=tmp_path / "outputs")
    calls = []
    monkeypatch.setattr(
        "cu.store.folder_hash.known_whole", lambda f, p, m: known_whole(f, p, lambda: calls.append(1) or m())
    )

    def found():
        return folder_hash(dataset, tmp_path / "images", paths)

    first = found()
    assert (found(), len(calls)) == (first, 1)
    assert len(list((tmp_path / "data" / CACHE).glob("whole-*.json"))) == 1
    (tmp_path / "images" / "train" / "a/1.png").write_bytes(b"two")
    second = found()
    assert second != first
    (tmp_path / "data" / CACHE / next((tmp_path / "data" / CACHE).glob("whole-*.json")).name).unlink()
    assert found() == second, "the short way and the long one agree"
