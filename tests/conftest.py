"""A toy world: four classes of tiny images that a tiny network learns in a second; and the commands, run tiny."""

from __future__ import annotations

import io
import json
import logging
import os
import signal
import subprocess
import sys
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra.core.global_hydra import GlobalHydra
from torch import nn

import cu
from cu.cli import commands as cli
from cu.data.scenarios.classes import ClassScenario
from cu.data.scenarios.samples import SampleScenario
from cu.data.task import make_task
from cu.data.transforms import Transform
from cu.data.types import ImageData, Split
from cu.engine.context import MethodContext, silent
from cu.engine.fit import cross_entropy, fit
from cu.engine.hardware import Hardware
from cu.engine.ledger import Ledger
from cu.engine.recipe import Recipe, Sgd
from cu.models.heads import build_head
from cu.models.types import Classifier

CLASSES, SIDE = 4, 6
CPU = Hardware(
    device="cpu", precision="fp32", scoring_precision="fp32", channels_last=False, num_threads=1, deterministic=True
)


# Who asks for one of these runs commands, starts processes, trains, forgets by a configured method, or draws figures.
SLOW_FIXTURES = {
    "command",
    "start",
    "python",
    "lasting_python",
    "finished",
    "tiny",
    "make_bench",
    "private_store",
    "unlearn",
    "browser",
    "study",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as `slow` what its fixtures make slow."""
    for item in items:
        if SLOW_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker("slow")


def build_data(count: int = 240, seed: int = 0) -> ImageData:
    """Class c is a bright quadrant c under noise; of every five images three are trained on, one is val, one test."""
    source = torch.Generator().manual_seed(seed)
    labels = (torch.arange(count) % CLASSES)[torch.randperm(count, generator=source)]
    images = torch.randint(0, 100, (count, 1, SIDE, SIDE), generator=source)
    for image, label in zip(images, labels.tolist(), strict=True):
        row, column = 3 * (label // 2), 3 * (label % 2)
        image[:, row : row + 3, column : column + 3] += 80
    pixels, transform = images.to(torch.uint8), Transform(mean=(0.25,), std=(0.25,), crop=1, augment=True)
    place = torch.arange(count) % 5

    def cut(name: str, chosen: torch.Tensor) -> Split:
        rows = chosen.nonzero().squeeze(1)
        return Split(name, pixels, rows, labels[rows], rows, transform)

    return ImageData(cut("train", place < 3), cut("val", place == 3), cut("test", place == 4), tuple("abcd"))


def build_model(head: str = "projection", dropout: float = 0.0) -> Classifier:
    """Convolution, batch normalisation, and one of the two heads; weights from torch's global generator."""
    encoder = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Dropout(dropout),
    )
    return Classifier(encoder, build_head(head, 32, CLASSES, 8))  # type: ignore[arg-type]


def build_recipe(**settings) -> Recipe:
    """SGD at a constant rate for two epochs; `lr`, `momentum` and `weight_decay` go to the optimizer."""
    sgd = {"lr": 0.05, "momentum": 0.9, "weight_decay": 5e-4, "nesterov": False}
    sgd |= {name: settings.pop(name) for name in list(settings) if name in sgd}
    plain = {
        "optimizer": Sgd(**sgd),
        "schedule": "constant",
        "epochs": 2,
        "batch_size": 32,
        "augment": False,
        "clip_norm": None,
        "batchnorm": "train",
    }
    return Recipe(**{**plain, **settings})


ORIGINAL_RECIPE = build_recipe(schedule="one_cycle", epochs=6, lr=0.2, batch_size=16)


def build_run(seed: int = 0, hardware: Hardware = CPU, build=build_model, **settings) -> MethodContext:
    """A run on the CPU whose retrained model comes from the original's recipe and seed 0."""

    def retrain(split: Split):
        run = build_run(0, hardware, build)
        with run.ledger.running():
            model = fit(run.new_model(), run.batches(split, ORIGINAL_RECIPE), cross_entropy, ORIGINAL_RECIPE, run)
        return model, run.ledger.cost()

    settings = {"ledger": Ledger(hardware), "log": silent, **settings}
    return MethodContext(hardware, seed, build, retrain, **settings)


