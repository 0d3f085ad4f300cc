"""Which process writes something, and whether it is still there for whoever looks later."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SECONDS_FOR_SLURM = 10.0
BOOT = Path("/proc/sys/kernel/random/boot_id")


def this_process() -> dict[str, Any]:
    """What tells this process from all others: its machine, its number, when it began, and its Slurm job if it is one.

    Numbers of processes count within a namespace (a container has its own), and are used again after their end.
    """
    array = os.environ.get("SLURM_ARRAY_JOB_ID")
    job = f"{array}_{os.environ.get('SLURM_ARRAY_TASK_ID')}" if array else os.environ.get("SLURM_JOB_ID")
    return {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "process": {"machine": machine(), "began": began(os.getpid())},
        **({"slurm_job": job} if job else {}),
    }


def is_gone(about: Mapping[str, Any]) -> bool:
    """Whether a process that described itself by `this_process` is gone for sure; what cannot be told is False."""
    process = about.get("process")
    known = process if isinstance(process, Mapping) else {}
    if known.get("machine") and known["machine"] == machine() and about.get("host") == socket.gethostname():
        found = began(about.get("pid"))
        return found is None or found != known.get("began")
    return "slurm_job" in about and slurm_is_done(str(about["slurm_job"]))


def machine() -> str | None:
    """This boot of this machine and this namespace of processes; None where the system does not tell."""
    try:
        return f"{BOOT.read_text().strip()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return None


def began(pid: Any) -> int | None:
    """When a process began, in ticks since the machine did; None if there is none, or only what is left of one."""
    try:
        fields = Path(f"/proc/{int(pid)}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except (OSError, TypeError, ValueError):
        return None
    return None if fields[0] in ("Z", "X") else int(fields[19])


def slurm_is_done(job: str) -> bool:
    """Whether Slurm answers that a job neither waits nor runs."""
    if shutil.which("squeue") is None:
        return False
    words = ["squeue", "--noheader", f"--jobs={job}", "--format=%T"]
    try:
        asked = subprocess.run(words, capture_output=True, text=True, timeout=SECONDS_FOR_SLURM, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    if asked.returncode:
        return "Invalid job id" in asked.stderr
    return not asked.stdout.strip()
