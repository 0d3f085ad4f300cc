import os
import sys
from errno import ENOSPC

import pytest

from cu.cli.streams import closed_pipes_ignored


@pytest.fixture
def closed_pipe():
    """A text stream into a pipe that nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stream:
        yield stream


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_lines_that_nobody_reads_are_dropped(closed_pipe, monkeypatch, name):
    monkeypatch.setattr(sys, name, closed_pipe)
    with closed_pipes_ignored():
        for _ in range(3):
            print("x" * 100_000, file=getattr(sys, name), flush=True)
    assert getattr(sys, name) is closed_pipe


class Full:
    def write(self, text):
        raise OSError(ENOSPC, "No space left on device")

    def flush(self):
        self.write("")


def test_a_full_disk_is_not_hidden(monkeypatch):
    monkeypatch.setattr(sys, "stdout", Full())
    with closed_pipes_ignored(), pytest.raises(OSError, match="No space left"):
        print("x")


def test_a_process_without_streams_stays_without(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    with closed_pipes_ignored():
        print("x")
        assert sys.stdout is None


def test_streams_are_as_before_for_all_who_ask(capsys):
    with closed_pipes_ignored():
        assert sys.stdout.isatty() is False
        sys.stdout.writelines(["a", "b\n"])
        print("c", end="")
    assert capsys.readouterr().out == "ab\nc"


@pytest.mark.slow
@pytest.mark.parametrize("words", [("--help",), ("--cfg", "job"), ("metod=x",)])
def test_a_closed_pipe_ends_a_command_quietly(start, words):
    process = start("unlearn", *words)
    process.stdout.close()
    with process.stderr:
        errors = process.stderr.read()
    assert process.wait(60) == (2 if "metod=x" in words else 0)
    assert "Traceback" not in errors
    assert "Broken" not in errors


@pytest.mark.slow
def test_a_run_goes_on_although_nobody_reads(start, tiny, tmp_path):
    process = start("unlearn", *tiny, f"paths.outputs={tmp_path}")
    process.stdout.close()
    process.stderr.close()
    assert process.wait(120) == 0
    assert len(list(tmp_path.glob("runs/*/*/*/*/*/result.json"))) == 1
