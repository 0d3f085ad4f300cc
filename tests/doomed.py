"""A command whose jobs live and die as told, with the notes and the summary of `cu-unlearn` but without torch."""

import ctypes
import os
import signal
import threading
import time
from pathlib import Path

from hydra.core.hydra_config import HydraConfig

from cu.cli import commands as cli
from cu.cli.hydra_job import report_failures
from cu.jobs.job import JobFailed
from cu.jobs.sweep_status import note_running


class Stubborn(Exception):
    def __init__(self, a, b):
        super().__init__(a)


@report_failures
def job(cfg):
    context = HydraConfig.get()
    note_running(Path(context.sweep.dir), context.job.num, context.overrides.task, Path("run", str(context.job.num)))
    word, seconds = cfg.model.checkpoint.split(":")
    print("printed", word, os.environ.get("CUDA_VISIBLE_DEVICES"), os.environ["OMP_NUM_THREADS"])
    os.system("echo printed by another process")
    time.sleep(float(seconds))
    if word == "raise":
        raise Stubborn(1, 2)
    if word == "diverge":
        raise JobFailed("diverged", "nan", Path("run.log"))
    if word == "exit":
        os._exit(7)
    if word == "zero":
        os._exit(0)
    if word == "child":  # holds all pipes of the job that dies
        if not os.fork():
            os.setsid()
            time.sleep(1000)
        os._exit(3)
    if word == "thread":
        threading.Thread(target=time.sleep, args=(1000,)).start()
    if word == "closed":
        os.closerange(1, 256)
    if word == "deaf":
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        os.system("setsid sleep 1000 & echo deaf")
        time.sleep(1000)
    if word == "segfault":
        ctypes.string_at(0)
    if word == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if word == "term":
        os.kill(os.getpid(), signal.SIGTERM)
    return "finished", float(seconds)


if __name__ == "__main__":
    cli.command("unlearn", job)
