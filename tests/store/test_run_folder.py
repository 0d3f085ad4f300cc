import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import cu
from cu.disk.files import Damaged, write_json
from cu.reporting.collect.folder import read_folder
from cu.store.provenance import git_state, versions
from cu.store.runs import RunFolder


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path / "runs" / "abc")


def test_a_folder_without_a_run(folder):
    assert folder.status() == {}
    assert not folder.ended_well()
    assert not folder.path.exists(), "looking makes nothing"


def test_a_run_from_begin_to_end(folder):
    assert folder.begin() == 1
    running = folder.status()
    assert (running["state"], running["error"], running["ended"]) == ("running", None, None)
    assert running["pid"] == os.getpid()
    folder.end("finished")
    ended = folder.status()
    assert (ended["state"], ended["attempt"], ended["started"]) == ("finished", 1, running["started"])
    assert ended["ended"] >= ended["started"]


@pytest.mark.parametrize("state", ["failed", "preempted", "diverged"])
def test_another_attempt_is_counted_and_leaves_the_old_result_for_now(folder, state):
    folder.begin()
    write_json(folder.path / "result.json", {"metrics": {}})
    folder.end(state, "the loss became nan")
    assert (folder.status()["state"], folder.status()["error"]) == (state, "the loss became nan")
    assert folder.begin() == 2
    assert (folder.path / "result.json").exists()
    assert not folder.ended_well()
    assert (folder.status()["state"], folder.status()["error"]) == ("running", None)
    folder.end("finished")
    assert folder.status()["attempt"] == 2


@pytest.mark.parametrize("content", ["", '{"state": "fin', "\x00"])
def test_damaged_records_mean_that_the_run_is_done_again(folder, caplog, content):
    folder.path.mkdir(parents=True)
    (folder.path / "status.json").write_text(content, encoding="utf-8")
    assert folder.status() == {}
    assert caplog.text.count("the run is done again") == 1
    with pytest.raises(Damaged):
        folder.ended_well()
    assert folder.begin() == 1
    assert json.loads((folder.path / "status.json").read_text())["state"] == "running"


def test_a_folder_is_made_when_it_is_taken(folder):
    with folder.locked():
        assert folder.path.is_dir()


def test_what_is_known_of_the_software():
    assert versions()["torch"].count(".") >= 2
    assert len(git_state()) == 2


def test_a_run_whose_process_is_gone_is_not_running(folder):
    code = "import os, sys; from pathlib import Path; from cu.store.runs import RunFolder\n"
    code += "folder = Path(sys.argv[1]); folder.mkdir(parents=True); RunFolder(folder).begin(); os._exit(0)"
    root = Path(cu.__file__).parents[1]
    pid = subprocess.Popen([sys.executable, "-c", code, str(folder.path)], cwd=root)
    assert pid.wait() == 0
    assert json.loads((folder.path / "status.json").read_text())["state"] == "running"
    status = folder.status()
    assert status["state"] == "preempted"
    assert status["error"] == f"its process is gone without a word (pid {pid.pid} on {status['host']})"
    assert read_folder(folder.path).state == "preempted"
    assert folder.begin() == 2


def test_only_the_process_that_is_gone_is_marked_dead(folder):
    folder.begin()
    mine = folder.status()
    folder.mark_dead({**mine, "pid": mine["pid"] + 1}, "failed", "x")
    folder.mark_dead({**mine, "process": {"machine": "another", "began": 1}}, "failed", "x")
    assert folder.status()["state"] == "running"
    folder.mark_dead(mine, "failed", "killed")
    assert (folder.status()["state"], folder.status()["error"]) == ("failed", "killed")
