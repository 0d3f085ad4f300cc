"""What an attempt of the campaign is, and how commands are started and looked at."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
TINY = (
    *("dataset.train_size=300", "model.width=4", "recipe.epochs=2", "method=finetune", "method.recipe.epochs=1"),
    *("evaluation=paper", "evaluation.trajectory_every=1", "tracking=none", "hardware.num_threads=1"),
)
RUN = "runs/*/*/*/*/*"


@dataclass(frozen=True)
class Attempt:
    """One thing tried, and why it was not survived; None if it was."""

    kind: str
    what: str
    fault: str | None


@dataclass(frozen=True)
class Ended:
    """How a command ended: exit code, output, the lines on stderr."""

    code: int
    out: str
    err: list[str]

    def fault(self, *codes: int) -> str | None:
        """What is wrong with the way it ended, if one of these codes was right."""
        if any("Traceback" in line for line in self.err):
            return f"traceback: {self.err[-1]}"
        return None if self.code in codes else f"exit code {self.code}: {(self.err or ['nothing said'])[-1]}"


def command(name: str, *words: object) -> Ended:
    """A command in this process."""
    from hydra.core.global_hydra import GlobalHydra

    from cu.cli import commands, statement

    argv, out, err, code = sys.argv, io.StringIO(), io.StringIO(), 0
    sys.argv = [f"cu-{name}", *map(str, words)]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            (statement.statement if name == "statement" else getattr(commands, name))()
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except Exception as error:
        code, _ = 1, err.write(f"Traceback: {type(error).__name__}: {error}\n")
    finally:
        sys.argv = argv
        GlobalHydra.instance().clear()
    return Ended(code, out.getvalue(), err.getvalue().splitlines())


def started(folder: Path, *words: object, **environment: str) -> subprocess.Popen[str]:
    """`cu-unlearn` in a process of its own that leads a process group, as on a terminal."""
    path = os.pathsep.join([str(ROOT), str(folder)])
    return subprocess.Popen(
        [sys.executable, "-P" if sys.version_info >= (3, 11) else "-u", "-m", "cu", "unlearn", *map(str, words)],
        **dict.fromkeys(("stdin", "stdout"), subprocess.DEVNULL),
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "HOSTILE": str(folder), **environment},
    )


def left_behind(folder: Path, seconds: float) -> list[int]:
    """Processes that still run on behalf of a folder after some seconds."""
    deadline, found = time.monotonic() + seconds, [0]
    while found and time.monotonic() < deadline:
        found = []
        for path in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):
                if f"HOSTILE={folder}".encode() in path.read_bytes().split(b"\0"):
                    found.append(int(path.parent.name))
        time.sleep(0.05)
    return found


def numbers(outputs: Path) -> dict[str, Any]:
    """The metrics of all finished runs that are not read from a clock."""
    found = {}
    for path in outputs.glob(f"{RUN}/result.json"):
        result = json.loads(path.read_text(encoding="utf-8"))
        found[result["fingerprint"]] = {k: v for k, v in result["metrics"].items() if not k.startswith("eff/")}
    return found
