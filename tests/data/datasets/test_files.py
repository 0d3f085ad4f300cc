from errno import EACCES, ENOSPC, EROFS

import pytest

from cu.data.datasets.files import corrupt, missing, reading
from cu.errors import ConfigError


class BrokenLock:
    """Stands for a file lock in a folder where none can be made."""

    def __init__(self, code):
        self.code = code

    def __call__(self, path, **settings):
        return self

    def acquire(self, timeout=None):
        raise OSError(self.code, "no lock")


@pytest.mark.parametrize("code", [EACCES, EROFS])
def test_a_folder_that_cannot_be_written_is_used_without_a_lock(code, monkeypatch, tmp_path):
    monkeypatch.setattr("cu.disk.locks.FileLock", BrokenLock(code))
    entered = False
    with reading(tmp_path, "name"):
        entered = True
    assert entered


def test_other_failures_of_the_lock_are_not_hidden(monkeypatch, tmp_path):
    monkeypatch.setattr("cu.disk.locks.FileLock", BrokenLock(ENOSPC))
    with pytest.raises(OSError, match="no lock"), reading(tmp_path, "name"):
        pass


def test_a_lock_is_given_back_after_a_failure(tmp_path):
    with pytest.raises(KeyError), reading(tmp_path / "new", "name"):
        raise KeyError
    with reading(tmp_path / "new", "name"):
        pass


def test_errors_are_one_line_with_the_full_path(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    path = (tmp_path / "a").relative_to(tmp_path)
    for error in (missing(path, "get it"), corrupt(path, "two\nlines")):
        assert isinstance(error, ConfigError)
        assert str(tmp_path / "a") in str(error)
        assert "\n" not in str(error)
