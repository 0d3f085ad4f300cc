import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from cu.data.datasets.folder import parts_of
from cu.data.scenarios.class_names import class_numbers
from cu.data.scenarios.classes import ClassScenario
from cu.data.scenarios.indices import IndicesScenario
from cu.data.scenarios.subclass import SubclassScenario
from cu.data.splits import DatasetOptions, Part, image_data
from cu.data.task import make_task
from cu.data.types import Files
from cu.errors import ConfigError

NAMES = (
    *("bird/00.png", "bird/01.png", "bird/c, d.png", "bird/e #1.png", "cat/00.png", "cat/a b/2.png"),
    *("cat/a b/3.png", "cat/[x].png", "dog/7.png", "dog/8.png"),
)


@pytest.fixture
def data(tmp_path):
    """Ten pictures of three classes, all to train on but `dog/8.png`, which is the test set."""
    (tmp_path / "photos" / "train").mkdir(parents=True)
    labels = torch.tensor([("bird", "cat", "dog").index(name.split("/")[0]) for name in NAMES])
    files = Files(tmp_path / "photos" / "train", NAMES, tuple(f"{i:064x}" for i in range(10)))
    images = torch.zeros(10, 1, 2, 2, dtype=torch.uint8)
    common = {"train_size": None, "test_size": None, "val_fraction": 0.0, "augment": False, "crop": 0, "flip": False}
    options = DatasetOptions(**common, download=False, mean=[0.0], std=[1.0])
    whole = Part(images=images, labels=labels, rows=torch.arange(10), files=files, parts=parts_of(NAMES))
    train, test = (replace(whole, rows=rows) for rows in whole.rows.split([9, 1]))
    return image_data(options, train, test, ("bird", "cat", "dog"))


@pytest.fixture
def forgotten(data, tmp_path):
    """`(content, suffix) -> names`: what a request file forgets."""

    def read(content, suffix=".txt"):
        path = tmp_path / f"request{suffix}"
        if isinstance(content, np.ndarray):
            np.save(path, content)
        else:
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        task = make_task(data, IndicesScenario(file=str(path)), torch.Generator())
        return [NAMES[i] for i in task.forget.ids.tolist()]

    return read


TWO = ["bird/01.png", "cat/00.png"]


