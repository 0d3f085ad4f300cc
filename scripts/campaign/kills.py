"""Processes killed at random moments."""

from __future__ import annotations

import contextlib
import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from campaign.attempts import TINY, Attempt, Ended, left_behind, numbers, started


def kills(folder: Path, count: int, seed: int) -> Iterator[Attempt]:
    """SIGKILL at random moments of a sweep, until it is done; then its numbers must be those of an undisturbed one."""
    words = ["-m", *TINY, "reference.k=1", "method_seed=0,1"]
    source, whole, outputs = random.Random(seed), folder / "whole", folder / "killed"
    begin = time.monotonic()
    started(folder, *words, f"paths.outputs={whole}").communicate()
    duration, done = time.monotonic() - begin, 0
    while done < count:
        shutil.rmtree(outputs, ignore_errors=True)
        moments = []
        while done < count and len(moments) < 5:
            process = started(folder, *words, f"paths.outputs={outputs}")
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(source.uniform(0.2, 1.0) * duration)
                break
            process.kill()
            process.communicate()
            done += 1
            moments.append(left_behind(folder, 10))
        ended = started(folder, *words, f"paths.outputs={outputs}")
        errors = ended.communicate()[1].splitlines()
        fault = Ended(ended.returncode, "", errors).fault(0)
        if fault is None and numbers(outputs) != numbers(whole):
            fault = "other numbers"
        for left in moments:
            yield Attempt("kill -9, then typed again", "kill", f"left behind {left}" if left else fault)
        done += not moments
