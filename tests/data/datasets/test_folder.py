import csv
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import datasets

from cu.data.datasets import decoding
from cu.data.datasets.framing import Framing
from cu.errors import ConfigError

CLASSES = ("bird", "cat", "dog")


def pixels(seed, size=8, channels=3):
    shape = (size, size) if channels == 1 else (size, size, channels)
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def write_images(folder, per_class, size=8):
    for number in range(per_class):
        for index, name in enumerate(CLASSES):
            (folder / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels(100 * index + number, size)).save(folder / name / f"{number:02d}.png")


@pytest.fixture
def images(tmp_path):
    write_images(tmp_path / "images" / "train", 10)
    write_images(tmp_path / "images" / "test", 4)
    return tmp_path / "images"


@pytest.fixture
def load(build_dataset, images, tmp_path):
    def load_images(**overrides):
        settings = {"folder": str(images), "image_size": 8, "val_fraction": 0.0, **overrides}
        return build_dataset("image_folder", **settings).load(tmp_path / "data")

    return load_images


def test_images_labels_and_ids_follow_the_sorted_file_names(load):
    data = load()
    assert data.class_names == CLASSES
    assert data.train.labels.tolist() == [0] * 10 + [1] * 10 + [2] * 10
    assert data.test.labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert data.train.ids.tolist() == list(range(30))
    assert data.shape == (3, 8, 8)
    for label in range(3):
        for number in range(10):
            expected = pixels(100 * label + number).transpose(2, 0, 1)
            np.testing.assert_array_equal(data.train.images[10 * label + number].numpy(), expected)


def test_the_listing_names_the_file_of_every_id(load, tmp_path):
    load()
    (listing,) = (tmp_path / "data" / "image_folder").glob("train-*.csv")
    rows = list(csv.DictReader(listing.read_text().splitlines()))
    assert rows[0] == {"id": "0", "file": "bird/00.png"}
    assert rows[-1] == {"id": "29", "file": "dog/09.png"}


