"""Real engines on this machine: a Slurm of two nodes and a Ray of two, each started for the tests and ended after."""

from __future__ import annotations

import getpass
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import pytest

import cu
from cu.jobs.processes import die_with_parent

ROOT = Path(cu.__file__).parents[1]
INSTALL = "scripts/test_cluster installs it"
PARTITIONS = (
    "PartitionName=cpu Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=1 PreemptMode=REQUEUE",
    "PartitionName=urgent Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF",
    "PartitionName=short Nodes=ALL MaxTime=2 State=UP",
)


def free_ports(count):
    """Numbers of ports that nobody listens to."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    numbers = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return numbers


def wait_for(condition, seconds=60.0):
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.2)
    return found


class Daemons:
    """Processes that run as long as the tests."""

    def __init__(self, folder, environment):
        self.folder, self.environment, self.running = folder, environment, {}

    def start(self, name, *words, cwd=None):
        log = (self.folder / f"{name}.log").open("ab")
        tied = partial(die_with_parent, os.getpid())  # tests that are killed leave no engine behind
        self.running[name] = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=cwd,
            env=self.environment,
            start_new_session=True,
            preexec_fn=tied,
        )
        log.close()

    def stop(self, name):
        process = self.running.pop(name)
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def stop_all(self):
        for name in reversed(list(self.running)):
            self.stop(name)


class Slurm(Daemons):
    """A controller and two nodes without systemd, cgroups and accounting."""

    def __init__(self, folder):
        super().__init__(folder, {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")})
        self.write_config()
        munge = ["munged", "--foreground", "--force", f"--key-file={folder / 'munge.key'}"]
        munge += [f"--socket={folder / 'munge.socket'}", f"--pid-file={folder / 'munge.pid'}"]
        self.start("munged", *munge, f"--seed-file={folder / 'munge.seed'}", f"--log-file={folder / 'munge.log'}")
        wait_for((folder / "munge.socket").exists)
        self.start_controller()
        for node in ("one", "two"):
            (folder / node).mkdir()
            self.start(f"slurmd-{node}", "slurmd", "-D", "-N", node)
        wait_for(self.idle)

    def idle(self):
        return self("sinfo", "--noheader", "--format=%D %T", "--partition=cpu").strip() == "2 idle"

    def start_controller(self):
        self.start("slurmctld", "slurmctld", "-D")
        wait_for(lambda: "UP" in self("scontrol", "ping"))

    def write_config(self):
        (self.folder / "munge.key").write_bytes(os.urandom(1024))
        (self.folder / "munge.key").chmod(0o400)
        controller, one, two = free_ports(3)
        host = socket.gethostname().split(".")[0]
        settings = {
            "ClusterName": "toy",
            "SlurmctldHost": f"{host}(127.0.0.1)",
            "SlurmctldPort": controller,
            "SlurmUser": getpass.getuser(),
            "SlurmdUser": getpass.getuser(),
            "AuthType": "auth/munge",
            "AuthInfo": f"socket={self.folder / 'munge.socket'}",
            "CredType": "cred/munge",
            "MpiDefault": "none",
            "ProctrackType": "proctrack/linuxproc",
            "TaskPlugin": "task/none",
            "SelectType": "select/cons_tres",
            "SelectTypeParameters": "CR_Core_Memory",
            "SchedulerParameters": "sched_interval=1,bf_interval=1,requeue_delay=1",
            "ReturnToService": 2,
            "KillWait": 5,
            "StateSaveLocation": self.folder / "state",
            "SlurmdSpoolDir": self.folder / "%n",
            "SlurmctldPidFile": self.folder / "slurmctld.pid",
            "SlurmdPidFile": self.folder / "slurmd-%n.pid",
            "SlurmdParameters": "config_overrides",
            "PreemptType": "preempt/partition_prio",
            "PreemptMode": "REQUEUE",
        }
        (self.folder / "state").mkdir()
        size = "CPUs=4 Boards=1 SocketsPerBoard=1 CoresPerSocket=4 ThreadsPerCore=1 RealMemory=16000"
        nodes = [
            f"NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} {size}"
            for name, port in (("one", one), ("two", two))
        ]
        lines = [*(f"{key}={value}" for key, value in settings.items()), *nodes, *PARTITIONS]
        (self.folder / "slurm.conf").write_text("\n".join(lines) + "\n")
        version = subprocess.run(["slurmctld", "-V"], capture_output=True, text=True, check=True).stdout
        major, minor = map(int, re.findall(r"\d+", version)[:2])
        plugin = "disabled" if (major, minor) >= (23, 11) else "cgroup/v1"
        (self.folder / "cgroup.conf").write_text(f"CgroupPlugin={plugin}\n")

    def __call__(self, *words, script=None):
        done = subprocess.run(words, input=script, capture_output=True, text=True, env=self.environment, check=False)
        return done.stdout

    def jobs(self):
        """State by name of all that wait or run."""
        lines = self("squeue", "--noheader", "--array", "--format=%i %T").splitlines()
        return dict(line.split() for line in lines)


def folder_for(name):
    return Path(tempfile.mkdtemp(prefix=f"cu-{name}-"))  # sockets have short paths


@pytest.fixture(scope="session")
def slurm():
    """A running Slurm; called with words it runs one of its commands."""
    if absent := [name for name in ("slurmctld", "slurmd", "sbatch", "munged") if shutil.which(name) is None]:
        pytest.skip(f"there is no {absent[0]}: {INSTALL}")
    folder = folder_for("slurm")
    engine = Slurm(folder)
    yield engine
    engine("scancel", f"--user={getpass.getuser()}")
    engine.stop_all()
    shutil.rmtree(folder, ignore_errors=True)


class RayNodes(Daemons):
    """A Ray of two nodes, each started in a folder of its own, as on machines of their own."""

    def __init__(self, folder):
        quiet = {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
        super().__init__(folder, {**os.environ, **quiet})
        (port,) = free_ports(1)
        self.address = f"127.0.0.1:{port}"
        ray = str(Path(sys.executable).with_name("ray"))
        common = ["--node-ip-address=127.0.0.1", "--num-cpus=2", "--object-store-memory=100000000", "--block"]
        head = ["--head", f"--port={port}", "--include-dashboard=false", f"--temp-dir={folder / 't'}"]
        for name, where in (("one", head), ("two", [f"--address={self.address}"])):
            (folder / name).mkdir()
            self.start(name, ray, "start", *where, *common, cwd=folder / name)
            wait_for(lambda: self.answers(), 90)

    def answers(self):
        host, port = self.address.split(":")
        try:
            socket.create_connection((host, int(port)), 1).close()
        except OSError:
            return False
        return True


@pytest.fixture(scope="session")
def ray_nodes():
    """A running Ray; `address` is where."""
    pytest.importorskip("ray", reason=f"there is no ray: {INSTALL}")
    folder = folder_for("ray")
    engine = RayNodes(folder)
    yield engine
    engine.stop_all()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def typed(doomed, tmp_path):
    """`(engine, *words, cwd=None) -> Popen`: a sweep, as typed in a folder of a machine of the engine."""

    def begin(engine, *words, cwd=tmp_path):
        return doomed(*words, cwd=cwd, **engine.environment)

    return begin


@pytest.fixture
def until():
    """`(condition, seconds=60)`: wait until something holds."""
    return wait_for


@pytest.fixture
def ended():
    """`(process) -> (lines, code)`: what a sweep said on stderr, and its exit code."""

    def wait(process, seconds=180):
        return process.communicate(timeout=seconds)[1].splitlines(), process.returncode

    return wait


@pytest.fixture
def last_sweep(tmp_path):
    """`() -> {number: note}`: the notes of the last sweep that was typed."""

    def read():
        sweep = max(path for path in (tmp_path / "outputs" / "sweeps").iterdir() if not path.name.startswith("."))
        return {int(path.stem): json.loads(path.read_text()) for path in sweep.glob("[0-9]*.json")}

    return read
