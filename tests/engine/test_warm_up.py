import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from cu.engine import warm_up as module
from cu.engine.pace import retimed, seconds_per_sample
from cu.engine.recipe import Sgd
from cu.engine.warm_up import warm_up

SGD = Sgd(lr=0.1, momentum=0.9, weight_decay=0.0, nesterov=False)


def test_nothing_but_the_process_is_changed(original, toy_tasks, hardware, monkeypatch):
    monkeypatch.setattr(module, "_warm", set())
    before, state = {k: v.clone() for k, v in original.state_dict().items()}, torch.get_rng_state()
    warm_up(original, toy_tasks["sample"].forget, (4, 32), SGD, hardware)
    assert all(torch.equal(before[k], v) for k, v in original.state_dict().items())
    assert torch.equal(state, torch.get_rng_state())
    assert all(weight.grad is None for weight in original.parameters())
    assert not original.training


def test_each_shape_is_warmed_once_in_a_process(original, toy_tasks, hardware, monkeypatch):
    monkeypatch.setattr(module, "_warm", set())
    taken = []
    monkeypatch.setattr(module, "step", lambda model, split, size, *rest: taken.append(size))
    split = toy_tasks["sample"].forget
    for sizes in ((4, 8), (8, 4), (8, 16), (0,)):
        warm_up(original, split, sizes, SGD, hardware)
    warm_up(original, split, (4,), SGD, replace(hardware, channels_last=True))
    assert taken == [4, 8, 16, 4]


FIRST = """
import time
from tests.conftest import CPU, build_data, build_model
from cu.engine.recipe import Sgd
from cu.engine.warm_up import step, warm_up
data, model = build_data(), build_model()
sgd = Sgd(lr=0.1, momentum=0.9, weight_decay=0.0, nesterov=False)
warm_up(model, data.train, (16,), sgd, CPU)
times = []
for _ in range(5):
    start = time.perf_counter()
    step(model, data.train, 16, sgd(model.parameters()), CPU)
    times.append(time.perf_counter() - start)
print(times[0] / sorted(times)[2])
"""


@pytest.mark.slow
def test_the_first_job_of_a_process_pays_nothing_for_being_first():
    # A bare first optimizer takes seconds, a step of this model a few milliseconds.
    done = subprocess.run([sys.executable, "-c", FIRST], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 20


def test_the_pace_is_that_of_full_steps(toy_data, make_run, make_recipe, monkeypatch):
    run, recipe = make_run(), make_recipe(batch_size=16, epochs=0)
    ticks = iter(range(1000))
    run.ledger.clock = lambda: 0.5 * next(ticks)
    assert seconds_per_sample(toy_data.train, recipe, run) == 0.5 / 16
    assert seconds_per_sample(toy_data.train.subset(torch.arange(3)), make_recipe(batch_size=16), run) is None


def test_a_stored_cost_is_told_in_the_seconds_of_here_and_now():
    cost = {"unlearn_seconds": 99.0, "samples_seen_retain": 200, "samples_seen_forget": 0, "steps": 7}
    assert retimed(cost, 0.25) == {**cost, "unlearn_seconds": 50.0, "retrain_seconds_per_sample": 0.25}
    assert retimed(cost, None) == cost