@pytest.mark.parametrize(
    ("content", "suffix"),
    [
        ("bird/01.png\ncat/00.png\n", ".txt"),
        ("1\r\ncat/00.png  # the grey one\r\n", ".txt"),
        ("# request of Monday\ntrain/bird/01.png\n./cat/00.png\n", ".txt"),
        ("id,file\n1,bird/01.png\n4,cat/00.png\n", ".csv"),
        ("name;file;id\nx;bird/01.png;1\ny;cat/00.png;\n", ".csv"),
        ("file\treason\nbird/01.png\tx\ncat/00.png\ty\n", ".tsv"),
        ("file|x\nbird/01.png|1\ncat\\00.png|2\n", ".txt"),
        ("bird/01.png,0\ncat/00.png,1\n", ".csv"),
        ("bird/01.png\t0\ncat/00.png\t1\n", ".csv"),
        ("path\nbird/01.png\ncat/00.png\ncat/00.png\n4\n".replace("\n4\n", "\n"), ".csv"),
        ("id,forget\n0,0\n1,1\n4,1\n8,0\n", ".csv"),
        ("Filename;Forget\nbird/00.png;no\nbird/01.png;Yes\ncat/00.png;TRUE\ndog/7.png;\n", ".csv"),
        (json.dumps([{"id": 1, "remove": True}, {"id": 2, "remove": False}, {"file": TWO[1], "remove": 1}]), ".json"),
        (json.dumps({"ids": [1, 4, 8], "forget": [1, 1, 0]}), ".json"),
        (json.dumps(TWO), ".json"),
        (json.dumps([1, 4]), ".json"),
        (json.dumps({"files": TWO}), ".json"),
        (json.dumps({"ids": [1, 4], "files": TWO}), ".json"),
        (json.dumps([{"id": 1, "why": "x"}, {"file": TWO[1]}]), ".json"),
        (np.array([4, 1]), ".npy"),
        (np.array(TWO), ".npy"),
        (np.isin(np.arange(10), [1, 4]), ".npy"),
        ("bird/01.png\ncat/00.png\n".encode("utf-16"), ".txt"),
        ("id,file,sha256\n1,bird/01.png," + f"{1:064X}" + "\n4,cat/00.png," + f"{4:064x}\n", ".csv"),
        ("01.png\ncat/0*.png\n", ".txt"),
    ],
)
def test_a_request_may_come_as_people_have_it(forgotten, content, suffix):
    assert forgotten(content, suffix) == TWO


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ("bird/c, d.png\nbird/e #1.png\n", ["bird/c, d.png", "bird/e #1.png"]),
        ("cat/[x].png\n", ["cat/[x].png"]),
        ("[x].png\n", ["cat/[x].png"]),
        ("cat/a b/*\n7.png", ["cat/a b/2.png", "cat/a b/3.png", "dog/7.png"]),
        ("cat/*", ["cat/00.png", "cat/a b/2.png", "cat/a b/3.png", "cat/[x].png"]),
        ("?.png", ["cat/a b/2.png", "cat/a b/3.png", "dog/7.png"]),
    ],
)
def test_names_with_everything_in_them_and_patterns(forgotten, content, names):
    if content == "?.png":
        with pytest.raises(ConfigError, match=r"dog/8\.png is in the test split"):
            forgotten(content)
        content = "cat/*/?.png\ndog/7.png"
    assert forgotten(content) == names


def test_absolute_paths_and_those_from_here(forgotten, data, tmp_path, monkeypatch):
    assert forgotten(f"{data.train.files.folder}/cat/00.png") == ["cat/00.png"]
    monkeypatch.chdir(tmp_path)
    assert forgotten("photos/train/cat/00.png") == ["cat/00.png"]


def test_the_same_sample_twice_counts_once_and_is_said(forgotten, caplog):
    with caplog.at_level("INFO", logger="cu"):
        assert forgotten("4\ncat/00.png\ncat/0*\n1\n") == TWO
    assert "2 samples are named more than once" in caplog.text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("id,forget\n1,1\n4,maybe\n", "'maybe' is neither true nor false"),
        ("id,forget\n1,0\n4,0\n", "holds no sample ids"),
        ("id,file\n1,bird/01.png\n3,cat/00.png\n", r"line 3: id 3 is bird/e #1\.png and not cat/00\.png: ids shift"),
        ("id,file\n99,bird/01.png\n", r"line 2: id 99 is no image and not bird/01\.png"),
        ("00.png\n", r"line 1: 00\.png is 2 images \(bird/00\.png, cat/00\.png\): write the folder, too"),
        ("bird/99.png\nx/y.png\n", r"bird/99\.png, x/y\.png are not among the training images; names are relative to"),
        ("test/dog/8.png\n", r"no model is trained on those of other folders than train"),
        (
            "dog/8.png\n",
            r"dog/8\.png is in the test split that is cut from .*put test images of their own into .*/test",
        ),
        ("file,sha256\nbird/01.png,00\n", r"line 2: bird/01\.png is another picture by now"),
        ("name,label\nx,3\n", r"line 1: several columns, but no header that names one `id` or `file`"),
        ("\n# nothing\n", r"holds no sample ids and no file names"),
        ("zebra*\n", r"zebra\* is not among the training images"),
    ],
)
def test_what_cannot_be_meant_is_one_line(forgotten, content, message):
    with pytest.raises(ConfigError, match=message) as caught:
        forgotten(content)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "suffix", "message"),
    [
        ("{", ".json", "not JSON"),
        ("3", ".json", "must be a list"),
        ('{"ids": [1], "files": []}', ".json", "one length"),
        ("[[1]]", ".json", r"item 1: \[1\] is neither an id nor a file name"),
        ("[true]", ".json", "item 1: True is neither"),
        ('[{"why": 1}]', ".json", "item 1: has neither a key `id` nor a key `file`"),
        (np.zeros((2, 2), int), ".npy", "not an array of ids, names or truth values"),
        (np.array([0.5]), ".npy", "not an array of ids"),
        ("text", ".npy", "not an array of ids"),
        (np.isin(np.arange(9), [1, 4]), ".npy", "is a mask of 9 values, but there are 10 ids$"),
        (np.isin(np.arange(10), [1, 4]).astype(int), ".npy", "holds only 0 and 1, .* a mask and no ids: save it as"),
        ("0\n1\n0\n1\n", ".txt", "holds only 0 and 1"),
        ("[0, 1, 1, 0]", ".json", "holds only 0 and 1"),
    ],
)
def test_files_of_other_kinds_are_refused(forgotten, content, suffix, message):
    with pytest.raises(ConfigError, match=message):
        forgotten(content, suffix)