@pytest.fixture(scope="session")
def toy_data() -> ImageData:
    """Train 144, val 48 and test 48 images, four classes."""
    return build_data()


@pytest.fixture(scope="session")
def toy_tasks(toy_data):
    """`class` (class 2 goes) and `sample` (20 samples go)."""
    source = torch.Generator().manual_seed(0)
    scenarios = {"class": ClassScenario(classes=[2]), "sample": SampleScenario(count=20, fraction=None)}
    return {name: make_task(toy_data, scenario, source) for name, scenario in scenarios.items()}


@pytest.fixture(scope="session")
def _trained(toy_data) -> Classifier:
    return build_run().retrain(toy_data.train)[0]


@pytest.fixture
def original(_trained) -> Classifier:
    """A network that knows all four classes, in evaluation mode."""
    return deepcopy(_trained)


@pytest.fixture
def make_model():
    """`(head="projection", dropout=0.0) -> Classifier`."""
    return build_model


@pytest.fixture
def make_recipe():
    """`(lr=, momentum=, weight_decay=, epochs=, ...) -> Recipe`."""
    return build_recipe


@pytest.fixture
def make_run():
    """`(seed=0, hardware=CPU, build=build_model, log=..., ...) -> MethodContext`."""
    return build_run


@pytest.fixture
def hardware() -> Hardware:
    """One CPU thread, float32."""
    return CPU


@pytest.fixture
def same_weights():
    """Whether two models have bitwise equal parameters and buffers."""

    def same(a: nn.Module, b: nn.Module) -> bool:
        one, other = a.state_dict(), b.state_dict()
        return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)

    return same


@dataclass(frozen=True)
class Ended:
    """How a command ended: exit code, what it printed, the lines on stderr."""

    code: int
    out: str
    err: list[str]


@contextmanager
def logging_kept():
    """Put back what a command changes in the logging of its process."""
    loggers = [logging.getLogger(name) for name in (None, "cu", "cu.traceback")]
    before = [(logger.handlers[:], logger.level, logger.propagate) for logger in loggers]
    raising = logging.raiseExceptions
    try:
        yield
    finally:
        for logger, (handlers, level, propagate) in zip(loggers, before, strict=True):
            logger.handlers[:], logger.level, logger.propagate = handlers, level, propagate
            logger.setLevel(level)
        logging.raiseExceptions = raising


def run_command(name: str, *words: object) -> Ended:
    """A command in this process."""
    argv, out, err = sys.argv, io.StringIO(), io.StringIO()
    sys.argv = [f"cu-{name}", *map(str, words)]
    try:
        with logging_kept(), redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as stop:
            getattr(cli, name)()
    finally:
        sys.argv = argv
        GlobalHydra.instance().clear()
    return Ended(stop.value.code or 0, out.getvalue(), err.getvalue().splitlines())


class PythonProcesses:
    """Python processes that each lead a process group, as on a terminal, and end with the test."""

    def __init__(self) -> None:
        self.begun: list[subprocess.Popen] = []

    def __call__(
        self, *words: object, cwd: Path | None = None, path: tuple[Path, ...] = (), foreign: str = "WANDB_", **env: str
    ) -> subprocess.Popen:
        """Start one.

        Args:
            words: What follows `python`.
            cwd: Where.
            path: Folders to import from, after that of `cu`.
            foreign: Beginnings of the names of variables, by commas, that it must not see.
            env: Variables that it sees besides.
        """
        ours = {k: v for k, v in os.environ.items() if not k.startswith(tuple(foreign.split(",")))}
        imports = os.pathsep.join(map(str, (Path(cu.__file__).parents[1], *path)))
        process = subprocess.Popen(
            [sys.executable, *map(str, words)],
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**ours, "OMP_NUM_THREADS": "1", **env, "PYTHONPATH": imports},
        )
        self.begun.append(process)
        return process

    def end(self) -> None:
        """Kill those that still run."""
        for process in self.begun:
            if process.poll() is None:
                process.kill()
                process.communicate()


