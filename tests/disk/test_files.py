import json
import logging
import math
import threading
from pathlib import Path

import numpy as np
import pytest

from cu.disk.files import Damaged, read_json, write_json, write_text, writing
from cu.disk.json_lines import JsonLines, read_rows
from cu.disk.locks import locked
from cu.store.outputs import cached_outputs, load_scores, save_scores


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_written_file_takes_the_place_of_the_old_one(tmp_path):
    path = tmp_path / "deep" / "file"
    write_text(path, "one")
    write_text(path, "zwei ö")
    assert path.read_text(encoding="utf-8") == "zwei ö"
    assert names(path.parent) == ["file"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("old", [True, False])
def test_a_failing_writer_leaves_what_was_there(tmp_path, error, old):
    path = tmp_path / "file"
    if old:
        path.write_text("old", encoding="utf-8")

    def fail():
        with writing(path) as temporary:
            temporary.write_text("half", encoding="utf-8")
            assert temporary.parent == path.parent, "a rename across file systems is a copy"
            raise error

    with pytest.raises(error):
        fail()
    assert names(tmp_path) == (["file"] if old else [])
    assert not old or path.read_text(encoding="utf-8") == "old"


def test_readers_see_the_old_file_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "file"
    write_text(path, "old")
    with writing(path) as temporary:
        temporary.write_text("ne", encoding="utf-8")
        assert path.read_text(encoding="utf-8") == "old"
        temporary.write_text("new", encoding="utf-8")
    assert path.read_text(encoding="utf-8") == "new"


def test_json_holds_no_nan_and_no_foreign_types(tmp_path):
    path = tmp_path / "file.json"
    content = {
        "nan": math.nan,
        "list": [math.inf, -math.inf, 1.5, (2, np.int64(3))],
        "numpy": np.float32(0.5),
        "numpy nan": np.float64("nan"),
        "path": Path("a/b"),
        7: True,
        "flag": np.bool_(False),
        "none": None,
    }
    write_json(path, content)
    assert json.loads(path.read_text(), parse_constant=pytest.fail) == {
        "nan": None,
        "list": [None, None, 1.5, [2, 3]],
        "numpy": 0.5,
        "numpy nan": None,
        "path": "a/b",
        "7": True,
        "flag": False,
        "none": None,
    }


def test_json_that_cannot_be_written_leaves_the_old(tmp_path):
    path = tmp_path / "file.json"
    write_json(path, {"a": 1})
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    assert read_json(path) == {"a": 1}
    assert names(tmp_path) == ["file.json"]


@pytest.mark.parametrize("content", [b"", b'{"a": [1, 2', b"\xff\xfe{}", b"not json"])
def test_truncated_json_is_damaged_and_named(tmp_path, content):
    path = tmp_path / "file.json"
    path.write_bytes(content)
    with pytest.raises(Damaged, match=r"file\.json is damaged") as caught:
        read_json(path)
    assert "\n" not in str(caught.value)
    assert read_json(tmp_path / "nothing.json") is None


@pytest.fixture
def rows(tmp_path):
    return tmp_path / "run" / "metrics.jsonl"


def test_rows_are_on_disk_at_once(rows):
    lines = JsonLines(rows, keep=False)
    lines.append({"loss": 0.5}, 1)
    assert read_rows(rows) == [{"step": 1, "loss": 0.5}]
    lines.append({"loss": math.nan, "n": np.int64(3)}, 2)
    lines.append({"acc": 1.0}, 2)
    assert read_rows(rows) == [{"step": 1, "loss": 0.5}, {"step": 2, "loss": None, "n": 3}, {"step": 2, "acc": 1.0}]
    assert read_rows(rows.with_name("none")) == []


def test_a_new_file_forgets_the_old_rows(rows):
    JsonLines(rows, keep=False).append({"a": 1}, 5)
    JsonLines(rows, keep=False).append({"b": 1}, 9)
    assert read_rows(rows) == [{"step": 9, "b": 1}]


@pytest.mark.parametrize(("resumed", "kept"), [(1, []), (5, [1]), (9, [1, 5]), (12, [1, 5, 9])])
def test_a_continued_file_drops_what_is_done_again(rows, resumed, kept):
    lines = JsonLines(rows, keep=False)
    for step in (1, 5, 9):
        lines.append({"first": 1}, step)
    again = JsonLines(rows, keep=True)
    again.append({"second": 1}, resumed)
    again.append({"second": 2}, resumed)
    again.append({"second": 3}, resumed + 3)
    assert [row["step"] for row in read_rows(rows) if "first" in row] == kept
    assert [row["second"] for row in read_rows(rows) if "second" in row] == [1, 2, 3]


def test_a_row_that_goes_back_replaces_what_came_after(rows):
    lines = JsonLines(rows, keep=False)
    for step in (1, 2, 3):
        lines.append({}, step)
    lines.append({"again": 1}, 2)
    assert read_rows(rows) == [{"step": 1}, {"step": 2, "again": 1}]


@pytest.mark.parametrize("rest", ["{", '{"step": 3, "lo', '{"step": 3, "loss": 0.12'])
def test_a_row_cut_off_by_a_kill_takes_no_other_with_it(rows, rest):
    lines = JsonLines(rows, keep=False)
    lines.append({}, 1)
    lines.append({}, 2)
    with rows.open("a", encoding="utf-8") as file:
        file.write(rest)
    assert read_rows(rows) == [{"step": 1}, {"step": 2}]


@pytest.mark.parametrize("bad", [b'{"step": \xff}', b"\x00\x00", b"7", b"[1]", b'{"loss": 1}', b'{"step": "a"}'])
def test_a_damaged_row_ends_what_is_read_and_a_training_continues_from_there(rows, bad):
    rows.parent.mkdir(parents=True, exist_ok=True)
    rows.write_bytes(b'{"step": 1}\n' + bad + b'\n{"step": 3}\n')
    assert read_rows(rows) == [{"step": 1}]
    JsonLines(rows, keep=True).append({}, 2)
    assert read_rows(rows) == [{"step": 1}, {"step": 2}]
    again = JsonLines(rows, keep=True)
    again.append({}, 3)
    again.append({}, 4)
    assert read_rows(rows) == [{"step": 1}, {"step": 2}, {"step": 3}, {"step": 4}]


def test_a_lock_is_held_by_one_and_says_why_others_wait(tmp_path, caplog):
    caplog.set_level(logging.INFO, "cu")
    order = []

    def second():
        with locked(tmp_path / ".lock", "somebody trains"):
            order.append("second")

    other = threading.Thread(target=second)
    with locked(tmp_path / ".lock", "nobody"):
        other.start()
        other.join(0.7)
        order.append("first")
    other.join(10)
    assert order == ["first", "second"]
    assert [record.message for record in caplog.records] == ["waiting: somebody trains"]


def test_a_lock_is_free_after_an_error(tmp_path):
    with pytest.raises(KeyError), locked(tmp_path / ".lock", ""):
        raise KeyError
    with locked(tmp_path / ".lock", ""):
        pass


@pytest.fixture
def arrays():
    return {
        "train/logits": np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32),
        "train/embedding": np.ones((5, 2), np.float16),
        "train/id": np.arange(5),
        "val/logits": np.empty((0, 3), np.float32),
    }