def test_without_a_test_folder_a_stratified_share_of_train_is_cut(load, images):
    for path in sorted((images / "test").rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    (images / "test").rmdir()
    data = load(test_fraction=0.2, val_fraction=0.25)
    assert data.test.labels.bincount().tolist() == [2, 2, 2]
    assert data.val.labels.bincount().tolist() == [2, 2, 2]
    ids = torch.cat([data.train.ids, data.val.ids, data.test.ids])
    assert ids.sort().values.tolist() == list(range(30))
    assert data.train.images is data.test.images
    with pytest.raises(ConfigError, match=r"dataset\.test_fraction=0\.01 of 30 images leaves 0"):
        load(test_fraction=0.01)


def test_decoded_once_and_mapped(load, tmp_path):
    def caches():
        return {path: path.stat().st_mtime_ns for path in sorted((tmp_path / "data" / "image_folder").glob("*.npy"))}

    first, written = load(), caches()
    assert [path.name.split("-")[0] for path in written] == ["test", "train"]
    assert load().train.images.equal(first.train.images)
    assert caches() == written
    assert not list((tmp_path / "data" / "image_folder").glob("*.partial"))


def test_images_stay_on_disk(load, tmp_path):
    data = load()
    (cache,) = (tmp_path / "data" / "image_folder").glob("train-*.npy")
    with cache.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        last = file.read(1)[0]
        file.seek(-1, os.SEEK_END)
        file.write(bytes([last ^ 0xFF]))
    assert int(data.train.images[-1, -1, -1, -1]) == last ^ 0xFF


def test_a_changed_added_or_resized_image_is_decoded_anew(load, images):
    load()
    Image.fromarray(pixels(999)).save(images / "train" / "bird" / "00.png")
    os.utime(images / "train" / "bird" / "00.png", (1, 1))
    np.testing.assert_array_equal(load().train.images[0].numpy(), pixels(999).transpose(2, 0, 1))
    Image.fromarray(pixels(998)).save(images / "train" / "dog" / "99.png")
    assert len(load().train) == 31
    assert load(image_size=4).shape == (3, 4, 4)
    assert load(channels=1, mean=[0.5], std=[0.5]).shape == (1, 8, 8)


def test_two_folders_with_the_same_listing_do_not_share_a_cache(load, images, tmp_path):
    other = tmp_path / "other"
    for part in ("train", "test"):
        for path in (images / part).rglob("*.png"):
            copy = other / path.relative_to(images)
            copy.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(255 - np.asarray(Image.open(path))).save(copy)
            for file in (path, copy):
                file.write_bytes(file.read_bytes().ljust(2000, b"\0"))
                os.utime(file, (1, 1))
    assert load(folder=str(other)).train.images.equal(255 - load().train.images)


def test_other_formats_grey_images_subfolders_and_clutter(load, images):
    grey = pixels(7, channels=1)
    (images / "train" / "bird" / "more").mkdir()
    Image.fromarray(grey).save(images / "train" / "bird" / "more" / "a.BMP")
    (images / "train" / "bird" / "readme.txt").write_text("no image")
    (images / "train" / ".hidden").mkdir()
    (images / "train" / ".hidden" / "x.png").write_bytes(b"")
    (images / "train" / "bird" / "._00.png").write_bytes(b"")
    data = load()
    assert data.class_names == CLASSES
    assert len(data.train) == 31
    np.testing.assert_array_equal(data.train.images[10].numpy(), np.stack([grey] * 3))


def test_class_folders_may_be_links(load, images, tmp_path):
    (images / "train" / "dog").rename(tmp_path / "dogs")
    (images / "train" / "dog").symlink_to(tmp_path / "dogs", target_is_directory=True)
    assert load().train.labels.bincount().tolist() == [10, 10, 10]


def test_oblong_images_are_scaled_to_cover_and_cropped_at_the_centre(tmp_path):
    image = np.zeros((8, 24, 3), np.uint8)
    image[:, 8:16] = 200
    Image.fromarray(image).save(tmp_path / "a.png")
    np.testing.assert_array_equal(
        decoding.decode((tmp_path / "a.png").read_bytes(), Framing(size=8)), np.full((3, 8, 8), 200)
    )
    image[:] = 90
    Image.fromarray(image).save(tmp_path / "b.png")
    np.testing.assert_array_equal(
        decoding.decode((tmp_path / "b.png").read_bytes(), Framing(size=4, channels=1)), np.full((1, 4, 4), 90)
    )


def test_rotated_photos_are_set_upright(tmp_path):
    image = Image.fromarray(pixels(0))
    exif = image.getexif()
    exif[0x0112] = 3  # upside down
    image.save(tmp_path / "a.png", exif=exif)
    upright = pixels(0)[::-1, ::-1].transpose(2, 0, 1)
    np.testing.assert_array_equal(decoding.decode((tmp_path / "a.png").read_bytes(), Framing(size=8)), upright)


@pytest.mark.parametrize("content", [b"", b"no image", None])
def test_a_corrupt_image_is_named_once_and_for_all(content, load, images, tmp_path):
    path = images / "train" / "cat" / "03.png"
    path.write_bytes(path.read_bytes()[:100] if content is None else content)
    with pytest.raises(ConfigError, match=r"1 file of .* cannot be read: train/cat/03\.png: ") as caught:
        load()
    assert "\n" not in str(caught.value)
    assert "0x" not in str(caught.value)
    assert not list((tmp_path / "data" / "image_folder").glob("*.partial"))
    data = load(skip_unreadable=True)
    assert sorted(set(range(30)) - set(data.train.ids.tolist())) == [13], "the ids of the others stay"


def test_all_that_cannot_be_read_is_listed_at_once_and_nothing_hangs(load, images, tmp_path):
    cat = images / "train" / "cat"
    os.mkfifo(cat / "fifo.png")
    (cat / "gone.png").symlink_to(tmp_path / "nowhere.png")
    (cat / "self.png").symlink_to("self.png")
    (cat / "device.png").symlink_to("/dev/zero")
    (cat / "above").symlink_to(images / "train")
    (cat / "deep.png").write_bytes(b"no image")
    with (cat / "sparse.png").open("wb") as file:
        file.truncate(1 << 40)
    bomb = Image.new("1", (20000, 20000))
    bomb.save(images / "test" / "dog" / "bomb.png")
    Image.fromarray(np.full((8, 8), 40000, np.uint16)).save(cat / "deep16.png")
    with pytest.raises(ConfigError, match=r"9 files of .* cannot be read") as caught:
        load()
    assert "skip_unreadable=true" in str(caught.value)
    told = (tmp_path / "data" / "image_folder" / "unreadable.txt").read_text(encoding="utf-8")
    for name, why in {
        "train/cat/fifo.png": "pipe",
        "train/cat/gone.png": "broken link",
        "train/cat/self.png": "broken link",
        "train/cat/device.png": "device",
        "train/cat/above": "leads back",
        "train/cat/deep.png": "not an image",
        "train/cat/sparse.png": "larger than 1 GiB",
        "train/cat/deep16.png": "8 bits",
        "test/dog/bomb.png": "exceeds limit",
    }.items():
        assert why in next(line for line in told.splitlines() if line.startswith(f"{name}: ")), name
    data = load(skip_unreadable=True)
    assert len(data.train) == 30
    assert len(data.test) == 12


def test_names_that_are_no_text_are_loaded_and_told_with_escapes(load, images, tmp_path):
    folder = os.fsencode(images / "train" / "cat")
    Image.fromarray(pixels(5)).save(images / "train" / "cat" / "ok.png")
    os.rename(folder + b"/ok.png", folder + b"/caf\xe9\n.png")
    data = load()
    assert len(data.train) == 31
    (listing,) = (tmp_path / "data" / "image_folder").glob("train-*.csv")
    assert b"cat/caf\xe9\n.png" in listing.read_bytes()
    os.truncate(folder + b"/caf\xe9\n.png", 30)
    with pytest.raises(ConfigError) as caught:
        load()
    assert "caf\\udce9\\n.png" in str(caught.value)
    str(caught.value).encode()


def test_what_is_ignored_is_counted(load, images, caplog):
    for name in ("a.heic", "b.jfif", ".hidden.png", ".DS_Store", "._00.png", "Thumbs.db"):
        (images / "train" / "cat" / name).write_bytes(b"")
    (images / "train" / "loose.png").write_bytes(b"")
    with caplog.at_level("INFO", logger="cu"):
        load()
    (line,) = [r.getMessage() for r in caplog.records if "ignored" in r.getMessage()]
    assert line.startswith("5 files ignored, no images by name or place: train/cat/.hidden.png, train/cat/Thumbs.db")


@pytest.mark.parametrize("name", ["valid", "validation"])
def test_a_validation_folder_is_read(load, images, name):
    (images / "test").rename(images / name)
    data = load(val_fraction=0.1)
    assert (len(data.val), len(data.train) + len(data.test)) == (12, 30)
    np.testing.assert_array_equal(data.val.images[0].numpy(), pixels(0).transpose(2, 0, 1))
    (images / "val").mkdir()
    with pytest.raises(ConfigError, match=rf"images/val and .*images/{name} are both there"):
        load()


def test_classes_in_the_order_of_a_checkpoint(load):
    plain, data = load(), load(class_names=["dog", "bird", "cat"])
    assert data.class_names == ("dog", "bird", "cat")
    assert data.train.ids.equal(plain.train.ids)
    assert data.train.labels.tolist() == [1] * 10 + [2] * 10 + [0] * 10
    with pytest.raises(ConfigError, match=r"class_names: 'cow' is no class folder; the folders are bird, cat, dog"):
        load(class_names=["dog", "bird", "cow", "cat"])
    with pytest.raises(ConfigError, match=r"class_names: 'cat' is missing"):
        load(class_names=["dog", "bird"])


def test_the_order_is_that_of_torchvision(load, images):
    train = images / "train"
    for name in ("cat/a/x.png", "cat/a b/x.png", "cat/a/b/y.JPG", "cat-fish/1.png", "cat/10.jpeg", "Zebra/é.webp"):
        (train / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels(3)).save(train / name)
    (train / "eel").symlink_to(train / "dog")
    Image.fromarray(pixels(3)).save(train / "cat" / "05.gif")
    data, theirs = load(), datasets.ImageFolder(train)
    assert data.class_names == tuple(theirs.classes)
    names = [os.path.relpath(path, train) for path, _ in theirs.samples]
    assert data.train.files.names == (*names, "cat/05.gif"), "what torchvision does not read comes last"
    assert data.train.labels[:-1].tolist() == theirs.targets


def test_a_killed_decoding_goes_on_where_it_was(load, images, tmp_path, monkeypatch):
    monkeypatch.setattr(decoding, "_FILES_PER_STEP", 10)
    read, whole = decoding.read_regular, load(folder=str(images)).train.images.clone()
    for path in (tmp_path / "data" / "image_folder").iterdir():
        path.unlink()
    opened = []

    def kill_later(path, limit):
        opened.append(path)
        if len(opened) == 25:
            raise KeyboardInterrupt
        return read(path, limit)

    monkeypatch.setattr(decoding, "read_regular", kill_later)
    with pytest.raises(KeyboardInterrupt):
        load()
    opened.clear()
    assert load().train.images.equal(whole)
    assert len(opened) == 10, "two steps are not done again, and the test images are the same pictures"


def test_only_new_pictures_are_decoded(load, images, monkeypatch):
    load()
    Image.fromarray(pixels(998)).save(images / "train" / "dog" / "99.png")
    read, opened = decoding.read_regular, []
    monkeypatch.setattr(decoding, "read_regular", lambda path, limit: opened.append(path) or read(path, limit))
    data = load()
    assert [os.path.basename(path) for path in opened] == ["99.png"]
    np.testing.assert_array_equal(data.train.images[30].numpy(), pixels(998).transpose(2, 0, 1))
    np.testing.assert_array_equal(data.train.images[12].numpy(), pixels(102).transpose(2, 0, 1))


def test_what_is_written_must_not_become_a_class(load, build_dataset, images):
    with pytest.raises(ConfigError, match=r"paths\.data=.* is inside the images' own .*train"):
        build_dataset("image_folder", folder=str(images), val_fraction=0.0).load(images / "train" / "data")
    build_dataset("image_folder", folder=str(images), image_size=8, val_fraction=0.0).load(images)
    assert len(load().train) == 30


def test_a_damaged_cache_is_named(load, tmp_path):
    load()
    (cache,) = (tmp_path / "data" / "image_folder").glob("train-*.npy")
    cache.write_bytes(cache.read_bytes()[:-1])
    with pytest.raises(ConfigError, match=r"train-.*\.npy is truncated or corrupt .*delete it"):
        load()


def test_folders_that_do_not_fit(load, images, tmp_path):
    with pytest.raises(ConfigError, match=r"dataset\.folder: there is no .*nowhere/train"):
        load(folder=str(tmp_path / "nowhere"))
    with pytest.raises(ConfigError, match=r"dataset\.mean has 3 values, but the images have 1 channel"):
        load(channels=1)
    (images / "test" / "cow").mkdir()
    Image.fromarray(pixels(0)).save(images / "test" / "cow" / "0.png")
    with pytest.raises(ConfigError, match="test/cow is no class of the training images"):
        load()
    (images / "train" / "cow").mkdir()
    with pytest.raises(ConfigError, match="train/cow holds no images"):
        load()
    (tmp_path / "one" / "train" / "cat").mkdir(parents=True)
    with pytest.raises(ConfigError, match="has 1 class folder"):
        load(folder=str(tmp_path / "one"))


@pytest.mark.slow
def test_two_processes_load_at_once(images, tmp_path):
    write_images(images / "train", 60, size=64)
    script = f"""
from pathlib import Path
from cu.data.datasets.folder import ImageFolder
data = ImageFolder(
    train_size=None, test_size=None, val_fraction=0.0, augment=False, crop=0, flip=False, download=False,
    mean=[0.0] * 3, std=[1.0] * 3, folder={str(images)!r}, image_size=8, channels=3, test_fraction=0.2,
    class_names=None, skip_unreadable=False,
    resize="cover", interpolation="bilinear", crop_share=1.0,
).load(Path({str(tmp_path / "data")!r}))
print(len(data.train), int(data.train.images.long().sum()))
"""
    command = [sys.executable, "-c", script]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = [process.communicate(timeout=120) for process in running]
    assert [process.returncode for process in running] == [0, 0], outputs
    assert outputs[0] == outputs[1]
    assert outputs[0][0].startswith("180 ")
    assert len(list((tmp_path / "data" / "image_folder").glob("*.npy"))) == 2