@pytest.fixture(scope="session")
def command():
    """`(name, *words) -> Ended`: `cu-<name>` in this process."""
    return run_command


@pytest.fixture
def python():
    """`(*words, cwd=None, path=(), **environment) -> Popen`: a Python process; see `PythonProcesses`."""
    processes = PythonProcesses()
    yield processes
    processes.end()


@pytest.fixture(scope="module")
def lasting_python():
    """The same for processes that all tests of a file share."""
    processes = PythonProcesses()
    yield processes
    processes.end()


@pytest.fixture
def start(python):
    """`(name, *words, prelude="", **environment) -> Popen`: `cu-<name>` in a process, after some Python."""

    def begin(name: str, *words: object, prelude: str = "", **env: Any) -> subprocess.Popen:
        return python("-c", f"{prelude}\nfrom cu.cli.commands import {name}; {name}()", *words, **env)

    return begin


@pytest.fixture
def doomed(python, tmp_path):
    """`(*words, options=(), cwd=None, **environment) -> Popen`: a sweep of `tests/doomed.py`, copied to `tmp_path`."""
    source = Path(__file__).with_name("doomed.py")
    (tmp_path / source.name).write_text(source.read_text(encoding="utf-8"), encoding="utf-8")

    def begin(*words: object, options: tuple[str, ...] = (), cwd: Path | None = None, **env: str) -> subprocess.Popen:
        code = "import doomed; doomed.cli.command('unlearn', doomed.job)"
        return python(*options, "-c", code, "-m", *words, cwd=cwd, path=(tmp_path,), **env)

    return begin


@pytest.fixture(scope="session")
def fates():
    """`(*words) -> setting`: the one that makes one job of each word, `word` or `word:seconds`, live and die so."""
    return lambda *words: "model.checkpoint=" + ",".join(f"'{w}'" if ":" in w else f"'{w}:0'" for w in words)


TINY = (
    *("dataset.train_size=300", "model.width=4", "recipe.epochs=2", "method=finetune", "method.recipe.epochs=1"),
    *("evaluation=paper", "tracking=none", "hardware.num_threads=1", "sanity=off"),
)


@pytest.fixture(scope="session", autouse=True)
def signals_are_heard():
    """A runner of tests that was started in the background, or by nohup, hands on that it ignores these signals."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session")
def tiny() -> tuple[str, ...]:
    """Settings of an unlearning run of two seconds."""
    return TINY


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Path:
    """The outputs folder of one finished tiny run; not to be changed."""
    outputs = tmp_path_factory.mktemp("finished")
    assert run_command("unlearn", *TINY, f"paths.outputs={outputs}").code == 0
    return outputs


@pytest.fixture(scope="session")
def results():
    """`(outputs) -> {fingerprint: what must be the same when a run is done again}`: no clocks, no memory."""

    def read(outputs: Path) -> dict[str, dict]:
        found = {}
        for path in outputs.glob("runs/*/*/*/*/*/result.json"):
            result = json.loads(path.read_text())
            metrics = {
                key: entry
                for key, entry in result["metrics"].items()
                if not key.startswith("eff/") or key.startswith(("eff/samples", "eff/steps"))
            }
            cost = {
                key: value
                for key, value in result["cost"].items()
                if not any(part in key for part in ("seconds", "mb"))
            }
            about = {**result["provenance"], "commit": None, "dirty": None}
            same = {"metrics": metrics, "cost": cost, "timings": None, "provenance": about}
            found[result["fingerprint"]] = {**result, **same}
        return found

    return read
