import pytest

from cu.data.scenarios.id_files import read_ids
from cu.disk.files import Damaged
from cu.store.forget_ids import NAME, read_forget_ids, write_forget_ids


def test_ids_come_back_and_can_be_forgotten_again(tmp_path):
    write_forget_ids(tmp_path, [7, 3, 12])
    assert read_forget_ids(tmp_path) == [7, 3, 12]
    assert read_ids(tmp_path / NAME) == [7, 3, 12], "scenario=indices must read it"


def test_no_file_no_ids(tmp_path):
    assert read_forget_ids(tmp_path) is None


@pytest.mark.parametrize("text", ["", "id\n", "id\n1\nx\n", "1\n2\n"])
def test_anything_else_is_damage(tmp_path, text):
    (tmp_path / NAME).write_text(text)
    with pytest.raises(Damaged, match="damaged"):
        read_forget_ids(tmp_path)
