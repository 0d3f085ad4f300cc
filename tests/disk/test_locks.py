import logging
import subprocess
import sys
from errno import ENOLCK, ENOSPC
from pathlib import Path

import pytest

import cu
from cu.disk.files import remove_leftovers, writing
from cu.disk.locks import file_system, locked
from cu.errors import ConfigError

HOLD = "import sys, time; from cu.disk.locks import locked; from pathlib import Path\n"
HOLD += "with locked(Path(sys.argv[1]), 'x'): print('held', flush=True); time.sleep(60)"


def holder(path):
    """A process that holds a lock."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, path], stdout=subprocess.PIPE, text=True, cwd=Path(cu.__file__).parents[1]
    )
    assert process.stdout.readline() == "held\n"
    return process


def test_a_killed_holder_s_lock_is_free_and_waiting_says_why(tmp_path, caplog):
    process = holder(tmp_path / "lock")
    with caplog.at_level(logging.INFO, logger="cu"):
        import threading

        threading.Timer(1.2, process.kill).start()
        with locked(tmp_path / "lock", "another job has it"):
            assert process.wait(5) != 0
    process.stdout.close()
    assert "waiting: another job has it" in caplog.text


class NoLocks:
    def __init__(self, code):
        self.code = code

    def __call__(self, path, **settings):
        assert settings["fallback_to_soft"] is False, "a file that stands for a lock outlives its holder"
        return self

    def acquire(self, timeout=None):
        raise OSError(self.code, "No locks available")


def test_a_file_system_without_locks_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("cu.disk.locks.FileLock", NoLocks(ENOLCK))
    named = f"{tmp_path}/lock cannot be locked .*file system {file_system(tmp_path)}"
    with pytest.raises(ConfigError, match=named), locked(tmp_path / "lock", "x"):
        pass
    monkeypatch.setattr("cu.disk.locks.FileLock", NoLocks(ENOSPC))
    with pytest.raises(OSError, match="No locks"), locked(tmp_path / "lock", "x"):
        pass


def test_the_file_system_is_the_innermost_mount(tmp_path):
    assert file_system(Path("/proc/self")) == "proc"
    assert file_system(tmp_path) not in ("proc", "unknown")


def test_two_processes_of_the_same_number_have_other_temporary_names(tmp_path, monkeypatch):
    monkeypatch.setattr("os.getpid", lambda: 7)
    with writing(tmp_path / "a") as one, writing(tmp_path / "a") as other:
        assert one != other
        one.write_text("1")
        other.write_text("2")
    assert (tmp_path / "a").read_text() == "1"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_old_leftovers_go_and_young_ones_stay(tmp_path):
    leftover = tmp_path / ".a.host-1.tmp"
    leftover.write_text("half")
    written = leftover.stat().st_mtime
    assert remove_leftovers(tmp_path, 60, written + 30) == 0
    assert remove_leftovers(tmp_path, 60, written + 90) == 1
    assert not leftover.exists()


def test_files_get_the_permissions_of_the_umask(tmp_path):
    with writing(tmp_path / "a") as temporary:
        temporary.write_text("x")
    ordinary = tmp_path / "b"
    ordinary.write_text("x")
    assert (tmp_path / "a").stat().st_mode == ordinary.stat().st_mode
