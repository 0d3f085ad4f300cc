import hashlib
import json

import pytest

from cu.disk.files import Damaged
from cu.store.forget_ids import left_behind, read_forget_ids
from cu.store.intact import hashes_of, require_intact


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "forget_ids.csv").write_text("id\n12\n345\n")
    (tmp_path / "result.json").write_text(json.dumps({"lists": hashes_of(tmp_path)}))
    return tmp_path


def test_the_hashes_are_those_of_hashlib(folder):
    assert hashes_of(folder) == {"forget_ids.csv": hashlib.sha256(b"id\n12\n345\n").hexdigest()}


@pytest.mark.parametrize("content", ["id\n12\n34", "id\n12\n", "", None])
def test_a_list_that_was_cut_is_noticed_by_all_who_ask_who_was_forgotten(folder, content):
    assert read_forget_ids(folder) == [12, 345]
    path = folder / "forget_ids.csv"
    path.unlink()
    if content is not None:
        path.write_text(content)
    for ask in (read_forget_ids, left_behind):
        with pytest.raises(Damaged, match=r"forget_ids\.csv is (damaged|gone)"):
            ask(folder)


def test_a_run_in_the_making_and_one_of_an_older_version_have_no_hashes(folder):
    (folder / "result.json").write_text("{}")
    (folder / "forget_ids.csv").write_text("id\n12\n")
    assert read_forget_ids(folder) == [12]
    (folder / "result.json").unlink()
    assert [entry.id for entry in left_behind(folder)] == [12]


def test_a_result_of_another_shape_is_one_line(folder):
    for content in ({"lists": [1]}, [1]):
        (folder / "result.json").write_text(json.dumps(content))
        with pytest.raises(Damaged, match=r"result\.json is damaged"):
            left_behind(folder)


def test_only_the_lists_that_are_asked_for_are_looked_at(folder):
    written = {**hashes_of(folder), "metrics.jsonl": "0"}
    require_intact(folder, written, "forget_ids.csv")
    with pytest.raises(Damaged, match=r"metrics\.jsonl is gone"):
        require_intact(folder, written)
