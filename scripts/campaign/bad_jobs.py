"""Methods that misbehave, and sweeps of them that are stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from campaign.attempts import TINY, Attempt, Ended, left_behind, started

METHOD = """
import ctypes, os, signal, subprocess, sys, threading, time
from copy import deepcopy
from dataclasses import dataclass

@dataclass(frozen=True, kw_only=True)
class Bad:
    what: str

    def unlearn(self, model, task, context):
        getattr(sys.modules[__name__], self.what)()
        return deepcopy(model)

def segfault(): ctypes.string_at(0)
def abort(): os.abort()
def silent_exit(): os._exit(0)
def polite_exit(): sys.exit(0)
def odd_error(): raise BaseException("odd")
def leave_child(): os.fork() or time.sleep(1000)
def die_with_child(): os.fork() and os._exit(3); os.setsid(); time.sleep(1000)
def leave_daemon(): subprocess.Popen(["setsid", "sleep", "1000"])
def close_files(): os.closerange(3, 256)
def close_output(): os.close(1); os.close(2)
def fill_log(): [print("x" * 100_000) for _ in range(1500)]
def move_away(): os.chdir("/"); os.umask(0o777); os.environ.clear()
def endless_thread(): threading.Thread(target=time.sleep, args=(1000,)).start()
def kill_guard(): os.kill(os.getppid(), signal.SIGKILL); time.sleep(20)
def stubborn():
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    leave_daemon(); print("waiting", flush=True); time.sleep(1000)
"""
FATES = {
    **dict.fromkeys(("segfault", "abort", "silent_exit", "polite_exit", "odd_error", "die_with_child"), "failed"),
    **dict.fromkeys(("leave_child", "leave_daemon", "close_files", "close_output", "fill_log"), "finished"),
    **dict.fromkeys(("move_away", "endless_thread"), "finished"),
    "kill_guard": "failed",
}


def bad_jobs(folder: Path, fates: dict[str, str]) -> Iterator[Attempt]:
    """Methods that misbehave, in one sweep under the pool: each is counted right and leaves no process behind."""
    words, outputs = method_of_its_own(folder), folder / "jobs"
    swept = f"method.what={','.join(fates)}"
    process = started(folder, *words, f"paths.outputs={outputs}", "hydra.launcher.n_jobs=2", swept)
    errors = process.communicate(timeout=600)[1].splitlines()
    left, (sweep,) = left_behind(folder, 5), outputs.glob("sweeps/*")
    for number, (name, fate) in enumerate(fates.items()):
        note = json.loads((sweep / f"{number}.json").read_text(encoding="utf-8"))
        size = sum(path.stat().st_size for path in sweep.glob(f"{number}.log*"))
        fault = None if note["state"] == fate else f"counted as {note['state']}: {note.get('reason')}"
        yield Attempt("bad job", name, fault or (f"{size} bytes of log" if size > 51_000_000 else None))
    yield Attempt("bad job", "all of them", Ended(1, "", errors).fault(1) or (f"left behind {left}" if left else None))


def signals(folder: Path, names: tuple[str, ...]) -> Iterator[Attempt]:
    """Stopping a sweep of jobs that ignore it and have children: it ends, and so do they."""
    words = [*method_of_its_own(folder), "hydra.launcher.n_jobs=2", "hydra.launcher.seconds_to_close=3"]
    for name in names:
        outputs = folder / f"signal-{name}"
        process = started(folder, *words, f"paths.outputs={outputs}", "method.what=stubborn", "method_seed=0,1")
        deadline = time.monotonic() + 120
        while sum("waiting" in path.read_text() for path in outputs.glob("sweeps/*/*.log")) < 2:
            if time.monotonic() > deadline or process.poll() is not None:
                break
            time.sleep(0.1)
        number, times = getattr(signal, name.split()[0]), int(name.split()[1])
        for _ in range(times):
            process.send_signal(number) if number == signal.SIGKILL else os.killpg(process.pid, number)
            time.sleep(0.5)
        try:
            errors = process.communicate(timeout=30)[1].splitlines()
            fault = "exit code 0" if process.returncode == 0 else Ended(1, "", errors).fault(1)
        except subprocess.TimeoutExpired:
            process.kill()
            fault = "the sweep does not end"
        left = left_behind(folder, 15)
        yield Attempt("sweep stopped", name, fault or (f"left behind {left}" if left else None))


def method_of_its_own(folder: Path) -> list[str]:
    """Write the bad method; returns the words that sweep it under the pool."""
    (folder / "configs" / "method").mkdir(parents=True, exist_ok=True)
    (folder / "configs" / "method" / "bad.yaml").write_text("_target_: hostile_method.Bad\nwhat: ok\n")
    (folder / "hostile_method.py").write_text(METHOD)
    own = [word for word in TINY if "method" not in word]
    return [f"--config-dir={folder / 'configs'}", "-m", "hydra/launcher=pool", "method=bad", *own, "reference.k=0"]
