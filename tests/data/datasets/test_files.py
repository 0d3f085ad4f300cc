from errno import EACCES, ENOSPC, EROFS

import pytest

from cu.data.datasets import files
from cu.data.datasets.files import corrupt, locked, missing
from cu.errors import ConfigError


class BrokenLock:
    """Stands for a file lock in a folder where none can be made."""

    def __init__(self, code):
        self.code = code

    def __call__(self, path):
        return self

    def __enter__(self):
        raise OSError(self.code, "no lock")

    def __exit__(self, *_):
        raise AssertionError("never entered")


@pytest.mark.parametrize("code", [EACCES, EROFS])
def test_a_folder_that_cannot_be_written_is_used_without_a_lock(code, monkeypatch, tmp_path):
    monkeypatch.setattr(files, "FileLock", BrokenLock(code))
    entered = False
    with locked(tmp_path, "name"):
        entered = True
    assert entered


def test_other_failures_of_the_lock_are_not_hidden(monkeypatch, tmp_path):
    monkeypatch.setattr(files, "FileLock", BrokenLock(ENOSPC))
    with pytest.raises(OSError, match="no lock"), locked(tmp_path, "name"):
        pass


def test_a_lock_is_given_back_after_a_failure(tmp_path):
    with pytest.raises(KeyError), locked(tmp_path / "new", "name"):
        raise KeyError
    with locked(tmp_path / "new", "name"):
        pass


def test_errors_are_one_line_with_the_full_path(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    path = (tmp_path / "a").relative_to(tmp_path)
    for error in (missing(path, "get it"), corrupt(path, "two\nlines")):
        assert isinstance(error, ConfigError)
        assert str(tmp_path / "a") in str(error)
        assert "\n" not in str(error)
