"""A hostile campaign: what must not take the house down, tried, and whether it did not.

An attempt is survived if it ends with the same numbers as an undisturbed run or in one clear line with an exit code,
never in a traceback, a process left behind, or other numbers without a word.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import pickle
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TINY = (
    *("dataset.train_size=300", "model.width=4", "recipe.epochs=2", "method=finetune", "method.recipe.epochs=1"),
    *("evaluation=paper", "evaluation.trajectory_every=1", "tracking=none", "hardware.num_threads=1"),
)
# What a run leaves behind, and what its models do.
RUN = "runs/*/*/*/*/*"
FILES = (
    *(f"{RUN}/{name}" for name in ("status.json", "result.json", "config.yaml", "predictions.npz", "cost.json")),
    *(f"{RUN}/{name}" for name in ("metrics.jsonl", "forget_ids.csv", "model.safetensors", "model.json")),
    *(f"models/*/{name}" for name in ("model.safetensors", "model.json", "predictions-fp32.npz", "metrics.jsonl")),
    "models/*/judged/*.json",
)
DAMAGES: dict[str, Callable[[bytes], bytes | None]] = {
    "empty": lambda content: b"",
    "half": lambda content: content[: len(content) // 2],
    "random": lambda content: random.Random(0).randbytes(max(64, len(content))),
    "other type": lambda content: b"[1, 2]\n",
    "mapping": lambda content: b"{}\n",
    "gone": lambda content: None,
}
WRONG = (
    *("seed=abc", "seed=-1", "seed=99999999999999999999", "seed=1.5", "seed=[1]", "seed=null", "forget_seed=x"),
    *("method=null", "dataset=null", "model=null", "scenario=null", "recipe=null", "hardware=null", "tracking=null"),
    *("evaluation=null", "reference=null", "method=nothing", "dataset=nothing", "model=../../etc", "metod=finetune"),
    *("hydra.launcher=null", "hydra.sweeper=null", "hydra/launcher=nothing", "hardware.num_threads=100000"),
    *("hardware.num_threads=0", "hardware.device=[]", "hardware.device=warp", "hardware.precision=fp8", "hardware=1"),
    *("paths.outputs=", "paths.outputs=null", "paths.data=", "paths=null", "model.checkpoint=", "model.width=0"),
    *("recipe.epochs=-1", "recipe.batch_size=0", "recipe.optimizer.lr=inf", "recipe.optimizer.lr=nan"),
    *("recipe.optimizer.lr=-1", "recipe.optimizer=null", "method.recipe=null", "method.recipe.epochs=1e9"),
    *("method._target_=os.system", "method._target_=null", "method.nothing=1", "dataset.val_fraction=2"),
    *("dataset.train_size=-5", "dataset.train_size=many", "reference.k=-1", "reference.k=two", "resume=maybe"),
    *("scenario.classes=5", "scenario.classes=[99]", "scenario.classes=[]", "evaluation.metrics=3", "trust=os"),
    *("evaluation.trajectory_every=-1", "tracking.mode=live", "objective=3", "save_model=perhaps", "revision=x"),
    *("method.recipe.optimizer.lr=inf", "model.checkpoint=/dev/null", "scenario=indices", "dataset=image_folder"),
)
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
KINDS = ("damages", "settings", "payloads", "jobs", "signals", "kills")
FATES = {
    **dict.fromkeys(("segfault", "abort", "silent_exit", "polite_exit", "odd_error", "die_with_child"), "failed"),
    **dict.fromkeys(("leave_child", "leave_daemon", "close_files", "close_output", "fill_log"), "finished"),
    **dict.fromkeys(("move_away", "endless_thread"), "finished"),
    "kill_guard": "failed",
}


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

    from cu.cli import commands

    argv, out, err, code = sys.argv, io.StringIO(), io.StringIO(), 0
    sys.argv = [f"cu-{name}", *map(str, words)]
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            getattr(commands, name)()
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


def damages(folder: Path, short: bool) -> Iterator[Attempt]:
    """Every kind of file in every kind of damage, a report, and the command again."""
    whole, outputs = folder / "whole-files", folder / "damaged"
    words = [*TINY, "reference.k=2", "save_model=true"]
    command("unlearn", *words, f"paths.outputs={whole}")
    right = numbers(whole)
    for pattern in FILES[:: 4 if short else 1]:
        for name, damage in list(DAMAGES.items())[:: 3 if short else 1]:
            shutil.rmtree(outputs, ignore_errors=True)
            shutil.copytree(whole, outputs)
            for path in outputs.glob(pattern):
                content = damage(path.read_bytes())
                path.unlink()
                if content is not None:
                    path.write_bytes(content)
            report = command("report", "tracking=none", f"paths.outputs={outputs}").fault(0, 2)
            judged = command("evaluate", "evaluation=paper", f"paths.outputs={outputs}").fault(0, 1, 2)
            yield Attempt("damaged file, report", f"{pattern} {name}", report)
            yield Attempt("damaged file, judged again", f"{pattern} {name}", judged)
            ended = command("unlearn", *words, f"paths.outputs={outputs}")
            fault = ended.fault(0, 1, 2)
            if fault is None and ended.code == 0 and numbers(outputs) != right:
                fault = "other numbers"
            if fault is None and ended.code == 0:
                fault = missing_or_changed(whole, outputs)
            yield Attempt("damaged file, typed again", f"{pattern} {name}", fault)


def missing_or_changed(whole: Path, outputs: Path) -> str | None:
    """Which weights are not what they were."""
    for pattern in (f"{RUN}/model.safetensors", "models/*/model.safetensors"):
        for path in whole.glob(pattern):
            other = outputs / path.relative_to(whole)
            if not other.exists() or other.read_bytes() != path.read_bytes():
                return f"{path.relative_to(whole)} is not what it was"
    return None


def settings(folder: Path, short: bool) -> Iterator[Attempt]:
    """Wrong settings: exit code 2, one line, nothing written."""
    for word in WRONG[:: 5 if short else 1]:
        outputs = folder / "settings"
        ended = command("unlearn", *TINY, f"paths.outputs={outputs}", word)
        said = [line for line in ended.err if line.startswith("error: ")]
        fault = ended.fault(2) or (f"{len(said)} lines" if len(said) != 1 else None)
        yield Attempt("wrong setting", word, fault)
        shutil.rmtree(outputs, ignore_errors=True)
    for word in ("report.name=../../x", "report=nothing", "paths.outputs=/nowhere/at/all", "report.name="):
        where = [] if word.startswith("paths") else [f"paths.outputs={folder / 'settings'}"]
        yield Attempt("wrong setting", word, command("report", "tracking=none", *where, word).fault(2))


class Payload:
    """Makes a file when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


