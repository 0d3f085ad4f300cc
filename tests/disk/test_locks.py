import logging
import signal
import subprocess
import sys
import time
from errno import ENOLCK, ENOSPC
from pathlib import Path

import pytest

import cu
from cu.disk.files import remove_leftovers, writing
from cu.disk.lease import Lease
from cu.disk.locks import file_system, locked, use
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


@pytest.mark.slow
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


LEASE = """
import socket, sys, time
from pathlib import Path
import cu.disk.writer as writer
from cu.disk.lease import Lease

host, path, seconds = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])
socket.gethostname = lambda: host
writer.machine = lambda: host  # a container of its own: numbers of processes mean nothing outside
lease = Lease(path, beat=0.1, stale=1.0)
lease.acquire()
print("held", flush=True)
time.sleep(seconds)
lease.release()
print("released", flush=True)
"""


def on_host(host, path, seconds=0.0):
    """A process on another machine, or in a container of its own, that takes a lease."""
    return subprocess.Popen(
        [sys.executable, "-c", LEASE, host, str(path), str(seconds)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(cu.__file__).parents[1],
    )


@pytest.mark.slow
def test_a_lease_is_kept_as_long_as_its_holder_lives_and_taken_over_afterwards(tmp_path):
    first = on_host("a", tmp_path / "lease", seconds=2.5)  # longer than a lease that nobody touches
    assert first.stdout.readline() == "held\n"
    second = on_host("b", tmp_path / "lease", seconds=60)
    begun = time.monotonic()
    assert second.stdout.readline() == "held\n"
    assert time.monotonic() - begun > 1.2, "a lease that is touched does not go stale"
    assert first.communicate(timeout=30)[0] == "released\n"
    second.kill()
    second.communicate()
    assert (tmp_path / "lease").exists(), "a killed holder leaves it behind"
    third, fourth = on_host("c", tmp_path / "lease", 0.2), on_host("d", tmp_path / "lease", 0.2)
    said = [process.communicate(timeout=30) for process in (third, fourth)]
    assert [out for out, _ in said] == ["held\nreleased\n"] * 2
    assert "".join(err for _, err in said).count("on b) is gone: taken over") == 1
    assert list(tmp_path.iterdir()) == []


def test_two_containers_of_one_folder_never_hold_a_lease_at_once(tmp_path):
    code = LEASE.split("lease = Lease")[0] + (
        "for _ in range(12):\n"
        "    lease = Lease(path, beat=0.05, stale=5.0)\n"
        "    lease.acquire()\n"
        "    count = int(Path(f'{path}.count').read_text())\n"
        "    time.sleep(0.01)\n"
        "    Path(f'{path}.count').write_text(str(count + 1))\n"
        "    lease.release()\n"
    )
    (tmp_path / "lease.count").write_text("0")
    words = [sys.executable, "-c", code]
    root = Path(cu.__file__).parents[1]
    both = [subprocess.Popen([*words, host, str(tmp_path / "lease"), "0"], cwd=root) for host in "ab"]
    assert [process.wait(60) for process in both] == [0, 0]
    assert (tmp_path / "lease.count").read_text() == "24"


def test_a_holder_of_this_machine_that_is_gone_is_not_waited_for(tmp_path):
    code = "import sys, os; from pathlib import Path; from cu.disk.lease import Lease\n"
    code += "Lease(Path(sys.argv[1])).acquire(); os._exit(0)"
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "lease")], check=True, cwd=Path(cu.__file__).parents[1])
    lease = Lease(tmp_path / "lease")
    assert lease.acquire(timeout=10)
    lease.release()


def test_who_loses_a_lease_while_it_stands_still_ends(tmp_path, caplog):
    told = []
    before = signal.signal(signal.SIGTERM, lambda *_: told.append(True))
    try:
        lease = Lease(tmp_path / "lease", beat=0.05)
        lease.acquire()
        (tmp_path / "lease").unlink()
        (tmp_path / "lease").write_text("{}")
        deadline = time.monotonic() + 10
        while not told:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        lease.release()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert (tmp_path / "lease").read_text() == "{}", "it is somebody else's"
    assert "was taken over" in caplog.text


def test_the_kind_of_locks_is_a_setting(tmp_path, monkeypatch):
    monkeypatch.setattr("cu.disk.locks.FileLock", NoLocks(ENOLCK))
    monkeypatch.setattr("cu.disk.locks._chosen", "system")
    use("lease")
    with locked(tmp_path / "lock", "x"):
        assert [path.name for path in tmp_path.iterdir()] == ["lock.lease"]
    assert list(tmp_path.iterdir()) == []
