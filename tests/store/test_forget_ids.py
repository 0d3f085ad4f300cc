from dataclasses import astuple

import pytest

from cu.data.scenarios.id_files import Named, read_request
from cu.disk.files import Damaged
from cu.store.forget_ids import EARLIER, NAME, left_behind, read_forget_ids, write_forget_ids


def test_ids_come_back_and_can_be_forgotten_again(tmp_path):
    write_forget_ids(tmp_path, [Named("", number) for number in (7, 3, 12)])
    assert (tmp_path / NAME).read_text() == "id\n7\n3\n12\n"
    assert read_forget_ids(tmp_path) == [7, 3, 12]
    assert [e.id for e in read_request(tmp_path / NAME)] == [7, 3, 12], "scenario=indices must read it"


def test_names_and_contents_come_back_whatever_is_in_them(tmp_path):
    entries = [Named("", 7, 'a b,c/\udce9 "x".png', "ab"), Named("", 3, "d/#1.png", None)]
    write_forget_ids(tmp_path, entries)
    assert [(e.id, e.file, e.sha256) for e in read_request(tmp_path / NAME)] == [(*astuple(e)[1:],) for e in entries]
    assert left_behind(tmp_path / "nowhere") is None
    write_forget_ids(tmp_path, [Named("", 1, "e.png", "cd")], EARLIER)
    assert [e.file for e in left_behind(tmp_path) or ()] == ["e.png", *(e.file for e in entries)]


def test_no_file_no_ids(tmp_path):
    assert read_forget_ids(tmp_path) is None


@pytest.mark.parametrize("text", ["", "id\n", "id\n1\nx\n", "1\n2\n"])
def test_anything_else_is_damage(tmp_path, text):
    (tmp_path / NAME).write_text(text)
    with pytest.raises(Damaged, match="damaged"):
        read_forget_ids(tmp_path)
