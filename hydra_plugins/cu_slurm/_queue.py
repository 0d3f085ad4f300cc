"""Slurm's own commands: whether a request can run, submitting it, and what is in the queue. No accounting is needed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from cu.errors import ConfigError
from hydra_plugins.cu_slurm._settings import Settings

SECONDS_TO_ANSWER = 60.0
FIELDS = "ArrayJobID:30,ArrayTaskID:30,State:30,exit_code:20,Reason:80"
OVER = {
    *("COMPLETED", "CANCELLED", "FAILED", "TIMEOUT", "OUT_OF_MEMORY", "NODE_FAIL", "PREEMPTED", "BOOT_FAIL"),
    *("DEADLINE", "REVOKED", "LAUNCH_FAILED", "RECONFIG_FAIL"),
}


class NoAnswer(RuntimeError):
    """Slurm's controller does not answer, or a command of Slurm fails; the message is its own first line."""


@dataclass(frozen=True)
class Entry:
    """A job in the queue: its state, how its process ended as `wait` says it, and why it waits."""

    state: str
    status: int
    reason: str


def slurm(*words: str, script: str | None = None) -> str:
    """What a command of Slurm prints.

    Raises:
        NoAnswer: It fails.
    """
    try:
        done = subprocess.run(
            words, input=script, capture_output=True, text=True, timeout=SECONDS_TO_ANSWER, stdin=None, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise NoAnswer(f"{words[0]} does not answer within {SECONDS_TO_ANSWER:.0f} s") from error
    except OSError as error:
        raise NoAnswer(f"{words[0]}: {error.strerror}") from error
    if done.returncode:
        lines = [re.sub(r"^\w+: (error: )?", "", line) for line in done.stderr.splitlines() if line.strip()]
        raise NoAnswer("; ".join(dict.fromkeys(lines)) or f"{words[0]} ended with exit code {done.returncode}")
    return done.stdout


def require_possible(settings: Settings) -> None:
    """Check that the cluster could run a job that asks for so much.

    Raises:
        ConfigError: It never could, or there is no cluster.
    """
    if absent := [name for name in ("sbatch", "squeue", "sinfo", "scontrol") if shutil.which(name) is None]:
        raise ConfigError(
            f"hydra/launcher=slurm needs Slurm's commands, and there is no {absent[0]}: type the command where Slurm "
            "is, or use hydra/launcher=pool"
        )
    try:
        partitions = [line.split("|") for line in slurm("sinfo", "--noheader", "--format=%P|%a|%l").splitlines()]
        known = {name.rstrip("*"): (up, limit) for name, up, limit in partitions}
        default = next((name.rstrip("*") for name, *_ in partitions if name.endswith("*")), None)
        require_partition(settings, settings.partition or default, known)
        slurm("sbatch", "--test-only", *settings.request(), script="#!/bin/sh\n")
    except NoAnswer as error:
        if "contact" in str(error) or "does not answer" in str(error):
            raise ConfigError(f"Slurm's controller does not answer ({error}); nothing was submitted") from error
        raise ConfigError(f"hydra.launcher asks for what Slurm refuses: {error}{asked(settings)}") from error


def require_partition(settings: Settings, name: str | None, known: dict[str, tuple[str, str]]) -> None:
    """Check partition and time, which Slurm itself would let wait for ever.

    Raises:
        ConfigError: The partition is not there, is down, or has a shorter limit.
    """
    if name is None:
        raise ConfigError(f"hydra.launcher.partition must be given: Slurm has no default; it has {', '.join(known)}")
    for part in name.split(","):
        if part not in known:
            raise ConfigError(f"hydra.launcher.partition={part} does not exist: Slurm has {', '.join(known)}")
    usable = [part for part in name.split(",") if known[part][0] == "up"]
    if not usable:
        raise ConfigError(f"hydra.launcher.partition={name} is down")
    if all(minutes(known[part][1]) < settings.timeout_min for part in usable):
        raise ConfigError(
            f"hydra.launcher.timeout_min={settings.timeout_min} is more than partition {name} allows "
            f"({', '.join(known[part][1] for part in usable)})"
        )


def asked(settings: Settings) -> str:
    """What a refused request asked for, as one would type it."""
    words = ("partition", "account", "gpus_per_node", "mem_gb", "cpus_per_task", "timeout_min")
    given = {word: getattr(settings, word) for word in words}
    return f" ({', '.join(f'{word}={value}' for word, value in given.items() if value is not None)})"


def minutes(limit: str) -> float:
    """A time limit as Slurm writes it, `[days-][hours:]minutes:seconds` or a word for no limit, in minutes."""
    match = re.fullmatch(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)", limit)
    if match is None:
        return float("inf")
    days, hours, rest, seconds = (int(part or 0) for part in match.groups())
    return days * 1440 + hours * 60 + rest + seconds / 60


def largest_number() -> int:
    """The largest number that a job of an array may have.

    Raises:
        NoAnswer: Slurm does not answer.
    """
    match = re.search(r"MaxArraySize\s*=\s*(\d+)", slurm("scontrol", "show", "config"))
    return int(match[1]) - 1 if match else 1000


def queue() -> dict[str, Entry]:
    """All jobs of this user that Slurm still remembers, by `ARRAY_TASK`; ended ones stay a few minutes.

    Raises:
        NoAnswer: Slurm does not answer.
    """
    words = ("--noheader", "--array", "--states=all", f"--user={os.getuid()}", f"--Format={FIELDS}")
    found = {}
    for line in slurm("squeue", *words).splitlines():
        fields = [line[start:end].strip() for start, end in ((0, 30), (30, 60), (60, 90), (90, 110), (110, 190))]
        array, task, state, status, reason = fields
        found[f"{array}_{task}"] = Entry(state, int(status) if status.isdigit() else 0, reason)
    return found


def submit(words: Sequence[str], script: str) -> str:
    """Submit an array; returns its number.

    Raises:
        NoAnswer: Slurm does not take it.
    """
    return slurm("sbatch", "--parsable", *words, script=script).strip().partition(";")[0]
