"""The console commands as two processes: one works, the other only waits and says what the first one cannot.

A crash in native code, `os._exit` in the middle of a method or a thread that does not end leave no chance to say
anything in the process itself. The waiting process is forked before anything is imported, which costs a millisecond.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from typing import NoReturn

from cu.jobs.processes import adopt_orphans, death, die_with_parent, end_descendants

DONE = 113  # how the working process says 0: whatever else ends it with 0 did so before it was done
SECONDS_FOR_THREADS = 5.0
SECONDS_FOR_ORDER = 12.0  # that the guards of a killed launcher's jobs get, which give those ten
SAME_PRESS = 0.2  # seconds within which two SIGINTs are one Ctrl-C: from the terminal and passed on
FORWARDED = ("SIGINT", "SIGTERM", "SIGHUP")


def unlearn() -> None:
    """Console command `cu-unlearn`."""
    run("unlearn")


def train() -> None:
    """Console command `cu-train`."""
    run("train")


def report() -> None:
    """Console command `cu-report`."""
    run("report")


def evaluate() -> None:
    """Console command `cu-evaluate`."""
    run("evaluate")


def run(name: str) -> NoReturn:
    """Run a command under a process that waits for it, where the system can tie the two together (Linux)."""
    supervised = sys.platform == "linux" and work_below()
    try:
        getattr(import_module("cu.cli.commands"), name)()
        code = 0
    except SystemExit as stop:
        code = stop.code or 0
    except KeyboardInterrupt:  # a second one, while the first was being dealt with
        code = 130
    if not isinstance(code, int):
        print(code, file=sys.stderr)
        code = 1
    code = DONE if supervised and code == 0 else code
    if threads_ended():
        sys.exit(code)
    print("warning: a thread that the job left behind does not end; the process ends without it", file=sys.stderr)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def work_below() -> bool:
    """Fork; the new process returns True and goes on, this one ends as that one does."""
    waiting = os.getpid()
    adopt_orphans()
    working = os.fork()
    if not working:
        die_with_parent(waiting)
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, once_per_press())
        return True
    for number in (getattr(signal, name) for name in FORWARDED):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, forwarding_to(working))
    code = os.waitstatus_to_exitcode(os.waitpid(working, 0)[1])
    end_descendants(SECONDS_FOR_ORDER if code < 0 else 0.0)
    return end_as(code)


def forwarding_to(process: int) -> Callable[[int, object], None]:
    """A handler that passes a signal on."""

    def forward(number: int, frame: object) -> None:
        with suppress(OSError):  # it ended a moment ago
            os.kill(process, number)

    return forward


def once_per_press() -> Callable[[int, object], None]:
    """Python's own handler of SIGINT, deaf to the echo of the last one."""
    last = -SAME_PRESS

    def interrupt(number: int, frame: object) -> None:
        nonlocal last
        before, last = last, time.monotonic()
        if last - before >= SAME_PRESS:
            raise KeyboardInterrupt

    return interrupt


def end_as(code: int) -> NoReturn:
    """End this process as the working one did, and say so if that one could not."""
    if code > 0:
        os._exit(0 if code == DONE else code)
    if code not in (-signal.SIGINT, -signal.SIGTERM, -signal.SIGHUP):
        print(f"error: {death(code)}; type the command again to go on", file=sys.stderr, flush=True)
    if code == 0:
        os._exit(1)
    with suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # one core dump is enough
    if code != -signal.SIGKILL:
        signal.signal(-code, signal.SIG_DFL)
    os.kill(os.getpid(), -code)
    os._exit(128 - code)


def threads_ended() -> bool:
    """Whether all threads that Python would wait for end within a few seconds."""
    deadline = time.monotonic() + SECONDS_FOR_THREADS
    others = [t for t in threading.enumerate() if not t.daemon and t is not threading.main_thread()]
    for thread in others:
        thread.join(max(0.0, deadline - time.monotonic()))
    return not any(thread.is_alive() for thread in others)