def payloads(folder: Path) -> Iterator[Attempt]:
    """Files that would run code if they were more than data to their readers."""
    mark, whole, outputs = folder / "executed", folder / "whole-payloads", folder / "payloads"
    command("unlearn", *TINY, "reference.k=2", f"paths.outputs={whole}")
    code = pickle.dumps(Payload(mark))
    call = f"scenario:\n  _target_: pathlib.Path.touch\n  self: {mark}\n"
    files = {
        **dict.fromkeys(
            (f"{RUN}/predictions.npz", "models/*/predictions-fp32.npz", "models/*/model.safetensors"), code
        ),
        f"{RUN}/config.yaml": call.encode(),
    }
    for pattern, content in files.items():
        shutil.rmtree(outputs, ignore_errors=True)
        shutil.copytree(whole, outputs)
        for path in outputs.glob(pattern):
            path.write_bytes(content)
        faults = [command("evaluate", "evaluation=paper", f"paths.outputs={outputs}").fault(0, 1, 2)]
        faults += [command("unlearn", *TINY, "reference.k=2", f"paths.outputs={outputs}").fault(0, 1, 2)]
        faults += ["its code was executed"] if mark.exists() else []
        yield Attempt("payload", pattern, next(filter(None, faults), None))
    weights = folder / "weights.pt"
    weights.write_bytes(code)
    ended = command("unlearn", *TINY, f"paths.outputs={folder / 'weights'}", f"model.checkpoint={weights}")
    yield Attempt("payload", "model.checkpoint", "its code was executed" if mark.exists() else ended.fault(2))


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


def campaign(folder: Path, kinds: Sequence[str], short: bool, seed: int) -> Iterator[Attempt]:
    """The chosen kinds, one after the other."""
    parts: dict[str, Callable[[], Iterator[Attempt]]] = {
        "damages": lambda: damages(folder, short),
        "settings": lambda: settings(folder, short),
        "payloads": lambda: payloads(folder),
        "jobs": lambda: bad_jobs(folder, FATES),
        "signals": lambda: signals(folder, ("SIGINT 1", "SIGINT 2", "SIGTERM 1", "SIGHUP 1", "SIGKILL 1")),
        "kills": lambda: kills(folder, 20, seed),
    }
    for kind in kinds:
        yield from parts[kind]()


def main() -> None:
    """Print what is not survived, then a table; exit code 1 if there is any."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="a part of the damages and settings")
    parser.add_argument("--kinds", nargs="+", default=KINDS, choices=KINDS, help="by default all")
    parser.add_argument("--seed", type=int, default=0, help="of the moments of the kills")
    options = parser.parse_args()
    tried: dict[str, list[bool]] = {}
    with tempfile.TemporaryDirectory() as name:
        for attempt in campaign(Path(name).resolve(), options.kinds, options.short, options.seed):
            tried.setdefault(attempt.kind, []).append(attempt.fault is None)
            if attempt.fault is not None:
                print(f"NOT SURVIVED: {attempt.kind}: {attempt.what}: {attempt.fault}", flush=True)
    print(f"{'kind':<28}{'tried':>6}{'survived':>10}")
    for kind, survived in tried.items():
        print(f"{kind:<28}{len(survived):>6}{sum(survived):>10}")
    sys.exit(not all(all(survived) for survived in tried.values()))


if __name__ == "__main__":
    main()
