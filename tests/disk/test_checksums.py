import hashlib

import pytest

from cu.data.scenarios.id_files import Named
from cu.disk.checksums import beside, require_whole, seal
from cu.disk.files import Damaged
from cu.store.forget_ids import NAME, read_forget_ids, write_forget_ids


def test_a_whole_file_passes_and_one_without_a_checksum_too(tmp_path):
    path = tmp_path / "rows"
    path.write_text("1\n2\n")
    require_whole(path)
    seal(path)
    require_whole(path)
    assert beside(path).read_text() == f"{hashlib.sha256(b'1' + bytes([10]) + b'2' + bytes([10])).hexdigest()}  rows\n"


@pytest.mark.parametrize("text", ["1\n", "", "1\n2\n3\n", None])
def test_another_file_is_noticed(tmp_path, text):
    path = tmp_path / "rows"
    path.write_text("1\n2\n")
    seal(path)
    path.unlink() if text is None else path.write_text(text)
    with pytest.raises(Damaged, match="checksum"):
        require_whole(path)


@pytest.mark.parametrize("kept", [0, 2, 5])
def test_a_list_of_forgotten_ids_cut_off_at_a_line_is_not_a_shorter_list(tmp_path, kept):
    write_forget_ids(tmp_path, [Named("", number) for number in range(10)])
    assert read_forget_ids(tmp_path) == list(range(10))
    lines = (tmp_path / NAME).read_text().splitlines(keepends=True)
    (tmp_path / NAME).write_text("".join(lines[: kept + 1]))
    with pytest.raises(Damaged):
        read_forget_ids(tmp_path)