def test_classes_by_name(data):
    by_name, by_number = (make_task(data, ClassScenario(classes=c), torch.Generator()) for c in (["cat"], [1]))
    assert by_name.forget.ids.equal(by_number.forget.ids)
    assert by_name.forget_classes == (1,)
    with pytest.raises(ConfigError, match=r"scenario\.classes: there is no class 'cats': did you mean cat\?"):
        make_task(data, ClassScenario(classes=["cats"]), torch.Generator())


def test_a_number_that_is_the_name_of_another_class_is_not_guessed():
    names = ["10", "7", "9"]
    assert class_numbers(["10", "9"], names, "k") == [0, 2]
    assert class_numbers([0, 1], names, "k") == [0, 1]
    with pytest.raises(ConfigError, match=r"there is no class 10"):
        class_numbers([10], names, "k")
    with pytest.raises(ConfigError, match=r"k: 2 is the name of one class and the number of another, '1'"):
        class_numbers([2], ["0", "2", "1"], "k")
    assert class_numbers([0, 1, "1"], ["0", "1"], "k") == [0, 1, 1]


def test_a_part_of_a_class(data):
    task = make_task(data, SubclassScenario(parts=["cat/a b"]), torch.Generator())
    assert [NAMES[i] for i in task.forget.ids.tolist()] == ["cat/a b/2.png", "cat/a b/3.png"]
    assert (task.scenario, task.forget_classes) == ("sample", ())
    for parts, message in (
        (["cat/b"], r"there is no 'cat/b': did you mean cat/a b\?"),
        ([], "scenario.parts is empty: name at least one of cat/a b"),
    ):
        with pytest.raises(ConfigError, match=message):
            make_task(data, SubclassScenario(parts=parts), torch.Generator())


def test_a_part_that_is_all_of_its_class_is_refused(data):
    some = torch.tensor([0, 1, 5, 6, 8])
    train = data.train.subset(some)
    with pytest.raises(
        ConfigError, match=r"leaves nothing of class cat: use scenario=class 'scenario\.classes=\[cat\]'"
    ):
        SubclassScenario(parts=["cat/a b"]).select(train, 3, torch.Generator())
    with pytest.raises(ConfigError, match=r"scenario=subclass needs classes with parts: images in FOLDER"):
        SubclassScenario(parts=["cat/a b"]).select(replace(train, parts=None), 3, torch.Generator())


def test_the_parts_of_a_class_are_all_the_folders_a_file_is_in():
    assert parts_of(["cat/1.png", "dog/husky/2.png", "dog/husky/pups/3.png"]) == (
        (),
        ("dog/husky",),
        ("dog/husky", "dog/husky/pups"),
    )
    assert parts_of(["cat/1.png", "dog/2.png"]) is None