def test_scores_come_back_as_they_were(tmp_path, arrays):
    path = tmp_path / "deep" / "predictions.npz"
    save_scores(path, arrays)
    loaded = load_scores(path)
    assert loaded is not None
    assert loaded.keys() == arrays.keys()
    for name, array in arrays.items():
        assert loaded[name].dtype == array.dtype
        np.testing.assert_array_equal(loaded[name], array)
    assert names(path.parent) == ["predictions.npz"]
    assert load_scores(tmp_path / "nothing.npz") is None


def test_damaged_scores_are_told_and_computed_again(tmp_path, arrays, caplog):
    path = tmp_path / "predictions.npz"
    save_scores(path, arrays)
    whole = path.read_bytes()
    number = whole.index(arrays["train/logits"].tobytes())
    flipped = whole[:number] + bytes([whole[number] ^ 1]) + whole[number + 1 :]
    for content in (b"", b"hello", whole[: len(whole) // 2], flipped):
        path.write_bytes(content)
        with pytest.raises(Damaged, match=r"predictions\.npz is damaged"):
            load_scores(path)
    again = cached_outputs(path, lambda: arrays)
    assert "computed again" in caplog.text
    np.testing.assert_array_equal(again["train/id"], arrays["train/id"])
    kept = cached_outputs(path, lambda: pytest.fail("is known"))
    assert kept.keys() == arrays.keys()


def test_scores_never_unpickle(tmp_path):
    path = tmp_path / "predictions.npz"
    np.savez(path, objects=np.array([{"a": 1}], dtype=object))
    with pytest.raises(Damaged):
        load_scores(path)
