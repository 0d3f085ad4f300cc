import os
import subprocess
import sys

from cu.disk.writer import began, is_gone, this_process


def test_this_process_is_there_and_one_that_ended_is_gone():
    about = this_process()
    assert (about["pid"], is_gone(about)) == (os.getpid(), False)
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    other = {**about, "pid": child.pid, "process": {**about["process"], "began": began(child.pid)}}
    assert not is_gone(other)
    child.stdin.close()
    child.wait()
    assert is_gone(other)


def test_a_number_that_is_used_again_is_another_process():
    about = this_process()
    assert is_gone({**about, "process": {**about["process"], "began": about["process"]["began"] - 1}})


def test_nothing_is_known_of_other_machines_and_containers():
    about = this_process()
    assert not is_gone({**about, "pid": 2**30, "host": "elsewhere"})
    assert not is_gone({**about, "pid": 2**30, "process": {"machine": "another container", "began": 1}})
    assert not is_gone({"pid": 2**30, "host": about["host"]})  # written before this was kept


def test_slurm_is_asked_for_jobs_of_other_machines(tmp_path, monkeypatch):
    squeue = tmp_path / "squeue"
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    about = {"pid": 5, "host": "node7", "slurm_job": "12_3"}
    answers = {"echo RUNNING": False, "true": True, "echo Invalid job id >&2; exit 1": True, "exit 1": False}
    for answer, gone in answers.items():
        squeue.write_text(f'#!/bin/sh\n[ "$2" = --jobs=12_3 ] || exit 3\n{answer}\n')
        squeue.chmod(0o755)
        assert is_gone(about) is gone, answer


def test_a_slurm_job_says_so(monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "9")
    assert this_process()["slurm_job"] == "9"
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "8")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "2")
    assert this_process()["slurm_job"] == "8_2"
