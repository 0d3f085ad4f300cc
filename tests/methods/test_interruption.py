"""A method that is killed anywhere and done again gives the same weights, to the last bit."""

import io
from dataclasses import replace

import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from cu.config.build import build
from cu.config.component import Component
from cu.config.folder import config_folder
from cu.engine.fit import cross_entropy, fit
from cu.engine.interruption import Descents
from cu.methods.types import scenarios_of

RECIPE = {"epochs": 2, "batch_size": 16, "augment": True}
# Settings under which a method has something of its own to keep.
STATEFUL = {
    "queue": ("contrastive", {"queue": 40, "momentum": 0.9}),
    "best": ("contrastive", {"keep_best": True, "stop_on": "val", "stop_every": 2}),
    "rewind": ("scrub", {"rewind": True}),
    "directions": ("contrastive_matching", {"distance": "sliced_wasserstein"}),
    "redrawn": ("random_label", {"redraw": True}),
    "tempered": ("lotus", {}),
}
NAMED = ["contrastive", "finetune", "scrub", "contrastive_matching", "fcs", "cola"]
CASES = {**{name: (name, {}) for name in NAMED}, **STATEFUL}
OTHERS = sorted({path.stem for path in (config_folder() / "method").glob("*.yaml")} - set(CASES))


class Killed(BaseException):
    """The process is gone."""


class Disk:
    """Bytes by number, as files would hold them; the process dies after save number `until`."""

    def __init__(self):
        self.files, self.saves, self.until = {}, 0, None

    def at(self, number):
        return File(self, number)


class File:
    def __init__(self, disk, number):
        self.disk, self.number = disk, number

    def load(self):
        content = self.disk.files.get(self.number)
        return None if content is None else torch.load(io.BytesIO(content), weights_only=True)

    def save(self, state):
        file = io.BytesIO()
        torch.save(state, file)
        self.disk.files[self.number] = file.getvalue()
        self.disk.saves += 1
        if self.disk.saves == self.disk.until:
            raise Killed


@pytest.fixture
def attempt(toy_tasks, original, make_run, make_model):
    """One attempt at a method, its states on a disk: `(name, settings, disk) -> (weights, account, rows)`."""

    def attempt(name, settings, disk):
        with initialize_config_dir(str(config_folder()), version_base="1.3"):
            parts = {**compose(f"method/{name}"), **compose("recipe/short")}
        node = OmegaConf.to_container(OmegaConf.create(parts).method, resolve=True)
        for recipe in ("recipe", *({"collapse", "align", "impair", "repair"} & node.keys())):
            if recipe in node:
                node[recipe] |= RECIPE
        method = build(Component({**node, **settings}))
        task = toy_tasks[scenarios_of(method)[0]]
        if name == "lcodec":
            task = replace(task, forget=task.forget.subset(torch.arange(2)))
        rows = []
        run = make_run(
            log=lambda values, step: rows.append((step, values)),
            build=lambda: make_model(),
            descents=Descents(disk.at, every=0),
        )
        with run.ledger.running():
            student = method.unlearn(original, task, run)
        return student, (run.ledger.steps, dict(run.ledger.samples), run.ledger.forward), dict(rows)

    return attempt


@pytest.mark.slow
@pytest.mark.parametrize("case", [*CASES, *OTHERS])
def test_a_killed_method_goes_on_with_the_same_numbers(attempt, same_weights, case):
    name, settings = CASES.get(case, (case, {}))
    disk = Disk()
    whole, account, rows = attempt(name, settings, disk)
    if case in CASES:
        assert disk.saves > 4
    for until in {disk.saves // 2, disk.saves} - {0}:
        killed = Disk()
        killed.until = until
        torch.manual_seed(until)
        with pytest.raises(Killed):
            attempt(name, settings, killed)
        killed.until = None
        torch.manual_seed(77)
        again, spent, seen = attempt(name, settings, killed)
        assert same_weights(again, whole)
        assert spent[:2] == account[:2]
        assert seen.items() <= rows.items()
        assert killed.saves <= disk.saves + 1, "what was done is not done again"


def test_a_training_that_says_nothing_of_its_state_keeps_none_and_says_so(toy_data, make_run, make_recipe, caplog):
    disk, recipe = Disk(), make_recipe()
    run = make_run(descents=Descents(disk.at, every=0))
    batches = run.batches(toy_data.train, recipe)
    fit(run.new_model(), batches, cross_entropy, recipe, run, name="mine")
    assert disk.saves == 0
    assert [record.getMessage().split(":")[0] for record in caplog.records] == ["mine keeps no checkpoint"]


def test_states_are_saved_by_the_clock(toy_data, make_run, make_recipe):
    ticks, disk = iter(range(1000)), Disk()
    run = make_run(descents=Descents(disk.at, every=4, clock=lambda: next(ticks)))
    recipe = make_recipe(epochs=4)  # 20 steps, before each of which the clock is read
    fit(run.new_model(), run.batches(toy_data.train, recipe), cross_entropy, recipe, run, state=())
    assert disk.saves == 5


def test_looks_that_were_not_asked_for_before_start_a_descent_again(toy_data, toy_tasks, make_run, make_recipe):
    disk, recipe = Disk(), make_recipe()
    disk.until = 4
    run = make_run(descents=Descents(disk.at, every=0))
    with pytest.raises(Killed):
        fit(run.new_model(), run.batches(toy_data.train, recipe), cross_entropy, recipe, run, state=())
    disk.until, rows = None, []
    run = make_run(
        descents=Descents(disk.at, every=0),
        task=toy_tasks["class"],
        trajectory_every=1,
        log=lambda values, step: rows.append(step) if any("trajectory" in name for name in values) else None,
    )
    fit(run.new_model(), run.batches(toy_data.train, recipe), cross_entropy, recipe, run, state=())
    assert rows == list(range(1, 11))
