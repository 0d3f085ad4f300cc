"""The process that all jobs are forked from: it has imported what every job needs, and starts none of it itself."""

from __future__ import annotations

import os
import pickle
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import NoReturn

from hydra_plugins.cu_gathering._job import Job, Shared, live
from hydra_plugins.cu_pool._guard import Guard
from hydra_plugins.cu_pool._slots import Slot

# Isolated, the interpreter leads its path neither with the current folder nor with that of a script: it gets the
# launcher's own path instead.
START = (
    "import os, pickle, sys; number = int(sys.argv.pop()); size = int(os.read(number, 20)); data = b''\n"
    "while len(data) < size: data += os.read(number, size - len(data))\n"
    "sys.path[:], sys.argv = pickle.loads(data)\n"
    "os.environ['OMP_NUM_THREADS'] = '1'\n"  # a process with threads cannot be forked; each job sets its own number
    "from hydra_plugins.cu_pool._server import serve; serve(number)"
)


class Server:
    """The launcher's side: starts the process, and asks it for jobs. It ends when this end is closed."""

    def __init__(self, preload: Sequence[str], shared: Shared, seconds_to_close: float) -> None:
        here, there = socket.socketpair()
        flags = subprocess._args_from_interpreter_flags()  # pyright: ignore[reportAttributeAccessIssue]
        words = [sys.executable, *flags, "-I", "-c", START, str(there.fileno())]
        self.process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, pass_fds=[there.fileno()], start_new_session=True
        )
        there.close()
        self.socket = here
        path = pickle.dumps((sys.path, sys.argv))
        here.sendall(f"{len(path):<20}".encode() + path)
        self.channel = Connection(os.dup(here.fileno()))
        self.channel.send_bytes(pickle.dumps((os.getpid(), list(preload), seconds_to_close)))
        self.channel.send_bytes(pickle.dumps(shared))

    def start(self, job: Job, slot: Slot) -> socket.socket:
        """Start a job; what comes back is the line to its guard, where its outcome will come from.

        Raises:
            OSError: The process is gone.
        """
        here, there = socket.socketpair()
        with there:
            socket.send_fds(self.socket, [b"J"], [there.fileno()])
            self.channel.send_bytes(pickle.dumps((job, slot)))
        return here


def serve(number: int) -> None:
    """Fork jobs until the launcher is gone."""
    from cu.jobs.processes import die_with_parent

    channel, line = Connection(os.dup(number)), socket.socket(fileno=number)
    parent, preload, grace = pickle.loads(channel.recv_bytes())
    die_with_parent(parent)
    import_all(preload)
    shared = pickle.loads(channel.recv_bytes())  # not earlier: Hydra imports its plugins anew when it looks for them
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the guards
    while True:
        _, handles, _, _ = socket.recv_fds(line, 1, 1)
        if not handles:
            return
        job, slot = pickle.loads(channel.recv_bytes())
        launcher = socket.socket(fileno=handles[0])
        if not os.fork():
            os.setsid()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            channel.close()
            line.close()
            guard(job, slot, shared, launcher, grace)
        launcher.close()


def guard(job: Job, slot: Slot, shared: Shared, launcher: socket.socket, grace: float) -> NoReturn:
    """Body of a guard's process."""
    try:
        Guard(lambda pipe: live(job, slot.environment, shared, sender(pipe)), job.log, launcher, grace).watch()
    except BaseException:
        traceback.print_exc()
    os._exit(0)


def sender(number: int) -> Callable[[bytes], None]:
    """Writes to the pipe of this number, once, and closes it; the pipe is opened when there is something to say."""

    def send(data: bytes) -> None:
        with os.fdopen(number, "wb") as pipe:
            pipe.write(data)

    return send


def import_all(preload: Sequence[str]) -> None:
    """Import what every job needs; a module that cannot be had is said, and left to the jobs."""
    from importlib import import_module

    from hydra.core.plugins import Plugins

    import cu.cli.commands  # noqa: F401

    Plugins.instance()  # Hydra looks for its plugins
    for name in preload:
        try:
            import_module(name)
        except Exception as error:
            print(f"warning: hydra.launcher.preload: {name} cannot be imported ({error})", file=sys.stderr)
