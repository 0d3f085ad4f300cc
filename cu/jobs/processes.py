"""The processes that a job starts: that none outlives it, and what the end of one says."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
SECONDS_TO_KILL = 10.0
NATIVE = ("SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE", "SIGILL")
REMEDY = "died in native code; try hardware.num_threads=1 or hardware.channels_last=false"


def adopt_orphans() -> None:
    """Make this process the parent of those below it that lose theirs, where the system can (Linux)."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent(parent: int) -> None:
    """Have the system kill this process when its parent dies, however it dies, where the system can (Linux).

    Args:
        parent: The parent's number; if it is gone already, this process ends at once.
    """
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def descendants(pid: int) -> list[int]:
    """All processes below one, as far as the system lists them in /proc; dead ones that nobody took note of too."""
    below: dict[int, list[int]] = defaultdict(list)
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError, IndexError):
            parent = int(path.read_bytes().rpartition(b")")[2].split()[1])
            below[parent].append(int(path.parent.name))
    found, waiting = [], [pid]
    while waiting:
        waiting += below[(last := waiting.pop())]
        found.append(last)
    return found[1:]


def end_descendants(patience: float = 0.0) -> None:
    """Kill every process below this one; returns when none is left, or when some cannot be killed.

    Args:
        patience: Seconds that they get to end by themselves.
    """
    start = time.monotonic()
    while time.monotonic() - start < patience + SECONDS_TO_KILL:
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        left = descendants(os.getpid())
        if not left:
            return
        if time.monotonic() - start >= patience:
            for pid in left:
                with suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)


def death(code: int | None) -> str:
    """What an exit code, or the negative number of a signal, says of a process that said nothing itself."""
    if code is None:
        return "lost: nobody knows how its process ended"
    if code >= 0:
        return f"ended with exit code {code} before it was done"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        return f"killed by signal {-code}"
    hint = {"SIGKILL": ", perhaps for lack of memory", **dict.fromkeys(NATIVE, f": it {REMEDY}")}
    return f"killed by signal {-code} ({name}){hint.get(name, '')}"
