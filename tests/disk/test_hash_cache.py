import hashlib
import os
import time

import pytest

from cu.disk import hash_cache
from cu.disk.hash_cache import content_hashes, read_regular, signature


@pytest.fixture
def folder(tmp_path):
    for number in range(150):
        path = tmp_path / "files" / str(number % 7) / f"{number}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(number))
    return tmp_path / "files"


def signatures(folder):
    paths = sorted(p for p in folder.rglob("*") if p.is_file())
    return {p.relative_to(folder).as_posix(): signature(p.stat()) for p in paths}


def plainly(folder):
    return {n: hashlib.sha256((folder / n).read_bytes()).hexdigest() for n in signatures(folder)}


def later(monkeypatch):
    now = time.time_ns() + 10 * hash_cache.SETTLED
    monkeypatch.setattr(time, "time_ns", lambda: now)


def test_hashes_are_those_of_the_contents(folder, tmp_path):
    assert content_hashes(folder, signatures(folder), tmp_path / "cache") == (plainly(folder), {})


def test_only_what_changed_is_read_again(folder, tmp_path, monkeypatch):
    later(monkeypatch)
    content_hashes(folder, signatures(folder), tmp_path / "cache")
    read, opened = hash_cache.hash_of, []
    monkeypatch.setattr(hash_cache, "hash_of", lambda path: opened.append(path) or read(path))
    (folder / "3/3.bin").write_bytes(b"new")
    os.replace(folder / "4/4.bin", folder / "5/5.bin")
    assert content_hashes(folder, signatures(folder), tmp_path / "cache")[0] == plainly(folder)
    assert sorted(os.path.basename(path) for path in opened) == ["3.bin", "5.bin"]


def test_a_file_of_this_moment_is_read_again(folder, tmp_path):
    """Two writes within one tick of the clock leave the same times."""
    path, times = folder / "3/3.bin", (1_000_000_000, 1_000_000_000)
    path.write_bytes(b"one")
    os.utime(path, times)
    first = content_hashes(folder, signatures(folder), tmp_path / "cache")[0]
    path.write_bytes(b"two")
    os.utime(path, times)
    assert content_hashes(folder, signatures(folder), tmp_path / "cache")[0]["3/3.bin"] != first["3/3.bin"]


def test_a_damaged_cache_is_made_anew(folder, tmp_path, monkeypatch):
    later(monkeypatch)
    content_hashes(folder, signatures(folder), tmp_path / "cache")
    (path,) = (tmp_path / "cache").iterdir()
    for damage in (b"{", b"[1]", b'{"3/3.bin": [1]}', b""):
        path.write_bytes(damage)
        assert content_hashes(folder, signatures(folder), tmp_path / "cache") == (plainly(folder), {})


def test_what_cannot_be_read_is_told(folder, tmp_path):
    own = signatures(folder)
    (folder / "3/3.bin").unlink()
    (folder / "4/4.bin").unlink()
    os.mkfifo(folder / "4/4.bin")
    hashes, problems = content_hashes(folder, own, tmp_path / "cache")
    assert len(hashes) == 148
    assert problems == {"3/3.bin": "No such file or directory", "4/4.bin": "not a regular file"}


def test_reading_never_waits(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(OSError, match="not a regular file"):
        read_regular(tmp_path / "fifo")
    (tmp_path / "large").write_bytes(b"123")
    with pytest.raises(OSError, match="too large"):
        read_regular(tmp_path / "large", limit=2)
