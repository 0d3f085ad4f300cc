import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import cu

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="commands are supervised on Linux"),
]
COMMAND = """
import ctypes, os, signal, subprocess, sys, threading, time
from cu.cli import supervised
import cu.cli.commands as commands
supervised.SECONDS_FOR_THREADS = supervised.SECONDS_FOR_ORDER = 0.5
def work():
    print("working", flush=True)
    {work}
commands.unlearn = work
supervised.unlearn()
"""


def begun(work):
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND.format(work=work)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(cu.__file__).parents[1])},
    )


def leave(number):
    """Ends with an exit code at once, as C libraries do."""
    return f"os._exit({number})"


@pytest.mark.parametrize(
    ("work", "code", "said"),
    [
        ("pass", 0, ""),
        ("sys.exit(2)", 2, ""),
        ("sys.exit(0)", 0, ""),
        (leave(0), 1, "error: ended with exit code 0 before it was done; type the command again to go on"),
        (leave(7), 7, ""),
        ("ctypes.string_at(0)", -signal.SIGSEGV, "SIGSEGV): it died in native code; try hardware.num_threads=1 or "),
        ("os.abort()", -signal.SIGABRT, "hardware.channels_last=false"),
        ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL, "perhaps for lack of memory"),
        ("threading.Thread(target=time.sleep, args=(99,)).start()", 0, "a thread that the job left behind"),
    ],
)
def test_however_a_command_ends_there_is_a_line_and_an_exit_code(work, code, said):
    process = begun(work)
    errors = process.communicate(timeout=60)[1].splitlines()
    assert process.returncode == code
    assert len(errors) == bool(said), errors
    assert said in "".join(errors)


def runs(process):
    """Whether a process runs; one that is dead may still be listed until somebody takes note of it."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def stopped(process, number):
    """Send a signal, and again as whoever pressed Ctrl-C would: Python may miss one, just before it sleeps or forks."""
    for seconds in (15, 15, 30):
        process.send_signal(number)
        try:
            return process.communicate(timeout=seconds)  # which ends when nobody holds its pipes any more
        except subprocess.TimeoutExpired:
            continue
    process.kill()
    pytest.fail(f"{number} was sent three times, and something still runs")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_who_stops_the_one_stops_the_other(number):
    stray = "" if number == signal.SIGKILL else "subprocess.Popen(['setsid', 'sleep', '98765']); "
    process = begun(f"{stray}print('asleep', flush=True); time.sleep(99)")
    # Not while it forks: what Python's own hooks raise there, KeyboardInterrupt too, is ignored.
    assert [process.stdout.readline() for _ in range(2)] == ["working\n", "asleep\n"]
    (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    stopped(process, number)
    assert process.returncode in (130, -number)
    deadline = time.monotonic() + 10  # a process lets go of its pipes a moment before it is gone
    while runs(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not runs(child)
